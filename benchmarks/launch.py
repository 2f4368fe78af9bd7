"""Launching a campaign against one bare INSERT … SELECT of as many tasks, same indexes, triggers off."""

from collections.abc import Callable
from functools import partial

import pgtrigger
from django.db import connection, transaction

from benchmarks import Bench, timed
from benchmarks.worlds import CENSUS, CITY, SIXTY, XUZHOU, city, database, district, launched
from checklists.models import Campaign, Task

world = partial(database, "bench_launch")


def reset(slug: str, host: str) -> None:
    """No campaign; in its place a draft, which has its items and no tasks."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE checklists_campaign CASCADE")
    launched(slug, host, Campaign.Status.DRAFT)


@transaction.atomic
def bare(slug: str, host: str) -> None:
    """As many tasks into the same table, without a trigger."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE checklists_task DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)"
            " SELECT i.campaign_id, i.id, u.code, i.due_on, i.points FROM checklists_item i, villages_unit u"
            " WHERE u.kind = ANY (i.owed_by) AND u.code LIKE %s",
            [f"{host}%"],
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE checklists_task ENABLE TRIGGER USER")
    assert Task.objects.count() >= 5000


def bench(name: str, slug: str, host: str, setup: Callable[[], None]) -> Bench:
    """The same speech and host for every side."""
    ours, floor, again = (partial(step, slug, host) for step in (launched, bare, reset))
    return Bench(name, limit=3, run=timed(ours, floor, again), setup=setup)


BENCHES = [
    bench("launch_census_in_364_villages", CENSUS, XUZHOU, district),
    bench("launch_60_items_in_3000_villages", SIXTY, CITY, city),
]
