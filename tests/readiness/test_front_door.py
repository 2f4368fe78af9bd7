"""The front door: who gets in, where they land, for how long, and in which language."""

import html
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from checklists.models import Campaign
from readiness.models import Notice
from readiness.reminders.state import framed
from tests import factories
from tests.factories import EAST, PASSWORD
from villages.access import Role
from villages.models import Cadre, Post

Cast = dict[str, Cadre]
As = Callable[[str], Client]

WRONG = {
    "zh-hans": "登录名（手机号）或密码不对，请注意大小写。忘记密码请找管理员重设。",
    "en": "Name or password is wrong. Mind upper and lower case; your admin can set a new password.",
}


def log_in(client: Client, username: object, password: str = PASSWORD, **fields: str) -> Any:
    return client.post("/login/", {"username": username, "password": password, **fields})


def is_in(client: Client) -> bool:
    return bool(client.get("/units/").status_code == 200)


def speaking(language: str) -> Client:
    client = Client()
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    return client


# --- in and out -------------------------------------------------------------------------------------


def test_a_cadre_logs_in_by_name_or_by_phone(cast: Cast) -> None:
    for username in ("lan", cast["lan"].phone):
        client = Client()
        answer = log_in(client, username)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert is_in(client)


@pytest.mark.parametrize("language", WRONG)
def test_a_wrong_password_is_told_in_the_readers_language(cast: Cast, language: str) -> None:
    client = speaking(language)
    # The same words for a wrong password, an unknown name and a person who left.
    Cadre.objects.filter(username="hong").update(is_active=False)
    for username, password in (("lan", "pine-cone-7"), ("stranger", PASSWORD), ("hong", PASSWORD)):
        answer = log_in(client, username, password)
        assert answer.status_code == 200
        assert WRONG[language] in answer.content.decode()
        assert password not in answer.content.decode()
    assert not is_in(client)


def test_a_person_who_left_is_out_at_once(cast: Cast, as_: As) -> None:
    client = as_("lan")
    assert is_in(client)
    Cadre.objects.filter(username="lan").update(is_active=False)
    assert not is_in(client)


def test_a_person_whose_posts_ended_sees_nothing_any_more(cast: Cast, as_: As) -> None:
    client = as_("lan")
    assert client.get(f"/units/{factories.WILLOW}/").status_code == 200
    Post.objects.filter(cadre=cast["lan"]).update(until=timezone.localdate())
    assert client.get(f"/units/{factories.WILLOW}/").status_code == 404


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("lan\x00", PASSWORD),
        ("\x00", PASSWORD),
        ("lan", PASSWORD + "\x00"),
        ("lan" * 10_000, PASSWORD),
        ("lan", "x" * 10_000),
        ("lan", PASSWORD + " " * 10_000),
        ("兰" * 100, "柳" * 100),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("", ""),
    ],
)
def test_nonsense_at_the_door_is_a_plain_no(cast: Cast, username: str, password: str) -> None:
    client = Client()
    began = time.monotonic()
    assert log_in(client, username, password).status_code == 200
    assert time.monotonic() - began < 10
    assert not is_in(client)


