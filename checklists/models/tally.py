"""Counts of tasks, kept by the database itself: how things stand, item by item, and day by day.

A tally stands for a unit *with everything below it*: every task counts for its own unit and for each ancestor from
the county down; figures above the county are sums of counties, so that ticks in two counties never wait for each
other. Statement-level triggers on the task table keep all of it in the transaction of the change, so a bulk update, an
import and a shell keep it right too. Rows are touched in the order of their key, table after table, so two changes
never wait for each other in a circle. They follow from tasks, whose foreign keys hold for them too; keys of their own
would be checked at every new row, which was a third of the time of a bulk update.
"""

from typing import Any, ClassVar, Self

import pgtrigger
from django.db import connection, models
from django.db.models import F
from django.db.models.functions import Length

from checklists.models.campaign import Campaign
from checklists.models.item import Item
from villages import access
from villages.models import Unit

COUNTY_PLACES = 6  # of a code: from here down a tally holds everything below it

# What is counted, each as what one row of the task table adds to it.
COUNTS = {
    "open": "(state = 'open')::int",
    "done": "(state = 'done')::int",
    "verified": "(state = 'verified')::int",
    "returned": "(state = 'returned')::int",
    "waived": "(state = 'waived')::int",
    "points": "points * (state <> 'waived')::int",  # of all that applies
    "points_done": "points * (state = 'done')::int",
    "points_verified": "points * (state = 'verified')::int",
    "vetoes_open": "(veto AND state = 'open')::int",  # tasks whose item is a veto
    "vetoes_returned": "(veto AND state = 'returned')::int",
}


class TallyQuerySet(models.QuerySet[Any]):
    """Sentences about tallies of any sort."""

    def visible_to(self, user: access.Person) -> Self:
        """Tallies of units in the user's sight."""
        return self.filter(access.within("unit__code", user))


class Counted(models.Model):
    """How many tasks (and points) of each state a unit and all below it have."""

    open = models.IntegerField(default=0, db_default=0)
    done = models.IntegerField(default=0, db_default=0)
    verified = models.IntegerField(default=0, db_default=0)
    returned = models.IntegerField(default=0, db_default=0)
    waived = models.IntegerField(default=0, db_default=0)
    points = models.IntegerField(default=0, db_default=0)
    points_done = models.IntegerField(default=0, db_default=0)
    points_verified = models.IntegerField(default=0, db_default=0)
    vetoes_open = models.IntegerField(default=0, db_default=0)
    vetoes_returned = models.IntegerField(default=0, db_default=0)

    objects: ClassVar[Any] = TallyQuerySet.as_manager()

    class Meta:
        abstract = True


class Tally(Counted):
    """汇总: what is due on one day, as it stands now."""

    pk = models.CompositePrimaryKey("campaign", "unit", "due_on")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="tallies", db_index=False, db_constraint=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    due_on = models.DateField()

    class Meta:
        # The length of a code is its level: the counties of a province are read without the villages between them.
        indexes = [models.Index(F("campaign"), Length("unit"), F("unit"), name="tally_by_level")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.due_on}"


class ItemTally(Counted):
    """汇总 by item, from the townships up (codes of at most nine places).

    What a county has below that is little enough to be read task by task.
    """

    pk = models.CompositePrimaryKey("campaign", "unit", "item", "due_on")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    item = models.ForeignKey(Item, models.CASCADE, related_name="tallies", db_constraint=False)
    due_on = models.DateField()

    class Meta:
        indexes = [models.Index(F("campaign"), Length("unit"), F("unit"), name="item_tally_by_level")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.item_id} {self.due_on}"


class DayTally(Counted):
    """By how much a tally went up or down on one day. The sum up to a day is how things stood at its end."""

    pk = models.CompositePrimaryKey("campaign", "unit", "day", "due_on")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    day = models.DateField()
    due_on = models.DateField()

    class Meta:
        indexes = [models.Index(F("campaign"), Length("unit"), F("day"), F("unit"), name="day_tally_by_level")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.day} {self.due_on}"


class Pulse(models.Model):
    """How often the tallies of a unit have changed: whoever has seen this number has seen what is to be seen.

    Kept from the townships up (codes of at most nine places) and for departments; a village has its township's.
    """

    pk = models.CompositePrimaryKey("campaign", "unit")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    version = models.BigIntegerField(default=0, db_default=0)

    objects: ClassVar[Any] = TallyQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(F("campaign"), Length("unit"), F("unit"), name="pulse_by_level")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.version}"


# ---- The SQL that triggers, recounts and checks share --------------------------------------------------------------

