"""Whose look counts, against the table in tests/access/expected.py: from how high, and never in the claimant's place.

Each is tried on the task's page, in the queue, with one tap and among many; a wrong rule must be noticed.
"""

import itertools
import logging
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from checklists.models import Campaign, Task
from tests import factories
from tests.access.expected import LOOKS_FROM, MAY, to_try
from tests.access.world import PLACES, World, build, outcome, rolled_back
from tests.test_access_matrix import HOLDERS
from villages import access
from villages.access import Role
from villages.models import cadre

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: object) -> Iterator[World]:
    logging.disable(logging.WARNING)  # refusals are what this is about
    with django_db_blocker.unblock(), build() as built:  # type: ignore[attr-defined]
        yield built
    logging.disable(logging.NOTSET)


def wrong_looks(world: World, who: str, task: int, *, may: bool, why: str) -> Iterator[str]:
    """Whether this claim is this person's to check: on its page, in the queue, and when it is done."""
    page = world.ask(who, "GET", f"/tasks/{task}/").content.decode()
    offered = {"verified", "returned"} & set(re.findall(r'name="state" value="(\w+)"', page))
    if offered != ({"verified", "returned"} if may else set()):
        yield f"{who} is offered {offered} {why}"
    queue = world.ask(who, "GET", f"/verify/?campaign={world.campaigns['county']}")
    if queue.status_code == 200 and (f'href="/tasks/{task}/"' in queue.content.decode()) is not may:
        yield f"{who} {'misses' if may else 'reads'} the task in the queue {why}"
    for to in ("verified", "returned"):
        with rolled_back():
            answer = world.ask(who, "POST", f"/tasks/{task}/tick/", factories.body(to, note="因为"))
            if outcome(answer) != (302 if may else 403):
                yield f"{who} gets {outcome(answer)} for {to} {why}"
        with rolled_back():
            sent = {"event": str(uuid.uuid4()), "chosen": [f"{task}.0"], "state": to, "note": "因为"}
            world.ask(who, "POST", "/verify/", sent)
            if (Task.objects.get(pk=task).state == to) is not may:
                yield f"{who} {'cannot' if may else 'can'} bring it to {to} among many {why}"


def wrong_heights(world: World, who: str) -> Iterator[str]:
    """Looks from too low that are taken, and from high enough that are refused."""
    for height, (campaign, place) in itertools.product((1, 2, 3, 4), to_try(who, "county")):
        if "c" in MAY[who][place]:
            with rolled_back():
                Campaign.objects.filter(pk=world.campaigns[campaign]).update(looked_at_by=height)
                task, may = world.tasks[campaign, place, "done"], LOOKS_FROM[who] >= height
                yield from wrong_looks(world, who, task, may=may, why=f"at height {height}, {place}")


@pytest.mark.parametrize("who", LOOKS_FROM)
def test_a_look_counts_only_from_as_high_as_the_campaign_asks(world: World, who: str) -> None:
    assert list(wrong_heights(world, who)) == []


def wrong_stand_ins(world: World) -> Iterator[str]:
    """Claims that somebody checks in the place of whoever made them, or does not though they may."""
    people, task = world.people, world.tasks["county", "willow", "done"]
    tomorrow = timezone.localdate() + timedelta(days=1)
    with rolled_back():
        post = people["lin"].posts.get(unit=factories.WILLOW)
        factories.appoint(people["nobody"], Role.LINKED, factories.WILLOW, stands_in_for=post, until=tomorrow)
        for by, stood, value_of, may in (
            ("lan", None, None, True),
            ("lin", None, None, False),
            ("lan", "lin", None, False),
            ("nobody", "lin", None, False),
            ("lan", None, "lin", False),
        ):
            stands, rests_on = people[stood] if stood else None, [people[value_of].pk] if value_of else []
            Task.objects.filter(pk=task).update(done_by=people[by], done_for=stands, rests_on=rests_on)
            for who in ("nobody", "lin"):
                why = f"of {by} in the place of {stood}, resting on {value_of}"
                yield from wrong_looks(world, who, task, may=may, why=why)


def test_nobody_checks_a_claim_in_the_place_of_whoever_made_it(world: World) -> None:
    assert list(wrong_stand_ins(world)) == []


FORGETFUL = cadre.IN_SESSION.replace("stood.cadre_id::text", "NULL")


def test_it_is_noticed_if_nobody_remembers_whose_place_a_stand_in_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FORGETFUL != cadre.IN_SESSION
    monkeypatch.setattr(cadre, "IN_SESSION", FORGETFUL)
    assert next(wrong_stand_ins(world), None)


def test_every_height_that_is_wrong_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, unnoticed = 0, []
    for role, height in itertools.product(access.HEIGHTS, access.Height):
        who, place = HOLDERS[role]
        unit = PLACES[place]
        was = access.height_of(access.Grant(role, unit))
        with monkeypatch.context() as mutation:
            mutation.setitem(access.HEIGHTS, role, height)
            if access.height_of(access.Grant(role, unit)) == was:
                continue  # makes no difference: a post at a township looks from there
            tried += 1
            if next(wrong_heights(world, who), None) is None:
                unnoticed.append((role, height))
    assert unnoticed == []
    assert tried >= 10
