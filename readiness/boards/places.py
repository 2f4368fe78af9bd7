"""Who stands where: the ranking, for campaigns whose leader switched it on, and the places that most need people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from django.db.models import Max, Q
from django.db.models.functions import Left, Length

from checklists import ladder
from checklists.ladder import Rung
from checklists.models import Campaign, DayTally
from checklists.models.tally import COUNTY_PLACES
from readiness.boards import figures
from readiness.boards.answers import Contact, Vacancy
from readiness.boards.figures import Board, Cell, Row
from readiness.boards.light import Light
from readiness.boards.words import why
from villages import access

WEAK = 12  # places that are named at most
WEEK = timedelta(days=7)  # so long ago are the places that a ranking is compared with


@dataclass(frozen=True)
class Place:
    """One upper unit in the ranking."""

    place: int  # equal shares reached on the same day have equal places
    row: Row
    verified: Fraction  # shares of the points of all that applies
    claimed: Fraction
    reached_on: date | None  # the last day on which something was verified
    is_last: bool  # among the last places that are to be warned
    was: int | None  # a week ago
    is_warned: bool = False  # and a leader has decided so
    standing: str = ""  # the measure that stands against it

    @property
    def verified_percent(self) -> int:
        """Rounded down."""
        return int(self.verified * 100)

    @property
    def claimed_percent(self) -> int:
        """Rounded down."""
        return int(self.claimed * 100)

    @property
    def down(self) -> int:
        """By how many places it fell since last week."""
        return -self.up

    @property
    def up(self) -> int:
        """By how many places it rose since last week; below 0 if it fell."""
        return self.was - self.place if self.was else 0


@dataclass(frozen=True)
class Weak:
    """A place that needs people, why, and whom to call."""

    cell: Cell | Row
    upper: str  # name of the unit above it
    why: str
    contacts: list[Contact]


def ranking(
    campaign: Campaign,
    rows: Iterable[Row],
    reached: Mapping[str, date],
    before: Iterable[Row],
    standing: Mapping[str, set[int]] | None = None,
) -> list[Place]:
    """Units by the share of points verified, then claimed, then by who was there earlier. No query.

    Units to which nothing applies have no place. The last places that may be warned are as many as the campaign says,
    with everyone who shares the highest of them; who is among them no longer is not warned, whatever was decided.
    """
    stands = standing or {}
    named = ladder.named(stands)
    was = {row.code: place for place, row in _in_order(before, {})}
    order = _in_order(rows, reached)
    worst = order[-campaign.last_places :][0][0] if campaign.last_places and order else len(order) + 1
    return [
        Place(
            place,
            row,
            Fraction(row.counts.points_verified, row.counts.points),
            Fraction(row.counts.points_done, row.counts.points),
            reached.get(row.code or ""),
            place >= worst,
            was.get(row.code),
            place >= worst and Rung.WARNING in stands.get(row.code or "", ()),
            named.get(row.code or "", ""),
        )
        for place, row in order
    ]


def _in_order(rows: Iterable[Row], reached: Mapping[str, date]) -> list[tuple[int, Row]]:
    """(place, row), best first."""

    def key(row: Row) -> tuple[Any, ...]:
        of = row.counts
        shares = -Fraction(of.points_verified, of.points), -Fraction(of.points_done, of.points)
        return *shares, reached.get(row.code or "", date.max)

    taking_part = sorted(
        (row for row in rows if row.is_whole and row.counts.points), key=lambda row: (key(row), row.code)
    )
    keys = [key(row) for row in taking_part]
    return [(keys.index(mine) + 1, row) for mine, row in zip(keys, taking_part, strict=True)]


def reached_on(campaign: Campaign, user: access.Person, shown: Board, *, until: date | None = None) -> dict[str, date]:
    """Row's unit -> the last day (no later than `until`) on which something in it was verified. One query."""
    if shown.at is None:
        rows = {len(row.code) for row in shown.rows if row.code}
        places = max(rows, default=COUNTY_PLACES)
    else:
        places = figures.BELOW[len(shown.at)][0]
    days: Any = DayTally.objects.visible_to(user).filter(campaign=campaign)
    days = days.filter(figures.within([shown.at or ""])).alias(places=Length("unit_id"))
    days = days.filter(places=max(places, COUNTY_PLACES)).annotate(row=Left("unit_id", places))
    if until is not None:
        days = days.filter(day__lte=until)
    return dict(
        days.values_list("row").annotate(last=Max("day", filter=Q(points_verified__gt=0))).filter(last__isnull=False)
    )


def weak(
    campaign: Campaign, shown: Board, vacancies: Iterable[Vacancy], contacts: Mapping[str, list[Contact]]
) -> list[Weak]:
    """What `weakest` found, with reasons and people. No query."""
    vacant = {vacancy.code for vacancy in vacancies}
    return [
        Weak(
            cell,
            upper,
            why(cell.light, cell.counts, vetoes=campaign.vetoes, is_vacant=cell.code in vacant),
            contacts.get(cell.code or "", []),
        )
        for cell, upper in weakest(shown)
    ]


def weakest(shown: Board) -> list[tuple[Cell | Row, str]]:
    """The red and amber units of the lowest level shown that need people most, each with the name of its upper unit."""
    found: list[tuple[Cell | Row, str]] = []
    for row in shown.rows:
        if row.cells:
            found += [(cell, row.name) for cell in row.cells]
        else:
            found.append((row, ""))
    found = [(cell, upper) for cell, upper in found if cell.light in (Light.RED, Light.AMBER)]
    found.sort(key=lambda pair: figures.need(pair[0].light, pair[0].counts, pair[0].code or ""))
    return found[:WEAK]
