"""The whole country: 620,573 villages that owe 60 items each, 37 million tasks.

Built province by province with triggers off: tasks first, then what the triggers would have kept, in the words of
checklists/models/tally.py. Kept in a database of its own for later runs; its name says scale and version.
The county that it is compared with is built by the same steps from the same list, alone in its world.
"""

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import connection, transaction
from tqdm import tqdm

from benchmarks import Bench, Figures, explain, imports, pages, web, worlds
from checklists import answers
from checklists.models import Campaign
from checklists.models.tally import BY_ITEM, COUNTS, added, grouped
from tests import live
from villages.access import Role
from villages.importing.cells import parent_of

COUNTRY = ""
VERSION = 1  # of how it is built; the schema follows by migrating
BYTES_PER_TASK = 750  # with indexes, tallies, days, and the log while it is written; measured with --scale 20
Units = list[tuple[str, str]]
T = TypeVar("T")


# ---- Building ------------------------------------------------------------------------------------------------------


def units(scale: int) -> Units:
    """Code and name: every unit, or one county in `scale` with what lies above and below it."""
    archive = imports.fetched()
    found = sorted(imports.national(archive) if archive else imports.made_up())
    counties = [code for code, _ in found if len(code) == 6]
    kept = {*counties[::scale], county_of(found)}
    above = {code[:n] for code in kept for n in (2, 4)}
    return [(code, name) for code, name in found if code in above or code[:6] in kept]


def county_of(found: Units) -> str:
    """The county that is looked at: Xuzhou, or the first of a made-up country."""
    codes = [code for code, _ in found if len(code) == 6]
    return worlds.XUZHOU if worlds.XUZHOU in codes else codes[0]


def alone(found: Units) -> Units:
    """The county that is looked at, and what lies above it."""
    county = county_of(found)
    return [(code, name) for code, name in found if county.startswith(code) or code.startswith(county)]


def build(found: Units) -> None:
    """Units, people, a campaign forty days old, its tasks, tallies and days."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET work_mem = '256MB'; SET synchronous_commit = off")
    copy([(COUNTRY, "全国"), *found])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE villages_unit")
    worlds.sixty_items()
    worlds.appointed(Role.COUNTY_LEADER, [("leader", COUNTRY), ("mayor", county_of(found))])
    worlds.appointed(Role.CAMPAIGN_ADMIN, [("admin", COUNTRY)])
    campaign = worlds.launched(worlds.SIXTY, COUNTRY, Campaign.Status.DRAFT)
    Campaign.objects.update(status=Campaign.Status.ACTIVE)
    with tqdm(total=len(found), unit=" units", desc="country", mininterval=1) as bar:
        for province, below in groupby(found, key=lambda unit: unit[0][:2]):
            codes = [code for code, _ in below]
            settle(province, codes, campaign)
            bar.update(len(codes))
    answers.fill(campaign)
    with connection.cursor() as cursor:
        cursor.execute(TODAY_LAST)
        cursor.execute("VACUUM ANALYZE")


def copy(rows: Units) -> None:
    """Into the table of units, as it is."""
    lines = (f"{code}\t{name}\t{chr(92) + 'N' if code == COUNTRY else parent_of(code)}\n" for code, name in rows)
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY villages_unit (code, name, parent_id) FROM STDIN", io.StringIO("".join(lines)))


@transaction.atomic
def settle(province: str, codes: list[str], campaign: Campaign) -> None:
    """One province: who works there, what they owe, how far they are, and what has been kept of it."""
    worlds.secretaries([code for code in codes if len(code) == 12])
    worlds.clerks([code for code in codes if len(code) == 9])
    values = {"under": f"{province}%", "campaign": campaign.pk, "start": campaign.starts_on}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica; SET LOCAL enable_nestloop = off")
        cursor.execute(TASKS, values)
        cursor.execute(KEPT, values)


TASKS = f"""
    INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points, veto, state, version,
                                 done_by_id, done_at, verified_by_id, verified_at)
    SELECT t.campaign_id, t.item_id, t.unit_id, t.due_on, t.points, t.veto, {worlds.STATE},
           ({worlds.DICE} < 686)::int, CASE WHEN {worlds.DICE} < 614 THEN t.cadre END,
           CASE WHEN {worlds.DICE} < 614 THEN {worlds.CHANGED} END,
           CASE WHEN {worlds.DICE} < 307 THEN (SELECT id FROM villages_cadre WHERE username = 'leader') END,
           CASE WHEN {worlds.DICE} < 307 THEN {worlds.CHANGED} END
    FROM (SELECT i.campaign_id, i.id AS item_id, u.code AS unit_id, i.due_on, i.points, i.veto, c.id AS cadre
          FROM villages_unit u JOIN villages_cadre c ON c.username = 'c' || u.code CROSS JOIN checklists_item i
          WHERE u.code LIKE %(under)s AND u.kind = 'village' ORDER BY u.code, i.position) t
