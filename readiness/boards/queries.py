"""Figures for the boards: a scoped queryset in, frozen values out, a fixed number of queries."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from checklists.models import Campaign, Item, Responsibility, State, Tally, Task
from checklists.models.task import OWED
from readiness.boards.light import Counts, Light
from villages import access
from villages.models import Cadre, Unit


@dataclass(frozen=True)
class Cell:
    """One unit on a board."""

    unit: Unit
    counts: Counts
    light: Light
    is_own: bool = False  # the upper unit's own tasks, beside those of the units below it


@dataclass(frozen=True)
class Row:
    """One upper unit (a township, or the county with its departments) and the cells below it."""

    unit: Unit | None  # None where the reader sees the cells but not the unit above them
    tasks: str  # the filter that lists the tasks behind its figures
    counts: Counts
    light: Light
    cells: list[Cell] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether it stands for everything below its unit, not only for the unit and its departments."""
        return self.tasks.startswith("under")


@dataclass(frozen=True)
class Board:
    """A campaign as far as one reader sees it."""

    total: Counts
    rows: list[Row]
    lights: list[tuple[Light, int]]

    def only(self, light: Light) -> list[Row]:
        """The rows with just their cells of one colour."""
        rows = [replace(row, cells=[cell for cell in row.cells if cell.light == light]) for row in self.rows]
        return [row for row in rows if row.cells]


@dataclass(frozen=True)
class Place:
    """One upper unit in the ranking."""

    place: int  # equal shares have equal places
    unit: Unit
    verified: Fraction  # shares of the points of all that applies
    claimed: Fraction
    is_warned: bool

    @property
    def verified_percent(self) -> int:
        return int(self.verified * 100)

    @property
    def claimed_percent(self) -> int:
        return int(self.claimed * 100)


@dataclass(frozen=True)
class Vacancy:
    """空白点: a unit with tasks where nobody first or directly answers."""

    unit: Unit
    missing: list[str]


def counts_by_unit(campaign: Campaign, user: Cadre, *, on: date) -> dict[str, tuple[Unit, Counts]]:
    """Every visible unit of the campaign with its counts, everything below it included. Two queries."""
    late = Q(due_on__lt=on, state__in=OWED)
    sums = {state: Coalesce(Sum("tasks", filter=Q(state=state)), 0) for state in State.values}
    rows = (
        Tally.objects.visible_to(user)
        .filter(campaign=campaign)
        .values("unit_id")
        .annotate(
            **sums,
            overdue=Coalesce(Sum("tasks", filter=late), 0),
            late_vetoes=Coalesce(Sum("vetoes", filter=late | Q(state=State.RETURNED)), 0),
            all_points=Coalesce(Sum("points", filter=~Q(state=State.WAIVED)), 0),
            points_done=Coalesce(Sum("points", filter=Q(state=State.DONE)), 0),
            points_verified=Coalesce(Sum("points", filter=Q(state=State.VERIFIED)), 0),
        )
        .filter(Q(open__gt=0) | Q(done__gt=0) | Q(verified__gt=0) | Q(returned__gt=0) | Q(waived__gt=0))
    )
    names = [*State.values, "overdue", "late_vetoes", "all_points", "points_done", "points_verified"]
    counts = {unit: Counts(*numbers) for unit, *numbers in rows.values_list("unit_id", *names)}
    units = Unit.objects.visible_to(user).filter(Exists(Tally.objects.filter(campaign=campaign, unit=OuterRef("code"))))
    return {unit.code: (unit, counts[unit.code]) for unit in units.order_by("code") if unit.code in counts}


def light_of(campaign: Campaign, counts: Counts) -> Light:
    """The colour by the campaign's own rules."""
    return counts.light(red_percent=campaign.red_percent, vetoes=campaign.vetoes)


