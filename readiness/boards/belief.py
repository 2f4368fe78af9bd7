"""How much of what is claimed to believe: what random draws have found, told with its error.

Claimed and verified stay as they are; this is a third thing beside them. Only checks of drawn rounds count, on claims
as they stood when they were looked at; patrols that nobody drew, focus and repeat visits choose where they go, so they
are no sample. Of several looks at one task the last that decided counts. A claim that a check has sent back since
counts among the claims that it was drawn from. The method: intervals.py.

Draws are read as one: a unit's chance is that of so many units of its group having been looked at, as lots fall. Two
units are of one group if the same draws listed them and the last of these put them into the same group; a unit that
a draw left out because it was drawn before counts as listed.

Units that were drawn and not visited are missing, and perhaps for a reason: far off, left for last, or left out. So of
a draw as of a place nothing is told before four in five of the units drawn there were visited (the rate below which a
survey is asked whether its missing ones differ: US Office of Management and Budget, Standards and Guidelines for
Statistical Surveys, 2006, guideline 3.2.9), nor where less than four in five of the claims looked for could be seen.
While a new draw is under way, those that are far enough go on telling; it is named as not counted yet. How far it is,
is said only to those who may know where visits are still to come; for the others it counts once they are over. Units
that claim nothing are no part of either number: there is nothing to look at.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from math import ceil, floor
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists.models import Campaign
from readiness.boards import figures
from readiness.boards.figures import Board
from readiness.boards.intervals import Estimate, Looked, chances, estimate, needed
from readiness.boards.light import Counts
from readiness.boards.looks import Found, Seen, drawn
from readiness.boards.series import Series
from readiness.boards.words import join
from villages import access

FEWEST = 5  # units below which nothing is said, unless there are no more
WIDEST = 0.4  # an interval wider than this says nothing
ENOUGH = 80  # percent of the units drawn that were visited, of the claims looked for that could be seen
MOST_OUTSIDE = 50  # percent of the claims where nothing was looked at, from which the rest says nothing


@dataclass(frozen=True)
class Reach:
    """Of the units that were drawn and claim something, how many were visited."""

    drawn: int = 0
    visited: int = 0

    @property
    def is_enough(self) -> bool:
        """Whether the visited may speak for all that were drawn."""
        return self.visited * 100 >= self.drawn * ENOUGH

    @property
    def words(self) -> str:
        said = ngettext("%(visited)s of %(drawn)s drawn unit visited", "%(visited)s of %(drawn)s drawn units visited",
                        self.drawn)  # fmt: skip
        return said % {"visited": self.visited, "drawn": self.drawn}


@dataclass(frozen=True)
class Belief:
    """What is claimed somewhere, what was looked at, and what follows."""

    name: str
    counts: Counts
    estimate: Estimate | None = None
    unseen: int = 0  # claims that could not be seen
    outside: int = 0  # claims in units or groups of which nothing was looked at
    units: int = 0  # that can be drawn from here
    more: int | None = None  # units that would narrow it to five points; None: not even all would
    more_claims: int = 0
    reach: Reach = Reach()
    # Draws that are not far enough to be counted, by number; None: nor may anybody know yet how far they are.
    under_way: tuple[tuple[int, Reach | None], ...] = ()
    only_villages: bool = True
    code: str | None = None
    is_whole: bool = True
    has_board: bool = False
    day: date | None = None  # of the last look, where it is about one draw
    number: int | None = None  # of that draw

    @property
    def claimed(self) -> int:
        """Those verified included."""
        return self.counts.done + self.counts.verified

    @property
    def is_known(self) -> bool:
        """Whether enough was looked at to say anything."""
        return not self.untold

    @property
    def untold(self) -> str:
        """Why nothing is told, in words; empty if something is."""
        found = self.estimate
        if found is None and self.reach.drawn:
            return _("none of the drawn was visited yet: cannot tell")
        if found is None:
            return _("no draw to tell by yet: cannot tell")
        if not self.reach.is_enough:
            return _("too few of the drawn were visited: cannot tell")
        if self.unseen * 100 > (self.unseen + found.seen) * (100 - ENOUGH):
            return _("too much could not be seen: cannot tell")
        is_wide = found.high - found.low > WIDEST or self.outside_percent > MOST_OUTSIDE
        return _("too few to tell") if is_wide or found.units < min(FEWEST, self.units) else ""

    @property
    def low_percent(self) -> int:
        """Of the claims, rounded down."""
        return floor(self.estimate.low * 100 + 1e-9) if self.estimate else 0

    @property
    def high_percent(self) -> int:
        """Of the claims, rounded up."""
        return ceil(self.estimate.high * 100 - 1e-9) if self.estimate else 100

    @property
    def real_low(self) -> int:
        """Claims that hold, of all that applies, in percent; rounded down."""
        return floor(self._claimed * self.estimate.low * 100 + 1e-9) if self.estimate else 0

    @property
    def real_high(self) -> int:
        """Likewise, rounded up."""
        return ceil(self._claimed * self.estimate.high * 100 - 1e-9) if self.estimate else 100

    @property
    def gap_low(self) -> int:
        """By how many points of all that applies the claims say too much, at least."""
        return floor(self._claimed * (1 - self.estimate.high) * 100 + 1e-9) if self.estimate else 0

    @property
    def gap_high(self) -> int:
        """And at most."""
        return ceil(self._claimed * (1 - self.estimate.low) * 100 - 1e-9) if self.estimate else 0

    @property
    def failed(self) -> int:
        """Claims that were looked at and did not hold."""
        return self.estimate.seen - self.estimate.held if self.estimate else 0

    @property
    def tasks(self) -> str:
        """The filter that lists the tasks behind it."""
        if self.code is None:
            return ""
        return f"{'under' if self.is_whole else 'beside'}={self.code or '0'}"

    @property
    def rounds(self) -> str:
        """The filter that lists the rounds behind it."""
        if self.number is not None:
            return f"draw={self.number}"
        return f"under={self.code or '0'}" if self.code is not None else ""

    @property
    def outside_percent(self) -> int:
        """Of the claims; rounded up."""
        return -(-self.outside * 100 // self.claimed) if self.claimed else 0

    @property
    def words(self) -> str:
        """What was looked at, where, and what to count on; or that it is too little to tell.

        How much is claimed and how much verified stand beside it, each for itself.
        """
        found, parts = self.estimate, []
        if found is not None:
            held = ngettext(
                "%(held)s of %(seen)s claim drawn held", "%(held)s of %(seen)s claims drawn held", found.seen
            )
            parts.append(held % {"held": found.held, "seen": found.seen})
        if self.reach.drawn:
            parts.append(self.reach.words)
        if found is None or self.untold:
            parts.append(self.untold)
        elif found.low == found.high:
            parts.append(_("that is all of them"))
        else:
            told = _("%(low)s–%(high)s%% of the claims is what to count on")
            parts.append(told % {"low": self.low_percent, "high": self.high_percent})
        return join(parts)

    @property
    def under_way_words(self) -> list[str]:
        """Which draws are not counted yet, one by one."""
        said = _("Draw %(number)s is not counted yet: %(reach)s.")
        held_back = _("Draw %(number)s is under way; it is counted once its rounds are over.")
        return [
            said % {"number": number, "reach": reach.words} if reach else held_back % {"number": number}
            for number, reach in self.under_way
        ]

    @property
    def more_words(self) -> str:
        """How much more has to be looked at for five points on either side; empty if that is reached."""
        if self.more is None and self.units:
            return _("Not even all units would narrow it to ±5 points: draw more items.")
        if not self.more_short:
            return ""
        return _("%(units)s would narrow it to ±5 points.") % {"units": self.more_short}

    @property
    def more_short(self) -> str:
        """The same as a number of units and checks."""
        if not self.more:
            return ""
        villages = ngettext("%(n)s more village", "%(n)s more villages", self.more)
        units = ngettext("%(n)s more unit", "%(n)s more units", self.more)
        checks = ngettext("about %(n)s check", "about %(n)s checks", self.more_claims) % {"n": self.more_claims}
        more = (villages if self.only_villages else units) % {"n": self.more}
        return _("%(units)s (%(checks)s)") % {"units": more, "checks": checks}

    @property
    def _claimed(self) -> float:
        return self.claimed / self.counts.applying if self.counts.applying else 0.0


@dataclass(frozen=True)
class Beliefs:
    """A board's belief: in all, and (where asked for) by row and by draw."""

    total: Belief
    rows: list[Belief] = field(default_factory=list)
    draws: list[Belief] = field(default_factory=list)


