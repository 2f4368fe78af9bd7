"""What the ladder of measures proposes, and why: read off the tallies of today and of past days, written by nobody.

Of the ladder: a unit stays red, it stays among the last places; both count only days from the one on which the ladder
was switched on. By rules of their own: it is among the last places now (a warning), or a veto item of its own is
overdue or sent back. The host proposes nothing against itself, sites
belong to their villages, and a unit to which nothing applies owes nothing.
"""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from checklists import ladder
from checklists.ladder import STILL, Proposal, Rung, State
from checklists.models import Campaign, DayTally, Measure, Tally, Task
from checklists.workdays import workday_before
from readiness.boards import figures, places
from readiness.boards.light import Counts, Light
from readiness.boards.places import Place
from villages import access


def propose_all(*, on: date) -> int:
    """Proposes in every campaign where a rule is on; how many were new. Twice a day is no harm."""
    some = Q(ladder_from__lte=on) | Q(vetoes=True) | Q(ranking=True, last_places__gt=0)
    running = Campaign.objects.running().filter(some)
    return sum(ladder.propose(campaign, found(campaign, on=on), on=on) for campaign in running)


def found(campaign: Campaign, *, on: date) -> list[Proposal]:
    """What there are grounds for on this day; what is proposed or applied already may be among it.

    A rung by staying red needs the one below applied, and a working week since; what was declined or lifted rests
    as long.
    """
    if not campaign.has_measures:
        return []
    now = _counts(campaign, Tally, on=on)
    rests, applied = _so_far(campaign, on)
    proposed: dict[tuple[str, int], dict[str, Any]] = {}
    for unit, since in _red_since(campaign, now, on).items():
        rung, decided_at = applied.get(unit, (0, None))
        if rung == 0:
            proposed[unit, Rung.BULLETIN] = {"rule": "red", "days": STILL, "since": since.isoformat()}
        elif rung < Rung.VETO and decided_at and ladder.rested(decided_at, on):
            day = timezone.localdate(decided_at).isoformat()
            proposed[unit, rung + 1] = {"rule": "still", "days": STILL, "since": day}
    last = _last_places(campaign, on)
    before = _last_a_week_ago(campaign, on) if last else {}
    for place, of in last:
        unit = place.row.code or ""
        now.setdefault(unit, place.row.counts)
        stands = {"place": place.place, "of": of}
        proposed[unit, Rung.WARNING] = {"rule": "place"} | stands
        if unit in before and unit not in applied:
            proposed.setdefault((unit, Rung.BULLETIN), {"rule": "last"} | stands | {"was": before[unit]})
    for unit, items in _vetoes(campaign, on).items():
        proposed[unit, Rung.VETO] = {"rule": "veto", "items": items}
    return [
        Proposal(unit, rung, grounds | _figures(now[unit], on))
        for (unit, rung), grounds in proposed.items()
        if unit in now and (unit, rung) not in rests and ladder.proposes(campaign, grounds["rule"], on)
    ]


def _figures(of: Counts, on: date) -> dict[str, Any]:
    return {"on": on.isoformat(), "overdue": of.overdue, "returned": of.returned, "applying": of.applying}


def _counts(campaign: Campaign, kept: Any, *, on: date, **only: Any) -> dict[str, Counts]:
    """Unit below the host -> how it stands with all below it, where anything is overdue or sent back. One query."""
    rows = kept.objects.filter(figures.within([campaign.host_id]), campaign=campaign, **only)
    rows = rows.exclude(unit=campaign.host_id).exclude(unit__code__contains="S")
    adds = figures.sums(on)
    behind = rows.values("unit").annotate(**adds).filter(Q(n_overdue__gt=0) | Q(n_returned__gt=0)).order_by()
    return {code: Counts(*numbers) for code, *numbers in behind.values_list("unit", *adds)}


def _red_since(campaign: Campaign, now: dict[str, Counts], on: date) -> dict[str, date]:
    """Units that are red and were so at the end of each of the last working days, with the first of these.

    Red by what is overdue: veto items have a rule of their own.
    """
    red = {code for code, of in now.items() if of.light(red_percent=campaign.red_percent) == Light.RED}
    day = on
    for _ in range(STILL):
        day = workday_before(day)
        if not red or campaign.ladder_from is None or day < campaign.ladder_from:
            return {}
        then = _counts(campaign, DayTally, on=day, day__lte=day, unit__in=red)
        red = {code for code, of in then.items() if of.light(red_percent=campaign.red_percent) == Light.RED}
    return dict.fromkeys(red, day)


def _last_places(campaign: Campaign, on: date) -> list[tuple[Place, int]]:
    """The last places in the order that the ranking page shows, each with how many there are."""
    if not campaign.last_places or not campaign.counts("ranking", on):
        return []
    everything = access.Onlooker(campaign.host_id)
    shown = figures.board(campaign, everything, at=campaign.host_id, on=on)
    order = places.ranking(campaign, shown.rows, places.reached_on(campaign, everything, shown), [])
    return [(place, len(order)) for place in order if place.is_last]


def _last_a_week_ago(campaign: Campaign, on: date) -> dict[str, int]:
    """Unit -> its place then, if that was among the last, and ladder and ranking counted already."""
    week, everything = on - places.WEEK, access.Onlooker(campaign.host_id)
    if campaign.ladder_from is None or week < campaign.ladder_from or not campaign.counts("ranking", week):
        return {}
    before = figures.board(campaign, everything, at=campaign.host_id, on=week, as_of=week)
    reached = places.reached_on(campaign, everything, before, until=week)
    return {p.row.code or "": p.place for p in places.ranking(campaign, before.rows, reached, []) if p.is_last}


def _vetoes(campaign: Campaign, on: date) -> dict[str, list[str]]:
    """Unit -> its own veto items that are overdue or sent back; what its site owes, a village owes. One query."""
    if not campaign.counts("vetoes", on):
        return {}
    late = Q(due_on__lt=on, state="open") | Q(state="returned")
    tasks = Task.objects.asked_for().filter(late, campaign=campaign, veto=True).order_by("item__position", "pk")
    items: defaultdict[str, list[str]] = defaultdict(list)
    for unit, title in tasks.values_list("unit", F("item__title")):
        code = unit.partition("S")[0]
        if code != campaign.host_id and title not in items[code]:
            items[code].append(title)
    return dict(items)


def _so_far(campaign: Campaign, on: date) -> tuple[set[tuple[str, int]], dict[str, tuple[int, datetime]]]:
    """What rests after a no, and of each unit the highest rung that stands with its time; warnings are none."""
    rests: set[tuple[str, int]] = set()
    applied: dict[str, tuple[int, datetime]] = {}
    said = Measure.objects.filter(campaign=campaign).exclude(state=State.PROPOSED).order_by("rung")
    for unit, rung, state, decided_at, answered_at in said.values_list(
        "unit", "rung", "state", "decided_at", "answered_at"
    ):
        last = answered_at or decided_at
        if state == State.APPLIED and decided_at and rung > Rung.WARNING:
            applied[unit] = (rung, decided_at)
        elif state != State.APPLIED and last and not ladder.rested(last, on):
            rests.add((unit, rung))
    return rests, applied
