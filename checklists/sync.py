"""The plan → the tasks: making them at the launch, and bringing those of a running campaign up to date.

What people did stays: a task with a history is retired instead of removed, and comes back as it was; a day given
to one task by hand is left alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from django.db import connection, transaction
from django.utils.translation import gettext as _

from checklists import answers
from checklists.models import Campaign, Change
from checklists.scope import OWES, params
from villages.models import Cadre

# Somebody has done something about a task, looked at it, or sent or is sending a file for it.
TOUCHED = " OR ".join(
    f"EXISTS (SELECT FROM checklists_{what} o WHERE o.task_id = t.id)"
    for what in ("taskevent", "check", "finding", "evidenceuse", "upload")
)
# What would be done with each task, there or not: the whole difference between the plan and the tasks.
DIFFERENCE = f"""
    SELECT coalesce(t.item_id, w.item_id) AS item_id, coalesce(t.unit_id, w.unit_id) AS unit_id, t.id AS task_id, CASE
        WHEN t.id IS NULL THEN 'add'
        WHEN w.item_id IS NULL AND t.retired_at IS NOT NULL THEN 'gone'
        WHEN w.item_id IS NULL AND ({TOUCHED}) THEN 'retire'
        WHEN w.item_id IS NULL THEN 'remove'
        WHEN t.retired_at IS NOT NULL THEN 'revive'
        WHEN (t.points, t.veto) <> (w.points, w.veto) OR t.due_on <> w.due_on AND NOT t.due_by_hand THEN 'change'
        WHEN t.due_on <> w.due_on THEN 'leave'
        ELSE 'same' END AS what
    FROM (SELECT i.id AS item_id, u.code AS unit_id, i.due_on, i.points, i.veto {OWES}) w
    FULL JOIN (SELECT * FROM checklists_task WHERE campaign_id = %(campaign)s) t
      ON (t.item_id, t.unit_id) = (w.item_id, w.unit_id)
"""


class CannotSync(Exception):
    """Why tasks are not brought up to date, in the reader's language."""


@dataclass(frozen=True)
class Plan:
    """How many tasks bringing up to date would touch, and how many answers."""

    add: int = 0  # owed and not there yet
    revive: int = 0  # retired before, owed again: back as they were
    change: int = 0  # another day, points or veto, as the item now says
    leave: int = 0  # given a day of their own: they keep it
    retire: int = 0  # no longer owed, with a history
    remove: int = 0  # no longer owed, nobody ever touched them
    answer: int = 0  # responsibilities to be named, or passed on from someone who left

    @property
    def is_empty(self) -> bool:
        """Whether everything is up to date."""
        return not (self.add or self.revive or self.change or self.retire or self.remove or self.answer)

    @classmethod
    def of(cls, counted: dict[str, int], answer: int) -> Self:
        """From counts by the words of DIFFERENCE."""
        return cls(**{what: n for what, n in counted.items() if what not in ("same", "gone")}, answer=answer)


def plan(campaign: Campaign) -> Plan:
    """What `sync` would do now. One query for tasks, one for answers."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT what, count(*) FROM ({DIFFERENCE}) d GROUP BY what", params(campaign))
        counted = dict(cursor.fetchall())
    return Plan.of(counted, answers.missing(campaign))


def add_tasks(campaign: Campaign) -> int:
    """One task for every item at every unit that owes it and has none yet; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points, veto)
            SELECT i.campaign_id, i.id, u.code, i.due_on, i.points, i.veto {OWES}
            ON CONFLICT (item_id, unit_id) DO NOTHING
            """,
            params(campaign),
        )
        return int(cursor.rowcount)


@contextmanager
def still(campaign: Campaign) -> Iterator[Campaign]:
    """The campaign as it is now, with ticks, launches and closings waiting until the block has been committed.

    A tick takes its share of the campaign's row before it touches a task (checklists/ticks.py), so nobody waits
    in a circle.
    """
    with transaction.atomic():
        yield Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)


def sync(campaign: Campaign, *, by: Cadre) -> Plan:
    """Brings the tasks of a launched campaign up to what its items, units and rules say; what was done.

    Raises:
        CannotSync: the campaign is a draft, or closed.
    """
    with still(campaign) as held:
        if held.is_draft or held.is_closed:
            raise CannotSync(_("Only a campaign under way has tasks to bring up to date."))
        done = plan(held)
        if done.is_empty:
            return done
        values = params(held) | {"by": by.pk, "retired": _("No longer asked for."), "back": _("Asked for again.")}
        with connection.cursor() as cursor:
            # A date given by hand is kept; the rest follows the item.
            cursor.execute(_UPDATE.format(set="", what="'change'"), values)
            cursor.execute(_NOTE.format(note="%(retired)s", what="'retire'"), values)
            cursor.execute(_NOTE.format(note="%(back)s", what="'revive'"), values)
            cursor.execute(_UPDATE.format(set="retired_at = NULL, version = version + 1,", what="'revive'"), values)
            cursor.execute(_RETIRE, values)
            cursor.execute(
                f"DELETE FROM checklists_task WHERE id IN (SELECT task_id FROM ({DIFFERENCE}) d WHERE what = 'remove')",
                values,
            )
        add_tasks(held)
        answers.fill(held, pass_on=True)
        Change.objects.create(
            campaign=held,
            by=by,
            what=Change.What.SYNCED,
            fields={what: [0, n] for what, n in vars(done).items() if n and what != "leave"},
        )
        return done


_UPDATE = f"""
    UPDATE checklists_task t
    SET {{set}} points = i.points, veto = i.veto, due_on = CASE WHEN t.due_by_hand THEN t.due_on ELSE i.due_on END
    FROM checklists_item i
    WHERE i.id = t.item_id AND t.id IN (SELECT task_id FROM ({DIFFERENCE}) d WHERE what = {{what}})
"""
_RETIRE = f"""
    UPDATE checklists_task SET retired_at = now(), version = version + 1
    WHERE id IN (SELECT task_id FROM ({DIFFERENCE}) d WHERE what = 'retire')
"""
_NOTE = f"""
    INSERT INTO checklists_taskevent (id, task_id, by_id, from_state, to_state, note)
    SELECT gen_random_uuid(), t.id, %(by)s, t.state, t.state, {{note}}
    FROM checklists_task t WHERE t.id IN (SELECT task_id FROM ({DIFFERENCE}) d WHERE what = {{what}})
"""
