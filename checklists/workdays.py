"""Which days people work in China: public holidays, and the weekend days that are worked to make up for them.

The State Council announces each year's holidays late in the year before; the package carries them. In a year that it
does not know, Monday to Friday count as working days.
"""

from datetime import date, timedelta
from functools import lru_cache

import chinese_calendar
from chinese_calendar.constants import Holiday, holidays, workdays

from checklists.models.campaign import in_language

KNOWN_YEARS = range(min(holidays).year, max(holidays).year + 1)


def knows(year: int) -> bool:
    """Whether the year's public holidays are known."""
    return year in KNOWN_YEARS


@lru_cache(maxsize=4000)  # ten years; a forecast asks for each day many times over
def is_workday(day: date) -> bool:
    """Whether people work on this day."""
    return bool(chinese_calendar.is_workday(day)) if knows(day.year) else day.weekday() < 5


def name_of(day: date) -> str:
    """The holiday that a day off belongs to, or that a worked weekend day makes up for; empty for any other day."""
    name = holidays.get(day) or workdays.get(day)
    return in_language(Holiday(name).chinese, name) if name else ""


def is_made_up(day: date) -> bool:
    """Whether it is a Saturday or Sunday on which people work (调休上班)."""
    return day in workdays


def working_days(first: date, last: date) -> list[date]:
    """The working days from the first day to the last, both included."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if is_workday(day)]


def workday_before(day: date) -> date:
    """The last working day before this one."""
    day -= timedelta(days=1)
    return day if is_workday(day) else workday_before(day)


def workday_back(day: date, days: int) -> date:
    """The working day with which so many working days begin that end with this day, or before it if people are off."""
    day += timedelta(days=1)
    for _ in range(days):
        day = workday_before(day)
    return day


def workday_after(day: date, days: int) -> date:
    """The working day that lies so many working days after this day."""
    while days > 0:
        day += timedelta(days=1)
        days -= is_workday(day)
    return day