"""
# All were there from the first day; the day of a claim is the task's, that of any other change falls by the dice.
LIVED = f"""
    SELECT 1 AS sign, t.campaign_id, t.unit_id, t.item_id, t.due_on, 'open' AS state, t.points, t.veto, t.retired_at,
           %(start)s::date AS day
    FROM checklists_task t WHERE t.campaign_id = %(campaign)s AND t.unit_id LIKE %(under)s
    UNION ALL
    SELECT s.sign, t.campaign_id, t.unit_id, t.item_id, t.due_on, s.state, t.points, t.veto, t.retired_at,
           (coalesce(t.done_at, {worlds.CHANGED}) AT TIME ZONE 'Asia/Shanghai')::date
    FROM checklists_task t, LATERAL (VALUES (1, t.state), (-1, 'open')) s (sign, state)
    WHERE t.campaign_id = %(campaign)s AND t.unit_id LIKE %(under)s AND t.state <> 'open'
"""

# All that the triggers would have kept by now, had they seen each day.
SUMS = ", ".join(f"sum({name})::int AS {name}" for name in COUNTS)
KEPT = f"""
    WITH {grouped(LIVED, "day")},
    beats AS (INSERT INTO checklists_pulse (campaign_id, unit_id, version)
        SELECT campaign_id, unit_id, count(DISTINCT day) FROM up GROUP BY 1, 2),
    days AS ({added("checklists_daytally", "campaign_id, unit_id, day, due_on", "SELECT * FROM up")}),
    items AS ({added("checklists_itemtally", "campaign_id, unit_id, item_id, due_on", BY_ITEM)})
    {
    added(
        "checklists_tally",
        "campaign_id, unit_id, due_on",
        f"SELECT campaign_id, unit_id, due_on, {SUMS} FROM up GROUP BY 1, 2, 3",
    )
}
"""

# In life what happens today is written after everything else, so it lies together.
TODAY_LAST = """
    CREATE TEMPORARY TABLE today AS SELECT * FROM checklists_daytally
        WHERE length(unit_id) <= 9 AND day = (SELECT max(day) FROM checklists_daytally WHERE length(unit_id) = 6);
    DELETE FROM checklists_daytally d USING today t
        WHERE (d.campaign_id, d.unit_id, d.day, d.due_on) = (t.campaign_id, t.unit_id, t.day, t.due_on);
    INSERT INTO checklists_daytally SELECT * FROM today;
    DROP TABLE today
"""


# ---- Keeping -------------------------------------------------------------------------------------------------------


def name(scale: int) -> str:
    """What is added to the database's name."""
    return f"country_{scale}_v{VERSION}"


def drop() -> list[str]:
    """Removes every country that was kept; their names."""
    found = [known for known in worlds.databases() if "_country_" in known]
    for known in found:
        worlds.drop(known)
    return found


def room(found: Units) -> None:
    """Says how much disk building takes.

    Raises:
        SystemExit: there is not as much.
    """
    tasks = sum(len(code) == 12 for code, _ in found) * worlds.ITEMS
    needed, free = tasks * BYTES_PER_TASK / 1e9, shutil.disk_usage(data()).free / 1e9
    print(f"{tasks:,} tasks need about {needed:.1f} GB of disk; {free:.1f} GB are free at {data()}", file=sys.stderr)
    if needed > free:
        sys.exit("not enough: try --scale 20, or another DATA=")