def test_log_out_takes_a_post(cast: Cast, as_: As) -> None:
    client = as_("lan")
    assert client.get("/logout/").status_code == 405
    assert is_in(client)
    answer = client.post("/logout/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert not is_in(client)
    assert not Session.objects.filter(pk=client.cookies.get("sessionid", "")).exists()


def test_a_log_in_gives_the_session_a_new_name(cast: Cast) -> None:
    client = Client()
    client.session.save()
    session = client.session
    session["began"] = timezone.now().isoformat()
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = before
    log_in(client, "lan")
    assert client.session.session_key != before


def test_pages_are_not_kept_by_browsers(cast: Cast, as_: As) -> None:
    assert as_("lan").get("/units/")["Cache-Control"] == "no-store, private"
    cookie = log_in(Client(), "lan").cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


# --- password ---------------------------------------------------------------------------------------


def change_password(client: Client, old: str, new: str, again: str | None = None) -> Any:
    return client.post("/password/", {"old_password": old, "new_password1": new, "new_password2": again or new})


def test_a_new_password_ends_the_other_sessions(cast: Cast, as_: As) -> None:
    here, elsewhere = as_("lan"), as_("lan")
    assert is_in(here)
    assert is_in(elsewhere)
    answer = change_password(here, PASSWORD, "maple-tree-9")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(here)
    assert not is_in(elsewhere)
    assert log_in(Client(), "lan").status_code == 200
    assert log_in(Client(), "lan", "maple-tree-9").status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong", "maple-tree-9", None),
        (PASSWORD, "maple-tree-9", "maple-tree-8"),
        (PASSWORD, "short7!", None),
        (PASSWORD, "12345678901", None),
        (PASSWORD, "password123", None),
        (PASSWORD, "maple\x00tree-9", None),
    ],
)
def test_a_password_that_is_no_good_is_not_taken(cast: Cast, as_: As, old: str, new: str, again: str | None) -> None:
    client = as_("lan")
    answer = change_password(client, old, new, again)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert Cadre.objects.get(username="lan").check_password(PASSWORD)


def test_strangers_change_no_password(cast: Cast) -> None:
    assert change_password(Client(), PASSWORD, "maple-tree-9").status_code == 403
    assert Client().get("/password/")["Location"] == "/login/?next=/password/"


# --- where they land --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("lan", "/tasks/"),
        ("lin", "/tasks/"),
        ("bao", "/tasks/"),
        ("deng", "/tasks/"),
        ("tang", "board"),
        ("mei", "board"),
        ("ada", "board"),
        ("su", "board"),
        ("an", "board"),
        ("nobody", "/campaigns/"),
    ],
)
def test_the_front_page_leads_to_the_work_of_the_role(campaign: Campaign, as_: As, name: str, place: str) -> None:
    answer = as_(name).get("/")
    assert answer.status_code == 302
    assert answer["Location"] == (f"/campaigns/{campaign.pk}/" if place == "board" else place)


def test_the_front_page_of_a_leader_is_the_next_inspection(cast: Cast, as_: As) -> None:
    mei = as_("mei")
    assert mei.get("/")["Location"] == "/campaigns/"
    later, sooner = factories.campaign(days=60), factories.campaign(days=10)
    factories.campaign(factories.OTHER_COUNTY, days=1)
    assert mei.get("/")["Location"] == f"/campaigns/{sooner.pk}/"
    Campaign.objects.filter(pk=sooner.pk).update(status="draft")
    assert mei.get("/")["Location"] == f"/campaigns/{later.pk}/"


def test_a_stranger_is_led_to_the_door_and_back(cast: Cast) -> None:
    client = Client()
    answer = client.get("/units/?q=%E6%9F%B3&page=2")
    assert answer["Location"] == "/login/?next=/units/%3Fq%3D%25E6%259F%25B3%26page%3D2"
    page = client.get(answer["Location"])
    *_language, back = re.findall(r'name="next" value="([^"]*)"', page.content.decode())
    answer = log_in(client, "lan", next=html.unescape(back))
    assert answer["Location"] == "/units/?q=%E6%9F%B3&page=2"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
        "",
    ],
)
def test_the_door_leads_to_no_other_house(cast: Cast, elsewhere: str) -> None:
    assert log_in(Client(), "lan", next=elsewhere)["Location"] == "/"
    client = Client()
    answer = client.post("/language/", {"language": "en", "next": elsewhere}, headers={"referer": "/login/"})
    assert answer["Location"] in ("/", "/login/")


def test_who_is_in_need_not_log_in_again(cast: Cast, as_: As) -> None:
    assert as_("lan").get("/login/")["Location"] == "/"


def test_machines_may_ask_for_signs_of_life(db: None) -> None:
    answer = Client().get("/healthz")
    assert answer["Content-Type"] == "text/plain"
    assert not answer.cookies


