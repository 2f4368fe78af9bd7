"""The ladder of measures: proposed with its grounds, applied by a leader, open to objection; off unless switched on."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from checklists import ladder
from checklists.ladder import OBJECTION, STILL, Refused
from checklists.models import Campaign, Change, DayTally, Measure, Responsibility, Tally, Task
from checklists.models.measure import MeasureQuerySet
from checklists.models.tally import COUNTS
from checklists.workdays import is_workday, working_days
from readiness.boards import figures, items, proposals, tasks
from readiness.boards.light import Light
from readiness.draws import lists
from readiness.models import Notice
from readiness.reminders import outbox
from tests import factories
from tests.checklists.conftest import Elsewhere, elsewhere, queries
from tests.factories import COUNTY, EAST, LAKE, MAPLE, MARKET, WEST, WILLOW, line
from villages import posts
from villages.access import Role
from villages.models import Cadre, Unit

__all__ = ["elsewhere"]
Cast = dict[str, Cadre]
As = Callable[[str], Client]
MONDAY = date(2026, 3, 2)  # no public holiday near
RED_FROM = date(2026, 3, 4)
WON = "applied"


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 0, 30, tzinfo=ZoneInfo(settings.TIME_ZONE))


def later(day: date, working: int) -> date:
    """So many working days after a day."""
    while working:
        day += timedelta(days=1)
        working -= is_workday(day)
    return day


def of(campaign: Campaign, on: date) -> set[tuple[str, int]]:
    """What there are grounds for."""
    return {(one.unit, one.rung) for one in proposals.found(campaign, on=on)}


def made(campaign: Campaign, unit: str = WILLOW, rung: int = 1, **fields: Any) -> Measure:
    grounds = {"rule": "red", "days": 5, "since": "2026-03-04", "on": "2026-03-11", "overdue": 2, "returned": 0,
               "applying": 3}  # fmt: skip
    return Measure.objects.create(campaign=campaign, unit_id=unit, rung=rung, **{"grounds": grounds} | fields)


def applied(campaign: Campaign, by: Cadre, day: date, unit: str = WILLOW, rung: int = 1) -> Measure:
    return made(campaign, unit, rung, state="applied", decided_by=by, decided_at=at(day), reason="连续红灯")


@pytest.fixture
def strict(cast: Cast) -> Campaign:
    """Launched on a Monday, the ladder on from that day; what Willow owes is overdue from Wednesday on."""
    campaign = factories.campaign(on=MONDAY, days=80)
    Campaign.objects.filter(pk=campaign.pk).update(ladder_from=MONDAY, ladder_by=cast["mei"])
    campaign.refresh_from_db()
    Task.objects.filter(campaign=campaign, unit=WILLOW).update(due_on=RED_FROM - timedelta(days=1))
    told_since(campaign, MONDAY)
    return campaign


def told_since(campaign: Campaign, day: date) -> None:
    """As if all of it had been so since that day."""
    DayTally.objects.filter(campaign=campaign).delete()
    DayTally.objects.bulk_create(
        DayTally(campaign=campaign, unit_id=one.unit_id, day=day, due_on=one.due_on,
                 **{name: getattr(one, name) for name in COUNTS})
        for one in Tally.objects.filter(campaign=campaign)
    )  # fmt: skip


# ---- What is proposed ----------------------------------------------------------------------------------------------


def test_a_unit_is_proposed_for_the_bulletin_after_a_week_in_red(strict: Campaign) -> None:
    """Red at the end of five working days and still: Wednesday to Tuesday, with a weekend between."""
    first = later(RED_FROM, STILL)
    assert first == date(2026, 3, 11)
    assert of(strict, first - timedelta(days=1)) == set()
    assert of(strict, first) == {(WILLOW, 1), (EAST, 1)}  # a township is as red as what lies below it
    assert of(strict, first + timedelta(days=3)) >= {(WILLOW, 1)}, "on a Saturday, too"
    assert LAKE not in {unit for unit, _ in of(strict, first)}
    grounds = next(one.grounds for one in proposals.found(strict, on=first) if one.unit == WILLOW)
    assert grounds == {
        "rule": "red", "days": STILL, "since": "2026-03-04", "on": "2026-03-11",
        "overdue": 3, "returned": 0, "applying": 3,
    }  # fmt: skip


def test_one_day_without_red_begins_the_count_anew(strict: Campaign) -> None:
    """On the Friday nothing was overdue: the days before it no longer count."""
    friday = date(2026, 3, 6)
    for tally in DayTally.objects.filter(campaign=strict, unit__in=(WILLOW, EAST)):
        for day, sign in ((friday, -1), (friday + timedelta(days=1), 1)):
            DayTally.objects.create(campaign=strict, unit_id=tally.unit_id, day=day, due_on=tally.due_on,
                                    open=sign * tally.open, done=-sign * tally.open)  # fmt: skip
    assert of(strict, date(2026, 3, 11)) == set()
    assert of(strict, later(friday, STILL)) == set()
    assert (WILLOW, 1) in of(strict, later(friday, STILL + 1))


def test_nothing_is_proposed_where_nobody_switched_it_on(strict: Campaign) -> None:
    day = date(2026, 3, 12)
    assert of(strict, day)
    for fields in (
        {"ladder_from": None, "ladder_by": None},
        {"ladder_from": day + timedelta(days=1)},
        {"ladder_from": RED_FROM + timedelta(days=3)},  # days before it count for nothing
        {"status": "paused"},
        {"status": "draft"},
    ):
        changed = Campaign.objects.get(pk=strict.pk)
        for name, value in fields.items():
            setattr(changed, name, value)
        assert of(changed, day) == set(), fields
    assert of(strict, strict.last_day + timedelta(days=1)) == set()


def test_the_database_is_asked_again_before_anything_is_written(strict: Campaign) -> None:
    """Switched off since it was read."""
    day = date(2026, 3, 12)
    found = proposals.found(strict, on=day)
    Campaign.objects.update(ladder_from=None, ladder_by=None)
    assert ladder.propose(strict, found, on=day) == 0
    assert not Measure.objects.exists()


def test_who_owes_nothing_is_never_proposed(strict: Campaign) -> None:
    Task.objects.filter(campaign=strict, unit=WILLOW).update(state="waived")
    told_since(strict, MONDAY)
    assert of(strict, date(2026, 3, 12)) == set()


def test_neither_the_host_nor_a_site_is_proposed(cast: Cast) -> None:
    """The host's own tally is the redder for all of it; what a site owes its village owes."""
    of_all = factories.template("all", [line("x-1", owed_by=["county", "site", "village"])])
    campaign = factories.campaign(on=MONDAY, days=80, of=of_all)
    Campaign.objects.update(ladder_from=MONDAY, ladder_by=cast["mei"])
    campaign.refresh_from_db()
    Task.objects.filter(campaign=campaign, unit__in=(COUNTY, MARKET)).update(due_on=MONDAY)
    told_since(campaign, MONDAY)
    assert {unit for unit, _ in of(campaign, date(2026, 3, 12))} == {WILLOW, EAST}


