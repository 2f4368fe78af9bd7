"""The worlds that are measured: units, people, and a campaign half done; each in a database of its own.

county      Xuzhou's real townships and villages and the census speech of the catalog
prefecture  3,000 villages in 20 counties that owe 60 items each
country     620,573 villages that owe 60 items each: benchmarks/country.py
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from psycopg2 import sql

from checklists import catalog
from checklists.launch import launch
from checklists.models import Campaign, Template
from tests import live
from tests.factories import WILLOW_TREE
from villages.access import Role
from villages.importing import import_units
from villages.models import Cadre, Post, Unit

XUZHOU, CITY = "511504", "9901"
CENSUS, SIXTY = "district-7th-census-and-stat-rectification", "sixty"
COUNTIES, TOWNSHIPS, VILLAGES, ITEMS = 20, 10, 15, 60
BATCH = 5_000  # rows of an INSERT
DAYS_GONE, DAYS_LEFT = 40, 30  # since the launch, and to the inspection


@contextlib.contextmanager
def database(name: str, build: Callable[[], object] = bool, *, keep: bool = False) -> Iterator[None]:
    """Django of this process on a migrated database that `build` has filled.

    Args:
        name: added to the name of the database in DATABASE_URL.
        build: fills it; skipped for one that was kept. One that breaks off leaves nothing behind.
        keep: leave it for later runs.
    """
    wanted = full(name)
    draft = f"{wanted}_draft"  # what a killed build leaves behind is not taken for the whole
    if not (keep and is_kept(name)):
        drop(wanted)
        with dropped_unless_built(draft), live.pointed_at(at(draft)):
            call_command("migrate", verbosity=0, interactive=False)
            build()
        _administer(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(wanted)))
    try:
        with live.pointed_at(at(wanted)):
            call_command("migrate", verbosity=0, interactive=False)  # one that was kept
            yield
    finally:
        if not keep:
            drop(wanted)


@contextlib.contextmanager
def dropped_unless_built(name: str) -> Iterator[None]:
    """A new and empty database of this name."""
    drop(name)
    _administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield
    except BaseException:
        drop(name)
        raise


def at(database_name: str) -> str:
    """Where a database is, beside the one in DATABASE_URL."""
    return urlunsplit(urlsplit(live.database_url())._replace(path=f"/{database_name}"))


def full(name: str) -> str:
    """What the database of a world is called."""
    return f"{connection.settings_dict['NAME']}_{name}"


def is_kept(name: str) -> bool:
    """Whether it has been built before."""
    return full(name) in databases()


def databases() -> list[str]:
    """What databases there are."""
    return [name for (name,) in _administer(sql.SQL("SELECT datname FROM pg_database"))]


def drop(name: str) -> None:
    """Removes a database, if it is there."""
    _administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(statement: sql.Composable) -> list[tuple[Any, ...]]:
    """Runs one statement outside of a transaction, on the database in DATABASE_URL."""
    with contextlib.closing(psycopg2.connect(live.database_url())) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


# ---- The worlds ----------------------------------------------------------------------------------------------------


def empty() -> None:
    """Nothing but tables."""


def county() -> None:
    """Xuzhou with its 364 villages and the census speech, launched as the product does."""
    district()
    staff(XUZHOU)
    launched(CENSUS, XUZHOU)
    lived_through()


def prefecture() -> None:
    """3,000 villages, and a speech of sixty items that every village owes."""
    city()
    staff(CITY)
    launched(SIXTY, CITY)
    lived_through()


def district() -> None:
    """Xuzhou and a secretary in each village."""
    import_units(settings.BASE_DIR / "villages" / "data" / "xuzhou-511504.csv")
    catalog.load()
    secretaries(list(Unit.objects.filter(kind="village").values_list("pk", flat=True)))


def city() -> None:
    """Twenty counties of ten townships of fifteen villages with a secretary each."""
    counties = [f"{CITY}{n + 1:02}" for n in range(COUNTIES)]
    townships = [f"{county}{n + 1:03}" for county in counties for n in range(TOWNSHIPS)]
    villages = [f"{township}{n + 201}" for township in townships for n in range(VILLAGES)]
    codes = [("99", None), (CITY, "99"), *((code, CITY) for code in counties)]
    codes += [(code, code[:6]) for code in townships] + [(code, code[:9]) for code in villages]
    Unit.objects.bulk_create([Unit(code=code, name=f"第{code}号", parent_id=parent) for code, parent in codes])
    sixty_items()
    secretaries(villages)


def sixty_items() -> None:
    """A speech of sixty items for villages, due on ten days before the inspection."""
    words = {"title": "检查项", "title_en": "Item", "standard": "做到", "standard_en": "So", "kind": "action"}
    items = [
        words
        | {"id": f"b-{n}", "section": f"一({n // 10 + 1})", "owed_by": ["village"]}
        | {"veto": n % 20 == 0, "points": 1 + n % 3, "due": {"before": n % 10 * 7, "says": "x"}}
        for n in range(ITEMS)
    ]
    with transaction.atomic():
        catalog.save({"slug": SIXTY, "version": 1, "title": "全市", "title_en": "City", "phases": [], "items": items})


def secretaries(villages: list[str]) -> None:
    """One for each village: `c` and its code; the password is that of the tests."""
    appointed(Role.VILLAGE_CADRE, [(f"c{code}", code) for code in villages], principal=True)


def staff(host: str) -> None:
    """The leader and the admin of a unit, and a clerk in each township below."""
    appointed(Role.COUNTY_LEADER, [("leader", host)])
    appointed(Role.CAMPAIGN_ADMIN, [("admin", host)])
    clerks(list(Unit.objects.under(host).filter(kind="township").values_list("pk", flat=True)))


def clerks(townships: list[str]) -> None:
    """One for each township: `s` and its code."""
    appointed(Role.TOWNSHIP_STAFF, [(f"s{code}", code) for code in townships])


def appointed(role: Role, people: list[tuple[str, str]], *, principal: bool = False) -> None:
    """People (log-in name and unit) who hold this role since the launch."""
    title, since = str(role.label), day(-DAYS_GONE)
    cadres = Cadre.objects.bulk_create(
        [Cadre(username=name, name=f"{title}{unit}", password=WILLOW_TREE) for name, unit in people], BATCH
    )
    Post.objects.bulk_create(
        [
            Post(cadre=cadre, unit_id=unit, role=role, principal=principal, since=since)
            for cadre, (_, unit) in zip(cadres, people, strict=True)
        ],
        BATCH,
    )


def launched(slug: str, host: str, status: str = Campaign.Status.ACTIVE) -> Campaign:
    """A campaign forty days old, with thirty to go."""
    template = Template.objects.newest().get(slug=slug)
    where = Unit.objects.get(pk=host)
    return launch(template, where, inspects_on=day(DAYS_LEFT), on=day(-DAYS_GONE), status=status).campaign


def day(number: int) -> date:
    """So many days from today."""
    return timezone.localdate() + timedelta(days=number)


# What has become of a task, by a dice that falls the same way each time: 30 % verified, 30 % claimed, 3 % returned,
# 4 % waived, the rest open; of what is open, that which was due is overdue. The claim lies within the days gone.
DICE = "(hashint8(t.item_id * 1000003 + hashtext(t.unit_id)) & 1023)"
STATE = f"""CASE WHEN {DICE} < 307 THEN 'verified' WHEN {DICE} < 614 THEN 'done' WHEN {DICE} < 645 THEN 'returned'
    WHEN {DICE} < 686 THEN 'waived' ELSE 'open' END"""
CHANGED = f"now() - make_interval(days => mod({DICE}, {DAYS_GONE}))"


def lived_through() -> None:
    """Brings the tasks of all campaigns to where they would be by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE checklists_task t SET state = {STATE}, version = 1,
                done_by_id = CASE WHEN {DICE} < 614 THEN coalesce(c.id, a.id) END,
                done_at = CASE WHEN {DICE} < 614 THEN {CHANGED} END,
                verified_by_id = CASE WHEN {DICE} < 307 THEN l.id END,
                verified_at = CASE WHEN {DICE} < 307 THEN {CHANGED} END
            FROM villages_unit u LEFT JOIN villages_cadre c ON c.username = 'c' || u.code,
                 villages_cadre a, villages_cadre l
            WHERE u.code = t.unit_id AND a.username = 'admin' AND l.username = 'leader' AND {STATE} <> 'open'
            """
        )
        cursor.execute("VACUUM ANALYZE")


def check_tallies() -> None:
    """Says whether what was kept equals a recount, after all that was done.

    Raises:
        SystemExit: it does not.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET work_mem = '512MB'")
    call_command("check_tallies")
