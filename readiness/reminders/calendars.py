"""Working days and quiet hours. Pure: no database, no clock; days are dates in Asia/Shanghai."""

import zlib
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import accumulate

from django.utils import timezone

from checklists.workdays import is_workday

# When the first message goes out on a working day that nothing else says more of.
MORNING = time(8, 0)
CROWD = 90  # seconds before and after each full and half hour, when everybody's programs send: platforms ask not to
SPREAD = 600  # seconds over which the messages of one moment are spread
_DAY = timedelta(days=1)


def shifted(day: date, days: int) -> date:
    """So many days later (earlier if negative); the calendar's first or last day where it ends."""
    number = min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    return date.fromordinal(number)


@cache
def on_or_before(day: date) -> date:
    """The last working day up to this one."""
    while not is_workday(day) and day > date.min:
        day -= _DAY
    return day


@cache
def on_or_after(day: date) -> date:
    """The first working day from this one on."""
    while not is_workday(day) and day < date.max:
        day += _DAY
    return day


def worked(after: date, until: date) -> int:
    """How many working days lie after the first day, up to and with the second; 0 if it is no later."""
    if until <= after:
        return 0
    if after.year == until.year:
        return _up_to(until) - _up_to(after)
    between = sum(_year(year)[-1] for year in range(after.year + 1, until.year))
    return _year(after.year)[-1] - _up_to(after) + between + _up_to(until)


def last_weekly(weekday: int, on: date) -> date:
    """The last day so far on which what comes every week is told: the weekday (0 is Monday), or the next working day
    after it if people are off."""
    for weeks in range(3):
        day = on_or_after(shifted(on, -((on.weekday() - weekday) % 7) - 7 * weeks))
        if day <= on:
            return day
    return date.min


def is_quiet(at: time, quiet_from: time, quiet_until: time) -> bool:
    """Whether a time of day lies in the quiet hours, which may go over midnight. None if both ends are alike."""
    if quiet_from <= quiet_until:
        return quiet_from <= at < quiet_until
    return at >= quiet_from or at < quiet_until


def not_before(moment: datetime, *, quiet_from: time, quiet_until: time) -> datetime:
    """The first moment from this one on that lies on a working day and outside the quiet hours.

    Args:
        moment: aware.

    Returns:
        An aware moment; the same one if nothing is in its way.
    """
    local = timezone.localtime(moment)
    for _ in range(4):  # out of the night, into a day off, out of the morning of the next working day
        day = on_or_after(local.date())
        if day != local.date():
            local = datetime.combine(day, MORNING, local.tzinfo)
        if not is_quiet(local.time(), quiet_from, quiet_until):
            break
        next_day = local.time() >= quiet_until
        local = datetime.combine(shifted(local.date(), int(next_day)), quiet_until, local.tzinfo)
    return local


def beside_the_crowd(moment: datetime, share: float) -> datetime:
    """The moment, or a while later if it is about a full or half hour.

    Args:
        share: 0 to 1, of the CROWD's length again: so that not all come back in the same second.
    """
    after = (moment.timestamp() + CROWD) % 1800
    if after > 2 * CROWD:
        return moment
    return moment + timedelta(seconds=2 * CROWD - after + max(share, 0.01) * CROWD)


def first_sending(moment: datetime, who: str, *, quiet_from: time, quiet_until: time) -> datetime:
    """When what is written at a moment goes out first: outside the quiet hours, a while later for each, and beside the
    full and half hours. For the same person or group always as much later.

    Args:
        moment: aware.
    """
    due_at = not_before(moment, quiet_from=quiet_from, quiet_until=quiet_until)
    share = zlib.crc32(who.encode()) / 2**32
    later = beside_the_crowd(due_at + timedelta(seconds=SPREAD * share), share)
    is_in_time = not_before(later, quiet_from=quiet_from, quiet_until=quiet_until) == later
    return later if is_in_time else due_at


@cache
def _year(year: int) -> tuple[int, ...]:
    """For each day of a year, how many working days it has had by its end."""
    first = date(year, 1, 1)
    length = 366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365
    return tuple(accumulate(int(is_workday(shifted(first, n))) for n in range(length)))


def _up_to(day: date) -> int:
    return _year(day.year)[day.timetuple().tm_yday - 1]