def test_proposals_repeat_without_doubling(strict: Campaign) -> None:
    day = date(2026, 3, 12)
    assert proposals.propose_all(on=day) == 2
    assert proposals.propose_all(on=day) == 0
    assert proposals.propose_all(on=later(day, 3)) == 0
    assert Measure.objects.filter(state="proposed", decided_by=None).count() == 2
    noted = Change.objects.filter(campaign=strict, unit=WILLOW, fields__has_key="rung_1").get()
    assert (noted.by, noted.fields["rung_1"]) == (None, ["", "建议"])
    assert "红灯" in noted.note


def test_celery_proposes_and_decides_nothing(strict: Campaign, cast: Cast) -> None:
    tasks.propose_measures()  # today lies after this campaign
    assert not Measure.objects.exists()
    today = timezone.localdate()
    other = factories.campaign(on=today - timedelta(days=9), days=60)
    on = {"ladder_from": today, "ladder_by": cast["mei"], "vetoes": True, "decided_by": cast["mei"]}
    Campaign.objects.filter(pk=other.pk).update(**on)
    Task.objects.filter(campaign=other, unit=MAPLE).update(veto=True, due_on=today - timedelta(days=1))
    tasks.propose_measures()
    assert list(Measure.objects.values_list("unit", "rung", "state")) == [(MAPLE, 3, "proposed")]
    assert "readiness.boards.propose_measures" in {one["task"] for one in settings.CELERY_BEAT_SCHEDULE.values()}


def test_each_rung_needs_the_one_below_applied_and_a_week_more(strict: Campaign, cast: Cast) -> None:
    first = date(2026, 3, 11)
    proposals.propose_all(on=first)
    far = later(first, 9)
    assert {one for one in of(strict, far) if one[0] == WILLOW} == {(WILLOW, 1)}, "proposed is not applied"
    bulletin = Measure.objects.get(unit=WILLOW)
    Measure.objects.filter(pk=bulletin.pk).update(
        state="applied", decided_by=cast["mei"], decided_at=at(first), reason="属实"
    )
    # The five working days lie wholly after the day of the decision.
    assert {one for one in of(strict, later(first, STILL)) if one[0] == WILLOW} == set()
    second = later(first, STILL + 1)
    assert {one for one in of(strict, second) if one[0] == WILLOW} == {(WILLOW, 2)}
    applied(strict, cast["mei"], second, rung=2)
    third = later(second, STILL + 1)
    assert {one for one in of(strict, third) if one[0] == WILLOW} == {(WILLOW, 3)}
    grounds = next(one.grounds for one in proposals.found(strict, on=third) if one.unit == WILLOW)
    assert (grounds["rule"], grounds["since"]) == ("still", second.isoformat())
    applied(strict, cast["mei"], third, rung=3)
    assert {one for one in of(strict, later(third, 20)) if one[0] == WILLOW} == set(), "there is nothing above"


