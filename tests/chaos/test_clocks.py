"""Two beats, none for hours, and clocks that go wrong: nobody is told twice, and nobody is left out."""

import random
import threading
import time as clock
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checklists.models import Campaign, Task
from readiness.models import Channel, Escalation, Notice
from readiness.reminders import outbox
from readiness.reminders.calendars import on_or_after, shifted
from tests import factories, live
from tests.chaos import size, world
from tests.chaos.reckoning import Reckoning
from tests.chaos.stack import Stack, ended, rows
from tests.chaos.storm import LEFT
from tests.factories import TODAY
from tests.platforms import Platform
from villages.models import Cadre

DAYS = size(21, 4)
HOURS = size(1, 6)  # between two looks
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Looks = Callable[[date], list[datetime]]


def at(day: date, hour: int, minute: int = 5) -> datetime:
    return datetime.combine(day, time(hour, minute), timezone.get_current_timezone())


# ---- When somebody looks on a day, by his own clock -----------------------------------------------------------------


def well(day: date) -> list[datetime]:
    """All day long."""
    return [at(day, hour) for hour in range(2, 24, HOURS)]


def by_two(day: date) -> list[datetime]:
    """Two beats."""
    return [now for now in well(day) for _ in range(2)]


def not_for_six_hours(day: date) -> list[datetime]:
    """Dead from before eight, when digests go out, until the afternoon."""
    return [now for now in well(day) if not 7 <= now.hour < 13]


def two_hours_ahead(day: date) -> list[datetime]:
    """One clock is, the other is right."""
    return [each for now in well(day) for each in (now + 2 * HOUR, now)]


def a_day_behind(day: date) -> list[datetime]:
    """The same, back by a day."""
    return [each for now in well(day) for each in (now, now - DAY)]


def anyhow(day: date) -> list[datetime]:
    """By clocks that are right, ahead or behind, in any order; once after eight by one that is right."""
    dice = random.Random(day.toordinal())
    looks = [at(day, dice.randrange(24)) + dice.choice([timedelta(), 2 * HOUR, -DAY]) for _ in range(5)]
    looks.insert(dice.randrange(5), at(day, 8 + dice.randrange(12)))
    return looks


@pytest.fixture
def lively(cast: dict[str, Cadre]) -> Campaign:
    """A campaign in which something falls due every other day, and nobody does anything."""
    campaign = factories.campaign(days=60)
    for number, task in enumerate(Task.objects.order_by("unit_id", "pk")):
        Task.objects.filter(pk=task.pk).update(due_on=TODAY + timedelta(days=number * 2 % 21 - 3))
    Cadre.objects.filter(username__in=["lan", "lin", "hong"]).update(email="x@example.org")
    return campaign


def told(looks: Looks) -> set[tuple[object, ...]]:
    """Who was told what on which day; taken back afterwards."""
    with transaction.atomic():
        for number in range(DAYS):
            for now in looks(shifted(TODAY, number)):
                outbox.write(timezone.localdate(now), now)
        notices = list(Notice.objects.values_list("cadre_id", "rule", "on", "channel"))
        steps = list(Escalation.objects.values_list("unit_id", "due_on", "step", "cadre_id"))
        transaction.set_rollback(True)
    assert len(notices) == len(set(notices))
    return {*notices, *steps}


def test_whatever_the_clocks_do_everybody_is_told_the_same(lively: Campaign, tell: Callable[[str], None]) -> None:
    expected = told(well)
    assert len(expected) > 5 * DAYS
    for looks in (by_two, not_for_six_hours, two_hours_ahead, a_day_behind, anyhow):
        found = told(looks)
        doubled, missed = found - expected, expected - found
        assert (looks.__name__, doubled, missed) == (looks.__name__, set(), set())
    tell(f"chaos, clocks: {DAYS} days, {len(expected)} notices and steps; five kinds of clock: 0 doubled, 0 missed")


# ---- Two beats ------------------------------------------------------------------------------------------------------

PEOPLE, SECONDS = size(2000, 40), size(600, 5)


@pytest.mark.slow
def test_two_beats_say_everything_once(stack: Stack, tell: Callable[[str], None]) -> None:
    """Each says "plan" and "send" every second, to two that plan and two that send."""
    campaign = world.owed_by(PEOPLE)
    with Platform(secret="willow") as platform:
        stack.env["OUTGOING_HOSTS"] = platform.host
        world.gateway(Channel.WEBHOOK, platform.host)
        programs = [stack.beat("beat0"), stack.beat("beat1"), stack.worker("worker", "planning,sending,reports")]
        with ended(*programs):
            live.wait_for(lambda: len(platform.arrivals) >= PEOPLE, size(900, 120), what="for everybody's notice")
            clock.sleep(SECONDS)
            live.wait_for(lambda: not rows(LEFT), 120)
    found = Reckoning(platform, campaign, Channel.WEBHOOK)
    tell(f"chaos, two beats for {SECONDS} s and longer: {found}")
    assert len(found.inbox) == len(dict(found.inbox)) == PEOPLE
    assert set(found.states.values()) == {Notice.Status.ACCEPTED}
    assert found.arrived == Counter(found.states.keys())


@contextmanager
def constraint(name: str, *, held: bool) -> Iterator[None]:
    """With the table's constraint, or without for the length of the block."""
    (found,) = (each for each in Notice._meta.constraints if each.name == name)
    if held:
        yield
        return
    with connection.schema_editor() as editor:
        editor.remove_constraint(Notice, found)
    try:
        yield
    finally:
        Notice.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Notice, found)


@pytest.mark.slow
@pytest.mark.parametrize("held", [True, False], ids=["with the constraint", "without"])
def test_the_database_itself_holds_that_nothing_doubles(
    stack: Stack, held: bool, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """The control: two plan at once and nothing keeps one from the other; then the constraint is gone, too."""
    world.owed_by(40)
    day = on_or_after(timezone.localdate())
    start = threading.Barrier(2)
    monkeypatch.setattr(outbox, "_lock", bool)
    monkeypatch.setattr(outbox, "_insert", lambda *args, insert=outbox._insert: start.wait(30) * 0 + insert(*args))

    def plan() -> None:
        try:
            outbox.write(day, at(day, 9))
        finally:
            connection.close()

    with constraint("notice_once_per_cadre_campaign_rule_day_and_channel", held=held):
        with ThreadPoolExecutor(2) as threads:
            for each in [threads.submit(plan) for _ in range(2)]:
                each.result()
        notices = Notice.objects.filter(channel="inbox").count()
    tell(f"chaos, two plan at once without a lock, constraint {'held' if held else 'dropped'}: {notices} for 40 people")
    assert notices == (40 if held else 80)
