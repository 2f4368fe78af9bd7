"""Counts of tasks by campaign, unit, due date and state, kept by the database itself.

A tally stands for a unit *with everything below it*: every task counts for its own unit and for each
ancestor from the county down. Statement-level triggers on the task table keep it, in the transaction
of the change, so a bulk update, an import and a shell keep it right too. Rows are touched in the order
of their key, so two changes never wait for each other in a circle.
"""

import pgtrigger
from django.db import models

from checklists.models.campaign import Campaign
from villages import access
from villages.models import Unit


class TallyQuerySet(models.QuerySet["Tally"]):
    """Sentences about tallies."""

    def visible_to(self, user: access.Person) -> "TallyQuerySet":
        """Tallies of units in the user's sight."""
        return self.filter(access.within("unit__code", user))


class Tally(models.Model):
    """汇总: how many tasks (and points) of one state, due on one day, a unit and all below it have."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="tallies", db_index=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", db_index=False)
    due_on = models.DateField()
    state = models.CharField(max_length=10)
    tasks = models.IntegerField()
    points = models.IntegerField()
    vetoes = models.IntegerField(default=0, db_default=0)  # of these tasks, those whose item is a veto

    objects = TallyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="tally_once_per_key", fields=["campaign", "unit", "due_on", "state"])
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.due_on} {self.state}: {self.tasks}"


# For which units a task at unit `u.unit_id` counts. Ancestors above the county have no tally of their own.
COUNTS_FOR = """
    JOIN villages_unit a ON a.code = ANY (ARRAY[
        left(u.unit_id, 6), left(u.unit_id, 9), left(u.unit_id, 12), split_part(u.unit_id, 'S', 1), u.unit_id])
"""

# The truth, straight from the tasks: what the triggers must always equal. Used by check_tallies.
RECOUNT = f"""
    SELECT u.campaign_id, a.code, u.due_on, u.state, sum(u.tasks)::int, sum(u.points)::int, sum(u.vetoes)::int
    FROM (SELECT campaign_id, unit_id, due_on, state, count(*) AS tasks, sum(points) AS points,
                 count(*) FILTER (WHERE veto) AS vetoes
          FROM checklists_task WHERE retired_at IS NULL GROUP BY 1, 2, 3, 4) u {COUNTS_FOR}
    GROUP BY 1, 2, 3, 4
"""

DRIFT = f"""
    SELECT coalesce(k.campaign_id, r.campaign_id), coalesce(k.unit_id, r.code), coalesce(k.due_on, r.due_on),
           coalesce(k.state, r.state), k.tasks, r.tasks, k.points, r.points, k.vetoes, r.vetoes
    FROM (SELECT campaign_id, unit_id, due_on, state, tasks, points, vetoes
          FROM checklists_tally WHERE tasks <> 0 OR points <> 0 OR vetoes <> 0) k
    FULL JOIN ({RECOUNT}) r (campaign_id, code, due_on, state, tasks, points, vetoes)
      ON (k.campaign_id, k.unit_id, k.due_on, k.state) = (r.campaign_id, r.code, r.due_on, r.state)
    WHERE (k.tasks, k.points, k.vetoes) IS DISTINCT FROM (r.tasks, r.points, r.vetoes)
    ORDER BY 1, 2, 3, 4
"""


def keep_tallies() -> list[pgtrigger.Trigger]:
    """Triggers of the task table: they keep the tallies and freeze the tasks of a closed campaign."""
    columns = "campaign_id, unit_id, due_on, state, points, veto, retired_at"
    added = f"SELECT 1 AS sign, {columns} FROM new_tasks"
    removed = f"SELECT -1, {columns} FROM old_tasks"
    return [
        _keeper("tally_insert", pgtrigger.Insert, added, new="new_tasks"),
        _keeper("tally_update", pgtrigger.Update, f"{added} UNION ALL {removed}", new="new_tasks", old="old_tasks"),
        _keeper("tally_delete", pgtrigger.Delete, removed.replace("-1", "-1 AS sign"), old="old_tasks"),
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
            INSERT INTO checklists_tally (campaign_id, unit_id, due_on, state, tasks, points, vetoes)
            SELECT u.campaign_id, a.code, u.due_on, u.state, sum(u.tasks), sum(u.points), sum(u.vetoes)
            FROM (SELECT campaign_id, unit_id, due_on, state,
                         sum(sign) AS tasks, sum(sign * points) AS points, sum(sign * veto::int) AS vetoes
                  FROM ({changes}) c WHERE retired_at IS NULL GROUP BY 1, 2, 3, 4
                  HAVING sum(sign) <> 0 OR sum(sign * points) <> 0 OR sum(sign * veto::int) <> 0) u {COUNTS_FOR}
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (campaign_id, unit_id, due_on, state) DO UPDATE
            SET tasks = checklists_tally.tasks + excluded.tasks, points = checklists_tally.points + excluded.points,
                vetoes = checklists_tally.vetoes + excluded.vetoes;
            RETURN NULL;
        """,
    )