NAMES = ", ".join(COUNTS)
_sums = ", ".join(f"sum({name})::int AS {name}" for name in COUNTS)
_signed = ", ".join(f"sum(sign * ({adds}))::int AS {name}" for name, adds in COUNTS.items())
_any = " OR ".join(f"sum(sign * ({adds})) <> 0" for adds in COUNTS.values())

# The day of the transaction where the offices are: what a `DayTally` goes by.
TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"
_TASK = "campaign_id, unit_id, item_id, due_on, state, points, veto, retired_at"

# For which units a task at unit `u.unit_id` counts. Ancestors above the county have no tally of their own.
_COUNTS_FOR = """JOIN villages_unit a ON a.code = ANY (ARRAY[
    left(u.unit_id, 6), left(u.unit_id, 9), left(u.unit_id, 12), split_part(u.unit_id, 'S', 1), u.unit_id])"""


def grouped(changes: str, day: str) -> str:
    """Changes of tasks summed up: `leaf` by unit, item, due date and day, `up` for each unit that they count for."""
    return f"""
        leaf AS MATERIALIZED (
            SELECT campaign_id, unit_id, item_id, {day} AS day, due_on, {_signed}
            FROM ({changes}) c WHERE retired_at IS NULL GROUP BY 1, 2, 3, 4, 5 HAVING {_any}),
        up AS MATERIALIZED (
            SELECT u.campaign_id, a.code AS unit_id, u.day, u.due_on, {_sums}
            FROM (SELECT campaign_id, unit_id, day, due_on, {_sums} FROM leaf GROUP BY 1, 2, 3, 4) u {_COUNTS_FOR}
            GROUP BY 1, 2, 3, 4)"""


BY_ITEM = f"""
    SELECT u.campaign_id, a.code AS unit_id, u.item_id, u.due_on, {_sums}
    FROM leaf u
    JOIN villages_unit a ON a.code IN (left(u.unit_id, 6), left(u.unit_id, 9), split_part(u.unit_id, 'S', 1))
    WHERE length(a.code) <= 9 GROUP BY 1, 2, 3, 4"""


def added(table: str, key: str, rows: str) -> str:
    """Adds rows to a table of tallies, in the order of their key."""
    more = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COUNTS)
    return f"""INSERT INTO {table} ({key}, {NAMES}) SELECT {key}, {NAMES} FROM ({rows}) r ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET {more}"""


def _kept(changes: str, day: str) -> str:
    """The one statement that brings all tables up to date with these changes."""
    return f"""
        WITH {grouped(changes, day)},
        beats AS (INSERT INTO checklists_pulse (campaign_id, unit_id, version)
            SELECT campaign_id, unit_id, 1 FROM up
            WHERE length(unit_id) <= 9 OR unit_id LIKE '%D%' GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (campaign_id, unit_id) DO UPDATE SET version = checklists_pulse.version + 1),
        days AS ({added("checklists_daytally", "campaign_id, unit_id, day, due_on", "SELECT * FROM up")}),
        items AS ({added("checklists_itemtally", "campaign_id, unit_id, item_id, due_on", BY_ITEM)})
        {added("checklists_tally", "campaign_id, unit_id, due_on", "SELECT * FROM up")}"""


_ALL = f"SELECT 1 AS sign, {_TASK} FROM checklists_task"
# What has happened to tasks that are asked for: there since the campaign's first day, then event by event.
_TOLD = """
    SELECT 1 AS sign, t.campaign_id, t.unit_id, t.item_id, t.due_on, 'open' AS state, t.points, t.veto, t.retired_at,
           c.starts_on AS day
    FROM checklists_task t JOIN checklists_campaign c ON c.id = t.campaign_id
    UNION ALL
    SELECT s.sign, t.campaign_id, t.unit_id, t.item_id, t.due_on, s.state, t.points, t.veto, t.retired_at,
           (e.at AT TIME ZONE 'Asia/Shanghai')::date
    FROM checklists_taskevent e JOIN checklists_task t ON t.id = e.task_id,
         LATERAL (VALUES (1, e.to_state), (-1, e.from_state)) s (sign, state)
    WHERE e.from_state <> e.to_state
"""

