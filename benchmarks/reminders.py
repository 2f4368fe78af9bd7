"""Planning the notices of a day for so many villages of 60 items, against reading the same tasks once.

3,000 villages in any case; 30,000 villages with 1.8 million tasks, which take some minutes to make, only if asked for:

    REMINDERS=large make bench ARGS="plan_a_day_for_30000_villages queries_to_plan_a_day_for_30000_villages_against_300"
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import Bench, Figures, country, timed, worlds
from checklists import answers
from checklists.models import Campaign, Task
from readiness.models import Rules
from readiness.reminders import outbox, unchanged
from readiness.reminders.calendars import on_or_after, on_or_before
from villages.access import Role
from villages.models import Cadre, Post, Unit

SIZES = [300, 3_000] + ([30_000] if os.environ.get("REMINDERS") == "large" else [])
IN_A_COUNTY = 10  # townships
LINKED = 5  # villages of a linked cadre


# ---- The worlds ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def world() -> Iterator[None]:
    """One database for each size, made anew: its deadlines hang on the day."""
    for size in SIZES:
        worlds.drop(worlds.full(name(size)))
    try:
        for size in SIZES:
            with looked_into(size):
                pass
        yield
    finally:
        for size in SIZES:
            worlds.drop(worlds.full(name(size)))


def name(size: int) -> str:
    """What is added to the database's name."""
    return f"bench_reminders_{size}"


@contextlib.contextmanager
def looked_into(size: int) -> Iterator[None]:
    """Django of this process in the world of so many villages, which is built if it is not there."""
    with worlds.database(name(size), partial(build, size), keep=True):
        yield


def build(size: int) -> None:
    """Counties of ten townships; a secretary in each village, a clerk in each township, one who is linked with five."""
    counties = max(size // 150, 2) if size <= 3_000 else 20
    townships = [f"9901{n // IN_A_COUNTY + 1:02}{n % IN_A_COUNTY + 1:03}" for n in range(counties * IN_A_COUNTY)]
    villages = [f"{code}{n + 201}" for code in townships for n in range(size // len(townships))]
    above = {code[:length] for code in townships for length in (2, 4, 6)}
    country.build([(code, f"第{code}号") for code in sorted({*above, *townships, *villages})])
    link(villages)
    campaign = Campaign.objects.get()
    answers.fill(campaign)
    # Whoever is late hears of it on every working day; the day before is written, and its steps are taken.
    Rules.objects.create(campaign=campaign, overdue_every=1)
    before = day() - timedelta(days=1)
    outbox.write(on_or_before(before.date()), before)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    assert Unit.objects.filter(kind="village").count() == size


def link(villages: list[str]) -> None:
    """A linked cadre for each five."""
    people = Cadre.objects.bulk_create(
        [Cadre(username=f"l{code}", name=f"包村{code}") for code in villages[::LINKED]], worlds.BATCH
    )
    since = worlds.day(-worlds.DAYS_GONE)
    Post.objects.bulk_create(
        [
            Post(cadre=people[number // LINKED], unit_id=code, role=Role.LINKED, since=since)
            for number, code in enumerate(villages)
        ],
        worlds.BATCH,
    )


# ---- What is measured ----------------------------------------------------------------------------------------------

# The columns that say what is owed, where, since when and how much it matters: of all tasks that a day is planned for.
READ = "SELECT id, campaign_id, unit_id, item_id, due_on, state, veto, value FROM checklists_task"


def day() -> datetime:
    """The morning of the next working day."""
    return datetime.combine(on_or_after(timezone.localdate()), time(9), timezone.get_current_timezone())


def plan() -> list[Any]:
    """Every notice of the day with its words; none is written."""
    return outbox.planned(day().date(), day())


def read() -> list[tuple[Any, ...]]:
    """All tasks, as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(READ)
        return list(cursor.fetchall())


def in_time(size: int) -> Figures:
    """Both in turn, in one world."""
    with looked_into(size):
        return timed(plan, read)()


def again(size: int) -> Figures:
    """A look that finds nothing changed, and the plan that it saves."""
    with looked_into(size):
        return timed(lambda: unchanged.look(day().date(), day()), plan)()


def same(size: int) -> None:
    """The plan is about those tasks: the secretaries who owe one that is late hear of it."""
    with looked_into(size):
        late = set(Task.objects.overdue(day().date()).values_list("unit_id", flat=True))
        told = {message.cadre for message in plan()}
        secretaries = dict(Post.objects.filter(role=Role.VILLAGE_CADRE).values_list("cadre_id", "unit_id"))
        assert {secretaries[cadre] for cadre in told & secretaries.keys()} >= late


def queries(size: int) -> int:
    """How many it takes to plan the day."""
    with looked_into(size), CaptureQueriesContext(connection) as seen:
        plan()
    return len(seen)


def benches(size: int) -> Iterator[Bench]:
    """Time and queries."""
    yield Bench(f"plan_a_day_for_{size}_villages", limit=3, run=partial(in_time, size), setup=partial(same, size))
    yield Bench(f"a_run_without_news_of_{size}_villages_against_its_plan", limit=0.2, run=partial(again, size))
    yield Bench(
        f"queries_to_plan_a_day_for_{size}_villages_against_300",
        limit=1,
        run=lambda: (queries(size), queries(300)),
        runs=1,
        unit="queries",
    )


BENCHES = [bench for size in SIZES[1:] for bench in benches(size)]
