"""What the timeline draws: pure geometry."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import pytest

from checklists.setup.timeline import LONGEST, ONE_DAY, Box, Timeline, draw

DAY = date(2026, 9, 14)  # a Monday


@dataclass
class Bar:
    """A phase."""

    name: str
    starts_on: date
    ends_on: date

    def __str__(self) -> str:
        return self.name


def drawn(
    days: int, *, until: int = 0, deadlines: dict[int, int] | None = None, phases: list[Bar] | None = None
) -> Timeline:
    end = DAY + timedelta(days=days)
    due = {DAY + timedelta(days=n): many for n, many in (deadlines or {}).items()}
    return draw(phases or [], due, starts_on=DAY, inspects=(end, end + timedelta(days=until)), today=DAY + ONE_DAY)


def test_days_off_holidays_and_made_up_days_lie_behind() -> None:
    line = drawn(40)
    found = {(box.kind, box.x): box for box in line.grounds}
    sunday, october = date(2026, 9, 20), date(2026, 10, 1)
    made_up = found["made-up", line.x(sunday)]
    assert (made_up.width, made_up.title) == (line.x(sunday + ONE_DAY) - line.x(sunday), "国庆节")
    assert ("weekend", line.x(sunday)) not in found
    assert ("weekend", line.x(sunday - ONE_DAY)) in found  # the Saturday before it is off
    holiday = found["holiday", line.x(october)]
    assert holiday.width == line.x(date(2026, 10, 8)) - line.x(october)  # in one piece
    assert found["weekend", line.x(date(2026, 10, 17))].width == line.x(date(2026, 10, 19)) - line.x(date(2026, 10, 17))


def overlapping(boxes: list[Box]) -> list[tuple[Box, Box]]:
    return [
        (one, other)
        for n, one in enumerate(boxes)
        for other in boxes[n + 1 :]
        if one.y == other.y and one.x < other.x + other.width and other.x < one.x + one.width
    ]


@pytest.mark.parametrize("days", [0, 3, 30, 200, 730])
def test_everything_is_inside_and_nothing_covers_another(days: int) -> None:
    step = ONE_DAY * max(1, days // 8)
    phases = [Bar(f"第{n}阶段：宣传发动", DAY + n * step, DAY + (n + 2) * step) for n in range(6)]
    line = drawn(days, until=2, deadlines={n: n + 1 for n in range(days)}, phases=phases)
    assert not overlapping(line.pills)
    assert not overlapping(line.bars)
    assert len({bar.y for bar in line.bars}) > 1  # phases at the same time stand below one another
    for box in [*line.grounds, *line.bars, *line.pills]:
        assert 0 <= box.x < box.x + box.width <= line.width
        assert 0 <= box.y < box.y + box.height <= line.height
    for label in line.months:
        assert 0 <= label.x < line.width
    starts = [label.x for label in line.months]
    assert all(b - a > 50 for a, b in pairwise(starts))  # months do not run into one another
    assert line.width <= 1300  # a desk shows two years at once
    assert line.first.weekday() == 0
    assert line.last.weekday() == 6
    assert {sign.kind for sign in line.lines} == {"today", "inspection"}


def test_a_short_campaign_names_its_days_and_a_long_one_its_months() -> None:
    assert [label.text for label in drawn(3).numbers] == [str(n) for n in range(14, 28)]
    assert [label.text for label in drawn(3).months] == ["2026年9月"]
    long = drawn(730)
    assert not long.numbers
    assert len(long.months) >= 12


def test_a_deadline_on_a_day_off_looks_different() -> None:
    line = drawn(40, deadlines={4: 12, 5: 3})  # a Friday and the Saturday after it
    friday, saturday = line.pills
    assert (friday.kind, friday.label.text) == ("deadline", "12")
    assert (saturday.kind, saturday.label.text) == ("deadline rest", "3")


@pytest.mark.parametrize("end", [date(2035, 1, 1), date.max])
def test_a_slip_in_the_year_draws_three_years(end: date) -> None:
    line = draw([Bar("甲", DAY, end)], {end: 1}, starts_on=DAY, inspects=(end, end), today=DAY)
    assert line.is_cut
    assert (line.last - line.first).days < LONGEST
    assert line.bars[0].x + line.bars[0].width == line.width
    assert not line.pills


def test_a_title_longer_than_the_drawing_is_cut() -> None:
    line = drawn(3, phases=[Bar("长" * 120, DAY, DAY)])
    assert line.bars[0].label.text.endswith("…")
    assert "长" * 120 in line.bars[0].title