def test_who_is_green_again_climbs_no_further(strict: Campaign, cast: Cast) -> None:
    first = date(2026, 3, 11)
    applied(strict, cast["mei"], first)
    now = timezone.now()
    Task.objects.filter(campaign=strict, unit=WILLOW).update(state="done", done_by=cast["lan"], done_at=now)
    assert of(strict, later(first, STILL + 1)) == set()


@pytest.mark.parametrize("said", ["declined", "lifted"])
def test_after_a_no_it_rests_for_a_week(said: str, strict: Campaign, cast: Cast) -> None:
    first = date(2026, 3, 11)
    fields = {"state": said, "decided_by": cast["mei"], "decided_at": at(first), "reason": "暴雨"}
    if said == "lifted":
        fields |= {"objection": "断电", "objected_by": cast["lan"], "objected_at": at(first), "answer": "属实",
                   "answered_by": cast["tang"], "answered_at": at(first)}  # fmt: skip
    made(strict, **fields)
    assert (WILLOW, 1) not in of(strict, later(first, STILL))
    assert (WILLOW, 1) in of(strict, later(first, STILL + 1))


def test_an_overdue_veto_item_is_proposed_at_once_while_vetoes_count(strict: Campaign, cast: Cast) -> None:
    """Against the unit that owes it, whatever its light, and against none above it."""
    maple = Task.objects.filter(campaign=strict, unit=MAPLE)[0]
    Task.objects.filter(pk=maple.pk).update(veto=True, due_on=RED_FROM - timedelta(days=1))
    assert of(strict, RED_FROM) == set(), "vetoes are off"
    Campaign.objects.update(vetoes=True, decided_by=cast["mei"], vetoes_from=RED_FROM)
    strict.refresh_from_db()
    assert of(strict, RED_FROM - timedelta(days=1)) == set(), "it is due on this day"
    assert of(strict, RED_FROM) == {(MAPLE, 3)}
    (one,) = proposals.found(strict, on=RED_FROM)
    assert (one.grounds["rule"], one.grounds["items"]) == ("veto", [maple.item.title])
    strict.vetoes_from = RED_FROM + timedelta(days=1)
    assert of(strict, RED_FROM) == set(), "they do not count yet"
    Task.objects.filter(pk=maple.pk).update(state="returned", due_on=strict.inspects_on)
    assert of(strict, RED_FROM + timedelta(days=1)) == {(MAPLE, 3)}, "sent back is as good as overdue"


def test_among_the_last_places_two_weeks_running(strict: Campaign, cast: Cast) -> None:
    day = RED_FROM + timedelta(days=7)
    Task.objects.filter(campaign=strict).update(due_on=strict.inspects_on)  # nobody is red
    now, week = timezone.now(), day - timedelta(days=7)
    Task.objects.filter(campaign=strict, unit=LAKE).update(
        state="verified", done_by=cast["bao"], done_at=now, verified_by=cast["su"], verified_at=now
    )
    told_since(strict, MONDAY)
    on = {"ranking": True, "decided_by": cast["mei"], "last_places": 1, "ranking_from": week}
    assert of(strict, day) == set(), "there is no ranking"
    Campaign.objects.update(**on)
    strict.refresh_from_db()
    assert of(strict, day) == {(EAST, 0), (EAST, 1)}
    one = next(one for one in proposals.found(strict, on=day) if one.rung == 1)
    assert {name: one.grounds[name] for name in ("rule", "place", "of", "was")} == {
        "rule": "last", "place": 2, "of": 2, "was": 2,
    }  # fmt: skip
    for name, value, left in (
        ("ranking_from", week + timedelta(days=1), {(EAST, 0)}),
        ("ladder_from", week + timedelta(days=1), {(EAST, 0)}),
        ("ladder_from", None, {(EAST, 0)}),
        ("ranking_from", day + timedelta(days=1), set()),
        ("last_places", 0, set()),
    ):
        changed = Campaign.objects.get(pk=strict.pk)
        setattr(changed, name, value)
        assert of(changed, day) == left, name
    # A week ago the East had all its points, and lost them since: then the West was last.
    for tally in Tally.objects.filter(campaign=strict, unit=EAST):
        for then, sign in ((week, 1), (day, -1)):
            DayTally.objects.create(
                campaign=strict, unit_id=EAST, day=then, due_on=tally.due_on, points_verified=sign * tally.points
            )
    assert of(strict, day) == {(EAST, 0)}


