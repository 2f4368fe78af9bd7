"""Launching a city's campaign against its bare rows: tasks and tallies by one statement each, without a trigger."""

from datetime import date

import pgtrigger
from django.db import connection, transaction

from benchmarks import Bench
from checklists.launch import launch
from checklists.models import Campaign, Task, Template
from checklists.models.tally import RECOUNT
from villages.access import Role
from villages.models import Cadre, Post, Unit

COUNTIES, TOWNSHIPS, VILLAGES, ITEMS = 10, 20, 12, 40
CITY, TODAY, DAY = "9901", date(2026, 6, 10), date(2026, 9, 1)


def setup() -> None:
    """2,400 villages with a secretary each, and a speech of forty items that every village owes."""
    reset()
    counties = [f"{CITY}{n + 1:02}" for n in range(COUNTIES)]
    townships = [f"{county}{n + 1:03}" for county in counties for n in range(TOWNSHIPS)]
    villages = [f"{township}{n + 201}" for township in townships for n in range(VILLAGES)]
    codes = [("99", None), (CITY, "99"), *((code, CITY) for code in counties)]
    codes += [(code, code[:6]) for code in townships] + [(code, code[:9]) for code in villages]
    Unit.objects.bulk_create([Unit(code=code, name=f"第{code}号", parent_id=parent) for code, parent in codes])
    cadres = Cadre.objects.bulk_create([Cadre(username=f"c{code}", name=f"书记{code}") for code in villages])
    Post.objects.bulk_create(
        Post(cadre=cadre, unit_id=code, role=Role.VILLAGE_CADRE, principal=True, since=TODAY)
        for cadre, code in zip(cadres, villages, strict=True)
    )
    line = {
        "title": "检查项",
        "title_en": "Item",
        "standard": "做到",
        "standard_en": "So",
        "section": "一",
        "kind": "action",
    }
    items = [
        line | {"id": f"b-{n}", "owed_by": ["village"], "due": {"before": n % 4 * 7, "says": "x"}} for n in range(ITEMS)
    ]
    Template.objects.create(slug="bench", title="全市", title_en="City", body={"phases": [], "items": items})


def reset() -> None:
    """No campaign; in its place a draft, which has its items and no tasks."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE checklists_campaign CASCADE")
    template = Template.objects.filter(slug="bench").first()
    if template:
        launch(template, Unit.objects.get(pk=CITY), inspects_on=DAY, on=TODAY, status=Campaign.Status.DRAFT)


def ours() -> None:
    """The promise: tasks, tallies, and who answers."""
    launched = launch(Template.objects.get(slug="bench"), Unit.objects.get(pk=CITY), inspects_on=DAY, on=TODAY)
    assert launched.tasks == COUNTIES * TOWNSHIPS * VILLAGES * ITEMS
    assert launched.responsibilities == 2 * COUNTIES * TOWNSHIPS * VILLAGES


@transaction.atomic
def floor() -> None:
    """The same tasks and tallies into the same tables, without a trigger."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE checklists_task DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)"
            " SELECT i.campaign_id, i.id, u.code, i.due_on, 1 FROM checklists_item i, villages_unit u"
            " WHERE u.kind = 'village' AND u.code LIKE %s",
            [f"{CITY}%"],
        )
        cursor.execute(f"INSERT INTO checklists_tally (campaign_id, unit_id, due_on, state, tasks, points) {RECOUNT}")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE checklists_task ENABLE TRIGGER USER")
    assert Task.objects.count() == COUNTIES * TOWNSHIPS * VILLAGES * ITEMS


BENCHES = [Bench("launch_for_a_city", limit=2, ours=ours, floor=floor, setup=setup, reset=reset)]
