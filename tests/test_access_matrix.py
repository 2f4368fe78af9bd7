"""Who gets which answer: every address × method × person × object, against the table in tests/access/expected.py.

Beside the status each answer is held to what is promised of all of them: a refusal changes nothing, reading changes
nothing, out of sight reads byte for byte like what never existed, the headers are safe. Control runs break the
policy on purpose and must be noticed.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator

import pytest
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from checklists import ticks
from checklists.models import Task
from tests import factories
from tests.access import expected
from tests.access.expected import CAMPAIGNS, MAY, MEMBERS, METHODS, ROUTES, STEPS, STRANGERS, UNDER, Cell, cells, steps
from tests.access.world import (
    NOBODYS, PLACES, World, address, build, fingerprint, outcome, rolled_back, routes, said, unsafe,
)  # fmt: skip
from villages import access, http
from villages.access import Action, Reach, Role
from villages.models import Cadre, PostQuerySet

pytestmark = pytest.mark.django_db
ADDRESSES = routes()
NOTHING_THERE = "/tasks/" + str(NOBODYS) + "/"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: object) -> Iterator[World]:
    with django_db_blocker.unblock(), build() as built:  # type: ignore[attr-defined]
        yield built


def violations(world: World, wanted: Iterable[Cell]) -> Iterator[str]:
    """What is not as it must be; every request is undone."""
    untouched = fingerprint()
    nothing: dict[tuple[str, str], object] = {}
    for cell in wanted:
        with rolled_back():
            yield from _wrong(world, cell, untouched, nothing)


def _wrong(world: World, cell: Cell, untouched: object, nothing: dict[tuple[str, str], object]) -> Iterator[str]:
    ids = [world.number(*pair) for pair in zip(ROUTES[cell.route].of.split(), cell.ids, strict=True)]
    data = None
    if cell.route == "tick":
        data = factories.body(cell.state, note="" if _so_already(cell) else "因为")
    if cell.mine:
        Task.objects.filter(pk=ids[0]).update(done_by=world.people[cell.who])
        untouched = fingerprint()
    response = world.ask(cell.who, cell.method, address(ADDRESSES[cell.route], *ids), data)
    got = outcome(response)
    if got != cell.want:
        yield f"{cell}: got {got}"
    changed = fingerprint() != untouched
    if changed and (cell.method != "POST" or cell.want != 302):
        yield f"{cell}: something changed"
    if cell.route == "tick" and cell.want == 302 and changed is _so_already(cell):
        yield f"{cell}: {'changed' if changed else 'did not change'}"
    if cell.want == 404:
        key = (cell.who, cell.method)
        if key not in nothing:
            route = "/nowhere/" if cell.who in STRANGERS else NOTHING_THERE + ("tick/" if cell.method == "POST" else "")
            nothing[key] = said(world.ask(cell.who, cell.method, route))
        # A method that is answered before anything is looked up cannot tell either.
        if said(response) != nothing[key] and outcome(response) == 404 and cell.method in ("GET", "HEAD", "POST"):
            yield f"{cell}: differs from what never existed"
    for wrong in unsafe(response, logged_in=cell.who in MEMBERS):
        yield f"{cell}: {wrong}"


def _so_already(cell: Cell) -> bool:
    return isinstance(cell.ids[0], tuple) and STEPS.get(cell.ids[0][2], {}).get(cell.state) == "="


def test_every_address_is_in_the_table() -> None:
    assert set(ADDRESSES) == set(ROUTES)


@pytest.mark.parametrize("who", [*MEMBERS, *STRANGERS])
def test_every_address_answers_each_person_as_the_table_says(world: World, who: str) -> None:
    assert list(violations(world, cells(who))) == []


@pytest.mark.parametrize("who", MEMBERS)
def test_every_step_of_a_task_is_open_to_those_in_the_table_and_to_nobody_else(world: World, who: str) -> None:
    assert list(violations(world, steps(who))) == []