# --- language ---------------------------------------------------------------------------------------


def lang(answer: Any) -> str:
    found = re.search(r'<html lang="([^"]+)"', answer.content.decode())
    assert found
    assert answer["Content-Language"] == found[1]
    return found[1]


def test_the_page_is_chinese_unless_the_person_chose_otherwise(db: None) -> None:
    client = Client(headers={"accept-language": "en-US,en;q=0.9"})
    page = client.get("/login/")
    assert lang(page) == "zh-hans"
    assert "<h1>登录</h1>" in page.content.decode()
    answer = client.post("/language/", {"language": "en", "next": "/login/?next=/units/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/units/")
    cookie = answer.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("en", True, "Lax")
    page = client.get("/login/")
    assert lang(page) == "en"
    assert "<h1>Log in</h1>" in page.content.decode()
    client.post("/language/", {"language": "zh-hans", "next": "/login/"})
    assert lang(client.get("/login/")) == "zh-hans"


def test_the_language_changes_by_post_only(db: None) -> None:
    client = Client()
    client.get("/language/?language=en&next=/login/")
    assert lang(client.get("/login/")) == "zh-hans"
    client.post("/language/?language=en", {"next": "/login/"})
    assert lang(client.get("/login/")) == "zh-hans"


@pytest.mark.parametrize("chosen", ["fr", "zh-hant", "zh", "EN", "", "../../etc", "en\x00", "x" * 5000])
def test_a_language_that_is_not_spoken_changes_nothing(db: None, chosen: str) -> None:
    client = Client()
    answer = client.post("/language/", {"language": chosen, "next": "/login/"})
    assert answer.status_code == 302
    assert lang(client.get("/login/")) == "zh-hans"
    assert lang(speaking(chosen.replace("\x00", "!")).get("/login/")) == "zh-hans"


def test_the_choice_holds_after_log_in(cast: Cast) -> None:
    client = speaking("en")
    log_in(client, "lan")
    assert "<span>My tasks</span>" in client.get("/tasks/").content.decode()
    client = Client()
    log_in(client, "lan")
    assert "<span>我的任务</span>" in client.get("/tasks/").content.decode()


# --- how long ---------------------------------------------------------------------------------------


def turn_back(client: Client, **values: timedelta) -> None:
    """As if the session had begun, or been used, that long ago."""
    session = client.session
    for name, ago in values.items():
        session[name] = (timezone.now() - ago).isoformat()
    session.save()


def noted(client: Client, name: str) -> datetime:
    return datetime.fromisoformat(client.session[name])


def test_the_limits_are_half_an_hour_and_twelve_hours() -> None:
    assert (timedelta(minutes=30), timedelta(hours=12)) == (settings.SESSION_IDLE, settings.SESSION_LONGEST)
    assert settings.SESSION_COOKIE_AGE == 12 * 3600


@pytest.mark.parametrize(
    ("began", "seen", "stays"),
    [
        (timedelta(minutes=29), timedelta(minutes=29), True),
        (timedelta(minutes=31), timedelta(minutes=31), False),
        (timedelta(hours=11, minutes=59), timedelta(minutes=1), True),
        (timedelta(hours=12, minutes=1), timedelta(minutes=1), False),
        (timedelta(hours=12, minutes=1), timedelta(seconds=1), False),
    ],
)
def test_a_session_ends_when_idle_and_in_any_case(
    cast: Cast, as_: As, began: timedelta, seen: timedelta, stays: bool
) -> None:
    client = as_("lan")
    assert is_in(client)
    turn_back(client, began=began, seen=seen)
    key = client.session.session_key
    answer = client.get("/units/")
    if stays:
        assert answer.status_code == 200
        assert timezone.now() - noted(client, "began") >= began
    else:
        assert answer["Location"] == "/login/?next=/units/"
        assert not Session.objects.filter(pk=key).exists()


def test_use_keeps_a_session_alive_but_not_for_ever(cast: Cast, as_: As) -> None:
    client = as_("lan")
    assert is_in(client)
    turn_back(client, began=timedelta(hours=11), seen=timedelta(minutes=29))
    assert is_in(client)
    assert timezone.now() - noted(client, "seen") < timedelta(seconds=30)
    turn_back(client, began=timedelta(hours=12, seconds=1))
    assert not is_in(client)


def test_the_session_is_written_at_most_once_a_minute(cast: Cast, as_: As) -> None:
    client = as_("lan")

    def writes() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert is_in(client)
        return sum(query["sql"].startswith(("UPDATE", "INSERT", "DELETE")) for query in queries)

    assert writes() == 1  # the first request notes when the session began
    assert [writes() for _ in range(3)] == [0, 0, 0]
    turn_back(client, seen=timedelta(seconds=50))
    assert writes() == 0
    turn_back(client, seen=timedelta(seconds=70))
    assert writes() == 1
    assert writes() == 0


def test_the_limits_can_be_set(cast: Cast, as_: As, settings: Settings) -> None:
    settings.SESSION_IDLE = timedelta(minutes=5)
    client = as_("lan")
    assert is_in(client)
    turn_back(client, seen=timedelta(minutes=6))
    assert not is_in(client)


# --- what was typed is not lost ----------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_form_after_the_sessions_end_shows_what_was_typed(campaign: Campaign, as_: As, language: str) -> None:
    task = factories.task(campaign)
    client = as_("lan")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    assert is_in(client)
    turn_back(client, seen=timedelta(minutes=31))
    typed = {"note": "卡在经费 <b>", "value": "87.5", "next": f"/tasks/{task.pk}/"}
    answer = client.post(f"/tasks/{task.pk}/tick/", factories.body("open", **typed))
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "卡在经费 &lt;b&gt;</textarea>" in page
    assert "87.5</textarea>" in page
    assert f'href="/tasks/{task.pk}/"' in page
    assert {"zh-hans": "请重新登录", "en": "Please log in again"}[language] in page
    task.refresh_from_db()
    assert (task.state, task.version, task.events.count()) == ("open", 0, 0)


def test_a_form_without_its_token_shows_what_was_typed(campaign: Campaign, cast: Cast) -> None:
    task = factories.task(campaign)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["lan"])
    answer = client.post(f"/tasks/{task.pk}/tick/", factories.body(note="材料在柜子里", next="//evil.example/"))
    assert answer.status_code == 403
    assert "材料在柜子里</textarea>" in answer.content.decode()
    assert 'class="btn btn-primary" href="/"' in answer.content.decode()
    task.refresh_from_db()
    assert task.state == "open"


