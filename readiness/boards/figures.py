"""Figures for the boards, from tallies: the same few queries for a township and for the country.

A board stands at a unit. Its rows are the units below, its cells theirs; what a unit owes itself stands in a cell of
its own. Up to the county a tally holds everything below it; above it, figures are sums of counties.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Left, Length

from checklists.models import Campaign, DayTally, ItemTally, State, Tally, Task
from checklists.models.tally import COUNTY_PLACES
from checklists.models.task import OWED
from readiness.boards.light import Counts, Light
from villages import access
from villages.models import Unit, short_name

# Places of the codes of a board's rows and cells, by those of the unit it stands at. A township's rows have no cells.
BELOW = {0: (2, 4), 2: (4, 6), 4: (6, 9), 6: (9, 12), 9: (12, 0)}
CITY_PLACES = 4
DIGITS = re.compile(r"\d*")


@dataclass(frozen=True)
class Cell:
    """One unit, or what one unit owes itself."""

    code: str
    name: str
    counts: Counts
    light: Light
    is_own: bool = False  # the upper unit's own tasks, beside those of the units below it
    has_board: bool = False  # whether there is something below it to look into


@dataclass(frozen=True)
class Row:
    """One unit with everything below it, or (`is_whole` off) cells that stand for themselves."""

    code: str | None  # None: cells of units whose upper unit is out of the reader's sight
    name: str
    counts: Counts
    light: Light
    cells: list[Cell] = field(default_factory=list)
    is_whole: bool = True
    has_board: bool = False

    @property
    def tasks(self) -> str:
        """The filter that lists the tasks behind its figures."""
        if self.code is None:
            return ""
        return f"{'under' if self.is_whole else 'beside'}={self.code or '0'}"


@dataclass(frozen=True)
class Board:
    """A campaign at one unit, as far as one reader sees it."""

    at: str | None  # None: the reader's posts have no one unit above them
    total: Counts
    rows: list[Row]
    names: dict[str, str]  # of the unit, of those above it and of all below it that are shown
    owing: dict[str, Counts]  # units with tasks of their own; none above a county, where they are too many
    drawn: set[str]  # of those named, the units whose boundary is known
    vetoed: Collection[str] = ()  # units of which a leader has said that their veto items count

    @property
    def path(self) -> list[tuple[str, str]]:
        """Code and name of the units above, from the highest in sight down; the board's own is not among them."""
        return sorted(
            (code, name)
            for code, name in self.names.items()
            if self.at is not None and code != self.at and self.at.startswith(code)
        )

    @property
    def lights(self) -> list[tuple[Light, int]]:
        """How many cells (or rows, where there are no cells) have which colour."""
        found = Counter(light for row in self.rows for light in ([cell.light for cell in row.cells] or [row.light]))
        return [(light, found[light]) for light in (Light.RED, Light.AMBER, Light.GREEN)]

    def only(self, light: Light) -> "Board":
        """With just the cells (or rows without any) of one colour."""
        rows = [replace(row, cells=[cell for cell in row.cells if cell.light == light]) for row in self.rows]
        kept = [
            row for row, was in zip(rows, self.rows, strict=True) if row.cells or (not was.cells and row.light == light)
        ]
        return replace(self, rows=kept)


def tops(campaign: Campaign, user: access.Person) -> list[str]:
    """The highest units of the campaign that the reader covers."""
    host = campaign.host_id
    return sorted(
        {
            code if len(code) > len(host) else host
            for code in access.scopes(user)
            if code.startswith(host) or host.startswith(code)
        }
    )


def has_board(code: str) -> bool:
    """Whether anything that counts for itself can lie below: not for villages, departments and sites."""
    return len(code) in BELOW and DIGITS.fullmatch(code) is not None


