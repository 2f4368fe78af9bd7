"""What one request costs: processor time of the web server and of PostgreSQL, and what a tick writes.

    python -m benchmarks.costs        embedded servers, the county world; a minute

No promises: the figures that docs/scaling.md reckons with. Processor time hardly depends on what else the machine does;
waiting does, so of what is timed the quickest tenth is told too.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from uuid import uuid4

os.environ.setdefault("DEBUG", "1")
from readiness.wsgi import application  # isort: skip  # noqa: F401  (sets Django up for the imports below)

import psutil
from django.conf import settings
from django.db import connection

from benchmarks import floor, pages, web, worlds
from checklists.models import Task
from readiness import embedded
from tests import live

REQUESTS, WARM_UP = 400, 40


def worked(pids: list[int]) -> dict[int, float]:
    """Milliseconds that each of these processes has worked so far."""
    return {pid: sum(psutil.Process(pid).cpu_times()[:2]) * 1000 for pid in pids}


def sessions() -> list[int]:
    """The processes of PostgreSQL that serve this database, but for ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def cost(product: live.Web, ask: web.Ask) -> str:
    """Milliseconds of the web server and of PostgreSQL, and how long one waits."""

    def look() -> list[dict[int, float]]:
        return [worked(product.pids()), worked(sessions())]

    waits = []
    with web.Line(product) as line:
        for _ in range(WARM_UP):
            ask(line)
        before = look()
        for _ in range(REQUESTS):
            start = time.perf_counter()
            ask(line)
            waits.append((time.perf_counter() - start) * 1000)
    more = [sum(ms - was.get(pid, 0) for pid, ms in now.items()) for now, was in zip(look(), before, strict=True)]
    return f"{more[0] / REQUESTS:6.1f} {more[1] / REQUESTS:10.2f} {median(waits):8.1f} {quantiles(waits, n=10)[0]:8.1f}"


def written() -> dict[str, list[int]]:
    """Rows inserted, updated, and of these updated in place (HOT), by table; bytes of the log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")
        found = {name: list(counts) for name, *counts in cursor.fetchall()}
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'")
        return found | {"bytes of WAL": [int(cursor.fetchone()[0])]}


def writes(act: Callable[[], object], times: int) -> None:
    """Prints what so many changes write, each."""
    tell = "SELECT pg_stat_force_next_flush()"  # else a session tells what it did only now and then
    floor.rows(tell)
    before = written()
    act()
    floor.rows(tell)
    print(f"\n{'written per tick':24} inserted  updated  of these HOT")
    for name, counts in written().items():
        more = [(count - was) / times for count, was in zip(counts, before[name], strict=True)]
        if any(count > 0.02 for count in more):
            print(f"{name:24} " + " ".join(f"{count:8.2f}" for count in more))


def bare_ticks(tasks: list[Task], by: int, times: int = REQUESTS) -> list[float]:
    """Milliseconds of UPDATE with its triggers, INSERT and COMMIT; a county's rows are held a little less."""
    waits = []
    for number in range(times):
        task = tasks[number % len(tasks)]
        to = "open" if task.state == "done" else "done"
        form = {"task": task.pk, "by": by, "seen": task.version, "state": to, "event": uuid4()}
        start = time.perf_counter()
        floor.tick({name: str(value) for name, value in form.items()})
        waits.append((time.perf_counter() - start) * 1000)
        task.state, task.version = to, task.version + 1
    return waits


def at_once(lists: list[list[Task]], by: int) -> float:
    """Ticks a second of as many sessions as there are lists."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(lists)) as pool:
        waits = list(pool.map(lambda tasks: bare_ticks(tasks, by), lists))
    return sum(map(len, waits)) / (time.perf_counter() - start)


def measure(product: live.Web) -> None:
    """One line for each kind of request."""
    leader = web.Person(product, "leader")
    townships = pages.busiest_townships(worlds.XUZHOU)
    lists = [pages.tickable(unit__code__startswith=township) for township in townships]
    clerk = web.Person(product, f"s{townships[0]}")
    ticks = pages.Ticks(lists[0], pages.through_the_page(clerk))
    board = f"/campaigns/{pages.campaign().pk}/"
    again = pages.Follower(leader, board)
    numbers = iter(range(10**6))

    def anew(line: web.Line) -> None:
        web.asks(leader.get(f"{board}?anew={next(numbers)}"))(line)  # an address that nothing is kept of

    print(f"{'ms':24} {'web':>6} {'PostgreSQL':>10} {'p50':>8} {'p10':>8}")
    print(f"{'county board, anew':24} {cost(product, anew)}")
    print(f"{'county board, kept':24} {cost(product, web.asks(leader.get(board)))}")
    print(f"{'nothing changed':24} {cost(product, again.ask)}")
    print(f"{'my tasks':24} {cost(product, web.asks(clerk.get('/tasks/')))}")
    print(f"{'tick':24} {cost(product, ticks.ask)}")
    os.environ["DATABASE_URL"], by = live.database_url(), pages.cadre("admin")  # for the floor
    waits = bare_ticks(lists[1], by)
    print(f"{'tick, the bare SQL':24} {'':17} {median(waits):8.1f} {quantiles(waits, n=10)[0]:8.1f}")
    writes(lambda: bare_ticks(lists[2], by), REQUESTS)
    for many in (1, 4, 16):
        print(f"bare SQL, one county, {many} at once: {at_once(lists[:many], by):.0f} ticks a second")


def processes(workers: int) -> None:
    """Prints ticks and boards a second of so many web processes, asked by sixteen clients."""
    with live.web(workers=workers, **web.PRODUCTION) as product:
        leader = web.Person(product, "leader")
        board = leader.get(f"/campaigns/{pages.campaign().pk}/")
        clients = [
            pages.Ticks(
                pages.tickable(unit__code__startswith=township),
                pages.through_the_page(web.Person(product, f"s{township}")),
            )
            for township in pages.busiest_townships(worlds.XUZHOU)[:16]
        ]
        web.rush(product, clients, WARM_UP)
        ticks = web.rush(product, clients, REQUESTS)
        boards = web.rush(product, [lambda: board] * 16, REQUESTS)
    print(f"web processes: {workers}; {ticks:.0f} ticks or {boards:.0f} kept boards a second")


def main() -> None:
    """In a county of its own."""
    settings.DEBUG = False
    with embedded.servers() as servers, live.pointed_at(servers.database_url), worlds.database("costs", worlds.county):
        with web.product() as product:
            measure(product)
        for workers in (1, 2, 1, 2):
            processes(workers)
        worlds.check_tallies()


if __name__ == "__main__":
    main()
