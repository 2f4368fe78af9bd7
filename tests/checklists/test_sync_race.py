"""Bringing a campaign up to date while people tick: nobody waits in a circle, nothing is lost or counted twice."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from django.db import connection
from django.utils import timezone

from checklists import sync, ticks
from checklists.models import Campaign, Item, Task, TaskEvent
from tests import factories
from tests.checklists.test_tallies import drift
from tests.factories import WILLOW
from villages.models import Cadre

ROUNDS, HANDS = 25, 3


def ticking(number: int, over: Event) -> list[uuid.UUID]:
    """Ticks and unticks at random until told to stop; the ids of what was acknowledged."""
    dice, lan, said = random.Random(number), Cadre.objects.get(username="lan"), []
    try:
        while not over.is_set():
            task = dice.choice(list(Task.objects.for_list().filter(unit=WILLOW)))
            event, to = uuid.uuid4(), "open" if task.state == "done" else "done"
            try:
                outcome = ticks.record(task, by=lan, event=event, state=to)
            except ticks.Conflict:
                continue  # somebody was quicker, or it was retired meanwhile
            if outcome.result is ticks.Result.CHANGED:
                said.append(event)
    finally:
        connection.close()
    return said


def test_people_tick_while_the_tasks_are_brought_up_to_date(committed: None) -> None:
    factories.units()
    ada = factories.cast()["ada"]
    speech = factories.template("many", [factories.line(f"m-{n}") for n in range(12)])
    campaign: Campaign = factories.campaign(of=speech, on=timezone.localdate())
    dice, over, synced = random.Random(7), Event(), 0
    with ThreadPoolExecutor(HANDS) as hands:
        ticked = [hands.submit(ticking, number, over) for number in range(HANDS)]
        try:
            for _ in range(ROUNDS):
                for item in campaign.items.all():
                    Item.objects.filter(pk=item.pk).update(struck=dice.random() < 0.4, points=dice.randint(1, 5))
                synced += not sync.sync(campaign, by=ada).is_empty
        finally:
            over.set()
        said = [event for future in ticked for event in future.result(30)]
    assert synced > ROUNDS / 2
    assert len(said) > ROUNDS, "too few ticks came between"
    assert TaskEvent.objects.filter(pk__in=said).count() == len(said)
    by_people = TaskEvent.objects.exclude(by=ada)
    assert by_people.count() == len(said)
    assert drift() == []
    sync.sync(campaign, by=ada)
    assert sync.plan(campaign).is_empty
