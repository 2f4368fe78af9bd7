"""Two beats, none for hours, and clocks that go wrong: nobody is told twice, and nobody is left out."""

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checklists.models import Campaign, Task
from readiness.models import Channel, Escalation, Notice
from readiness.reminders import outbox
from readiness.reminders.calendars import shifted
from tests import factories, live
from tests.chaos import size, world
from tests.chaos.reckoning import Reckoning
from tests.chaos.stack import Stack, ended
from tests.factories import TODAY
from tests.platforms import Platform
from villages.models import Cadre

DAYS = 21
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Told = set[tuple[object, ...]]
Clock = Callable[[date], list[datetime]]


def at(day: date, hour: int, minute: int = 5) -> datetime:
    return datetime.combine(day, time(hour, minute), timezone.get_current_timezone())


# ---- Clocks: when somebody looks on a day, by his own clock ----------------------------------------------------------


def well(day: date) -> list[datetime]:
    """Every hour."""
    return [at(day, hour) for hour in range(24)]


def twice(day: date) -> list[datetime]:
    """Two beats."""
    return [now for now in well(day) for _ in range(2)]


def dead_for_six_hours(day: date) -> list[datetime]:
    """Across the hour at which digests go out."""
    return [now for now in well(day) if not 7 <= now.hour < 13]


def two_hours_ahead(day: date) -> list[datetime]:
    """One clock is, the other is right; over midnight too."""
    return [each for now in well(day) for each in (now + 2 * HOUR, now)]


def a_day_behind(day: date) -> list[datetime]:
    """The same, back by a day."""
    return [each for now in well(day) for each in (now, now - DAY)]


def anyhow(day: date) -> list[datetime]:
    """A few times a day, by clocks that are right, ahead or behind; once in the morning by one that is right."""
    dice = random.Random(day.toordinal())
    looks = [at(day, dice.randrange(24)) + dice.choice([timedelta(), 2 * HOUR, -DAY]) for _ in range(6)]
    looks.insert(dice.randrange(6), at(day, 8 + dice.randrange(12)))
    return looks


@pytest.fixture
def three_weeks(cast: dict[str, Cadre]) -> Campaign:
    """A campaign in which something falls due every other day, and nobody does anything."""
    campaign = factories.campaign(days=60)
    for number, task in enumerate(Task.objects.order_by("unit_id", "pk")):
        Task.objects.filter(pk=task.pk).update(due_on=TODAY + timedelta(days=number * 2 % DAYS))
    Cadre.objects.filter(username__in=["lan", "lin", "hong"]).update(email="x@example.org")
    return campaign


def told(clock: Clock) -> Told:
    """Whom it told what on which day, from an empty outbox; taken back afterwards."""
    with transaction.atomic():
        for number in range(DAYS):
            for now in clock(shifted(TODAY, number)):
                outbox.write(timezone.localdate(now), now)
        notices = list(Notice.objects.values_list("cadre_id", "rule", "on", "channel"))
        steps = list(Escalation.objects.values_list("unit_id", "due_on", "step", "cadre_id"))
        transaction.set_rollback(True)
    assert len(notices) == len(set(notices))
    return {*notices, *steps}


@pytest.mark.parametrize("clock", [twice, dead_for_six_hours, two_hours_ahead, a_day_behind, anyhow])
def test_whatever_the_clocks_do_everybody_is_told_the_same(three_weeks: Campaign, clock: Clock) -> None:
    expected = told(well)
    assert len(expected) > DAYS
    found = told(clock)
    assert (found - expected, expected - found) == (set(), set())
