"""Planned, claimed and verified day by day, and the fan of what will be claimed: what is drawn where. Pure.

A drawing scaled down to a phone has letters that nobody can read, so there is one for each width of the page; the page
shows the one that fits. Coordinates are in pixels of the drawing, written with one decimal.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from typing import Protocol

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from readiness.boards.forecast import Forecast, NoForecast

ONE_DAY = timedelta(days=1)
LONGEST = 3 * 366  # days that are drawn; a campaign of twenty years is a slip of the keyboard
BY_WEEK = 60  # days above which the table under the chart has one row a week
SIZES = {"small": (340, 300), "medium": (640, 340), "large": (1100, 380)}  # width and height
LEFT, RIGHT, TOP, BOTTOM = 46, 44, 4, 50  # room for what is written around the plot
LANE = 18  # height of a phase
LETTER = 12  # size of the letters
MARKS = 8  # about as many on a line, beside the one at its end
STEPS = (1, 2, 7, 14, 28, 56, 112, 224)  # days between two dates on the axis


class Dated(Protocol):
    """As much of a phase as is drawn; its words are `str(phase)`."""

    @property
    def starts_on(self) -> date: ...
    @property
    def ends_on(self) -> date: ...


@dataclass(frozen=True)
class Row:
    """The counts at the end of a day; None where it is not known (yet)."""

    day: date
    planned: int  # due by then
    claimed: int | None = None  # those verified since included
    verified: int | None = None
    low: int | None = None  # of what will be claimed
    high: int | None = None


@dataclass(frozen=True)
class Label:
    """Words at a place."""

    x: str
    y: str
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Line:
    """A line with its marks and its words; `kind` is planned, claimed or verified."""

    kind: str
    path: str
    marks: str
    label: Label


@dataclass(frozen=True)
class Band:
    """A phase, above the plot."""

    x: str
    y: str
    width: str
    label: Label
    title: str


@dataclass(frozen=True)
class Upright:
    """A vertical line; `kind` is today or inspection."""

    kind: str
    x: str
    label: Label


@dataclass
class Drawing:
    """One chart of a fixed size."""

    size: str
    width: int
    height: int
    top: int
    floor: int
    left: int = LEFT
    right: int = 0
    across: list[Label] = field(default_factory=list)  # gridlines with their numbers
    dates: list[Label] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    uprights: list[Upright] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    fan: str = ""  # the outline of what is forecast
    likely: str = ""
    ends: list[Label] = field(default_factory=list)  # low and high, at the fan's end


@dataclass(frozen=True)
class Curve:
    """The chart, in each size, and its table."""

    rows: list[Row]  # every day
    total: int
    on: date
    inspects_on: date
    forecast: Forecast | None
    why_not: NoForecast | None
    drawings: list[Drawing]

    @property
    def table(self) -> list[Row]:
        """The rows under the chart: of a long campaign Sundays, the day of the figures and the last."""
        if len(self.rows) <= BY_WEEK:
            return self.rows
        kept = {self.rows[0].day, self.on, self.inspects_on, self.rows[-1].day}
        return [row for row in self.rows if row.day.weekday() == 6 or row.day in kept]

    @property
    def is_by_week(self) -> bool:
        return len(self.rows) > BY_WEEK

    @property
    def now(self) -> Row:
        """The day of the figures."""
        return next((row for row in self.rows if row.day == self.on), self.rows[-1])

    def sheet(self) -> tuple[list[str], list[list[object]]]:
        """Header and rows of the CSV: every day."""
        header = [_("Date"), _("Planned"), _("Claimed, verified ones included"), _("Verified")]
        header += [_("Forecast of claimed, low"), _("Forecast of claimed, high")]
        return header, [[row.day, row.planned, row.claimed, row.verified, row.low, row.high] for row in self.rows]


def draw(
    claimed: Sequence[tuple[date, int]],
    verified: Sequence[tuple[date, int]],
    due: Mapping[date, int],
    outlook: Forecast | NoForecast,
    *,
    on: date,
    inspects_on: date,
    phases: Iterable[Dated] = (),
) -> Curve:
    """The whole campaign, from its launch to the inspection or the day of the figures, whichever is later.

    Args:
        claimed: tasks claimed (those verified since included) at the end of every calendar day since launch.
        verified: tasks verified, likewise.
        due: tasks that apply, by the day on which they are due.
        on: the day of the figures.
    """
    first = claimed[0][0] if claimed else on
    last = min(max(on, inspects_on, first), first + LONGEST * ONE_DAY)
    found = outlook if isinstance(outlook, Forecast) else None
    days = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    fan = {day.day: day for day in found.days} if found else {}
    due_days = sorted(due)
    planned = [0, *accumulate(due[day] for day in due_days)]
    is_claimed, is_verified = dict(claimed), dict(verified)
    rows = [
        Row(
            day,
            planned[bisect_right(due_days, day)],
            is_claimed.get(day),
            is_verified.get(day),
            fan[day].low if day in fan else None,
            fan[day].high if day in fan else None,
        )
        for day in days
    ]
    chart = _Chart(rows, found, max(planned[-1], *(count for _day, count in [(on, 1), *claimed])), on, inspects_on)
    phases = [phase for phase in phases if phase.ends_on >= first and phase.starts_on <= last]
    drawings = [chart.draw(size, phases) for size in SIZES]
    why_not = outlook if isinstance(outlook, NoForecast) else None
    return Curve(rows, planned[-1], on, inspects_on, found, why_not, drawings)


@dataclass(frozen=True)
class _Chart:
    """What every size shows."""

    rows: list[Row]
    forecast: Forecast | None
    highest: int  # what the upper edge stands for; the lower one is 0, so that nothing is exaggerated
    on: date
    inspects_on: date

    def draw(self, size: str, phases: list[Dated]) -> Drawing:
        width, height = SIZES[size]
        lanes = _lanes(phases)
        top = TOP + LETTER + LANE * (max(lanes, default=-1) + 1)
        drawing = Drawing(size, width, height + top, top, height + top - BOTTOM, right=width - RIGHT)
        place = _Place(drawing, self.rows[0].day, max(1, len(self.rows) - 1), self.highest)
        drawing.across = [Label(_px(LEFT - 6), place.y(count), str(count), "end") for count in _round(self.highest)]
        drawing.dates = self._dates(place)
        drawing.bands = [self._band(place, phase, lane) for phase, lane in zip(phases, lanes, strict=True)]
        drawing.uprights = self._uprights(place)
        drawing.lines = self._lines(place)
        if self.forecast:
            self._fan(place, self.forecast)
        return drawing

    def _dates(self, place: "_Place") -> list[Label]:
        days = [row.day for row in self.rows]
        room = wide(date_format(date(2026, 12, 28), "MONTH_DAY_FORMAT")) + 4
        step = next((step for step in STEPS if step * place.day_width >= room), STEPS[-1])
        start = 0 if step < 7 else -days[0].weekday() % 7  # Mondays
        furthest = place.drawing.width - room / 2
        return [
            Label(_px(min(place.at(day), furthest)), "", date_format(day, "MONTH_DAY_FORMAT"), "middle")
            for day in days[start::step]
        ]

    def _band(self, place: "_Place", phase: Dated, lane: int) -> Band:
        x = place.at(max(phase.starts_on, self.rows[0].day))
        to = place.at(min(phase.ends_on + ONE_DAY, self.rows[-1].day))
        y = TOP + LANE * lane
        title = f"{phase}: {date_format(phase.starts_on)}–{date_format(phase.ends_on)}"
        words = Label(_px(x + 4), _px(y + LANE - 6), fitting(str(phase), int(to - x)))
        return Band(_px(x), _px(y), _px(max(to - x, 2)), words, title)

    def _uprights(self, place: "_Place") -> list[Upright]:
        found = []
        below = place.drawing.floor + 16 + LETTER + 2  # under the dates, each in a row of its own
        for kind, day, words in (("today", self.on, _("as of")), ("inspection", self.inspects_on, _("inspection"))):
            if self.rows[0].day <= day <= self.rows[-1].day:
                text = f"{words} {date_format(day, 'MONTH_DAY_FORMAT')}"
                x, half = place.at(day), wide(text) / 2
                middle = min(max(x, half), place.drawing.width - half)
                found.append(Upright(kind, _px(x), Label(_px(middle), _px(below), text, "middle")))
            below += LETTER + 3
        return found

    def _lines(self, place: "_Place") -> list[Line]:
        now = next((row for row in reversed(self.rows) if row.claimed is not None), None)
        lines = [self._line(place, "planned", [(row.day, row.planned) for row in self.rows], _("planned"))]
        if now:
            claimed = [(row.day, row.claimed) for row in self.rows if row.claimed is not None]
            verified = [(row.day, row.verified) for row in self.rows if row.verified is not None]
            lines.append(self._line(place, "claimed", claimed, _("claimed")))
            lines += [self._line(place, "verified", verified, _("verified"))] if verified else []
        return lines

    def _line(self, place: "_Place", kind: str, points: list[tuple[date, int]], word: str) -> Line:
        spots = [(place.at(day), place.height(count)) for day, count in points]
        x, y = spots[-1]
        every = max(1, len(spots) // MARKS)
        marks = "".join(MARK[kind](*spot) for spot in spots[::-1][::every]) if kind in MARK else ""
        text = f"{word} {points[-1][1]}"
        has_room = x + wide(text) + 8 < place.drawing.right
        match kind:
            case "verified" if has_room:
                label = Label(_px(x + 8), _px(min(y + 16, place.drawing.floor - 4)), text)
            case "verified":
                label = Label(_px(x - 8), _px(min(y + 18, place.drawing.floor - 4)), text, "end")
            case _:
                label = Label(_px(max(x - 8, LEFT + wide(text))), _px(max(y - 8, place.drawing.top + 2)), text, "end")
        return Line(kind, _path(spots), marks, label)

    def _fan(self, place: "_Place", forecast: Forecast) -> None:
        before = forecast.days[0].day - ONE_DAY
        known = next((row.claimed for row in self.rows if row.day == before and row.claimed is not None), 0)
        days = [day for day in forecast.days if day.day <= self.rows[-1].day]
        start = (place.at(before), place.height(known)) if before >= self.rows[0].day else None
        starts = [start] if start else []
        high = starts + [(place.at(day.day), place.height(day.high)) for day in days]
        low = starts + [(place.at(day.day), place.height(day.low)) for day in days]
        drawing = place.drawing
        drawing.fan = _path(high + low[::-1]) + "z"
        drawing.likely = _path(starts + [(place.at(day.day), place.height(day.likely)) for day in days])
        top, bottom = high[-1][1], low[-1][1]
        middle, apart = (top + bottom) / 2, max(bottom - top, LETTER + 1) / 2
        drawing.ends = [
            Label(_px(drawing.right + 4), _px(middle + way * apart + LETTER / 3), f"{percent}%")
            for way, percent in ((-1, forecast.high_percent), (1, forecast.low_percent))
        ]


@dataclass(frozen=True)
class _Place:
    """Where a day and a count lie in a drawing."""

    drawing: Drawing
    first: date
    days: int
    highest: int

    @property
    def day_width(self) -> float:
        return (self.drawing.right - LEFT) / self.days

    def at(self, day: date) -> float:
        return LEFT + (day - self.first).days * self.day_width

    def height(self, count: int) -> float:
        return self.drawing.floor - count / self.highest * (self.drawing.floor - self.drawing.top)

    def y(self, count: int) -> str:
        return _px(self.height(count))


def _circle(x: float, y: float) -> str:
    return f"M{x - 3.5:.1f} {y:.1f}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0"


def _square(x: float, y: float) -> str:
    return f"M{x - 3:.1f} {y - 3:.1f}h6v6h-6z"


MARK = {"claimed": _circle, "verified": _square}


def _px(number: float) -> str:
    return f"{number:.1f}"


def _path(spots: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)


def _round(highest: int) -> list[int]:
    """Some round numbers up to the highest, and the highest itself."""
    power = 10 ** (len(str(highest)) - 1)
    step = next(step for step in (power // 5, power // 2, power, 2 * power) if step and highest / step <= 5)
    numbers = list(range(0, highest, step))
    return [*(numbers[:-1] if highest - numbers[-1] < step / 2 and len(numbers) > 1 else numbers), highest]


def _lanes(phases: list[Dated]) -> list[int]:
    """The row of each phase: those at the same time stand one below the other."""
    ends: list[date] = []
    lanes = []
    for phase in phases:
        lane = next((lane for lane, end in enumerate(ends) if end < phase.starts_on), len(ends))
        ends[lane : lane + 1] = [phase.ends_on]
        lanes.append(lane)
    return lanes


def wide(text: str) -> int:
    """About as many pixels as the text takes: a Chinese character is twice as wide as a letter."""
    return sum(LETTER + 1 if ord(character) > 0x2E7F else 8 for character in text) + 4


def fitting(text: str, width: int) -> str:
    """The text, cut where it would be wider than that; empty where not even one character fits."""
    if wide(text) <= width:
        return text
    while text and wide(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""