def test_a_veto_says_the_light_before_its_day_as_if_it_were_off(strict: Campaign, cast: Cast) -> None:
    counts = figures.Counts(open=50, overdue=1, vetoes=1)
    on = {"vetoes": True, "decided_by": cast["mei"]}
    Campaign.objects.update(**on)
    strict.refresh_from_db()
    assert figures.light_of(strict, counts, MONDAY) == Light.RED, "without a day it counts from the campaign's first"
    strict.vetoes_from = RED_FROM
    assert figures.light_of(strict, counts, RED_FROM - timedelta(days=1)) == Light.AMBER
    assert figures.light_of(strict, counts, RED_FROM) == Light.RED


def test_a_warning_is_shown_only_while_a_leaders_decision_and_its_reason_stand(cast: Cast, as_: As) -> None:
    """On the board and the wall; before that it is a proposal among the measures, also without the ladder."""
    today = timezone.localdate()
    campaign = factories.campaign(on=today - timedelta(days=9), days=60)
    Task.objects.filter(campaign=campaign, unit=LAKE).update(
        state="verified", done_by=cast["bao"], done_at=at(today), verified_by=cast["su"], verified_at=at(today)
    )
    Campaign.objects.update(ranking=True, last_places=1, decided_by=cast["mei"])
    mei, url = as_("mei"), f"/campaigns/{campaign.pk}/"

    def warned() -> list[bool]:
        board = mei.get(url, {"show": "ranking"})
        shown = {place.row.code for place in board.context["ranking"] if place.is_warned}
        return [shown == {EAST}, "末位预警</a>" in board.text, "<em>末位预警</em>" in mei.get(f"{url}wall/").text]

    assert proposals.propose_all(on=today) == 1
    measure = Measure.objects.get(unit=EAST, rung=0)
    assert warned() == [False] * 3
    assert "排在末位（第2名，共2名）" in mei.get(f"{url}measures/", {"rung": 0}).text
    ladder.decide(measure, by=cast["mei"], to="applied", reason="属实")
    assert warned() == [True] * 3
    noted = Change.objects.filter(campaign=campaign, unit=EAST).order_by("pk")
    assert [one.lines for one in noted] == [[("末位预警", "", "建议")], [("末位预警", "建议", "已实施")]]
    Task.objects.filter(campaign=campaign, unit__code__startswith=EAST).update(
        state="verified", done_by=cast["bao"], done_at=at(today), verified_by=cast["su"], verified_at=at(today)
    )
    assert warned() == [False] * 3, "it is not the last any more"
    Task.objects.filter(campaign=campaign, unit__code__startswith=EAST).update(
        state="open", done_by=None, done_at=None, verified_by=None, verified_at=None
    )
    Measure.objects.filter(pk=measure.pk).update(
        state="lifted", objection="断电", objected_by=cast["bao"], objected_at=at(today), answer="属实",
        answered_by=cast["tang"], answered_at=timezone.now(),
    )  # fmt: skip
    assert warned() == [False] * 3


def test_a_veto_item_makes_red_only_while_a_leaders_decision_stands(cast: Cast, as_: As) -> None:
    """On the board, by section, on the wall and the unit's page; a past day keeps what was decided by then."""
    today = timezone.localdate()
    campaign = factories.campaign(on=today - timedelta(days=9), days=60)
    Campaign.objects.update(vetoes=True, decided_by=cast["mei"], red_percent=100)
    Task.objects.filter(campaign=campaign, unit__in=(MAPLE, LAKE), item__number="v-1").update(
        veto=True, due_on=today - timedelta(days=3)
    )
    told_since(campaign, today - timedelta(days=9))
    mei, url = as_("mei"), f"/campaigns/{campaign.pk}/"

    def reds(query: str = "") -> set[str]:
        board = mei.get(f"{url}?{query}").context["board"]
        return {one.code for row in board.rows for one in (row, *row.cells) if one.light == Light.RED}

    def pages() -> list[bool]:
        wall = mei.get(f"{url}wall/").context["board"]
        sections = mei.get(f"{url}?by=sections").context["cells"]
        return [
            mei.get(f"{url}units/{MAPLE}/").context["light"] == Light.RED,
            dict(wall.lights)[Light.RED] == 1,
            any(cell.light == Light.RED for row in sections.rows for cell in row.cells if row.code == EAST),
            mei.get(f"{url}measures/").context["rows"][0]["light"] == Light.RED,
        ]

    assert proposals.propose_all(on=today) == 2, "the ladder is off"
    measure = Measure.objects.get(unit=MAPLE, rung=3)
    Measure.objects.get(unit=LAKE, rung=3)
    assert reds() == set()
    assert pages() == [False] * 4
    ladder.decide(measure, by=cast["mei"], to="applied", reason="属实")
    assert reds() == {EAST, MAPLE}, "the lake village's stays a proposal"
    assert pages()[:3] == [True] * 3
    yesterday = f"on={today - timedelta(days=1)}"
    assert reds(yesterday) == set()
    Measure.objects.filter(pk=measure.pk).update(decided_at=at(today - timedelta(days=2)))
    assert reds(yesterday) == {EAST, MAPLE}
    ladder.object_to(measure, by=cast["bao"], objection="断电", on=today)
    ladder.answer(measure, by=cast["tang"], upheld=True, answer="属实")
    assert reds() == set()
    assert reds(yesterday) == {EAST, MAPLE}, "then it stood"


