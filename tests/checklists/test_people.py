"""The people of a unit: appointed, ended, moved, standing in; and what becomes of the work of those who leave."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from checklists.models import Campaign, Change, Responsibility, Task
from tests import factories
from tests.checklists.conftest import queries
from tests.factories import COUNTY, EAST, LAKE, MAPLE, OTHER_VILLAGE, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

LogIn = Callable[[str], Client]
Cast = dict[str, Cadre]
PAGE = f"/units/{WILLOW}/people/"


def new(**changes: object) -> dict[str, object]:
    """What the form of a new person sends."""
    sent = {"name": "吴芳", "phone": "13900000001", "role": Role.VILLAGE_CADRE, "title": "专干"}
    return sent | {"since": timezone.localdate()} | changes


def post_of(cast: Cast, name: str) -> Post:
    return cast[name].posts.order_by("pk")[0]


def named(campaign: Campaign, unit: str) -> dict[str, str]:
    """Kind -> who answers."""
    return dict(campaign.responsibilities.filter(unit=unit).values_list("kind", "cadre__name"))


# ---- Appointing ---------------------------------------------------------------------------------------------------


def test_a_new_person_stands_on_the_roster_without_a_log_in(cast: Cast, as_: LogIn) -> None:
    assert as_("ada").post(PAGE, new(phone="+86 139-0000 0001"))["Location"] == PAGE
    wu = Cadre.objects.get(phone="13900000001")
    post = wu.posts.get()
    assert (wu.name, wu.has_usable_password()) == ("吴芳", False)
    assert (post.unit_id, post.role, post.title, post.made_by) == (WILLOW, "village_cadre", "专干", cast["ada"])
    assert "吴芳" in as_("ada").get(PAGE).text


def test_an_admin_gives_a_first_password_once(cast: Cast, as_: LogIn) -> None:
    as_("ada").post(PAGE, new())
    wu = Cadre.objects.get(phone="13900000001")
    address = f"/posts/{wu.posts.get().pk}/first-password/"
    assert as_("bao").post(address).status_code == 403
    factories.appoint(wu, Role.LINKED, OTHER_VILLAGE)  # with a log-in, ada could look into the other county
    assert as_("ada").post(address).status_code == 403
    wu.posts.filter(unit=OTHER_VILLAGE).delete()
    password = as_("ada").post(address).context["told"][1]
    assert authenticate(username="13900000001", password=password) == wu
    assert as_("ada").post(address)["Location"] == PAGE
    assert authenticate(username="13900000001", password=password) == wu


def test_who_has_the_same_name_and_number_is_offered_instead(cast: Cast, as_: LogIn) -> None:
    hong = cast["hong"]
    answer = as_("ada").post(PAGE, new(name="Hong", phone=hong.phone))
    assert answer.status_code == 422
    assert f'name="cadre" value="{hong.pk}"' in answer.text
    assert as_("ada").post(PAGE, new(name="Hong", phone=hong.phone, cadre=hong.pk)).status_code == 302
    assert set(hong.posts.values_list("unit_id", flat=True)) == {MAPLE, WILLOW}
    assert Cadre.objects.filter(name="Hong").count() == 1
    other = as_("ada").post(f"/units/{LAKE}/people/", new(name="别人", phone=hong.phone))
    assert other.status_code == 422
    assert "Hong" not in other.text


def test_somebody_out_of_sight_is_offered_only_for_name_and_number(cast: Cast, as_: LogIn) -> None:
    chen = cast["chen"]
    assert "<b>Chen" not in as_("ada").get(PAGE, {"q": "Chen"}).text
    assert "<b>Chen" not in as_("ada").get(PAGE, {"cadre": chen.pk}).text
    assert as_("ada").post(PAGE, new(name="", phone="", cadre=chen.pk)).status_code == 422
    assert as_("ada").post(PAGE, new(name="Chen", phone=chen.phone, cadre=chen.pk)).status_code == 302


def test_somebody_of_the_roster_gets_a_further_post(cast: Cast, as_: LogIn) -> None:
    hong = cast["hong"]
    page = as_("ada").get(PAGE, {"q": "Hon"}).text
    assert f"?cadre={hong.pk}#appoint" in page
    assert f'name="cadre" value="{hong.pk}"' in as_("ada").get(PAGE, {"cadre": hong.pk}).text
    sent = {"cadre": hong.pk, "role": Role.LINKED, "since": timezone.localdate()}
    assert as_("ada").post(PAGE, sent).status_code == 302
    again = as_("ada").post(PAGE, sent)
    assert again.status_code == 422
    assert hong.posts.count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": "1390000000"},
        {"phone": "23900000001"},
        {"phone": "1" * 40},
        {"name": ""},
        {"name": "吴\0芳"},
        {"name": "吴" * 41},
        {"title": "长" * 41},
        {"role": Role.TOWNSHIP_LEADER},
        {"role": "king"},
        {"role": ""},
        {"since": "2026-02-30"},
        {"since": "1900-01-01"},
        {"since": "2999-01-01"},
        {"since": ""},
        {"cadre": "9" * 30},
        {"cadre": "987654321"},
        {"cadre": "x"},
    ],
)
def test_what_does_not_fit_is_refused_and_writes_nothing(wrong: dict[str, str], cast: Cast, as_: LogIn) -> None:
    before = (Cadre.objects.count(), Post.objects.count())
    answer = as_("ada").post(PAGE, new(**wrong))
    assert answer.status_code == 422
    assert "complaint" in answer.text or "invalid-feedback" in answer.text
    assert (Cadre.objects.count(), Post.objects.count()) == before


def test_several_may_answer_first_and_the_admin_is_told(cast: Cast, as_: LogIn) -> None:
    answer = as_("ada").post(PAGE, new(principal="on"), follow=True)
    assert "Lan" in answer.text.split("</main>")[0].split('id="alerts"')[1].split("<h1>")[0]
    assert Post.objects.filter(unit=WILLOW, principal=True).count() == 2


def test_only_admins_of_the_unit_give_posts(cast: Cast, as_: LogIn) -> None:
    for name, status in (("lan", 403), ("bao", 403), ("tang", 403), ("mei", 403), ("su", 403), ("chen", 404)):
        assert as_(name).get(PAGE).status_code == status
        assert as_(name).post(PAGE, new()).status_code == status
        for way in ("end", "move", "stand-in"):
            assert as_(name).get(f"/posts/{post_of(cast, 'lan').pk}/{way}/").status_code == status
    factories.appoint(cast["tang"], Role.CAMPAIGN_ADMIN, EAST)
    assert as_("tang").get(PAGE).status_code == 200
    assert as_("tang").get(f"/units/{LAKE}/people/").status_code == 404
    assert as_("ada").get(f"/units/{OTHER_VILLAGE}/people/").status_code == 404
    assert PAGE in as_("tang").get(f"/units/{WILLOW}/").text
    assert PAGE not in as_("bao").get(f"/units/{WILLOW}/").text


# ---- Leaving ------------------------------------------------------------------------------------------------------


def test_ending_a_post_shows_the_work_and_passes_it_on(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    today, address = timezone.localdate(), f"/posts/{post_of(cast, 'lan').pk}/end/"
    Task.objects.filter(campaign=campaign, unit=WILLOW, item__number="v-1").update(due_on=today - timedelta(days=1))
    (work,) = as_("ada").get(address).context["work"]
    assert (work.campaign, work.open, work.overdue, list(work.answers.values())) == (campaign, 3, 1, [1, 1])
    sent = {"on": today, "successor": cast["lin"].pk}
    assert as_("ada").post(address, sent)["Location"] == PAGE
    post = post_of(cast, "lan")
    assert (post.until, post.ended_by) == (today, cast["ada"])
    assert named(campaign, WILLOW) == {"first": "Lin", "direct": "Lin", "linked": "Lin", "lead": "Tang"}
    assert set(campaign.responsibilities.filter(cadre=cast["lin"], by_hand=True).values_list("unit_id", "kind")) == {
        (WILLOW, "first"),
        (WILLOW, "direct"),
    }
    assert Task.objects.filter(campaign=campaign, unit=WILLOW).count() == 3
    told = Change.objects.get(campaign=campaign, unit=WILLOW)
    assert set(map(tuple, told.fields.values())) == {("Lan", "Lin")}
    assert told.by == cast["ada"]
    assert as_("ada").post(address, sent).status_code == 422  # it has ended


def test_the_rule_names_who_comes_next_or_nobody_does(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    today = timezone.localdate()
    factories.cadre("Deputy", Role.VILLAGE_CADRE, WILLOW)
    as_("ada").post(f"/posts/{post_of(cast, 'lan').pk}/end/", {"on": today, "successor": "rule"})
    assert named(campaign, WILLOW) == {"first": "Deputy", "direct": "Deputy", "linked": "Lin", "lead": "Tang"}
    assert not campaign.responsibilities.filter(by_hand=True).exists()
    as_("ada").post(f"/posts/{post_of(cast, 'hong').pk}/end/", {"on": today, "successor": "nobody"})
    assert named(campaign, MAPLE) == {"linked": "Lin", "lead": "Tang"}


def test_a_leader_of_many_villages_leaves_none_behind(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    vice = factories.cadre("Vice", Role.TOWNSHIP_LEADER, EAST)
    address = f"/posts/{post_of(cast, 'tang').pk}/end/"
    (work,) = as_("ada").get(address).context["work"]
    assert sorted(work.answers.values()) == [1, 2]  # first of the township, in charge of two villages
    as_("ada").post(address, {"on": timezone.localdate(), "successor": vice.pk})
    assert not campaign.responsibilities.filter(cadre=cast["tang"]).exists()
    assert named(campaign, MAPLE)["lead"] == named(campaign, EAST)["first"] == "Vice"
    assert set(Change.objects.filter(campaign=campaign, by=cast["ada"]).values_list("unit_id", flat=True)) == {
        EAST,
        WILLOW,
        MAPLE,
    }


def test_what_another_post_holds_up_stays_and_so_does_what_is_closed(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    factories.appoint(cast["lan"], Role.LINKED, WILLOW)
    address = f"/posts/{post_of(cast, 'lan').pk}/end/"
    page = as_("ada").get(address)
    assert not page.context["answers"]
    cast["lan"].posts.filter(role=Role.LINKED).delete()
    Campaign.objects.filter(pk=campaign.pk).update(status="closed", closed_by=cast["ada"], closed_at=timezone.now())
    as_("ada").post(address, {"on": timezone.localdate(), "successor": "nobody"})
    assert named(campaign, WILLOW)["first"] == "Lan"


def test_nobody_takes_over_who_is_not_near(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    address = f"/posts/{post_of(cast, 'lan').pk}/end/"
    for stranger in (cast["lan"].pk, cast["hong"].pk, cast["chen"].pk, "x", "", "9" * 30):
        answer = as_("ada").post(address, {"on": timezone.localdate(), "successor": stranger})
        assert answer.status_code == 422
    assert post_of(cast, "lan").until is None


@pytest.mark.parametrize("days", [1, 400, -4000])
def test_a_post_ends_neither_before_it_began_nor_ahead_of_time(days: int, cast: Cast, as_: LogIn) -> None:
    day = timezone.localdate() + timedelta(days=days)
    sent = {"on": day, "successor": "rule"}
    assert as_("ada").post(f"/posts/{post_of(cast, 'lan').pk}/end/", sent).status_code == 422
    for typed in ("", "明天", "2026-02-30"):
        assert as_("ada").post(f"/posts/{post_of(cast, 'lan').pk}/end/", sent | {"on": typed}).status_code == 422
    assert post_of(cast, "lan").until is None


def test_nobody_takes_the_admins_post_from_themselves(cast: Cast, as_: LogIn) -> None:
    mine, sent = post_of(cast, "ada"), {"on": timezone.localdate(), "successor": "rule"}
    refused = as_("ada").post(f"/posts/{mine.pk}/end/", sent)
    assert refused.status_code == 422
    assert "complaint" in refused.text
    moved = as_("ada").post(f"/posts/{mine.pk}/move/?to={EAST}", sent | {"role": Role.TOWNSHIP_STAFF})
    assert moved.status_code == 422
    assert cast["ada"].posts.get().until is None
    factories.cadre("Second", Role.CAMPAIGN_ADMIN, COUNTY)
    cast["second"] = Cadre.objects.get(username="second")
    assert as_("second").post(f"/posts/{mine.pk}/end/", sent).status_code == 302


def test_somebody_moves_to_another_unit(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    today, address = timezone.localdate(), f"/posts/{post_of(cast, 'hong').pk}/move/"
    assert f"?to={LAKE}" in as_("ada").get(address, {"q": "湖"}).text
    assert as_("ada").post(address, {}).status_code == 422
    sent = {"on": today, "role": Role.VILLAGE_CADRE, "title": "村主任", "principal": "on", "successor": "nobody"}
    assert as_("ada").post(f"{address}?to={LAKE}", sent).status_code == 302
    old, fresh = cast["hong"].posts.order_by("pk")
    assert (old.unit_id, old.until) == (MAPLE, today)
    assert (fresh.unit_id, fresh.since, fresh.title, fresh.principal) == (LAKE, today, "村主任", True)
    assert "first" not in named(campaign, MAPLE)
    for out_of_reach in (OTHER_VILLAGE, "999999", "51", "x"):
        there = as_("ada").post(f"/posts/{fresh.pk}/move/?to={out_of_reach}", sent)
        assert there.status_code == 404, out_of_reach
    assert as_("ada").post(f"/posts/{fresh.pk}/move/?to={WEST}", sent).status_code == 422  # no such role there
    assert as_("ada").post(f"/posts/{fresh.pk}/move/?to={LAKE}", sent).status_code == 422  # is there already
    assert cast["hong"].posts.count() == 2


def test_who_moves_up_keeps_what_was_given_by_hand(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    campaign.responsibilities.filter(unit=MAPLE, kind="direct").update(by_hand=True)
    sent = {"on": timezone.localdate(), "role": Role.TOWNSHIP_STAFF, "title": "", "successor": "nobody"}
    address = f"/posts/{post_of(cast, 'hong').pk}/move/?to={EAST}"
    (work,) = as_("ada").get(address).context["work"]
    assert len(work.answers) == 1
    as_("ada").post(address, sent)
    assert named(campaign, MAPLE) == {"direct": "Hong", "linked": "Lin", "lead": "Tang"}
    held = Responsibility.objects.in_office(timezone.localdate()).filter(unit=MAPLE, cadre=cast["hong"])
    assert [answer.kind for answer in held] == ["direct"]


# ---- Standing in --------------------------------------------------------------------------------------------------


def test_a_stand_in_does_the_work_until_the_day(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    today = timezone.localdate()
    sent = {"cadre": cast["hong"].pk, "since": today, "until": today + timedelta(days=14)}
    address = f"/posts/{post_of(cast, 'lan').pk}/stand-in/"
    assert as_("ada").post(address, sent).status_code == 302
    post = cast["hong"].posts.get(unit=WILLOW)
    assert (post.stands_in_for, post.role, post.until) == (post_of(cast, "lan"), "village_cadre", sent["until"])
    assert Task.objects.owed_by(Cadre.objects.get(username="hong")).filter(unit=WILLOW).count() == 3
    assert named(campaign, WILLOW)["first"] == "Lan"
    assert as_("ada").post(address, sent).status_code == 422  # twice
    assert as_("ada").post(f"/posts/{post.pk}/stand-in/", sent | {"cadre": cast["bao"].pk}).status_code == 422
    assert "Lan" in as_("ada").get(PAGE).text
    Post.objects.filter(pk=post.pk).update(since=today - timedelta(days=1), until=today)
    assert not Task.objects.owed_by(Cadre.objects.get(username="hong")).filter(unit=WILLOW).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": ""},
        {"until": timezone.localdate()},
        {"until": date(2025, 1, 1)},
        {"until": date(2999, 1, 1)},
        {"since": date(2025, 12, 31)},
        {"cadre": ""},
        {"cadre": "x"},
        {"cadre": "lan"},
        {"cadre": "chen"},
    ],
)
def test_a_stand_in_that_cannot_be_is_refused(wrong: dict[str, object], cast: Cast, as_: LogIn) -> None:
    today = timezone.localdate()
    sent = {"cadre": cast["hong"].pk, "since": today, "until": today + timedelta(days=14)} | wrong
    sent["cadre"] = getattr(cast.get(str(sent["cadre"])), "pk", sent["cadre"])
    assert as_("ada").post(f"/posts/{post_of(cast, 'lan').pk}/stand-in/", sent).status_code == 422
    assert not Post.objects.filter(stands_in_for__isnull=False).exists()


def test_the_database_wants_an_end_of_a_stand_in(cast: Cast) -> None:
    lan = post_of(cast, "lan")
    with pytest.raises(IntegrityError, match="post_of_a_stand_in_has_an_end"), transaction.atomic():
        factories.appoint(cast["hong"], Role.VILLAGE_CADRE, WILLOW, stands_in_for=lan)


# ---- Size ---------------------------------------------------------------------------------------------------------


def test_the_pages_cost_the_same_for_many(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    ada, lan, tang = as_("ada"), post_of(cast, "lan").pk, post_of(cast, "tang").pk
    ways = ("end/", "stand-in/", f"move/?to={LAKE}", "move/?q=村")
    addresses = [PAGE, f"{PAGE}?q=n", *(f"/posts/{post}/{way}" for post in (lan, tang) for way in ways)]

    few = queries(ada, addresses)
    Unit.objects.bulk_create(
        [Unit(code=f"{EAST}{n}", name=f"第{n}村村民委员会", parent_id=EAST) for n in range(300, 340)]
    )
    for n in range(30):
        person = factories.cadre(f"n{n}", Role.VILLAGE_CADRE, WILLOW)
        Responsibility.objects.create(campaign=campaign, unit_id=f"{EAST}{300 + n}", kind="lead", cadre=cast["tang"])
        factories.appoint(person, Role.LINKED, f"{EAST}{300 + n}")
    assert queries(ada, addresses) == few
    assert max(few) <= 15
