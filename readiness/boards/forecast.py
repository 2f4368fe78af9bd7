"""What will be claimed by the inspection day, if things go on as in the last seven working days. Pure: no clock.

Two ways of going on are known: STEADY, the same number a day; and WEEK, the same share a day of what is due within a
week and not yet claimed (claims bunch before deadlines). Each makes its forecasts for the days past; the way that has
erred less so far is taken (time-series cross-validation: Hyndman & Athanasopoulos, Forecasting: Principles and
Practice, 3rd ed., 5.10).

Either way a day's gain is rate x ground, with a variance proportional to the ground, which is 1 (STEADY) or the tasks
due within a week (WEEK). The rate is then the ratio of the sums (Cochran, Sampling Techniques, 3rd ed., ch. 6). For
STEADY the fan is that of the drift method, sd·√(h(1 + h/n)) over h days from n (Forecasting, 5.2 and 5.5), with
quantiles of Student's t. Days need not be alike for that: their spread is measured, and taken at least as large as
that of independent chances (Poisson).

Days off have no gain of their own: what is claimed on them counts for the next working day.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import accumulate
from math import ceil, floor, sqrt

from django.utils.translation import gettext_lazy as _

from checklists.workdays import is_workday

PACE_DAYS = 7  # working days that the pace is taken from
FEWEST_DAYS = 5  # working days below which nothing is forecast
SOON = timedelta(days=7)
FURTHEST = timedelta(days=366)
KEPT = 60  # working days of the past that are looked at
# Student's t, 90 % from below, by degrees of freedom: between minus and plus this lie 80 %.
T90 = {4: 1.533, 5: 1.476, 6: 1.440}
ONE_DAY = timedelta(days=1)


class Way(StrEnum):
    """How things go on."""

    STEADY = "steady"
    WEEK = "week"


class NoForecast(StrEnum):
    """Why nothing is forecast."""

    NOTHING = "nothing"
    ALL_CLAIMED = "all"
    OVER = "over"
    FEW_DAYS = "few"
    NO_WORKDAY = "rest"
    TOO_FAR = "far"
    CLOSED = "closed"

    @property
    def label(self) -> str:
        return str(LABELS[self])


LABELS = {
    NoForecast.NOTHING: _("No forecast: no task applies here."),
    NoForecast.ALL_CLAIMED: _("No forecast: every task is claimed."),
    NoForecast.OVER: _("No forecast: the inspection day has come."),
    NoForecast.FEW_DAYS: _("No forecast yet: it takes five working days of data."),
    NoForecast.NO_WORKDAY: _("No forecast: no working day is left."),
    NoForecast.TOO_FAR: _("No forecast yet: the inspection is more than a year away."),
    NoForecast.CLOSED: _("No forecast: the campaign is closed."),
}


@dataclass(frozen=True)
class Day:
    """How many tasks will be claimed (or verified since) at the end of a day; from low to high in 4 of 5 cases."""

    day: date
    low: int
    likely: int
    high: int


@dataclass(frozen=True)
class Backtest:
    """Of so many earlier forecasts so many held: the truth lay inside the fan."""

    hits: int
    tries: int

    def __add__(self, other: "Backtest") -> "Backtest":
        return Backtest(self.hits + other.hits, self.tries + other.tries)


@dataclass(frozen=True)
class Forecast:
    """What will be *claimed*; what will be verified is not forecast."""

    total: int  # tasks that apply
    pace: float  # net claims per working day; below 0 where more was taken back than claimed
    pace_days: int  # working days that the pace is taken from
    way: Way
    days: list[Day]  # every calendar day after the last whole one, to the inspection day
    backtest: Backtest

    @property
    def last(self) -> Day:
        """The inspection day."""
        return self.days[-1]

    @property
    def low_percent(self) -> int:
        """Rounded down."""
        return self.last.low * 100 // self.total

    @property
    def high_percent(self) -> int:
        """Rounded up; 100 only if it is all."""
        return 100 if self.last.high == self.total else min(99, -(-self.last.high * 100 // self.total))


def forecast(
    claimed: Sequence[tuple[date, int]], due: Mapping[date, int], *, until: date, is_over: bool = True
) -> Forecast | NoForecast:
    """What will be claimed on each day up to the inspection day, or why that is not said.

    Args:
        claimed: tasks claimed (those verified since included) at the end of every calendar day since launch, in order;
            the last is the day as of which the forecast is made.
        due: tasks that apply, by the day on which they are due.
        until: the inspection day; it counts as a day on which work is done.
        is_over: whether the last day is over. A day that still runs does not enter the pace, and brings what it has
            brought so far or what is forecast for it, whichever is more.
    """
    total = sum(due.values())
    if not total:
        return NoForecast.NOTHING
    if not claimed:
        return NoForecast.FEW_DAYS
    on, now = claimed[-1]
    if now >= total:
        return NoForecast.ALL_CLAIMED
    if until <= on:
        return NoForecast.OVER
    if until - on > FURTHEST:
        return NoForecast.TOO_FAR
    runs = not is_over and is_workday(on)
    first = on if runs else on + ONE_DAY
    ahead = [first + n * ONE_DAY for n in range((until - first).days + 1)]
    if not any(map(is_workday, ahead)):
        return NoForecast.NO_WORKDAY
    over = claimed[:-1] if runs else claimed
    if sum(is_workday(day) for day, _count in over) < FEWEST_DAYS:
        return NoForecast.FEW_DAYS
    past = Past(over, due)
    if past.days_of_data < FEWEST_DAYS:
        return NoForecast.FEW_DAYS
    last = past.days_of_data
    way = past.better(last)
    fans = past.fans(way, last, filter(is_workday, ahead), start=claimed[-2][1] if runs else now)
    fan, more, days = Fan(now, now, now), 0.0, []
    for day in ahead:
        if is_workday(day):
            fan = next(fans)
            more = max(0.0, now - fan.likely) if runs and day == on else more
        days.append(fan.of(day, more, total))
    gains = past.gains(last)
    return Forecast(total, sum(gains) / len(gains), len(gains), way, days, past.backtest())


def backtest(claimed: Sequence[tuple[date, int]], due: Mapping[date, int]) -> Backtest:
    """Stands on every past working day with enough data and forecasts every later one that is known."""
    return Past(claimed, due).backtest() if claimed else Backtest(0, 0)


@dataclass(frozen=True)
class Fan:
    """The same as a day, not yet in whole tasks."""

    low: float
    likely: float
    high: float

    def of(self, day: date, more: float, total: int) -> Day:
        """In whole tasks, the fan rounded outwards, between none and all."""
        low, likely, high = (min(max(count + more, 0), total) for count in (self.low, self.likely, self.high))
        return Day(day, floor(low), round(likely), ceil(high))

    def holds(self, count: int, total: int) -> bool:
        day = self.of(date.min, 0, total)
        return day.low <= count <= day.high


class Past:
    """The days of data, numbered from 1, on the base of day 0; what each of them would have forecast."""

    def __init__(self, claimed: Sequence[tuple[date, int]], due: Mapping[date, int]) -> None:
        working = [(day, count) for n, (day, count) in enumerate(claimed) if not n or is_workday(day)]
        self.days, self.levels = zip(*working[-KEPT - 1 :], strict=True)
        self.days_of_data = len(self.levels) - 1
        self.total = sum(due.values())
        self.due_days = sorted(due)
        self.planned = [0, *accumulate(due[day] for day in self.due_days)]
        tried = range(FEWEST_DAYS, self.days_of_data)
        self.tried = {
            way: {at: list(self.fans(way, at, self.days[at + 1 :], start=self.levels[at])) for at in tried}
            for way in Way
        }

    def gains(self, at: int) -> list[int]:
        """Net claims of each of the last working days, as of day `at`."""
        first = max(1, at - PACE_DAYS + 1)
        return [self.levels[n] - self.levels[n - 1] for n in range(first, at + 1)]

    def fans(self, way: Way, at: int, working_days: Sequence[date] | Iterator[date], *, start: int) -> Iterator[Fan]:
        """The fan for each of the working days to come, as of day `at`."""
        gains = self.gains(at)
        known = range(at - len(gains) + 1, at + 1)
        grounds = [self._ground(way, self.days[n], self.levels[n - 1]) for n in known]
        ground = max(sum(grounds), 1.0)
        rate = sum(gains) / ground
        if way is Way.WEEK:
            rate = min(max(rate, 0.0), 1.0)
        off = sum((gain - rate * of) ** 2 / max(of, 1.0) for gain, of in zip(gains, grounds, strict=True))
        spread = max(off / (len(gains) - 1), (abs(sum(gains)) + 1) / ground)
        kept = 1.0 - rate if way is Way.WEEK else 1.0  # what is claimed a day early is not there to claim the day after
        likely, chance, reach = float(start), 0.0, 0.0
        for day in working_days:
            of = self._ground(way, day, likely)
            chance = chance * kept**2 + spread * of
            reach = reach * kept + of
            likely = min(max(likely + rate * of, 0.0), float(self.total))
            width = T90[len(gains) - 1] * sqrt(chance + reach**2 * spread / ground)
            yield Fan(likely - width, likely, likely + width)

    def _ground(self, way: Way, day: date, claimed: float) -> float:
        """What the day's gain is a share of."""
        if way is Way.STEADY:
            return 1.0
        return max(0.0, self.planned[bisect_right(self.due_days, day + SOON)] - claimed)

    def better(self, at: int) -> Way:
        """The way whose forecasts had erred less by day `at`. If there were none: WEEK, if anything is due so soon."""
        if at == FEWEST_DAYS:
            return Way.WEEK if self._ground(Way.WEEK, self.days[at], self.levels[at]) else Way.STEADY
        return min(Way, key=lambda way: sum(self._errors(way, at)))

    def _errors(self, way: Way, by: int) -> Iterator[float]:
        for at, fans in self.tried[way].items():
            for n, fan in zip(range(at + 1, by + 1), fans, strict=False):
                yield abs(fan.likely - self.levels[n])

    def backtest(self) -> Backtest:
        """Each day chooses its way by what was known then."""
        held = [
            fan.holds(count, self.total)
            for at in range(FEWEST_DAYS, self.days_of_data)
            for fan, count in zip(self.tried[self.better(at)][at], self.levels[at + 1 :], strict=True)
        ]
        return Backtest(sum(held), len(held))