def test_a_veto_against_a_village_colours_its_sites_too(cast: Cast, as_: As) -> None:
    """What a site owes, its village owes; the measure itself is told at the village."""
    today = timezone.localdate()
    of_sites = factories.template("sites", [line("s-1", owed_by=["site", "village"])])
    campaign = factories.campaign(on=today - timedelta(days=9), days=60, of=of_sites)
    Campaign.objects.update(vetoes=True, decided_by=cast["mei"], red_percent=100)
    Task.objects.filter(campaign=campaign, unit=MARKET).update(veto=True, state="returned")
    Task.objects.filter(campaign=campaign, unit=WILLOW).update(veto=True)
    site = f"/campaigns/{campaign.pk}/units/{MARKET}/"
    assert as_("mei").get(site).context["light"] != Light.RED
    measure = applied(campaign, cast["mei"], today, WILLOW, 3)
    page = as_("mei").get(site)
    assert (page.context["light"], page.context["measures"]) == (Light.RED, [])
    village = as_("mei").get(f"/campaigns/{campaign.pk}/units/{WILLOW}/")
    assert [one["measure"] for one in village.context["measures"]] == [measure]


@pytest.mark.parametrize(("vetoed", "is_red"), [({WILLOW}, False), ({EAST, COUNTY}, False), ({WILLOW, MAPLE}, True)])
def test_above_a_vetoed_unit_only_its_own_veto_items_count(vetoed: set[str], is_red: bool, cast: Cast) -> None:
    """Willow has put its own right; Maple beside it is behind. On every board and list the township says the same."""
    today = timezone.localdate()
    campaign = factories.campaign("51", on=today - timedelta(days=9), days=60)
    Campaign.objects.update(vetoes=True, decided_by=cast["mei"], red_percent=100)
    campaign.refresh_from_db()
    first = Task.objects.filter(campaign=campaign, unit__in=(WILLOW, MAPLE), item__number="v-1")
    first.update(veto=True, due_on=today - timedelta(days=3))
    first.filter(unit=WILLOW).update(state="done", done_by=cast["lan"], done_at=timezone.now())
    told_since(campaign, today - timedelta(days=9))
    for unit in vetoed:
        applied(campaign, cast["mei"], today, unit, 3)
    made(campaign, EAST)
    user = factories.cadre("Sheng", Role.SUPERVISOR, "51")
    checklist = items.of_campaign(campaign)
    for at_, below in (("51", "5115"), ("5115", COUNTY), (COUNTY, EAST)):
        now = figures.board(campaign, user, at=at_, on=today, vetoed=vetoed)
        boards = [
            now,
            figures.board(campaign, user, at=at_, on=today, as_of=today - timedelta(days=1), vetoed=vetoed),
            figures.board(campaign, user, at=at_, on=today, items=[one.pk for one in checklist], vetoed=vetoed),
        ]
        rows = {one.code: one for one in items.by_section(campaign, user, now, checklist, on=today).rows}
        assert [next(row for row in one.rows if row.code == below).counts.vetoes for one in boards] == [is_red] * 3, at_
        assert any(cell.light == Light.RED for cell in rows[below].cells) is is_red, at_
    client = Client()
    client.force_login(user)
    page = client.get(f"/campaigns/{campaign.pk}/measures/")
    east = next(row for row in page.context["rows"] if row["measure"].rung == 1)
    assert (east["light"] == Light.RED) is is_red
    wishes = {"kind": "township", "items": "all", "repeat": "all", "last": None, "chances": "same", "groups": "light",
              "counted": "all", "take": 1, "least": 0, "take_items": 0, "seats": 1, "roles": []}  # fmt: skip
    among = Unit.objects.get(pk=COUNTY)
    listed = lists.gather(campaign, user, wishes, checklist, number=1, among=among, on=today)
    assert ({one.code: one.group for one in listed.units}[EAST] == "red") is is_red


# ---- Deciding, objecting, answering --------------------------------------------------------------------------------


@pytest.fixture
def proposed(strict: Campaign) -> Measure:
    return made(strict)


def test_a_leader_above_decides_once_with_a_reason_in_the_history(proposed: Measure, cast: Cast) -> None:
    mei, tang = cast["mei"], cast["tang"]
    assert ladder.decide(proposed, by=mei, to="applied", reason="属实") is True
    assert ladder.decide(proposed, by=mei, to="applied", reason="属实") is False, "the same again is an answer"
    for by, to, reason in ((mei, "declined", "属实"), (mei, "applied", "另说"), (tang, "applied", "属实")):
        with pytest.raises(Refused):
            ladder.decide(proposed, by=by, to=to, reason=reason)
    proposed.refresh_from_db()
    assert (proposed.state, proposed.decided_by, proposed.reason) == ("applied", mei, "属实")
    (noted,) = Change.objects.filter(campaign=proposed.campaign_id, by=mei)
    assert (noted.unit_id, noted.fields, noted.note) == (WILLOW, {"rung_1": ["建议", "已实施"]}, "属实")
    assert noted.lines == [("通报", "建议", "已实施")]


