"""What a unit measured, day by day: its points, their curve, and when the next value is due."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

from checklists.models import Item, State, Task, TaskEvent

KEPT = 60  # points of the newest days
WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 22  # room for what is written beside the curve


@dataclass(frozen=True)
class Values:
    """The values of one task, one for each day: the last that was entered for it."""

    task: Task
    points: list[TaskEvent]  # by the day that they stand for

    @classmethod
    def of(cls, task: Task, events: Iterable[TaskEvent]) -> "Values":
        """Out of the task's history, which the page has read anyway."""
        by_day = {event.day: event for event in sorted(events, key=lambda event: event.at) if event.value is not None}
        return cls(task, [by_day[day] for day in sorted(by_day)][-KEPT:])

    @property
    def newest_first(self) -> list[TaskEvent]:
        """As the table shows them."""
        return self.points[::-1]

    @property
    def last(self) -> TaskEvent | None:
        """The value that counts now."""
        return self.points[-1] if self.points else None

    def next_due(self, on: date) -> date | None:
        """By when the next value is due; None if none is asked for or taken, or the campaign is over by then."""
        item = self.task.item
        takes_values = self.task.retired_at is None and self.task.state not in (State.VERIFIED, State.WAIVED)
        if not (item.every and item.is_measured and takes_values and self.task.campaign.is_running):
            return None
        last_day = self.task.campaign.last_day
        if on > last_day or (self.last is not None and self.last.day >= last_day):
            return None
        first, end = period(item.every, on)
        if self.last is not None and self.last.day >= first:
            _, end = period(item.every, end + timedelta(days=1))
        return min(end, last_day)

    # ---- The curve: geometry alone, in the coordinates of a drawing of WIDTH by HEIGHT ---------------------------

    width, height = WIDTH, HEIGHT
    left, right, floor = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    beside, below = LEFT - 4, HEIGHT - 6

    @cached_property
    def highest(self) -> Decimal:
        """What the upper edge stands for; the lower one is 0, so that the curve exaggerates nothing."""
        values = [event.value for event in self.points if event.value is not None]
        return max([*values, self.task.target or Decimal(0)]) or Decimal(1)

    @cached_property
    def dots(self) -> list[tuple[str, str]]:
        """Where the points stand."""
        return [(self._x(event.day), self._y(event.value or Decimal(0))) for event in self.points]

    @property
    def line(self) -> str:
        """The points, joined."""
        return " ".join(f"{x},{y}" for x, y in self.dots)

    @property
    def target_at(self) -> str:
        """The height of the target's line; empty without a target."""
        return "" if self.task.target is None else self._y(self.task.target)

    @property
    def ceiling(self) -> str:
        """The height of the highest value."""
        return self._y(self.highest)

    def _x(self, day: date) -> str:
        first, last = self.points[0].day, self.points[-1].day
        share = (day - first) / (last - first) if last > first else 0.5
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}"

    def _y(self, value: Decimal) -> str:
        return f"{HEIGHT - BOTTOM - float(value / self.highest) * (HEIGHT - TOP - BOTTOM):.1f}"


def period(every: str, on: date) -> tuple[date, date]:
    """First and last day of the day, week, month or quarter that `on` lies in. The day of a weekend is its Monday."""
    match every:
        case Item.Rhythm.DAY:
            day = on + timedelta(days=7 - on.weekday()) if on.weekday() >= 5 else on
            return day, day
        case Item.Rhythm.WEEK:
            monday = on - timedelta(days=on.weekday())
            return monday, monday + timedelta(days=6)
        case Item.Rhythm.MONTH:
            first = last = on.month
        case _:
            first = (on.month - 1) // 3 * 3 + 1
            last = first + 2
    return date(on.year, first, 1), date(on.year, last, monthrange(on.year, last)[1])