def board(
    campaign: Campaign,
    user: access.Person,
    *,
    at: str | None,
    on: date,
    items: list[int] | None = None,
    as_of: date | None = None,
    vetoed: Collection[str] = (),
) -> Board:
    """The board at a unit, or of all that the reader sees (`at` None). Two queries, three above a county with vetoes.

    Args:
        on: the day that decides what is overdue.
        items: count only the tasks of these items.
        as_of: as things stood at the end of this day; then `on` is the day after it.
        vetoed: units of which a leader has said that their veto items count; elsewhere they colour nothing.
    """
    where = [at] if at is not None else tops(campaign, user)
    is_high = bool(levels(where))
    own = _own(campaign, user, where, on=on, items=items, as_of=as_of)
    if is_high:
        own = {code: counts._replace(vetoes=0) for code, counts in own.items()}
        for unit, n in counting(campaign, user, vetoed, on=on, items=items, as_of=as_of).items():
            if (code := holder(unit, own)) is not None:
                own[code] += Counts(vetoes=n)
    else:
        own = {code: decided(counts, code, vetoed) for code, counts in own.items()}
    shown: defaultdict[tuple[str | None, bool], dict[tuple[str, bool], Counts]] = defaultdict(dict)
    for code, counts in own.items():
        if counts.total:
            row, cell = row_and_cell(code, at, where)
            shown[row][cell] = shown[row].get(cell, Counts()) + counts
    owing = {} if is_high else {code: counts for code, counts in own.items() if counts.total}
    codes = {code for (row, _), cells in shown.items() for code in (row, *(cell for cell, _ in cells))}
    names, drawn = _names(user, codes | set(owing), at)
    rows = [_row(campaign, row, is_whole, cells, names, on) for (row, is_whole), cells in shown.items()]
    rows.sort(key=lambda row: need(row.light, row.counts, row.code or ""))
    return Board(at, sum((row.counts for row in rows), Counts()), rows, names, owing, drawn, vetoed)


def row_and_cell(code: str, at: str | None, where: list[str]) -> tuple[tuple[str | None, bool], tuple[str, bool]]:
    """Row (its unit, whether with all below it) and cell (its unit, whether only its own) of what a unit owes itself.

    Departments and sites count in their unit's own cell; those of the board's own unit have cells of their own.
    """
    digits = DIGITS.findall(code)[0]
    if at is None:
        top = next(top for top in where if code.startswith(top))
        if not has_board(top):
            return (None, False), (top, False)
        cells = BELOW[len(top)][0]
        return (top, True), (top, True) if len(digits) < cells else (digits[:cells], False)
    rows, cells = BELOW[len(at)]
    if len(digits) < rows:
        return (at, False), (code.partition("S")[0] if "D" in code else code, code == at)
    if len(digits) < cells:
        return (digits[:rows], True), (digits[:rows], True)
    return (digits[:rows], True), (digits[: cells or rows], False)


def _row(
    campaign: Campaign,
    code: str | None,
    is_whole: bool,
    cells: dict[tuple[str, bool], Counts],
    names: dict[str, str],
    on: date,
) -> Row:
    counts = sum(cells.values(), Counts())
    shown = [
        Cell(cell, names[cell], own, light_of(campaign, own, on), is_own, not is_own and has_board(cell))
        for (cell, is_own), own in cells.items()
        if (cell, is_own) != (code, False)  # a township's villages are rows without cells
    ]
    shown.sort(key=lambda cell: need(cell.light, cell.counts, cell.code))
    name = names[code] if code is not None else ""
    return Row(code, name, counts, light_of(campaign, counts, on), shown, is_whole, is_whole and has_board(code or ""))


def _names(user: access.Person, codes: set[str | None], at: str | None) -> tuple[dict[str, str], set[str]]:
    """Short names of the units shown and of those above the board's unit, as far as they are in sight.

    And which of them have a boundary.
    """
    asked = {code for code in codes if code is not None}
    if at is not None:
        asked |= {at[:n] for n in (0, 2, 4, 6, 9) if n <= len(at)}
    units = Unit.objects.visible_to(user)
    if at is not None and not levels([at]):  # then all below it are wanted, and a range is asked for faster than a list
        units = units.filter(Q(code__startswith=at) | Q(code__in=[code for code in asked if not code.startswith(at)]))
    else:
        units = units.filter(code__in=sorted(asked))
    found = list(units.values_list("code", "name", "boundary"))
    return {code: short_name(name) for code, name, _ in found}, {code for code, _, drawn in found if drawn is not None}