@pytest.mark.parametrize("who", ["lan", "lin", "bao", "deng", "ada", "su", "an", "hong"])
def test_nobody_else_decides(who: str, proposed: Measure, cast: Cast) -> None:
    with pytest.raises(PermissionDenied):
        ladder.decide(proposed, by=cast[who], to="declined", reason="不必")


def test_nobody_decides_about_their_own_unit(strict: Campaign, cast: Cast) -> None:
    """A leader about the township that they lead, or who also holds a post in the village."""
    with pytest.raises(PermissionDenied):
        ladder.decide(made(strict, EAST), by=cast["tang"], to="declined", reason="已改")
    factories.appoint(cast["mei"], Role.VILLAGE_CADRE, WILLOW)
    with pytest.raises(PermissionDenied):
        ladder.decide(made(strict), by=Cadre.objects.get(pk=cast["mei"].pk), to="declined", reason="已改")


def test_a_rung_is_not_applied_once_the_one_below_does_not_stand(strict: Campaign, cast: Cast) -> None:
    bulletin = applied(strict, cast["mei"], MONDAY)
    downgrade = made(strict, rung=2, grounds={"rule": "still"})
    Measure.objects.filter(pk=bulletin.pk).update(state="declined")
    with pytest.raises(Refused):
        ladder.decide(downgrade, by=cast["mei"], to="applied", reason="仍红")
    Measure.objects.filter(pk=bulletin.pk).update(state="applied")
    assert ladder.decide(downgrade, by=cast["mei"], to="applied", reason="仍红")
    assert ladder.decide(made(strict, MAPLE, 3, grounds={"rule": "veto"}), by=cast["mei"], to="applied", reason="否决")


def test_nothing_is_decided_in_a_closed_campaign(proposed: Measure, cast: Cast) -> None:
    Campaign.objects.update(status="closed", closed_by=cast["ada"], closed_at=timezone.now())
    with pytest.raises(Refused):
        ladder.decide(proposed, by=cast["mei"], to="applied", reason="属实")


def test_the_unit_objects_once_in_time_and_another_leader_answers(strict: Campaign, cast: Cast) -> None:
    measure = applied(strict, cast["mei"], date(2026, 3, 12))  # a Thursday
    last = ladder.objections_until(measure)
    assert last == date(2026, 3, 19)
    assert len(working_days(date(2026, 3, 13), last)) == OBJECTION
    with pytest.raises(Refused):
        ladder.object_to(measure, by=cast["lan"], objection="断电三天", on=last + timedelta(days=1))
    for who in ("hong", "mei", "ada", "su", "tang"):
        with pytest.raises(PermissionDenied):
            ladder.object_to(measure, by=cast[who], objection="断电三天", on=last)
    with pytest.raises(Refused):  # there is nothing to answer yet
        ladder.answer(measure, by=cast["tang"], upheld=True, answer="属实")
    assert ladder.object_to(measure, by=cast["lan"], objection="断电三天", on=last)
    assert not ladder.object_to(measure, by=cast["lan"], objection="断电三天", on=last)
    for who, said in (("lan", "再说"), ("lin", "断电三天"), ("bao", "不公平")):
        with pytest.raises(Refused):
            ladder.object_to(measure, by=cast[who], objection=said, on=last)
    for who in ("mei", "lan", "ada"):  # who decided it, who objected, the admin
        with pytest.raises(PermissionDenied):
            ladder.answer(measure, by=cast[who], upheld=True, answer="属实")
    assert ladder.answer(measure, by=cast["tang"], upheld=True, answer="属实")
    assert not ladder.answer(measure, by=cast["tang"], upheld=True, answer="属实")
    with pytest.raises(Refused):
        ladder.answer(measure, by=cast["tang"], upheld=False, answer="属实")
    measure.refresh_from_db()
    assert (measure.state, measure.answered_by) == ("lifted", cast["tang"])
    told = list(Change.objects.filter(unit=WILLOW).order_by("pk").values_list("by__username", "note"))
    assert told == [("lan", "断电三天"), ("tang", "属实")]


def test_who_stands_in_for_the_leader_who_decided_does_not_answer_the_objection(strict: Campaign, cast: Cast) -> None:
    today = timezone.localdate()
    measure = applied(strict, cast["mei"], today - timedelta(days=1))
    posts.stand_in(cast["mei"].posts.get(), cast["an"], today, today + timedelta(days=1), by=cast["ada"])
    ladder.object_to(measure, by=cast["lan"], objection="断电三天", on=today)
    with pytest.raises(PermissionDenied):
        ladder.answer(measure, by=cast["an"], upheld=False, answer="不属实")
    assert ladder.answer(measure, by=cast["tang"], upheld=False, answer="不属实")


