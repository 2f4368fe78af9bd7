"""Launching a campaign against one bare INSERT … SELECT of as many tasks, same indexes, triggers off."""

from collections.abc import Callable
from datetime import date
from functools import partial

import pgtrigger
from django.conf import settings
from django.db import connection, transaction

from benchmarks import Bench
from checklists import catalog
from checklists.launch import launch
from checklists.models import Campaign, Task, Template
from villages.access import Role
from villages.importing import import_units
from villages.models import Cadre, Post, Unit

XUZHOU, CITY = "511504", "9901"
CENSUS = "district-7th-census-and-stat-rectification"
COUNTIES, TOWNSHIPS, VILLAGES, ITEMS = 10, 20, 15, 60
TODAY, DAY = date(2026, 6, 10), date(2026, 9, 1)


def a_district() -> None:
    """Xuzhou with its 364 villages, a secretary in each, and the census speech."""
    import_units(settings.BASE_DIR / "villages" / "data" / "xuzhou-511504.csv")
    catalog.load()
    secretaries(list(Unit.objects.filter(kind="village").values_list("pk", flat=True)))
    reset(CENSUS, XUZHOU)


def a_city() -> None:
    """3,000 villages with a secretary each, and a speech of sixty items that every village owes."""
    counties = [f"{CITY}{n + 1:02}" for n in range(COUNTIES)]
    townships = [f"{county}{n + 1:03}" for county in counties for n in range(TOWNSHIPS)]
    villages = [f"{township}{n + 201}" for township in townships for n in range(VILLAGES)]
    codes = [("99", None), (CITY, "99"), *((code, CITY) for code in counties)]
    codes += [(code, code[:6]) for code in townships] + [(code, code[:9]) for code in villages]
    Unit.objects.bulk_create([Unit(code=code, name=f"第{code}号", parent_id=parent) for code, parent in codes])
    secretaries(villages)
    words = {"title": "检查项", "title_en": "Item", "standard": "做到", "standard_en": "So", "section": "一"}
    items = [
        words | {"id": f"b-{n}", "kind": "action", "owed_by": ["village"], "due": {"before": n % 4 * 7, "says": "x"}}
        for n in range(ITEMS)
    ]
    body = {"slug": "bench", "version": 1, "title": "全市", "title_en": "City", "phases": [], "items": items}
    catalog.save(body)
    reset("bench", CITY)


def secretaries(villages: list[str]) -> None:
    """One for each village."""
    cadres = Cadre.objects.bulk_create([Cadre(username=f"c{code}", name=f"书记{code}") for code in villages])
    Post.objects.bulk_create(
        Post(cadre=cadre, unit_id=code, role=Role.VILLAGE_CADRE, principal=True, since=TODAY)
        for cadre, code in zip(cadres, villages, strict=True)
    )


def reset(slug: str, host: str) -> None:
    """No campaign; in its place a draft, which has its items and no tasks."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE checklists_campaign CASCADE")
    launched(slug, host, Campaign.Status.DRAFT)


def launched(slug: str, host: str, status: str = Campaign.Status.ACTIVE) -> None:
    """The promise: tasks, tallies, and who answers."""
    launch(
        Template.objects.newest().get(slug=slug), Unit.objects.get(pk=host), inspects_on=DAY, on=TODAY, status=status
    )


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
    return Bench(name, limit=3, ours=ours, floor=floor, setup=setup, reset=again)


BENCHES = [
    bench("launch_census_in_364_villages", CENSUS, XUZHOU, a_district),
    bench("launch_60_items_in_3000_villages", "bench", CITY, a_city),
]
