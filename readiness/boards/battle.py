"""The battle map (挂图作战): sections of the checklist down, time across, and in each field what is due then. Pure.

It is a table: its columns are days, weeks or four weeks, all of one length; weeks begin on Monday.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.translation import gettext as _

from checklists.setup.timeline import kind_of
from checklists.workdays import is_workday
from readiness.boards.light import Counts

ONE_DAY = timedelta(days=1)
# The most columns of a length that are shown: beyond, the next length is taken.
LENGTHS = {1: 16, 7: 40, 28: 40}
Link = Callable[[str, date | None, date | None], str]  # section ("" for all), first and last day due (None: any)


@dataclass(frozen=True)
class Stage:
    """A phase of the campaign, with how many tasks of its gate items are still owed, and where they are shown."""

    title: str
    starts_on: date
    ends_on: date
    owed: int = 0
    href: str = ""


@dataclass(frozen=True)
class Column:
    """Some days. `kinds` says of each what sort of day it is (checklists.setup.timeline.kind_of)."""

    first: date
    last: date
    kinds: list[str]
    working_days: int
    is_now: bool
    inspects_on: date | None  # the first day of the inspection, if it lies here


@dataclass(frozen=True)
class Field:
    """What is due in a section in a column; never claimed and verified in one number."""

    verified: int = 0
    claimed: int = 0
    late: int = 0
    open: int = 0
    href: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.verified or self.claimed or self.late or self.open)


@dataclass(frozen=True)
class Line:
    """A section of the checklist, a field for each column."""

    name: str
    fields: list[Field]
    href: str = ""


@dataclass(frozen=True)
class Span:
    """A part of a row of phases: so many columns, with a phase or empty."""

    columns: int
    stage: Stage | None = None


@dataclass
class Battle:
    """The whole table."""

    on: date
    columns: list[Column]
    stages: list[list[Span]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    total: Line | None = None

    def sheet(self) -> tuple[list[str], list[list[object]]]:
        """Header and rows of the CSV: every field in which something is due."""
        header = [_("Section"), _("From"), _("To")]
        header += [_("Verified"), _("Claimed, not yet verified"), _("Late"), _("Open, due later")]
        rows: list[list[object]] = [
            [line.name, column.first, column.last, of.verified, of.claimed, of.late, of.open]
            for line in self.lines
            for column, of in zip(self.columns, line.fields, strict=True)
            if not of.is_empty
        ]
        return header, rows


def draw(
    due: Iterable[tuple[str, date, Counts]],
    stages: Sequence[Stage],
    *,
    starts_on: date,
    inspects: tuple[date, date],
    on: date,
    link: Link | None = None,
) -> Battle:
    """From the campaign's first day, phase or deadline to its last.

    Args:
        due: section, day, and what is due in it then; sections keep the order in which they first come.
        inspects: the first and the last day on which the inspection may come.
        on: the day of the figures.
        link: the address of the tasks of a section that are due on certain days.
    """
    due = [(section, day, counts) for section, day, counts in due if counts.applying]
    days = [starts_on, *inspects, *(day for _section, day, _counts in due)]
    days += [day for stage in stages for day in (stage.starts_on, stage.ends_on)]
    columns = _columns(min(days), max(days), inspects[0], on)
    length = (columns[0].last - columns[0].first).days + 1

    def column_of(day: date) -> int:
        return min(max((day - columns[0].first).days // length, 0), len(columns) - 1)

    sections: dict[str, list[Counts]] = {}
    sums = [Counts()] * len(columns)
    for section, day, counts in due:
        at = column_of(day)
        sections.setdefault(section, [Counts()] * len(columns))[at] += counts
        sums[at] += counts
    where = link or (lambda section, first, last: "")
    return Battle(
        on,
        columns,
        _stages(stages, column_of, len(columns)),
        [_line(section, section, found, columns, where) for section, found in sections.items()],
        _line(_("All sections"), "", sums, columns, where) if len(sections) > 1 else None,
    )


def _columns(first: date, last: date, inspects_on: date, on: date) -> list[Column]:
    n = (last - first).days + 1
    length = next((length for length, most in LENGTHS.items() if n <= length * (most - 1)), max(LENGTHS))
    if length > 1:
        first -= timedelta(days=first.weekday())
    most = min(LENGTHS[length], (date.max - first).days // length)
    columns: list[Column] = []
    while first <= last and len(columns) < most:
        days = [first + n * ONE_DAY for n in range(length)]
        here = inspects_on if days[0] <= inspects_on <= days[-1] else None
        kinds = [kind_of(day) for day in days]
        columns.append(Column(days[0], days[-1], kinds, sum(map(is_workday, days)), days[0] <= on <= days[-1], here))
        first += length * ONE_DAY
    return columns


def _line(name: str, section: str, found: list[Counts], columns: list[Column], link: Link) -> Line:
    fields = [
        Field(
            counts.verified,
            counts.done,
            counts.overdue,
            counts.owed - counts.overdue,
            link(section, column.first, column.last) if counts.applying else "",
        )
        for counts, column in zip(found, columns, strict=True)
    ]
    return Line(name, fields, link(section, None, None))


def _stages(stages: Iterable[Stage], column_of: Callable[[date], int], width: int) -> list[list[Span]]:
    """Rows of phases from left to right; a phase that has no room in a row stands in the next."""
    rows: list[list[Span]] = []
    ends: list[int] = []  # columns taken in each row
    for stage in sorted(stages, key=lambda stage: stage.starts_on):
        start, end = column_of(stage.starts_on), column_of(stage.ends_on) + 1
        at = next((at for at, taken in enumerate(ends) if taken <= start), len(rows))
        if at == len(rows):
            rows.append([])
            ends.append(0)
        if start > ends[at]:
            rows[at].append(Span(start - ends[at]))
        rows[at].append(Span(end - start, stage))
        ends[at] = end
    for row, taken in zip(rows, ends, strict=True):
        if taken < width:
            row.append(Span(width - taken))
    return rows