def test_an_objection_that_is_not_upheld_leaves_the_measure(strict: Campaign, cast: Cast) -> None:
    measure = applied(strict, cast["tang"], MONDAY)
    ladder.object_to(measure, by=cast["lin"], objection="缺人", on=MONDAY)
    ladder.answer(measure, by=cast["mei"], upheld=False, answer="维持")
    measure.refresh_from_db()
    assert (measure.state, measure.answer) == ("applied", "维持")
    with pytest.raises(Refused):  # proposed and declined ones are nobody's harm
        ladder.object_to(made(strict, rung=2), by=cast["lan"], objection="缺人", on=MONDAY)


def test_who_may_object_hears_of_it_once_and_of_the_answer(today: Campaign, cast: Cast) -> None:
    """Not who is only proposed, nor who decided."""
    said = {"first": "lan", "direct": "hong"}
    Responsibility.objects.filter(campaign=today).delete()
    for kind, who in said.items():
        Responsibility.objects.create(campaign=today, unit_id=WILLOW, kind=kind, cadre=cast[who], by_hand=True)
    measure = made(today)
    ladder.decide(measure, by=cast["mei"], to="applied", reason="连续红灯")
    assert outbox.write_news() == 1
    assert outbox.write_news() == 0
    (told,) = Notice.objects.all()
    assert told.cadre == cast["lan"], "Hong holds no post there"
    assert told.body == "柳村：Mei决定“通报”（可在本单位页面提出异议）：连续红灯"
    ladder.object_to(measure, by=cast["lin"], objection="断电", on=timezone.localdate())
    ladder.answer(measure, by=cast["tang"], upheld=True, answer="属实")
    outbox.write_news(timezone.now() + timedelta(hours=1))
    answered = Notice.objects.exclude(pk=told.pk).get()
    assert answered.cadre == cast["lin"]
    assert "Tang撤销“通报”：属实" in answered.body


# ---- Two at once ---------------------------------------------------------------------------------------------------


def race(elsewhere: Elsewhere) -> tuple[list[bool | Exception], int]:
    """A leader declines while the same measure is being applied in another transaction; what came of it."""
    factories.units()
    cast = factories.cast()
    campaign = factories.campaign(on=MONDAY, days=80)
    measure = made(campaign)
    elsewhere.run(
        "UPDATE checklists_measure SET state = 'applied', decided_by_id = %s, decided_at = now(), reason = '属实'"
        " WHERE id = %s", cast["mei"].pk, measure.pk,
    )  # fmt: skip
    future = elsewhere.start(lambda: ladder.decide(measure, by=cast["tang"], to="declined", reason="不必"))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    error = future.exception(30)
    measure.refresh_from_db()
    return [error or future.result()], int(measure.state == WON)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(elsewhere: Elsewhere) -> None:
    (told,), won = race(elsewhere)
    assert isinstance(told, Refused)
    assert "Mei" in str(told)
    assert won


def test_the_control_without_the_lock_overwrites(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeasureQuerySet, "select_for_update", lambda self, **_: self)
    (told,), won = race(elsewhere)
    assert told is True
    assert not won


# ---- Pages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def today(cast: Cast) -> Campaign:
    """A campaign of today with the ladder on."""
    campaign = factories.campaign(on=timezone.localdate())
    Campaign.objects.update(ladder_from=campaign.starts_on, ladder_by=cast["mei"])
    campaign.refresh_from_db()
    return campaign


def test_the_ledger_shows_what_lies_in_sight_and_offers_what_one_may(today: Campaign, as_: As, cast: Cast) -> None:
    made(today)
    made(today, LAKE)
    applied(today, cast["mei"], timezone.localdate(), MAPLE)
    page = f"/campaigns/{today.pk}/measures/"
    mei, lan, hong, ada = (as_(who).get(page) for who in ("mei", "lan", "hong", "ada"))
    assert len(mei.context["rows"]) == 3
    assert mei.text.count("/decide/") == 2
    assert mei.context["rows"][-1]["measure"].unit_id == MAPLE, "what waits comes first"
    assert [row["measure"].unit_id for row in lan.context["rows"]] == [WILLOW]
    assert "/decide/" not in lan.text + ada.text
    assert "/object/" in hong.text
    assert "/object/" not in mei.text + lan.text
    assert len(as_("mei").get(page, {"unit": EAST}).context["rows"]) == 2
    assert len(as_("mei").get(page, {"state": "applied"}).context["rows"]) == 1
    assert len(as_("mei").get(page, {"rung": 2}).context["rows"]) == 0
    assert len(as_("mei").get(page, {"rung": "x", "state": "y", "unit": "'"}).context["rows"]) == 3
    assert as_("chen").get(page).status_code == 404


