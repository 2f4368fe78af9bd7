"""A prefecture of 3,000 villages with 60 items each: lists of tasks, many at once, many in one statement."""

import contextlib
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

from django.db import connection, transaction

from benchmarks import Bench, Figures, milliseconds, pages, web, worlds
from checklists.models import State, Task

CLIENTS, TICKS, BULK = 16, 800, 20_000
_stack = contextlib.ExitStack()


class Prefecture:
    """The two servers, and who asks them; made by `world`."""

    def __init__(self) -> None:
        self.product = _stack.enter_context(web.product())
        self.floor = _stack.enter_context(web.floor())
        self.campaign = pages.campaign()
        self.village = f"{worlds.CITY}01001201"
        self.secretary = web.Person(self.product, f"c{self.village}")


@contextlib.contextmanager
def world() -> Iterator[None]:
    """The prefecture, served."""
    global here
    with worlds.database("bench_prefecture", worlds.prefecture), _stack:
        here = Prefecture()
        yield
        worlds.check_tallies()


here: Prefecture


def paths(page: str) -> tuple[str, str]:
    """Where our page is, and the floor's."""
    campaign = here.campaign.pk
    ours = {"unit": f"/campaigns/{campaign}/units/{here.village}/", "tasks": "/tasks/?show=all"}
    return ours[page], f"/{page}/{campaign}/{here.village}"


def against_floor(page: str) -> Figures:
    """One page with sixty tasks."""
    ours, bare = paths(page)
    asked = web.asks(here.secretary.get(ours)), web.asks(web.request("GET", bare))
    return web.medians((here.product, asked[0]), (here.floor, asked[1]))


def same_tasks(page: str) -> None:
    """Both pages show as many tasks with as many forms."""
    ours, bare = paths(page)
    answers = here.secretary.see(ours), pages.seen(here.floor, bare)
    pages.same(*answers, 'id="task-', "hx-swap=", 'name="event"')


def one_county() -> Figures:
    """Ticks a second of sixteen people: of one county, then of sixteen; all of one due date."""
    in_one = [f"{worlds.CITY}01{n % 10 + 1:03}{n // 10 + 201}" for n in range(CLIENTS)]
    in_many = [f"{worlds.CITY}{n + 1:02}002203" for n in range(CLIENTS)]
    due = Task.objects.order_by("-due_on").values_list("due_on", flat=True)[0]
    apart, together = people(in_many, due), people(in_one, due)
    web.rush(here.product, together, CLIENTS * 4)
    return web.rush(here.product, together, TICKS), web.rush(here.product, apart, TICKS)


def people(villages: list[str], due: date) -> list[Any]:
    """The secretaries of these villages, each with tasks to tick that are due on one day."""
    return [
        pages.Ticks(pages.tickable(unit=village, due_on=due), pages.through_the_page(secretary(village)))
        for village in villages
    ]


@cache
def secretary(village: str) -> web.Person:
    """Logged in once."""
    return web.Person(here.product, f"c{village}")


@transaction.atomic
def bulk(order: str, *, triggers: bool) -> float:
    """Milliseconds of one statement that changes the first open tasks in some order; taken back afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE checklists_task {'ENABLE' if triggers else 'DISABLE'} TRIGGER USER")
        chosen = Task.objects.filter(state=State.OPEN).order_by(order, "pk")[:BULK].values_list("pk", flat=True)
        tasks = Task.objects.filter(pk__in=list(chosen))
        changed: list[int] = []
        took = milliseconds(lambda: changed.append(tasks.update(state=State.WAIVED, version=9)))
        assert changed == [BULK]
        transaction.set_rollback(True)
    return took


def with_and_without(order: str) -> Figures:
    """What the triggers that keep the tallies add, and what the statement takes without them."""
    figures = []
    for on in (True, False):
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        figures.append(bulk(order, triggers=on))
    return figures[0] - figures[1], figures[1]


BENCHES = [
    Bench(
        "village_page_of_60_tasks_against_joined_strings",
        limit=8,
        run=lambda: against_floor("unit"),
        setup=lambda: same_tasks("unit"),
    ),
    Bench(
        "my_60_tasks_against_joined_strings",
        limit=8,
        run=lambda: against_floor("tasks"),
        setup=lambda: same_tasks("tasks"),
    ),
    Bench("ticks_a_second_in_one_county_against_16", limit=0.7, run=one_county, unit="ticks/s", at_least=True),
    # Twenty items in every village, as when a deadline moves; and everything in a few hundred villages.
    Bench(
        "what_triggers_add_to_an_update_of_20000_tasks_by_item_against_without",
        limit=2,
        run=lambda: with_and_without("item_id"),
    ),
    Bench(
        "what_triggers_add_to_an_update_of_20000_tasks_by_village_against_without",
        limit=2,
        run=lambda: with_and_without("unit_id"),
    ),
]
