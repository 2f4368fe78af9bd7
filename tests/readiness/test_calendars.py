"""Working days and quiet hours."""

from datetime import date, datetime, time, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from checklists.workdays import is_workday
from readiness.reminders.calendars import (
    CROWD,
    SPREAD,
    beside_the_crowd,
    first_sending,
    is_quiet,
    last_weekly,
    not_before,
    on_or_after,
    on_or_before,
    shifted,
    worked,
)

NATIONAL_DAY = date(2026, 10, 1)  # off from Thursday 1 October to Wednesday 7; Saturday 10 is worked
DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))


def at(written: str) -> datetime:
    return timezone.make_aware(datetime.fromisoformat(written))


def pushed(moment: str, quiet_from: time = time(21), quiet_until: time = time(7, 30)) -> str:
    return f"{not_before(at(moment), quiet_from=quiet_from, quiet_until=quiet_until):%Y-%m-%d %H:%M}"


@given(DAYS, st.integers(0, 800))
def test_working_days_are_counted_as_by_hand(after: date, days: int) -> None:
    until = after + timedelta(days=days)
    assert worked(after, until) == sum(is_workday(after + timedelta(days=n + 1)) for n in range(days))
    assert worked(until, after) == 0


def test_holidays_and_days_worked_instead_count_as_they_are() -> None:
    assert on_or_before(NATIONAL_DAY + timedelta(days=6)) == date(2026, 9, 30)
    assert on_or_after(NATIONAL_DAY) == date(2026, 10, 8)
    assert is_workday(date(2026, 10, 10))
    assert worked(date(2026, 9, 30), date(2026, 10, 10)) == 3


@pytest.mark.parametrize(
    ("moment", "then"),
    [
        ("2026-06-10 09:00", "2026-06-10 09:00"),
        ("2026-06-10 07:29", "2026-06-10 07:30"),
        ("2026-06-10 07:30", "2026-06-10 07:30"),
        ("2026-06-10 21:00", "2026-06-11 07:30"),
        ("2026-06-12 22:00", "2026-06-15 08:00"),  # Friday night: Monday morning
        ("2026-06-13 12:00", "2026-06-15 08:00"),
        ("2026-10-01 00:00", "2026-10-08 08:00"),
        ("2026-10-10 10:00", "2026-10-10 10:00"),  # a Saturday that is worked
    ],
)
def test_nights_and_days_off_wait_for_the_morning(moment: str, then: str) -> None:
    assert pushed(moment) == then


def test_quiet_hours_at_noon_and_none_at_all() -> None:
    assert pushed("2026-06-10 12:30", time(12), time(14)) == "2026-06-10 14:00"
    assert pushed("2026-06-10 23:30", time(12), time(14)) == "2026-06-10 23:30"
    assert pushed("2026-06-13 12:30", time(7), time(10)) == "2026-06-15 10:00"
    # 00:00 to 24:00 is written 00:00 to 00:00: a day without any hour in which to be told is none.
    assert pushed("2026-06-10 03:00", time(0), time(0)) == "2026-06-10 03:00"


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31)),
    st.times().map(lambda t: t.replace(microsecond=0)),
    st.times().map(lambda t: t.replace(microsecond=0)),
)
def test_the_moment_is_never_earlier_never_quiet_and_soon(moment: datetime, begin: time, end: time) -> None:
    aware = timezone.make_aware(moment)
    then = not_before(aware, quiet_from=begin, quiet_until=end)
    assert then >= aware
    assert not is_quiet(timezone.localtime(then).time(), begin, end)
    assert is_workday(timezone.localtime(then).date())
    assert then - aware < timedelta(days=12)


def test_what_comes_weekly_comes_after_the_holiday() -> None:
    assert last_weekly(0, date(2026, 6, 10)) == date(2026, 6, 8)
    assert last_weekly(2, date(2026, 6, 10)) == date(2026, 6, 10)
    assert last_weekly(3, date(2026, 10, 7)) == date(2026, 9, 24)  # the one of 1 October is still to come
    assert last_weekly(3, date(2026, 10, 8)) == date(2026, 10, 8)


def test_the_calendar_ends_without_a_crash() -> None:
    assert shifted(date.max, 1) == date.max
    assert shifted(date.min, -40_000) == date.min
    assert on_or_after(date(9999, 12, 31)) <= date.max
    assert on_or_before(date(1, 1, 1)) == date(1, 1, 1)
    assert worked(date(1, 1, 1), date(3, 1, 1)) > 500


# --- Beside the crowd -------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(timezone.get_default_timezone()))
NIGHT = {"quiet_from": time(21), "quiet_until": time(7, 30)}


def is_crowded(moment: datetime) -> bool:
    return not CROWD <= moment.timestamp() % 1800 <= 1800 - CROWD


@given(MOMENTS, st.floats(0, 1))
def test_nobody_tries_again_about_the_full_or_half_hour(moment: datetime, share: float) -> None:
    chosen = beside_the_crowd(moment, share)
    assert not is_crowded(chosen)
    assert timedelta() <= chosen - moment <= timedelta(seconds=3 * CROWD)
    assert chosen == moment or is_crowded(moment)


@given(MOMENTS, st.integers(1, 10**6))
def test_first_messages_are_spread_and_leave_beside_the_crowd_too(moment: datetime, cadre: int) -> None:
    first = first_sending(moment, f"cadre-{cadre}", **NIGHT)
    may = not_before(moment, **NIGHT)
    assert may <= first <= may + timedelta(seconds=SPREAD + 3 * CROWD)
    assert not_before(first, **NIGHT) == first
    if not is_quiet((timezone.localtime(may) + timedelta(seconds=SPREAD + 3 * CROWD)).time(), **NIGHT):
        assert not is_crowded(first)


def test_each_has_a_place_of_his_own_in_the_row_and_keeps_it() -> None:
    eight = at("2026-06-10 08:00")
    firsts = {n: first_sending(eight, f"cadre-{n}", **NIGHT) for n in range(2000)}
    assert firsts == {n: first_sending(eight, f"cadre-{n}", **NIGHT) for n in range(2000)}
    minutes = [(first - eight) // timedelta(minutes=1) for first in firsts.values()]
    assert {1, *range(2, 10)} <= {*minutes}
    assert max(minutes.count(minute) for minute in {*minutes}) < 600  # 150 seconds' share comes within one and a half


def test_who_is_quiet_in_a_few_minutes_is_told_before() -> None:
    evening = at("2026-06-10 20:00")
    for n in range(50):
        assert first_sending(evening, f"cadre-{n}", quiet_from=time(20, 1), quiet_until=time(7)) == evening