def board(campaign: Campaign, figures: dict[str, tuple[Unit, Counts]]) -> Board:
    """Rows and cells out of `counts_by_unit`; no query."""
    own = own_counts(figures)
    # A county's rows are its townships; above a county they are counties. Cells are one level below.
    digits = 9 if len(campaign.host_id) >= 6 else 6
    cells: dict[str, list[Cell]] = {}
    for code, (unit, counts) in figures.items():
        if not code.isdigit() or len(code) > digits:
            cells.setdefault(unit.parent_id or "", []).append(_cell(campaign, unit, counts))
        elif own[code].total:
            cells.setdefault(code, []).insert(0, _cell(campaign, unit, own[code], is_own=True))
    rows = []
    for code, (unit, counts) in figures.items():
        if code in cells and code.isdigit() and len(code) == digits:
            rows.append(Row(unit, f"under={code}", counts, light_of(campaign, counts), cells.pop(code)))
        elif code in cells and code.isdigit() and len(code) < digits:
            rows.append(_loose_row(campaign, unit, f"beside={code}", cells.pop(code)))
    # What is left hangs below units that the reader does not see, or below a cell that already counts it.
    strays = [cell for found in cells.values() for cell in found if not _counted(cell, figures)]
    if strays:
        rows.append(_loose_row(campaign, None, "", strays))
    tops = [code for code in figures if not any(_above(other, code) for other in figures)]
    lights = Counter(cell.light for row in rows for cell in row.cells)
    return Board(
        total=sum((figures[code][1] for code in tops), Counts()),
        rows=rows,
        lights=[(light, lights[light]) for light in (Light.RED, Light.AMBER, Light.GREEN)],
    )


def _loose_row(campaign: Campaign, unit: Unit | None, tasks: str, cells: list[Cell]) -> Row:
    """A row that stands for its cells alone: the departments of a county, or units whose township is out of sight."""
    counts = sum((cell.counts for cell in cells), Counts())
    return Row(unit, tasks, counts, light_of(campaign, counts), cells)


def _counted(cell: Cell, figures: dict[str, tuple[Unit, Counts]]) -> bool:
    return any(_above(code, cell.unit.code) for code in figures)


def own_counts(figures: dict[str, tuple[Unit, Counts]]) -> dict[str, Counts]:
    """A unit's own tasks: its tally less those of the units right below it that count into it."""
    own = {code: counts for code, (_, counts) in figures.items()}
    for code, (unit, counts) in figures.items():
        parent = unit.parent_id or ""
        if parent in own and _above(parent, code):
            own[parent] -= counts
    return own


def _above(upper: str, code: str) -> bool:
    """Whether the tally of `upper` includes that of `code`. Above the county a unit counts only itself."""
    return upper != code and code.startswith(upper) and len(upper) >= 6


def _cell(campaign: Campaign, unit: Unit, counts: Counts, *, is_own: bool = False) -> Cell:
    return Cell(unit, counts, light_of(campaign, counts), is_own)


def ranking(campaign: Campaign, rows: list[Row]) -> list[Place]:
    """Upper units by the share of points verified, then claimed; none unless a leader switched it on. No query.

    Units to which nothing applies have no place. The last places that are warned are as many as the campaign says,
    with everyone who shares the highest of them.
    """
    if not campaign.ranking:
        return []
    shares = [
        (Fraction(of.points_verified, of.points), Fraction(of.points_done, of.points), row.unit)
        for row in rows
        if row.unit is not None and row.is_whole and (of := row.counts).points
    ]
    shares.sort(key=lambda share: (-share[0], -share[1], share[2].code))
    order = [share[:2] for share in shares]
    worst = order[-campaign.last_places :][0] if campaign.last_places and order else (Fraction(-1), Fraction(-1))
    return [Place(order.index(share[:2]) + 1, share[2], *share[:2], share[:2] <= worst) for share in shares]


def gates(campaign: Campaign, user: Cadre) -> dict[int, int]:
    """Phase -> how many tasks of its gate items are still owed, if the campaign shows gates. One query or none."""
    if not campaign.gates:
        return {}
    owed = Task.objects.visible_to(user).filter(campaign=campaign, item__gate=True, item__phase__isnull=False)
    return dict(owed.still_owed().values_list("item__phase").annotate(n=Count("pk")).order_by())


def vacancies(campaign: Campaign, user: Cadre, figures: dict[str, tuple[Unit, Counts]], *, on: date) -> list[Vacancy]:
    """Visible units with tasks of their own that nobody first or directly answers for. One query."""
    needed = (Responsibility.Kind.FIRST, Responsibility.Kind.DIRECT)
    held = set(
        Responsibility.objects.visible_to(user)
        .filter(campaign=campaign, kind__in=needed)
        .in_office(on)
        .values_list("unit_id", "kind")
    )
    own = own_counts(figures)
    found = []
    for code, (unit, _) in figures.items():
        missing = [str(kind.label) for kind in needed if (code, kind) not in held]
        if missing and own[code].total:
            found.append(Vacancy(unit, missing))
    return found


def orphans(campaign: Campaign, user: Cadre) -> list[Item]:
    """Items that no unit owes, for those who see the whole campaign. One query or none."""
    if not access.may_see(user, campaign.host_id):
        return []
    return list(campaign.items.filter(~Exists(Task.objects.asked_for().filter(item=OuterRef("pk"))), struck=False))