def beliefs(
    campaign: Campaign,
    user: access.Person,
    shown: Board,
    *,
    items: list[int] | None = None,
    days: Series | None = None,
    in_full: bool = False,
) -> Beliefs:
    """What to believe of a board. One query, or none before the first draw.

    Args:
        shown: the board as it stands now, all rows.
        items: look only at these, as the board does.
        days: the campaign day by day; with it each draw has what was claimed on its day.
        in_full: by row and by draw too.
    """
    where = [shown.at] if shown.at is not None else figures.tops(campaign, user)
    known = drawn(campaign, user, where, items=items) if campaign.draws_made else []  # type: ignore[attr-defined]
    found = [one for one in known if not one.is_held_back]
    reached = {one.number: reach([one], shown) for one in found}
    looked_at = [one for one in found if one.seen]
    counted = [one for one in looked_at if reached[one.number].is_enough] or looked_at or found
    sample = Sample(counted, shown, where)
    under_way = tuple((one.number, reached.get(one.number)) for one in known if one not in counted)
    total = replace(sample.belief("", shown.total, _anywhere), code=shown.at, under_way=under_way)
    if not in_full:
        return Beliefs(total)
    row_of = cache(lambda unit: figures.row_and_cell(unit, shown.at, where)[0])
    rows = [
        replace(
            sample.belief(
                row.name + ("" if row.is_whole else _(" and its departments")),
                row.counts,
                partial(_is_in, row_of, (row.code, row.is_whole)),
            ),
            code=row.code,
            is_whole=row.is_whole,
            has_board=row.has_board,
        )
        for row in shown.rows
        if row.counts.done + row.counts.verified
    ]
    return Beliefs(total, rows, [_of_draw(one, shown, where, days) for one in found])


