"""Cadres: what the database refuses, who gets in, and `manage.py appoint`."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from tests import factories
from tests.factories import EAST, LAKE, PASSWORD, WILLOW
from villages.access import Grant, Role
from villages.models import Cadre, Post

Cast = dict[str, Cadre]


def refused_by(constraint: str, change: Callable[[], object]) -> None:
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        change()
    assert refused.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


def appoint(*words: str) -> str:
    out = StringIO()
    call_command("appoint", *words, stdout=out)
    return out.getvalue()


# --- what the database holds ------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_the_database_refuses_of_a_cadre() -> None:
    lan = factories.cadre("Lan")
    refused_by("cadre_has_a_name", lambda: Cadre.objects.create(username="x", name=""))
    refused_by("cadre_has_a_name", lambda: Cadre.objects.create(username="", name="某人"))
    for phone in ("1380000000", "23800000000", "138 0000000", "", "１３８００００００００"[:11]):
        refused_by(
            "cadre_phone_is_a_mobile_number",
            lambda phone=phone: Cadre.objects.create(username="x", name="某", phone=phone),
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Cadre.objects.create(username="lan", name="另一人")
    with pytest.raises(IntegrityError), transaction.atomic():
        Cadre.objects.create(username="x", name="另一人", phone=lan.phone)
    # Those without a phone do not stand in each other's way.
    Cadre.objects.create(username="x", name="某人")
    Cadre.objects.create(username="y", name="某人")


@pytest.mark.parametrize("username", ["13800000000", "lan lan", "lan\n", "", "lan\x00"])
def test_a_log_in_name_is_refused(username: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Cadre(username=username, name="某人", password="x").clean_fields()
    assert set(refused.value.message_dict) == {"username"}


@pytest.mark.parametrize("username", ["lan", "兰村支书", "lan.wang@east", "138", "138000000000"])
def test_a_log_in_name_is_taken(username: str) -> None:
    Cadre(username=username, name="某人", password="x").clean_fields()


def test_a_phone_is_masked_for_those_who_only_check() -> None:
    assert Cadre(phone="13812345678").masked_phone == "138****5678"
    assert Cadre(phone=None).masked_phone == ""


def test_a_person_with_a_post_stays(cast: Cast) -> None:
    with pytest.raises(ProtectedError):
        cast["lan"].delete()


# --- who gets in ------------------------------------------------------------------------------------


def test_logs_in_by_name_or_phone_and_not_otherwise(cast: Cast) -> None:
    lan = cast["lan"]
    assert authenticate(username="lan", password=PASSWORD) == lan
    assert authenticate(username=lan.phone, password=PASSWORD) == lan
    for name, password in (
        ("lan", "wrong"),
        ("lan", ""),
        ("Lan", PASSWORD),  # upper and lower case count
        ("Lan ", PASSWORD),
        (lan.masked_phone, PASSWORD),
        ("", PASSWORD),
        ("stranger", PASSWORD),
    ):
        assert authenticate(username=name, password=password) is None
    assert authenticate(username=None, password=PASSWORD) is None
    assert authenticate(username="lan", password=None) is None


def test_a_name_on_the_roster_without_a_password_cannot_log_in(cast: Cast) -> None:
    wu = Cadre.objects.create_user("wu", "吴", email="wu@example.org")
    assert not wu.has_usable_password()
    for password in ("", "!", wu.password, wu.password[1:]):
        assert authenticate(username="wu", password=password) is None


def test_a_person_who_left_cannot_log_in(cast: Cast) -> None:
    Cadre.objects.filter(username="lan").update(is_active=False)
    assert authenticate(username="lan", password=PASSWORD) is None


def test_posts_are_read_once_per_request(cast: Cast, django_assert_num_queries: Any) -> None:
    lin = Cadre.objects.get(username="lin")
    with django_assert_num_queries(1):
        assert len(lin.grants) == 2
        assert lin.grants


# --- manage.py appoint ------------------------------------------------------------------------------


def test_appoint_makes_a_person_with_a_post_and_a_first_password(cast: Cast) -> None:
    said = appoint(
        "wu", "吴芳", "village_cadre", LAKE,
        "--title", "村支书", "--phone", "13900000001", "--email", "wu@example.org", "--principal",
    )  # fmt: skip
    wu = Cadre.objects.get(username="wu")
    post = wu.posts.get()
    assert (wu.name, wu.phone, wu.email) == ("吴芳", "13900000001", "wu@example.org")
    assert (post.unit_id, post.role, post.title, post.principal) == (LAKE, "village_cadre", "村支书", True)
    assert (post.since, post.until) == (timezone.localdate(), None)
    assert wu.grants == (Grant("village_cadre", LAKE),)
    password = re.fullmatch(r"吴芳 · 村支书 · 湖村村民委员会\nFirst password of wu: (\S{12})\n", said)
    assert password
    assert authenticate(username="13900000001", password=password[1]) == wu


def test_appoint_gives_a_person_a_further_post_and_leaves_the_password(cast: Cast) -> None:
    said = appoint("lin", "Lin", "linked", LAKE)
    assert said == "Lin · 包村（联村）干部 · 湖村村民委员会\n"
    assert set(cast["lin"].posts.values_list("unit_id", flat=True)) >= {LAKE, WILLOW}
    assert authenticate(username="lin", password=PASSWORD) == cast["lin"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["wu", "吴", "village_cadre", "999999"], "No unit with code '999999'"),
        (["wu", "吴", "village_cadre", EAST], "这类单位没有这种岗位"),
        (["wu", "吴", "village_cadre", LAKE, "--phone", "123"], "手机号为11位数字"),
        (["13900000001", "吴", "village_cadre", LAKE], "输入一个有效的值"),
        (["wu", "", "village_cadre", LAKE], "此字段不能为空"),
        (["wu", "吴", "village_cadre", LAKE, "--email", "nowhere"], "Email 地址"),
        (["lin", "Lin", "linked", WILLOW], "Lin"),
        (["wu", "吴", "king", LAKE], "invalid choice: 'king'"),
    ],
)
def test_appoint_refuses_and_writes_nothing(cast: Cast, words: list[str], complaint: str) -> None:
    before = (Cadre.objects.count(), Post.objects.count())
    with pytest.raises(CommandError, match=complaint):
        appoint(*words)
    assert (Cadre.objects.count(), Post.objects.count()) == before


def test_appoint_refuses_the_phone_of_another(cast: Cast) -> None:
    before = Cadre.objects.count()
    with pytest.raises(CommandError, match="手机号"):
        appoint("wu", "吴", Role.LINKED, LAKE, "--phone", str(cast["lan"].phone))
    assert Cadre.objects.count() == before
