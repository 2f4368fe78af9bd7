"""Redis neither answers nor ends; those who tick do not notice."""

import time
from collections.abc import Callable

import pytest

from checklists.models import Campaign, Task
from tests import factories, live
from tests.chaos import FULL, size, world
from tests.chaos.stack import Stack
from villages.access import Role
from villages.models import Unit

pytestmark = pytest.mark.slow
TICKS = size(200, 30)
PAGES = size(20, 3)
SECONDS = size(60, 3)  # that they are spread over, and that Redis is frozen
# A tick this fast is no trouble to anybody, whatever the slowest of the others was.
UNNOTICED = 0.2 if FULL else 3  # of a few ticks on a busy machine; whoever waits for Redis waits for five


def clerk(web: live.Web) -> live.Client:
    """On the staff of every township, so that all tasks may be ticked by one."""
    bao = factories.cadre("Bao")
    for township in Unit.objects.filter(kind="township", name__startswith="2"):
        factories.appoint(bao, Role.TOWNSHIP_STAFF, township.pk)
    return live.Client(web.url, timeout=60).log_in("bao")


def owed(campaign: Campaign) -> list[Task]:
    return list(campaign.tasks.filter(unit__name__startswith="2").order_by("pk"))


def ticked(client: live.Client, tasks: list[Task], seconds: float) -> list[float]:
    """How long each took; all are saved."""
    took = []
    began = time.monotonic()
    for number, task in enumerate(tasks):
        time.sleep(max(0, began + number * seconds / len(tasks) - time.monotonic()))
        start = time.monotonic()
        answer = client.post(f"/tasks/{task.pk}/tick/", factories.body())
        took.append(time.monotonic() - start)
        assert (answer.status, answer.location) == (302, f"/tasks/{task.pk}/")
    return took


def test_whoever_ticks_does_not_notice_that_redis_is_frozen(stack: Stack, tell: Callable[[str], None]) -> None:
    tasks = owed(world.owed_by(2 * TICKS + 10))
    with live.web() as web, clerk(web) as client:
        ticked(client, tasks[-10:], 1)  # the first are slow: everything is loaded
        free = ticked(client, tasks[:TICKS], SECONDS)
        with stack.redis_frozen():
            frozen = ticked(client, tasks[TICKS : 2 * TICKS], SECONDS)
    tell(
        f"chaos, Redis frozen for {SECONDS} s: {TICKS} ticks, 0 refused; slowest {max(frozen) * 1000:.0f} ms, "
        f"without {max(free) * 1000:.0f} ms: ratio {max(frozen) / max(free):.2f}"
    )
    assert Task.objects.filter(pk__in=[task.pk for task in tasks], state="done").count() == len(tasks)
    assert max(frozen) <= max(2 * max(free), UNNOTICED)


def test_a_page_that_wakes_the_sender_waits_a_second_at_most(stack: Stack, tell: Callable[[str], None]) -> None:
    tasks = owed(world.owed_by(2 + PAGES))
    with live.web(app="tests.chaos.publishing:waking") as web, clerk(web) as client:
        ticked(client, tasks[:2], 0)
        with stack.redis_frozen():
            frozen = ticked(client, tasks[2:], 0)
    tell(f"chaos, Redis frozen: {PAGES} pages that wake the sender, 0 refused, slowest {max(frozen) * 1000:.0f} ms")
    assert max(frozen) <= 1 + UNNOTICED


def test_if_pages_published_as_celery_does_they_would_hang(stack: Stack) -> None:
    """The control."""
    tasks = owed(world.owed_by(3))
    with live.web(app="tests.chaos.publishing:waiting") as web, clerk(web) as client:
        ticked(client, tasks[:2], 0)
        client = live.Client(web.url, timeout=2)
        with stack.redis_frozen(), pytest.raises(TimeoutError):
            client.post(f"/tasks/{tasks[2].pk}/tick/", factories.body())