def need(light: Light, counts: Counts, code: str) -> tuple[int, float, int, str]:
    """Sorts by who needs people most."""
    return light.rank, -(counts.overdue / (counts.applying or 1)), -counts.returned, code


def light_of(campaign: Campaign, counts: Counts, on: date) -> Light:
    """The colour by the campaign's own rules, those that counted on this day."""
    return counts.light(red_percent=campaign.red_percent, vetoes=campaign.counts("vetoes", on))


def decided(counts: Counts, code: str, vetoed: Collection[str]) -> Counts:
    """What a unit owes itself, without veto items of which no leader has said that they count (checklists/ladder.py).

    What a site owes, its village owes.
    """
    return counts if not counts.vetoes or code.partition("S")[0] in vetoed else counts._replace(vetoes=0)


def decided_below(counts: Counts, code: str, counts_there: Mapping[str, int]) -> Counts:
    """The same of a unit's whole tally, by what `counting` says of the unit and of those below it."""
    of_it = counts_there.items() if len(code) >= COUNTY_PLACES else ((code, counts_there.get(code, 0)),)
    return counts._replace(vetoes=sum(n for unit, n in of_it if unit.startswith(code)))


def counting(
    campaign: Campaign,
    user: access.Person,
    vetoed: Collection[str],
    *,
    on: date,
    items: list[int] | None = None,
    as_of: date | None = None,
) -> dict[str, int]:
    """Unit -> of its own veto items that are overdue or returned, how many: of those vetoed, and of their sites.

    One query, none if nobody is vetoed. Arguments as `board` has them.
    """
    if not vetoed:
        return {}
    if as_of is None:
        rows = veto_tasks(campaign, user, vetoed, on=on)
        rows = rows if items is None else rows.filter(item__in=items)
        return dict(rows.values_list("unit_id").annotate(n=Count("pk")).order_by())
    units = Unit.objects.filter(Q(code__in=vetoed) | Q(parent__in=vetoed)).values("code")
    days = DayTally.objects.visible_to(user).filter(campaign=campaign, unit__in=units, day__lte=as_of)
    found = days.values_list("unit_id").annotate(**sums(on)).order_by()
    own = _less_below({code: Counts(*numbers) for code, *numbers in found})
    return {code: counts.vetoes for code, counts in own.items() if code.partition("S")[0] in vetoed}


def veto_tasks(campaign: Campaign, user: access.Person, vetoed: Collection[str], *, on: date) -> QuerySet[Task]:
    """The veto items, overdue or returned, that units owe of which a leader has said that theirs count."""
    units = Unit.objects.filter(Q(code__in=vetoed) | Q(parent__in=vetoed, code__contains="S")).values("code")
    tasks = Task.objects.visible_to(user).asked_for().filter(campaign=campaign, unit__in=units, veto=True)
    return tasks.filter(Q(state=State.RETURNED) | Q(state__in=OWED, due_on__lt=on))


def holder(unit: str, held: Container[str]) -> str | None:
    """Of disjoint sums by unit, the one that a unit's own is part of."""
    return next((unit[:n] for n in range(len(unit), -1, -1) if unit[:n] in held), None)


def sums(on: date) -> dict[str, Any]:
    """What a row of tallies adds to Counts, in their order."""
    late = Q(due_on__lt=on)
    return {
        **{f"n_{state}": Coalesce(Sum(state), 0) for state in State.values},
        "n_overdue": Coalesce(Sum(F("open") + F("returned"), filter=late), 0),
        "n_vetoes": Coalesce(Sum(F("vetoes_open"), filter=late), 0) + Coalesce(Sum("vetoes_returned"), 0),
        "n_points": Coalesce(Sum("points"), 0),
        "n_points_done": Coalesce(Sum("points_done"), 0),
        "n_points_verified": Coalesce(Sum("points_verified"), 0),
        "n_vetoes_owed": Coalesce(Sum(F("vetoes_open") + F("vetoes_returned")), 0),
    }