def test_a_decision_an_objection_and_an_answer_by_form(today: Campaign, as_: As, cast: Cast) -> None:
    measure = made(today)
    mei, lan, tang = as_("mei"), as_("lan"), as_("tang")
    decide, object_to, answer = (f"/measures/{measure.pk}/{verb}/" for verb in ("decide", "object", "answer"))
    empty = mei.post(decide, {"reason": "  "})
    assert empty.status_code == 422
    assert "请" in empty.text
    assert mei.post(decide, {"to": "vetoed", "reason": "x"}).status_code == 422
    assert mei.post(decide, {"to": "applied", "reason": "长" * 401}).status_code == 422
    assert mei.post(decide, {"to": "applied", "reason": "属实"}).status_code == 302
    lost = tang.post(decide, {"to": "declined", "reason": "我看不必"})
    assert lost.status_code == 409
    assert "我看不必" in lost.text, "what was typed is kept"
    unit = lan.get(f"/campaigns/{today.pk}/units/{WILLOW}/")
    assert object_to in unit.text
    assert lan.post(object_to, {}).status_code == 422
    sent = lan.post(object_to, {"objection": "<b>断电</b>", "next": f"/campaigns/{today.pk}/units/{WILLOW}/"})
    assert sent["Location"] == f"/campaigns/{today.pk}/units/{WILLOW}/"
    assert "&lt;b&gt;断电&lt;/b&gt;" in tang.get(f"/campaigns/{today.pk}/measures/").text
    assert mei.post(answer, {"upheld": "yes", "answer": "属实"}).status_code == 403
    assert tang.post(answer, {"upheld": "perhaps", "answer": "属实"}).status_code == 422
    assert tang.post(answer, {"upheld": "yes", "answer": "属实"}).status_code == 302
    assert Measure.objects.get(pk=measure.pk).state == "lifted"
    assert as_("chen").post(decide, {"to": "applied", "reason": "x"}).status_code == 404


def test_an_applied_measure_is_shown_and_changes_no_figure(today: Campaign, as_: As, cast: Cast) -> None:
    """On the board, in the ranking and on the unit's page; every count and light stays as it is."""
    Campaign.objects.update(ranking=True, decided_by=cast["mei"])
    mei, url = as_("mei"), f"/campaigns/{today.pk}/"
    before, rank = mei.get(url), mei.get(url, {"show": "ranking"}).context["ranking"]
    applied(today, cast["mei"], timezone.localdate(), WILLOW)
    applied(today, cast["mei"], timezone.localdate(), EAST)
    after, now = mei.get(url), mei.get(url, {"show": "ranking"})
    assert after.context["board"] == before.context["board"]
    assert "measure" not in before.context["heat"]
    assert f'href="{url}measures/?unit={EAST}">通报</a>' in after.text
    assert after.text.count("bi-flag-fill measure") == 1
    assert [(p.place, p.verified) for p in now.context["ranking"]] == [(p.place, p.verified) for p in rank]
    assert {p.row.code: p.standing for p in now.context["ranking"]} == {EAST: "通报", WEST: ""}
    page = as_("lan").get(f"{url}units/{WILLOW}/")
    assert 'id="measures"' in page.text
    assert "通报" in page.text


def test_the_ledger_comes_as_a_file(today: Campaign, as_: As, cast: Cast) -> None:
    measure = applied(today, cast["mei"], timezone.localdate())
    Measure.objects.filter(pk=measure.pk).update(reason="=1+1")
    made(today, LAKE)
    rows = as_("mei").get(f"/campaigns/{today.pk}/measures/table/").content.decode("utf-8-sig").splitlines()
    assert len(rows) == 3
    assert any("'=1+1" in row and WILLOW in row for row in rows)
    assert len(as_("lan").get(f"/campaigns/{today.pk}/measures/table/").content.decode().splitlines()) == 2


def test_off_the_board_and_the_units_say_nothing_of_measures(campaign: Campaign, as_: As) -> None:
    assert "measures/" not in as_("mei").get(f"/campaigns/{campaign.pk}/").text
    page = as_("mei").get(f"/campaigns/{campaign.pk}/measures/")
    assert page.status_code == 200
    assert "未开启" in page.text


def test_the_pages_cost_the_same_however_many_measures(today: Campaign, as_: As, cast: Cast) -> None:
    mei = as_("mei")
    pages = [f"/campaigns/{today.pk}/measures/", f"/campaigns/{today.pk}/measures/table/",
             f"/campaigns/{today.pk}/units/{WILLOW}/", f"/campaigns/{today.pk}/"]  # fmt: skip
    made(today)
    few = queries(mei, pages)
    for unit in (MAPLE, LAKE, EAST, WEST):
        applied(today, cast["mei"], timezone.localdate(), unit)
        made(today, unit, 2)
    applied(today, cast["mei"], timezone.localdate(), WILLOW, 2)
    assert queries(mei, pages) == few
    assert max(few) <= 12, few