# The truth, straight from the tasks: what the triggers must always equal. Each row carries what it is a row of.
RECOUNT = f"""
    WITH {grouped(_ALL, TODAY)}
    SELECT 'tally' AS what, campaign_id, unit_id, NULL::bigint AS item_id, due_on, {NAMES} FROM up
    UNION ALL SELECT 'item', campaign_id, unit_id, item_id, due_on, {NAMES} FROM ({BY_ITEM}) i
    UNION ALL SELECT 'days', campaign_id, unit_id, NULL, due_on, {NAMES} FROM up
"""
_KEPT = f"""
    SELECT 'tally' AS what, campaign_id, unit_id, NULL::bigint AS item_id, due_on, {NAMES} FROM checklists_tally
    UNION ALL SELECT 'item', campaign_id, unit_id, item_id, due_on, {NAMES} FROM checklists_itemtally
    UNION ALL SELECT 'days', campaign_id, unit_id, NULL, due_on, {_sums} FROM checklists_daytally GROUP BY 2, 3, 5
"""
_nothing = ", ".join("0" for _ in COUNTS)
_of = {side: ", ".join(f"coalesce({side}.{name}, 0)" for name in COUNTS) for side in "kr"}
# Where they differ: what, campaign, unit, item, due date, the counts kept, the counts found.
DRIFT = f"""
    SELECT coalesce(k.what, r.what), coalesce(k.campaign_id, r.campaign_id), coalesce(k.unit_id, r.unit_id),
           coalesce(k.item_id, r.item_id), coalesce(k.due_on, r.due_on),
           ARRAY[{_of["k"]}], ARRAY[{_of["r"]}]
    FROM ({_KEPT}) k FULL JOIN ({RECOUNT}) r
      ON (k.what, k.campaign_id, k.unit_id, coalesce(k.item_id, 0), k.due_on)
       = (r.what, r.campaign_id, r.unit_id, coalesce(r.item_id, 0), r.due_on)
    WHERE ({_of["k"]}) <> ({_of["r"]})
    ORDER BY 1, 2, 3, 4, 5
"""
# Into empty tables: everything that the tasks say, all of it as of today.
FILL = _kept(_ALL, TODAY)


def tell_days(campaign: Campaign) -> None:
    """Writes the campaign's days anew from the history of its tasks, as if each had been there from the first day.

    For a history that was not lived through here: the demo, or a campaign of before there were days.
    """
    rows = f"WITH {grouped(_TOLD, 'day')} SELECT * FROM up WHERE campaign_id = %s"
    key = "campaign_id, unit_id, day, due_on"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM checklists_daytally WHERE campaign_id = %s", [campaign.pk])
        cursor.execute(added("checklists_daytally", key, rows), [campaign.pk])


# A check that changes no task changes what a board says all the same.
MOVED_BY_CHECK = """
    INSERT INTO checklists_pulse (campaign_id, unit_id, version)
    SELECT t.campaign_id, a.code, 1 FROM checklists_task t JOIN villages_unit a ON a.code = ANY (ARRAY[
        left(t.unit_id, 6), left(t.unit_id, 9), left(t.unit_id, 12), split_part(t.unit_id, 'S', 1), t.unit_id])
    WHERE t.id = NEW.task_id AND (length(a.code) <= 9 OR a.code LIKE '%D%') ORDER BY 1, 2
    ON CONFLICT (campaign_id, unit_id) DO UPDATE SET version = checklists_pulse.version + 1;
    RETURN NULL;
"""


def keep_tallies() -> list[pgtrigger.Trigger]:
    """Triggers of the task table: they keep the tallies and freeze the tasks of a closed campaign."""
    added = f"SELECT 1 AS sign, {_TASK} FROM new_tasks"
    removed = f"SELECT -1 AS sign, {_TASK} FROM old_tasks"
    return [
        _keeper("tally_insert", pgtrigger.Insert, added, new="new_tasks"),
        _keeper("tally_update", pgtrigger.Update, f"{added} UNION ALL {removed}", new="new_tasks", old="old_tasks"),
        _keeper("tally_delete", pgtrigger.Delete, removed, old="old_tasks"),
    ]


def _keeper(name: str, operation: pgtrigger.Operation, changes: str, **referencing: str) -> pgtrigger.Trigger:
    # The share lock makes closing a campaign wait for ticks under way, and later ticks see it closed.
    # Locked in a WITH: a condition on a plain subquery is applied before its lock, which then holds no running one.
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=pgtrigger.Referencing(**referencing),  # type: ignore[no-untyped-call]
        func=f"""
            IF EXISTS (WITH touched AS MATERIALIZED (
                           SELECT status FROM checklists_campaign
                           WHERE id IN (SELECT campaign_id FROM ({changes}) c) FOR SHARE)
                       SELECT FROM touched WHERE status = 'closed') THEN
                RAISE EXCEPTION 'The tasks of a closed campaign stay as they are'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'task_of_a_closed_campaign_stays';
            END IF;
            {_kept(changes, TODAY)};
            RETURN NULL;
        """,
    )