def task_sums(on: date) -> dict[str, Any]:
    """The same out of the tasks themselves."""
    late = Q(due_on__lt=on, state__in=OWED)
    owed_veto = Q(veto=True, state__in=OWED)
    return {
        **{f"n_{state}": Count("pk", filter=Q(state=state)) for state in State.values},
        "n_overdue": Count("pk", filter=late),
        "n_vetoes": Count("pk", filter=Q(veto=True) & (late | Q(state=State.RETURNED))),
        "n_points": Coalesce(Sum("points", filter=~Q(state=State.WAIVED)), 0),
        "n_points_done": Coalesce(Sum("points", filter=Q(state=State.DONE)), 0),
        "n_points_verified": Coalesce(Sum("points", filter=Q(state=State.VERIFIED)), 0),
        "n_vetoes_owed": Count("pk", filter=owed_veto),
    }


def within(where: Iterable[str]) -> Q:
    """At or below one of these units."""
    condition = Q(pk__in=[])
    for code in where:
        condition |= access.under("unit__code", code)
    return condition


def levels(where: Iterable[str]) -> set[int]:
    """Lengths of the codes whose tallies make up a board: no villages above the county, no counties above a city."""
    found: set[int] = set()
    for code in where:
        match len(code):
            case 0:
                found |= {0, 2, 4, 6, 8}
            case 2:
                found |= {2, 4, 6, 8}
            case 4:
                found |= {4, 6, 8, 9}
            case _:
                return set()
    return found


def _own(
    campaign: Campaign, user: access.Person, where: list[str], *, on: date, items: list[int] | None, as_of: date | None
) -> dict[str, Counts]:
    """Unit -> what it owes itself, from its tallies or (of chosen items) its tasks. One query.

    What is not read for its own sake stays with the unit above it. In the country all of a city comes as one sum.
    """
    if not where:
        return {}
    lengths = levels(where)
    rows: QuerySet[Any]
    if items is not None and not lengths:
        rows = Task.objects.visible_to(user).asked_for().filter(within(where), campaign=campaign, item__in=items)
        adds = task_sums(on)
        return {code: Counts(*numbers) for code, *numbers in rows.values_list("unit_id").annotate(**adds).order_by()}
    kept: Any = DayTally if as_of else Tally if items is None else ItemTally
    rows = kept.objects.visible_to(user).filter(within(where), campaign=campaign)
    if as_of:
        rows = rows.filter(day__lte=as_of)
    if items is not None:
        rows = rows.filter(item__in=items)
    rows = rows.alias(places=Length("unit_id"))
    if lengths:
        rows = rows.filter(places__in=lengths)
    bucket: Any = Left("unit_id", CITY_PLACES) if where == [""] else F("unit_id")
    adds = sums(on)
    found = rows.annotate(bucket=bucket).values("bucket").annotate(**adds).values_list("bucket", *adds).order_by()
    return _less_below({code: Counts(*numbers) for code, *numbers in found})


def _less_below(read: dict[str, Counts]) -> dict[str, Counts]:
    """Of tallies what each unit owes itself, and what is not read for its own sake."""
    own = dict(read)
    for code, counts in read.items():
        upper = _counts_into(code)
        while upper and upper not in read:
            upper = _counts_into(upper)
        if upper:
            own[upper] -= counts
    return own


def _counts_into(code: str) -> str:
    """The next unit above whose tally includes this one's; empty from the county up."""
    if code and not code.isdigit():
        upper = code[: code.rindex("S" if "S" in code else "D")]
    else:
        upper = code[: {12: 9, 9: 6}.get(len(code), 0)]
    return upper if len(upper) >= COUNTY_PLACES else ""
