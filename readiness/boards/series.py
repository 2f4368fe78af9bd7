"""A campaign day by day at one unit, from the days that the database keeps."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from django.core.cache import cache
from django.db.models import F, Sum
from django.db.models.functions import Length

from checklists.models import Campaign, DayTally
from readiness.boards import figures
from villages import access

Change = tuple[date, date, int, int, int]  # day, due date, more that applies, more claimed, more verified


@dataclass(frozen=True)
class Series:
    """Counts at the end of each day from the campaign's first; the last day is the one asked for."""

    days: list[date]
    claimed: list[int]  # those verified since included
    verified: list[int]
    due: dict[date, int]  # tasks that apply on the last day, by the day on which they are due


def series(campaign: Campaign, user: access.Person, at: str | None, *, until: date) -> Series:
    """One query. The days past never change: above a county, where they are many rows, they are kept in memory."""
    where = [at] if at is not None else figures.tops(campaign, user)
    rows: Any = DayTally.objects.visible_to(user).filter(campaign=campaign, day__lte=until)
    lengths = figures.levels(where)
    if not lengths:
        changes = _changes(rows.filter(unit__in=where))
    else:
        rows = rows.filter(figures.within(where)).alias(places=Length("unit_id"))
        rows = rows.filter(places__in=lengths - {9})  # a township counts in its county
        key = f"days-{campaign.pk}-{campaign.created_at.timestamp()}-{at}-{until}"
        past = cache.get(key)
        if past is None:
            past = _changes(rows.filter(day__lt=until))
            cache.set(key, past, timeout=24 * 3600)
        changes = past + _changes(rows.filter(day=until))
    first = min([campaign.starts_on, until, *(day for day, *_ in changes)])
    days = [first + timedelta(days=n) for n in range((until - first).days + 1)]
    claimed: defaultdict[date, int] = defaultdict(int)
    verified: defaultdict[date, int] = defaultdict(int)
    due: defaultdict[date, int] = defaultdict(int)
    for day, due_on, more, more_claimed, more_verified in changes:
        claimed[day] += more_claimed
        verified[day] += more_verified
        due[due_on] += more
    return Series(
        days,
        list(accumulate(claimed[day] for day in days)),
        list(accumulate(verified[day] for day in days)),
        {day: n for day, n in sorted(due.items()) if n},
    )


def _changes(rows: Any) -> list[Change]:
    applying = F("open") + F("done") + F("verified") + F("returned")
    return list(
        rows.values_list("day", "due_on").annotate(
            more=Sum(applying), more_claimed=Sum(F("done") + F("verified")), more_verified=Sum("verified")
        )
    )
