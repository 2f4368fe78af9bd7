"""How PostgreSQL goes about the dearest statements of a board and of a tick: EXPLAIN of what Django sends."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import milliseconds, pages
from checklists.models import State, Task
from villages.models import Cadre

FILE = Path(__file__).with_name("explain.txt")
HOTTEST = 3
AGAIN = 3  # runs of each; the quickest counts


def write(board: str) -> None:
    """The hottest statements of the leader's board, the mayor's board and a clerk's tick into explain.txt."""
    statements: set[str] = set()
    for name in ("leader", "mayor"):
        statements |= sent(name, lambda client: client.get(board))
    county = Cadre.objects.get(username="mayor").grants[0].unit
    task = pages.tickable(unit__code__startswith=county)[0]
    statements |= sent(f"s{task.unit_id[:9]}", lambda client: tick(client, task))
    hottest = sorted(statements, key=took, reverse=True)[:HOTTEST]
    FILE.write_text("\n\n".join(f"{statement}\n\n{plan(statement)}" for statement in hottest) + "\n")
    print(f"the {HOTTEST} hottest statements: {FILE}")


def sent(name: str, ask: Callable[[Client], object]) -> set[str]:
    """What a request of somebody sends to the database; what it changes is taken back."""
    client = Client(headers={"Host": "localhost"})
    client.force_login(Cadre.objects.get(username=name))
    client.get("/campaigns/")  # the first request of a session writes to it
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        ask(client)
        transaction.set_rollback(True)
    words = ("SELECT", "INSERT", "UPDATE", "WITH")
    return {query["sql"] for query in captured.captured_queries if query["sql"].startswith(words)}


def tick(client: Client, task: Task) -> object:
    """By htmx, as the page does."""
    to = State.OPEN if task.state == State.DONE else State.DONE
    form = {"event": uuid4(), "state": to, "seen": task.version}
    return client.post(f"/tasks/{task.pk}/tick/", form, headers={"HX-Request": "true"})


def took(statement: str) -> float:
    """Milliseconds of the quickest of a few runs."""
    return min(milliseconds(lambda: plan(statement)) for _ in range(AGAIN))


@transaction.atomic
def plan(statement: str) -> str:
    """EXPLAIN (ANALYZE, BUFFERS); what it changes is taken back."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}")
        lines = [line for (line,) in cursor.fetchall()]
    transaction.set_rollback(True)
    return "\n".join(lines)