class Sample:
    """Several draws read as one."""

    def __init__(self, found: Iterable[Found], shown: Board, where: list[str]) -> None:
        self.found = found = list(found)
        self.shown = shown
        self.where = tuple(where)
        self.lots: dict[str, float] = {}
        groups: dict[str, str] = {}
        lists: defaultdict[str, tuple[int, ...]] = defaultdict(tuple)
        self.latest: dict[int, Seen] = {}
        self.unseen: dict[int, str] = {}
        items: list[set[int]] = []
        for draw in found:
            items.append(draw.items)
            for unit in draw.listed:
                if unit.code.startswith(self.where):
                    lists[unit.code] += (draw.number,)
                    if not unit.was_drawn:
                        groups[unit.code], self.lots[unit.code] = unit.group, unit.lots
            for one in draw.seen:
                if one.counts and one.result == "unseen":
                    self.unseen[one.task] = one.unit
                elif one.counts:
                    self.latest[one.task] = max(self.latest.get(one.task, one), one, key=lambda look: look.at)
        self.visited = {one.unit: one.claims for draw in found for one in draw.seen}
        self.strata = {code: (lists[code], groups[code]) for code in self.lots}
        # Items are drawn if no draw looked at all of them.
        self.items = len(set().union(*items)) if items and all(items) else 0
        self.looks: defaultdict[str, dict[int, bool]] = defaultdict(dict)
        self.sent_back: defaultdict[str, int] = defaultdict(int)
        for task, one in self.latest.items():
            self.looks[one.unit][task] = one.result == "holds"
            self.sent_back[one.unit] += not one.is_claimed

    def claims(self, code: str) -> int | None:
        """What a listed unit had to be looked at; None if that is not known of units that were not visited."""
        if self.shown.owing:
            counts = self.shown.owing.get(code, Counts())
            return counts.done + counts.verified + self.sent_back[code]
        return self.visited[code] + self.sent_back[code] if code in self.visited else None

    def belief(self, name: str, counts: Counts, lies_here: Callable[[str], bool]) -> Belief:
        """About the units that lie here."""
        by: defaultdict[Any, list[str]] = defaultdict(list)
        for unit, stratum in self.strata.items():
            if lies_here(unit) and self.claims(unit) != 0:
                by[stratum].append(unit)
        looked: list[Looked] = []
        claims: dict[Any, int] = {}
        for stratum, units in by.items():
            taken = [unit for unit in units if self.looks[unit]]
            if not taken:
                continue
            known = dict(zip(units, chances([self.lots[unit] for unit in units], len(taken)), strict=True))
            for unit in taken:
                there = max(self.claims(unit) or 0, len(self.looks[unit]))
                held = [(self.latest[task].item, holds) for task, holds in self.looks[unit].items()]
                looked.append(Looked(stratum, there, held, known[unit]))
            claims[stratum] = self._in_all(units, taken, known)
        found = estimate(looked, claims, self.items)
        if not by:  # no draw has listed anything here
            by["all"] = [unit for unit in self.shown.owing if lies_here(unit) and self.claims(unit)]
        units_here = sum(map(len, by.values()))
        each = found.seen / found.units if found else self._each(by)
        more = needed(found, units=units_here, each=each) if units_here else None
        back = sum(self.sent_back[unit] for units in by.values() for unit in units)
        return Belief(
            name,
            counts,
            found,
            sum(1 for task, unit in self.unseen.items() if task not in self.latest and lies_here(unit)),
            max(0, counts.done + counts.verified + back - sum(claims.values())),
            units_here,
            more,
            round((more or 0) * each),
            only_villages=all(len(unit) == 12 and unit.isdigit() for units in by.values() for unit in units),
            reach=reach(self.found, self.shown, lies_here),
        )

    def _in_all(self, units: list[str], taken: list[str], known: Mapping[str, float]) -> int:
        """The claims of a stratum: counted, or reckoned from those visited."""
        counted = [self.claims(unit) for unit in units]
        if None not in counted:
            return sum(claims or 0 for claims in counted)
        return round(sum((self.claims(unit) or 0) / known[unit] for unit in taken))

    def _each(self, by: Mapping[Any, list[str]]) -> float:
        counted = [self.claims(unit) or 0 for units in by.values() for unit in units]
        return sum(counted) / len(counted) if counted else 0.0


def _anywhere(_code: str) -> bool:
    return True


def reach(found: Iterable[Found], shown: Board, lies_here: Callable[[str], bool] = _anywhere) -> Reach:
    """How far these draws have got in the units that lie here. Above a county nobody knows which claim nothing."""
    went: dict[str, bool] = {}
    for draw in found:
        for unit, been in draw.sent.items():
            of = shown.owing.get(unit, Counts())
            if lies_here(unit) and (been or not shown.owing or of.done + of.verified):
                went[unit] = been or went.get(unit, False)
    return Reach(len(went), sum(went.values()))


def _is_in(row_of: Callable[[str], object], row: object, unit: str) -> bool:
    return row_of(unit) == row


def _of_draw(one: Found, shown: Board, where: list[str], days: Series | None) -> Belief:
    """One draw alone; beside it what was claimed on the day of its last look."""
    counts, name = shown.total, f"{one.number} {one.title}"
    if days is not None and one.last in days.days:
        n = days.days.index(one.last)
        claimed, verified = days.claimed[n], days.verified[n]
        counts = Counts(open=sum(days.due.values()) - claimed, done=claimed - verified, verified=verified)
    return replace(Sample([one], shown, where).belief(name, counts, _anywhere), day=one.last, number=one.number)
