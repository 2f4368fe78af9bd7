"""The timeline of a campaign: what is drawn where. Pure geometry, in whole pixels; the page makes an SVG of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from django.utils.formats import date_format

from checklists import workdays

ONE_DAY = timedelta(days=1)
LONGEST = 3 * 366  # days that are drawn; a campaign of twenty years is a slip of the keyboard
SHORTEST = 14
WIDTH = 1240  # that a campaign fills, if its days then are neither too thin nor too wide
THINNEST, WIDEST = 1.65, 36
NUMBERED, WEEKS_NUMBERED = 20, 6  # width of a day from which each day, or each Monday, has room for its number
MONTHS, NUMBERS, LANE, PILL, FOOT = 18, 16, 34, 22, 18  # heights of the rows
GAP = 6  # between two things in one row


class Dated(Protocol):
    """As much of a phase as is drawn."""

    starts_on: date
    ends_on: date


@dataclass(frozen=True)
class Label:
    """Words at a place."""

    x: int
    y: int
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Box:
    """A rectangle, with what it stands for."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    label: Label
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A vertical line: today, the inspection."""

    x: int
    kind: str
    label: Label


@dataclass
class Timeline:
    """Everything that is drawn."""

    first: date
    last: date
    is_cut: bool  # there is more than is drawn
    day: float  # width of a day
    width: int
    height: int = 0
    months: list[Label] = field(default_factory=list)
    numbers: list[Label] = field(default_factory=list)
    grounds: list[Box] = field(default_factory=list)  # weekends, holidays, made-up days, the inspection's window
    bars: list[Box] = field(default_factory=list)
    pills: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def x(self, day: date) -> int:
        """The left edge of a day."""
        return round((day - self.first).days * self.day)

    def middle(self, day: date) -> int:
        """The middle of a day."""
        return round(((day - self.first).days + 0.5) * self.day)


def draw(
    phases: Iterable[Dated], deadlines: Mapping[date, int], *, starts_on: date, inspects: tuple[date, date], today: date
) -> Timeline:
    """The whole campaign, from its first day, phase or deadline to its last, in whole weeks.

    Args:
        deadlines: how many items are due on which day.
        inspects: the first and the last day on which the inspection may come.
    """
    phases = list(phases)
    days = [starts_on, *inspects, *deadlines, *(day for phase in phases for day in (phase.starts_on, phase.ends_on))]
    first = min(days) - timedelta(days=min(days).weekday())
    n = max((max(days) - first).days + 1, SHORTEST)
    shown = min(n + (-n) % 7, LONGEST, (date.max - first).days)
    width = max(THINNEST, min(WIDEST, WIDTH / shown))
    line = Timeline(first, first + (shown - 1) * ONE_DAY, shown < n, width, round(shown * width))
    below = _calendar(line)
    below = _phases(line, [phase for phase in phases if phase.starts_on <= line.last], below)
    below = _deadlines(line, {day: n for day, n in sorted(deadlines.items()) if day <= line.last}, below)
    line.height = below + 2 * FOOT
    _grounds(line, inspects)
    if first <= today <= line.last:
        line.lines.append(Line(line.x(today), "today", _beside(line, line.x(today), below + FOOT - 5, _day(today))))
    if inspects[0] <= line.last:
        x = line.x(inspects[0])
        line.lines.append(Line(x, "inspection", _beside(line, x, below + 2 * FOOT - 5, _day(inspects[0]))))
    return line


def _calendar(line: Timeline) -> int:
    """Months along the top, and the days' numbers where there is room."""
    end = 0
    for day in _days(line):
        x = line.x(day)
        if day == line.first or day.day == 1:
            month = date_format(day, "YEAR_MONTH_FORMAT")
            left = line.x(_month_after(day)) - x
            if x >= end and (left >= _wide(month) or day.day == 1):
                line.months.append(Label(x + 2, MONTHS - 5, month))
                end = x + _wide(month)
        if line.day >= NUMBERED or (line.day >= WEEKS_NUMBERED and day.weekday() == 0):
            line.numbers.append(Label(line.middle(day), MONTHS + NUMBERS - 4, str(day.day), "middle"))
    return MONTHS + (NUMBERS if line.numbers else 0)