def test_the_log_in_form_needs_its_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    assert log_in(client, "lan").status_code == 403
    page = client.get("/login/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    assert log_in(client, "lan", csrfmiddlewaretoken=token[1]).status_code == 302


def test_a_second_post_opens_more_at_the_next_request(cast: Cast, as_: As) -> None:
    client = as_("lan")
    assert client.get(f"/units/{EAST}/").status_code == 404
    factories.appoint(cast["lan"], Role.TOWNSHIP_STAFF, EAST)
    assert client.get(f"/units/{EAST}/").status_code == 200


def test_the_number_beside_notices_is_that_of_the_unread_in_ones_own_inbox(cast: dict[str, Cadre]) -> None:
    today = timezone.localdate()
    for n, (who, channel, read) in enumerate(
        [("lan", "inbox", False), ("lan", "inbox", True), ("lan", "mail", False), ("hong", "inbox", False)]
    ):
        Notice.objects.create(
            cadre=cast[who], rule="digest", on=today - timedelta(days=n), channel=channel, subject="x", body="y",
            read_at=timezone.now() if read else None,
        )  # fmt: skip
    for who, waiting in {"lan": 1, "hong": 1, "mei": 0}.items():
        assert framed(cast[who]).unread == Notice.objects.visible_to(cast[who]).unread().count() == waiting
