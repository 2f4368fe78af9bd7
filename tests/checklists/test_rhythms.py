"""Planning rounds: who is due by which of the four rhythms and why, who may send whom, and one tap that sends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone, translation

from checklists import course, rounds
from checklists.models import Campaign, Finding, Round, Task
from checklists.rounds import rhythms
from tests import factories
from tests.checklists.test_rounds import Cast, LogIn, claim, entry, go, send
from tests.factories import COUNTY, EAST, LAKE, MAPLE, WILLOW
from villages.access import Role
from villages.models import Cadre, Post

DAY = timedelta(days=1)
Proposed = Callable[..., dict[str, dict[str, str]]]


@pytest.fixture
def proposed(campaign: Campaign, cast: Cast) -> Proposed:
    """Rhythm -> unit -> why, as Su reads it."""

    def read(who: str = "su", language: str = "zh-hans") -> dict[str, dict[str, str]]:
        user = Cadre.objects.get(username=who)
        with translation.override(language):
            found = rhythms.due(campaign, user, on=timezone.localdate())
            return {due.rhythm: {one.unit.code: one.why for one in due.proposals} for due in found}

    return read


def plan(client: Client, campaign: Campaign, unit: str, *people: Cadre, **fields: Any) -> HttpResponse:
    sent = {"rhythm": "patrol", "unit": unit, "inspector": [one.pk for one in people]} | fields
    return client.post(f"/campaigns/{campaign.pk}/rounds/", sent)


def over(campaign: Campaign, cast: Cast, unit: str, ago: int, result: str = "holds") -> Round:
    """A finished visit by Su."""
    visit = go(campaign, cast["su"], cast["su"], unit=unit)
    task = Task.objects.filter(campaign=campaign, unit=unit).order_by("pk")[0]
    client = Client()
    client.force_login(cast["su"])
    assert send(client, visit, entry_of(task, result))[0]["status"] == 200
    rounds.finish(visit, by=cast["su"], left=rounds.not_looked_at(visit).count())
    Round.objects.filter(pk=visit.pk).update(finished_at=timezone.now() - ago * DAY)
    return visit


def entry_of(task: Task, result: str) -> dict[str, Any]:
    visit = Round(campaign=task.campaign, unit_id=task.unit_id)
    return entry(visit, result) | {"task": task.pk}


def settle() -> None:
    now, admin = timezone.now(), Cadre.objects.get(username="ada")
    done = {"fixed_by": Cadre.objects.get(username="lan"), "fixed_at": now, "confirmed_by": admin, "confirmed_at": now}
    Finding.objects.update(state="closed", **done)


# ---- Who is due ---------------------------------------------------------------------------------------------------


def test_at_first_everybody_is_due_for_the_patrol(proposed: Proposed) -> None:
    found = proposed()
    assert set(found["patrol"]) == {WILLOW, MAPLE, LAKE, EAST, factories.WEST}  # the first five of six
    assert set(found["patrol"].values()) == {"还没有去检查过"}
    assert not any(found[rhythm] for rhythm in ("track", "repeat", "focus"))


def test_who_was_visited_longest_ago_comes_first_and_the_reason_says_when(
    proposed: Proposed, campaign: Campaign, cast: Cast
) -> None:
    for ago, unit in enumerate((WILLOW, MAPLE, EAST, factories.WEST, factories.BUREAU), start=2):
        over(campaign, cast, unit, ago)
    found = proposed()["patrol"]
    assert list(found) == [LAKE, factories.BUREAU, factories.WEST, EAST, MAPLE]
    assert found[MAPLE].endswith("3 天前")
    assert proposed(language="en")["patrol"][MAPLE].endswith("3 days ago")


def test_a_township_where_fewer_have_been_is_next(proposed: Proposed, campaign: Campaign, cast: Cast) -> None:
    over(campaign, cast, WILLOW, 1)
    over(campaign, cast, EAST, 1)
    assert list(proposed()["patrol"])[:2] == [factories.WEST, LAKE]


def test_red_and_returned_units_are_in_focus_with_the_reason(proposed: Proposed, campaign: Campaign) -> None:
    today = timezone.localdate()
    Task.objects.filter(unit=MAPLE, item__number="v-1").update(due_on=today - DAY)
    Task.objects.filter(unit=LAKE, item__number="v-1").update(state="returned", veto=True)
    focus = proposed()["focus"]
    assert list(focus) == [LAKE, MAPLE], "a veto comes first"
    assert focus[MAPLE] == "3 项中 1 项逾期"
    assert focus[LAKE] == "1 项被退回, 其中一票否决 1 项".replace(", ", translation_of(", "))
    Campaign.objects.update(red_percent=50)
    campaign.refresh_from_db()
    assert list(proposed()["focus"]) == [LAKE], "the campaign says from which share a unit is red"


def translation_of(msgid: str) -> str:
    with translation.override("zh-hans"):
        return translation.gettext(msgid)


def test_a_failure_is_tracked_until_it_is_settled_and_then_looked_at_again(
    proposed: Proposed, campaign: Campaign, cast: Cast
) -> None:
    over(campaign, cast, WILLOW, 9, "fails")
    found = proposed()
    assert found["track"] == {WILLOW: "1 个问题还没有销号"}
    assert not any(WILLOW in found[rhythm] for rhythm in ("repeat", "focus", "patrol")), "once, by the first that fits"
    Finding.objects.update(due_on=timezone.localdate() - DAY, found_on=timezone.localdate() - 5 * DAY)
    assert "起逾期" in proposed()["track"][WILLOW]
    settle()
    found = proposed()
    assert not found["track"]
    assert found["repeat"][WILLOW].startswith("上次检查")
    assert "1 项中 1 项不属实" in found["repeat"][WILLOW]
    over(campaign, cast, WILLOW, 0)
    assert not proposed()["repeat"], "it held this time"


def test_nothing_is_proposed_where_a_round_waits(proposed: Proposed, campaign: Campaign, cast: Cast) -> None:
    go(campaign, cast["su"], cast["su"])
    assert not any(WILLOW in units for units in proposed().values())


def test_nothing_is_proposed_out_of_reach_or_while_the_campaign_rests(
    proposed: Proposed, campaign: Campaign, cast: Cast
) -> None:
    factories.cadre("Wen", Role.SUPERVISOR, EAST)
    assert set(proposed("wen")["patrol"]) == {EAST, WILLOW, MAPLE}
    assert not any(proposed("lan").values())
    course.steer(campaign, "paused", by=cast["ada"], note="检查组来了")
    campaign.refresh_from_db()
    assert not any(proposed().values())


def test_above_a_county_nothing_is_counted(campaign: Campaign, cast: Cast) -> None:
    wide = factories.campaign("51", on=timezone.localdate())
    factories.cadre("Wen", Role.SUPERVISOR, "51")
    assert rhythms.is_too_high(wide, Cadre.objects.get(username="wen"))
    assert not any(
        due.proposals for due in rhythms.due(wide, Cadre.objects.get(username="wen"), on=timezone.localdate())
    )
    assert not rhythms.is_too_high(wide, cast["su"])


# ---- Sending ------------------------------------------------------------------------------------------------------


def test_one_tap_sends_those_who_were_chosen(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    su, address = as_("su"), f"/campaigns/{campaign.pk}/rounds/"
    assert 'name="unit"' not in su.get(address).text, "nobody is chosen yet"
    page = su.get(f"{address}?inspector={cast['tang'].pk}&inspector={cast['su'].pk}&on=2099-01-01")
    assert f'name="unit" value="{LAKE}"' in page.text
    answer = plan(su, campaign, LAKE, cast["tang"], cast["su"], on="2099-01-01")
    assert answer.status_code == 302
    assert f"inspector={cast['tang'].pk}" in answer["Location"], "so that the next tap needs no new choice"
    visit = Round.objects.get()
    assert (visit.unit_id, visit.rhythm, visit.why, visit.made_by) == (LAKE, "patrol", "还没有去检查过", cast["su"])
    assert set(visit.inspectors.all()) == {cast["tang"], cast["su"]}
    assert (str(visit.on), visit.items.count()) == ("2099-01-01", 0)
    assert plan(su, campaign, LAKE, cast["su"], cast["tang"], on="2099-01-01").status_code == 302
    assert Round.objects.count() == 1, "a second tap sends nobody twice"
    assert plan(su, campaign, LAKE, cast["su"]).status_code == 409
    tang = as_("tang")
    assert "还没有去检查过" in tang.get(visit.get_absolute_url()).text
    tang.cookies["django_language"] = "en"
    assert "nobody has been there yet" in tang.get(visit.get_absolute_url()).text, "as the reader says it"
    assert plan(as_("ada"), campaign, LAKE, cast["su"]).status_code == 409


def test_a_track_looks_at_what_findings_name_and_a_repeat_at_what_failed(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    over(campaign, cast, WILLOW, 3, "fails")
    assert plan(as_("su"), campaign, WILLOW, cast["su"], rhythm="track").status_code == 302
    visit = Round.objects.open().get()
    assert [item.number for item in visit.items.all()] == ["v-1"]
    assert [task.item.number for task in rounds.asked(visit)] == ["v-1"]
    rounds.finish(visit, by=cast["su"], left=1)
    over(campaign, cast, WILLOW, 0, "fails")
    settle()
    assert plan(as_("su"), campaign, WILLOW, cast["su"], rhythm="track").status_code == 409, "no longer due for this"
    assert plan(as_("su"), campaign, WILLOW, cast["su"], rhythm="repeat").status_code == 302
    assert [item.number for item in Round.objects.open().get().items.all()] == ["v-1"]


def test_any_unit_can_be_visited_by_hand_with_a_reason(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    su, unit = as_("su"), f"/campaigns/{campaign.pk}/units/{WILLOW}/"
    there = f"/campaigns/{campaign.pk}/rounds/?at={WILLOW}"
    assert there in su.get(unit).text
    assert there not in as_("lan").get(unit).text
    assert 'id="by-hand"' in su.get(there).text
    by_hand = {"by_hand": "1", "rhythm": "focus"}
    refused = plan(su, campaign, WILLOW, cast["su"], **by_hand)
    assert refused.status_code == 422
    assert 'id="by-hand"' in refused.content.decode()
    assert plan(su, campaign, WILLOW, cast["su"], **by_hand, why="群众来电反映").status_code == 302
    assert Round.objects.get().why == "群众来电反映"


@pytest.mark.parametrize("who", ["lan", "bao", "tang", "deng", "an"])
def test_who_neither_plans_nor_leads_sees_no_list(who: str, campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    assert as_(who).get(f"/campaigns/{campaign.pk}/rounds/").status_code == 403
    assert plan(as_(who), campaign, WILLOW, cast["su"]).status_code == 403
    assert not Round.objects.exists()


def test_a_leader_reads_and_sends_nobody(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    visit = go(campaign, cast["su"], cast["su"])
    page = as_("mei").get(f"/campaigns/{campaign.pk}/rounds/")
    assert visit.get_absolute_url() in page.text
    assert 'id="proposals"' not in page.text
    assert plan(as_("mei"), campaign, LAKE, cast["su"]).status_code == 403
    assert plan(as_("chen"), campaign, LAKE, cast["su"]).status_code == 404


def test_a_supervisor_of_a_township_plans_there_and_nowhere_else(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    cast["wen"] = factories.cadre("Wen", Role.SUPERVISOR, EAST)
    hidden = go(campaign, cast["su"], cast["su"], unit=LAKE)
    page = as_("wen").get(f"/campaigns/{campaign.pk}/rounds/")
    assert hidden.get_absolute_url() not in page.text
    assert plan(as_("wen"), campaign, MAPLE, cast["wen"]).status_code == 302
    assert plan(as_("wen"), campaign, LAKE, cast["wen"]).status_code == 422, "out of sight is not there"
    assert plan(as_("wen"), campaign, WILLOW, cast["su"]).status_code == 422, "nor is who works elsewhere"


@pytest.mark.parametrize(
    ("who", "word"),
    [("lan", "办事"), ("lin", "办事"), ("bao", "办事"), ("left", "不在岗"), ("nobody", "名册"), ("chen", "名册")],
)
def test_nobody_inspects_where_they_work_and_nobody_who_has_left(
    who: str, word: str, campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    cast["left"] = factories.cadre("Left", Role.TOWNSHIP_LEADER, factories.WEST, until=timezone.localdate())
    answer = plan(as_("su"), campaign, WILLOW, cast["su"], cast[who])
    assert answer.status_code == 422
    assert word in answer.content.decode()
    assert not Round.objects.exists()


@pytest.mark.parametrize(
    "sent",
    [
        *(
            {},
            {"unit": "9" * 30},
            {"unit": "x"},
            {"unit": factories.OTHER_VILLAGE},
            {"unit": "51"},
            {"rhythm": "waltz"},
        ),
        *(
            {"inspector": ["x"]},
            {"inspector": [10**40]},
            {"inspector": [987_654]},
            {"on": "2020-01-01"},
            {"on": "soon"},
        ),
        {"unit": LAKE, "by_hand": "1", "why": "长" * 401},
    ],
)
def test_what_makes_no_sense_is_refused(sent: dict[str, Any], campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    whole = {"rhythm": "patrol", "unit": LAKE, "inspector": [cast["su"].pk]} | sent if sent else {}
    answer = as_("su").post(f"/campaigns/{campaign.pk}/rounds/", whole)
    assert answer.status_code == 422
    assert "alert-warning" in answer.content.decode()
    assert not Round.objects.exists()


@pytest.mark.parametrize(
    "query",
    ["inspector=x&inspector=99999999999999", "on=soon&q=%00", "at=9" + "9" * 30, "at=0", "at=511504%00", "page=x"],
)
def test_an_address_that_makes_no_sense_is_a_page(query: str, campaign: Campaign, as_: LogIn) -> None:
    assert as_("su").get(f"/campaigns/{campaign.pk}/rounds/?{query}").status_code == 200


def test_a_unit_without_tasks_and_a_campaign_at_rest_take_no_round(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    Task.objects.filter(unit=LAKE).update(retired_at=timezone.now())
    by_hand = {"by_hand": "1", "why": "看看"}
    assert plan(as_("su"), campaign, LAKE, cast["su"], **by_hand).status_code == 409
    course.steer(campaign, "paused", by=cast["ada"], note="检查组来了")
    assert plan(as_("su"), campaign, WILLOW, cast["su"], **by_hand).status_code == 409
    assert plan(as_("su"), campaign, WILLOW, cast["su"]).status_code == 409
    assert "proposals" not in as_("su").get(f"/campaigns/{campaign.pk}/rounds/").context


def test_people_are_found_by_name_or_unit_and_only_those_in_sight(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    su, address = as_("su"), f"/campaigns/{campaign.pk}/rounds/"

    def names(words: str) -> set[str]:
        return {post.cadre.name for post in su.get(address, {"q": words}).context["others"]}

    assert names("") == {"Ada", "Su", "Tang"}, "those who look and do not do"
    assert names("Hong") == names("枫村") - {"Lin"} == {"Hong"}
    assert names("Chen") == set()
    Post.objects.filter(cadre=cast["hong"]).update(until=timezone.localdate())
    assert names("Hong") == set()
    assert COUNTY  # the cast's own


def test_my_rounds_show_the_open_ones_first(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    first = go(campaign, cast["ada"], cast["su"])
    second = go(campaign, cast["ada"], cast["su"], unit=MAPLE)
    rounds.finish(second, by=cast["su"], left=3)
    third = go(campaign, cast["ada"], cast["su"], unit=LAKE, on=timezone.localdate() + DAY)
    go(campaign, cast["su"], cast["ada"], unit=EAST)
    assert list(as_("su").get("/rounds/").context["page"]) == [third, first, second]
    assert 'href="/rounds/"' in as_("su").get("/units/").text
    assert 'href="/rounds/"' not in as_("mei").get("/units/").text
    claim(factories.task(campaign), cast["lan"])
