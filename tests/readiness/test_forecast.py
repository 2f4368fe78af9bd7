"""What will be claimed by the inspection day: the fan, when there is none, and how often it held."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import pairwise
from math import sqrt

import pytest
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from checklists.models import Task, TaskEvent
from checklists.workdays import is_workday, working_days
from readiness import demo
from readiness.boards.forecast import Backtest, Forecast, NoForecast, Past, Way, backtest, forecast

MONDAY = date(2026, 5, 11)  # no holiday for five weeks
FRIDAY = MONDAY + timedelta(days=11)
LATER = MONDAY + timedelta(days=28)


def rising(gains: Iterable[int], first: date = MONDAY) -> list[tuple[date, int]]:
    """Claimed at the end of every calendar day: nothing on the first day, then each gain on a working day."""
    claimed, count, day = [(first, 0)], 0, first
    for gain in gains:
        day += timedelta(days=1)
        while not is_workday(day):
            claimed.append((day, count))
            day += timedelta(days=1)
        count += gain
        claimed.append((day, count))
    return claimed


def made(claimed: list[tuple[date, int]], total: int = 1000, *, until: date = LATER, is_over: bool = True) -> Forecast:
    """All due on the last day, so that things go on steadily."""
    found = forecast(claimed, {until: total}, until=until, is_over=is_over)
    assert isinstance(found, Forecast)
    return found


def test_a_steady_pace_goes_on_within_the_fan_of_the_drift_method() -> None:
    gains = [8, 12, 10, 8, 12, 10, 10]
    found = made(rising(gains), until=MONDAY + timedelta(days=16))  # from Wednesday to Wednesday
    assert (found.pace, found.pace_days, found.way) == (10, 7, Way.STEADY)
    sd = sqrt(sum((gain - 10) ** 2 for gain in gains) / 6)
    sd = max(sd, sqrt(71 / 7))  # no less than chance
    assert [day.likely for day in found.days] == [80, 90, 90, 90, 100, 110, 120]
    for h, day in enumerate((day for day in found.days if is_workday(day.day)), start=1):
        width = 1.440 * sd * sqrt(h * (1 + h / 7))
        assert (day.low, day.high) == (int(70 + 10 * h - width), int(70 + 10 * h + width) + 1)


def test_claims_that_follow_the_deadlines_go_on_as_a_share_of_what_is_due_within_a_week() -> None:
    due = dict.fromkeys(working_days(MONDAY, LATER), 50)
    claimed = rising([40, 45, 50, 50, 50, 50, 50, 50, 50], first=MONDAY)
    found = forecast(claimed, due, until=LATER)
    assert isinstance(found, Forecast)
    assert found.way is Way.WEEK
    assert found.last.likely > claimed[-1][1] + 400  # it keeps up with the plan


def test_what_is_due_later_is_taken_up_a_week_before() -> None:
    """A quarter a day of the 400 that are due first; nobody touches the others yet."""
    later = FRIDAY + timedelta(days=24)
    due = {MONDAY + timedelta(days=8): 400, later: 600}
    found = forecast(rising([100, 75, 56, 42, 32, 24, 18]), due, until=later)
    assert isinstance(found, Forecast)
    assert (found.way, found.total) == (Way.WEEK, 1000)
    likely = {day.day: day.likely for day in found.days}
    assert likely[later - timedelta(days=8)] <= 400
    assert likely[later - timedelta(days=7)] == pytest.approx(550, abs=3)
    assert found.last.likely > 850


def test_whoever_was_ahead_of_the_plan_takes_up_no_more_than_there_is() -> None:
    due = dict.fromkeys(working_days(MONDAY, LATER), 10)
    found = forecast(rising([150, 0, 0, 0, 0, 0, 0]), due, until=LATER)
    assert isinstance(found, Forecast)
    assert found.way is Way.WEEK
    for day in found.days:
        soon = 10 * len(working_days(MONDAY, min(LATER, day.day + timedelta(days=7))))
        assert day.likely <= max(150, soon)


@pytest.mark.parametrize(("days", "way"), [(8, Way.WEEK), (40, Way.STEADY)])
def test_without_any_earlier_forecast_the_next_deadline_decides(days: int, way: Way) -> None:
    deadline = MONDAY + timedelta(days=days)
    found = forecast(rising([10] * 5), {deadline: 500}, until=deadline)
    assert isinstance(found, Forecast)
    assert found.way is way


def test_days_off_bring_nothing_and_the_pace_is_that_of_working_days() -> None:
    """National Day 2025: eight days off from a Wednesday; the Sunday before and the Saturday after them are worked."""
    first, until = date(2025, 9, 15), date(2025, 10, 11)
    found = made(rising([10] * 12, first=first), until=until)  # to Tuesday 30 September
    assert found.days[0].day == date(2025, 10, 1)
    likely = {day.day: day.likely for day in found.days}
    assert {likely[date(2025, 10, n)] for n in range(1, 9)} == {120}
    assert [likely[date(2025, 10, n)] for n in (9, 10, 11)] == [130, 140, 150]


def test_what_is_claimed_on_a_day_off_counts_for_the_working_day_after_it() -> None:
    weekend = [(day, count + 5 * (day >= MONDAY + timedelta(days=5))) for day, count in rising([10] * 9)]
    assert made(weekend).pace == pytest.approx((70 + 5) / 7)


def test_more_may_be_taken_back_than_claimed() -> None:
    found = made(rising([10, 10, -5, -5, -5, -5, -5, -5, -5]))
    assert found.pace == -5
    assert [day.low for day in found.days] == sorted((day.low for day in found.days), reverse=True)
    assert (found.last.low, found.last.likely) == (0, 0)


def test_a_day_that_still_runs_does_not_slow_the_pace() -> None:
    claimed = rising([10] * 9)
    morning = made([*claimed[:-1], (claimed[-1][0], claimed[-2][1] + 1)], is_over=False)
    assert morning.pace == 10
    assert (morning.days[0].day, morning.days[0].likely) == claimed[-1]
    busy = made([*claimed[:-1], (claimed[-1][0], claimed[-2][1] + 25)], is_over=False)
    assert busy.days[0].likely == claimed[-2][1] + 25
    assert busy.last.likely == morning.last.likely + 15


def test_nothing_claimed_so_far_promises_nothing_and_excludes_nothing() -> None:
    found = made(rising([0] * 9), total=20)
    assert (found.last.low, found.last.likely) == (0, 0)
    assert 0 < found.last.high < 20


def test_percentages_are_rounded_outwards_and_100_is_really_all() -> None:
    found = made(rising([100] * 9), total=1001, until=FRIDAY + timedelta(days=4))
    assert (found.last.high, found.high_percent) == (1001, 100)
    assert found.low_percent == found.last.low * 100 // 1001
    nearly = made(rising([111] * 9), total=1250, until=FRIDAY + timedelta(days=4))
    assert nearly.last.high < 1250
    assert nearly.high_percent == 99  # of 99.7
    assert made(rising([10] * 9), total=10_000, until=FRIDAY + timedelta(days=4)).high_percent == 2


@pytest.mark.parametrize(
    ("why", "claimed", "due", "until"),
    [
        (NoForecast.NOTHING, rising([0] * 9), {}, LATER),
        (NoForecast.NOTHING, [], {}, LATER),
        (NoForecast.FEW_DAYS, [], {LATER: 9}, LATER),
        (NoForecast.FEW_DAYS, rising([1] * 4), {LATER: 9}, LATER),
        (NoForecast.ALL_CLAIMED, rising([1] * 9), {LATER: 9}, LATER),
        (NoForecast.ALL_CLAIMED, rising([1] * 9), {LATER: 7}, LATER),  # others were struck since
        (NoForecast.TOO_FAR, rising([1] * 9), {LATER: 99}, date.max),
        (NoForecast.OVER, rising([1] * 9), {LATER: 99}, FRIDAY),
        (NoForecast.OVER, rising([1] * 9), {LATER: 99}, MONDAY),
        (NoForecast.NO_WORKDAY, rising([1] * 9), {LATER: 99}, FRIDAY + timedelta(days=2)),
    ],
)
def test_why_nothing_is_forecast(
    why: NoForecast, claimed: list[tuple[date, int]], due: dict[date, int], until: date
) -> None:
    assert forecast(claimed, due, until=until) is why
    assert why.label


def test_on_a_weekend_the_week_that_is_over_counts() -> None:
    sunday = FRIDAY + timedelta(days=2)
    claimed = [*rising([10] * 9), (FRIDAY + timedelta(days=1), 90), (sunday, 94)]
    for is_over in (True, False):
        found = made(claimed, is_over=is_over)
        assert found.pace == 10
        assert (found.days[0].day, found.days[0].likely) == (sunday + timedelta(days=1), 104)


def test_five_working_days_are_enough() -> None:
    assert made(rising([3] * 5)).pace_days == 5


gains = st.lists(st.integers(-30, 60), min_size=5, max_size=25)


@settings(max_examples=60, deadline=None)
@given(
    gains=gains, spare=st.integers(1, 3000), soon=st.integers(1, 40), ahead=st.integers(1, 60), is_over=st.booleans()
)
def test_the_fan_stays_within_what_there_is_and_widens(
    gains: list[int], spare: int, soon: int, ahead: int, is_over: bool
) -> None:
    claimed = [(day, max(count, 0)) for day, count in rising(gains)]
    on, now = claimed[-1]
    due = Counter({MONDAY + timedelta(days=soon): now + spare - spare // 2})
    due[on + timedelta(days=ahead)] += spare // 2
    found = forecast(claimed, due, until=on + timedelta(days=ahead), is_over=is_over)
    if isinstance(found, NoForecast):
        assert found in (NoForecast.NO_WORKDAY, NoForecast.FEW_DAYS)
        return
    assert [day.day for day in found.days] == [found.days[0].day + timedelta(days=n) for n in range(len(found.days))]
    assert all(0 <= day.low <= day.likely <= day.high <= found.total for day in found.days)
    assert 0 <= found.low_percent <= found.high_percent <= 100
    assert (found.high_percent == 100) == (found.last.high == found.total)
    if found.way is Way.STEADY:  # where nothing is cut off, later is less certain
        free = [day for day in found.days if day.low > 0 and day.high < found.total and is_workday(day.day)]
        widths = [day.high - day.low for day in free]
        assert all(after >= before - 1 for before, after in pairwise(widths))
    assert 0 <= found.backtest.hits <= found.backtest.tries


@settings(max_examples=30, deadline=None)
@given(pace=st.integers(1, 50), off=st.integers(0, 20))
def test_more_days_alike_make_it_surer(pace: int, off: int) -> None:
    """Five days and seven days of the same pace and the same spread."""
    few = made(rising([pace - off, pace + off, pace, pace - off, pace + off]), total=10**6)
    more = made(rising([pace - off, pace + off, pace, pace - off, pace + off, pace - off, pace + off]), total=10**6)
    at = [day.day for day in more.days]
    widths = [{day.day: day.high - day.low for day in found.days} for found in (few, more)]
    assert all(widths[1][day] <= widths[0][day] + 1 for day in at)


@settings(max_examples=60, deadline=None)
@given(gains=st.lists(st.integers(0, 60), min_size=7, max_size=14), soon=st.integers(3, 20))
def test_nobody_looks_ahead(gains: list[int], soon: int) -> None:
    """The way that the backtest takes for a day is the way that was taken on that day."""
    due = {MONDAY + timedelta(days=soon): 300, LATER: 1000}
    past = Past(rising(gains), due)
    for at in range(5, len(gains)):
        then = forecast(rising(gains[:at]), due, until=LATER)
        assert isinstance(then, Forecast)
        assert then.way is past.better(at)


def test_a_pace_that_never_changes_is_always_held() -> None:
    assert backtest(rising([10] * 12), {LATER: 500}) == Backtest(28, 28)  # stood on days 5 to 11 of 12
    assert backtest([], {}) == backtest(rising([1] * 5), {LATER: 9}) == Backtest(0, 0)


ON = date(2026, 11, 23)


@pytest.mark.django_db
def test_how_often_the_fan_held_on_the_demo(tell: Callable[[str], None]) -> None:
    """The demo's claims bunch before deadlines and pick up over its first two weeks, as in life."""
    with override_settings(DEBUG=True):
        campaign = demo.make(on=ON).campaign
    gains: dict[str, Counter[date]] = {}
    claims = ("done", "verified")
    events = TaskEvent.objects.filter(task__campaign=campaign).values_list(
        "task__unit_id", "at", "from_state", "to_state"
    )
    for unit, at, before, after in events:
        net = (after in claims) - (before in claims)
        for code in {unit[:6], unit[:9]}:
            gains.setdefault(code, Counter())[timezone.localdate(at)] += net
    due: dict[str, Counter[date]] = {}
    for unit, day in Task.objects.filter(campaign=campaign).exclude(state="waived").values_list("unit_id", "due_on"):
        for code in {unit[:6], unit[:9]}:
            due.setdefault(code, Counter())[day] += 1
    days = [campaign.starts_on + timedelta(days=n) for n in range((ON - campaign.starts_on).days)]  # the last is over
    held = {}
    for code, found in gains.items():
        claimed, count = [], 0
        for day in days:
            count += found[day]
            claimed.append((day, count))
        held[code] = backtest(claimed, due[code])
    county = held.pop(demo.HOST)
    below = sum(held.values(), Backtest(0, 0))
    tell(
        f"fan of 80 %, demo: held {county.hits} of {county.tries} forecasts for the county, "
        f"{below.hits} of {below.tries} for {len(held)} townships and departments"
    )
    for found in (county, below):
        assert 0.65 <= found.hits / found.tries <= 0.95