def data() -> Path:
    """Where the embedded database lies."""
    return Path(settings.DATA_DIR)


# ---- Measuring -----------------------------------------------------------------------------------------------------


class World:
    """The country, or the county alone; served for as long as `stack` is open."""

    def __init__(self, stack: contextlib.ExitStack, found: Units, kept_as: str) -> None:
        self.database = kept_as
        with self.looked_into(found):
            self.product = stack.enter_context(web.product())
            county = county_of(found)
            self.board = f"/campaigns/{pages.campaign().pk}/"
            self.leader, self.mayor = web.Person(self.product, "leader"), web.Person(self.product, "mayor")
            township = pages.busiest_townships(county)[0]
            clerk = web.Person(self.product, f"s{township}")
            tasks = pages.tickable(unit__code__startswith=township)
            self.ticks = pages.Ticks(tasks, pages.through_the_page(clerk))
            boards = [f"{self.board}?unit={code}" for code in ("0", county[:2], county[:4], county, township)]
            self.queries = [pages.queries("leader", board) for board in boards]

    @contextlib.contextmanager
    def looked_into(self, found: Units) -> Iterator[None]:
        """Django of this process in this world, which is built if it is not there."""
        with worlds.database(self.database, lambda: build(found), keep=True):
            yield

    def opened(self, person: web.Person) -> tuple[live.Web, web.Ask]:
        """The board of somebody, written anew each time: what is kept would hide how large the world is."""
        return self.product, pages.Anew(person, self.board).ask

    def asked_again(self, person: web.Person) -> tuple[live.Web, web.Ask]:
        """The same, by a screen that has it already."""
        return self.product, pages.Follower(person, self.board).ask

    def ticked(self) -> tuple[live.Web, web.Ask]:
        """One task after the other."""
        return self.product, self.ticks.ask


def measured(measure: Callable[[list[Bench]], list[T]], scale: int) -> list[T]:
    """Builds what is not there, measures, explains the dearest statements, and recounts."""
    found = units(scale)
    if not worlds.is_kept(name(scale)):
        room(found)
    with contextlib.ExitStack() as stack:
        country = World(stack, found, name(scale))
        county = World(stack, alone(found), name(scale).replace("country", "country_alone"))
        lines = measure(benches(country, county))
    for world in (country, county):
        with world.looked_into(found):
            worlds.check_tallies()
    with country.looked_into(found):
        explain.write(country.board)
    return lines


def benches(country: World, county: World) -> list[Bench]:
    """The lines of the table that need a country."""

    def follows() -> Figures:
        return web.medians(country.asked_again(country.leader), country.opened(country.leader))

    def between(first: tuple[live.Web, web.Ask], second: tuple[live.Web, web.Ask]) -> Callable[[], Figures]:
        return lambda: web.medians(first, second)

    return [
        Bench(
            "county_board_in_the_country_against_alone",
            limit=1.2,
            run=between(country.opened(country.mayor), county.opened(county.mayor)),
        ),
        Bench(
            "country_board_against_county_board",
            limit=2,
            run=between(country.opened(country.leader), country.opened(country.mayor)),
        ),
        Bench(
            "tick_in_the_country_against_alone",
            limit=1.2,
            run=between(country.ticked(), county.ticked()),
        ),
        Bench(
            "nothing_changed_in_the_country_against_the_whole_board",
            limit=0.2,
            run=follows,
        ),
        Bench(
            "queries_on_any_board_in_the_country_against_10",
            limit=1,
            run=lambda: (max(country.queries), 10),
            runs=1,
            unit="queries",
        ),
        Bench(
            "queries_on_boards_of_each_level_in_the_country_against_alone",
            limit=1,
            run=lambda: (sum(country.queries), sum(county.queries)),
            runs=1,
            unit="queries",
        ),
    ]