def _phases(line: Timeline, phases: list[Dated], top: int) -> int:
    """A bar per phase under its title; phases at the same time stand one below the other."""
    ends: list[int] = []
    for phase in sorted(phases, key=lambda phase: phase.starts_on):
        x, to = line.x(phase.starts_on), line.x(min(phase.ends_on, line.last) + ONE_DAY)
        text = _fitting(str(phase), line.width)
        start = max(0, min(x, line.width - _wide(text)))
        lane = _lane(ends, min(x, start), max(to, start + _wide(text)))
        y = top + lane * LANE
        title = f"{phase}: {date_format(phase.starts_on)}–{date_format(phase.ends_on)}"
        line.bars.append(Box(x, y + 20, to - x, 8, "phase", Label(start + 2, y + 15, text), title))
    return top + len(ends) * LANE


def _deadlines(line: Timeline, deadlines: dict[date, int], top: int) -> int:
    """A dot with the number of items on each day on which some are due."""
    ends: list[int] = []
    for day, n in deadlines.items():
        width = max(18, 6 + 8 * len(str(n)))
        x = max(0, min(line.middle(day) - width // 2, line.width - width))
        y = top + _lane(ends, x, x + width) * PILL + 2
        kind = "deadline" if workdays.is_workday(day) else "deadline rest"
        line.pills.append(Box(x, y, width, 18, kind, Label(x + width // 2, y + 13, str(n), "middle"), _day(day)))
    return top + len(ends) * PILL


def _grounds(line: Timeline, inspects: tuple[date, date]) -> None:
    """Behind everything: days off in one piece as far as they are of one kind, made-up days, the inspection."""
    height = line.height - MONTHS
    for day in _days(line):
        kind = kind_of(day)
        if not kind:
            continue
        x, last = line.x(day), line.grounds[-1] if line.grounds else None
        if last and last.kind == kind and last.x + last.width == x:
            line.grounds.pop()
            x = last.x
        width = line.x(day + ONE_DAY) - x
        line.grounds.append(Box(x, MONTHS, width, height, kind, Label(x, 0, ""), workdays.name_of(day)))
    if inspects[0] <= line.last and inspects[1] > inspects[0]:
        x, to = line.x(inspects[0]), line.x(min(inspects[1], line.last) + ONE_DAY)
        line.grounds.append(Box(x, MONTHS, to - x, height, "window", Label(x, 0, "")))


def kind_of(day: date) -> str:
    """What sort of day it is: empty for a working day like any other."""
    if workdays.is_made_up(day):
        return "made-up"
    if workdays.is_workday(day):
        return ""
    return "holiday" if workdays.name_of(day) else "weekend"


def _lane(ends: list[int], start: int, end: int) -> int:
    """The topmost row in which there is room from `start` to `end`, which are taken then."""
    for lane, taken in enumerate(ends):
        if taken <= start:
            ends[lane] = end + GAP
            return lane
    ends.append(end + GAP)
    return len(ends) - 1


def _days(line: Timeline) -> Iterable[date]:
    return (line.first + n * ONE_DAY for n in range((line.last - line.first).days + 1))


def _month_after(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _day(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")


def _beside(line: Timeline, x: int, y: int, text: str) -> Label:
    """Words to the right of a line, to its left where there is no room."""
    room = line.width - x > _wide(text) + 60  # the page writes a word before the date
    return Label(x + 4 if room else x - 4, y, text, "start" if room else "end")


def _wide(text: str) -> int:
    """About as many pixels as the text takes: a Chinese character is twice as wide as a letter."""
    return sum(13 if ord(character) > 0x2E7F else 7 for character in text) + GAP


def _fitting(text: str, width: int) -> str:
    """The text, cut where it would be wider than that."""
    if _wide(text) <= width:
        return text
    while text and _wide(text + "…") > width:
        text = text[:-1]
    return text + "…"
