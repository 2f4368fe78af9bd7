"""Working days as the State Council announced them; beyond what is known, Monday to Friday."""

from datetime import date, timedelta

import pytest
from django.utils import translation

from checklists import workdays


@pytest.mark.parametrize(
    ("day", "works", "chinese", "english"),
    [
        (date(2026, 9, 30), True, "", ""),  # a Wednesday like any other
        (date(2026, 10, 1), False, "国庆节", "National Day"),
        (date(2026, 10, 7), False, "国庆节", "National Day"),
        (date(2026, 10, 8), True, "", ""),
        (date(2026, 9, 20), True, "国庆节", "National Day"),  # a Sunday and a Saturday worked for it
        (date(2026, 10, 10), True, "国庆节", "National Day"),
        (date(2026, 10, 11), False, "", ""),
        (date(2026, 2, 17), False, "春节", "Spring Festival"),
        (date(2026, 7, 4), False, "", ""),
    ],
)
def test_a_known_day(day: date, works: bool, chinese: str, english: str) -> None:
    assert workdays.is_workday(day) is works
    assert workdays.is_made_up(day) is (works and day.weekday() >= 5)
    with translation.override("zh-hans"):
        assert workdays.name_of(day) == chinese
    with translation.override("en"):
        assert workdays.name_of(day) == english


@pytest.mark.parametrize("year", [workdays.KNOWN_YEARS[0] - 1, workdays.KNOWN_YEARS[-1] + 1, 1, 9998])
def test_beyond_what_is_known_monday_to_friday_count(year: int) -> None:
    assert not workdays.knows(year)
    day = date(year, 10, 1)
    for day in (day + timedelta(days=n) for n in range(7)):
        assert workdays.is_workday(day) is (day.weekday() < 5)
        assert not workdays.name_of(day)
        assert not workdays.is_made_up(day)


def test_working_days_from_to() -> None:
    assert workdays.knows(2026)
    days = workdays.working_days(date(2026, 9, 28), date(2026, 10, 11))
    assert [day.day for day in days] == [28, 29, 30, 8, 9, 10]
    assert workdays.working_days(date(2026, 10, 8), date(2026, 10, 8)) == [date(2026, 10, 8)]
    assert workdays.working_days(date(2026, 10, 8), date(2026, 10, 7)) == []


def test_the_working_day_before() -> None:
    assert workdays.workday_before(date(2026, 10, 7)) == date(2026, 9, 30)
    assert workdays.workday_before(date(2026, 10, 11)) == date(2026, 10, 10)
    assert workdays.workday_before(date(2026, 7, 6)) == date(2026, 7, 3)
