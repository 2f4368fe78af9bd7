"""What is said about a task without moving it: one line of its history that leaves the state as it is.

Unlike a tick, it does not make a page stale that somebody has open: the task's version stays.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from checklists.models import Campaign, Task, TaskEvent
from checklists.ticks import Conflict, Outcome, Result
from villages.models import Cadre


@contextmanager
def held(task: Task) -> Iterator[Task]:
    """One transaction, in which nobody else changes the task: the task as it is now.

    Raises:
        Conflict: the task is gone, or an event's number was used for something else at this very moment.
    """
    with all_held([task]) as found:
        if not found:
            raise Conflict(_("This task is no longer asked for. Your entry was not saved."), task)
        yield found[0]


@contextmanager
def all_held(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """One transaction, in which nobody else changes these tasks: as they are now, in order, without those gone."""
    known = {task.pk: task for task in tasks}
    campaigns = sorted({task.campaign_id for task in known.values()})
    try:
        with transaction.atomic():
            # Their share of the campaign first, as a tick takes it: bringing tasks up to date waits for us.
            list(Campaign.objects.raw("SELECT id FROM checklists_campaign WHERE id = ANY (%s) FOR SHARE", [campaigns]))
            found = Task.objects.for_list().select_for_update(of=("self",), no_key=True)
            yield list(found.filter(pk__in=known).order_by("pk"))
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") != "checklists_taskevent_pkey":
            raise
        raise used_before(next(iter(known.values()))) from error


def line(event: uuid.UUID, task: Task, by: Cadre, note: str) -> TaskEvent:
    """A line of history that leaves the state as it is."""
    return TaskEvent(id=event, task=task, by=by, from_state=task.state, to_state=task.state, note=note)


def earlier(event: uuid.UUID, task: Task, *, by: Cadre, note: str) -> Outcome | None:
    """The outcome of the same event, if it was recorded before.

    Raises:
        Conflict: its number was used for something else.
    """
    found = TaskEvent.objects.select_related("by").filter(pk=event).first()
    if found is None:
        return None
    if (found.task_id, found.by_id, found.note) != (task.pk, by.pk, note):
        raise used_before(task)
    return Outcome(task, Result.REPEATED, found)


def used_before(task: Task) -> Conflict:
    """The event's number stands for something else."""
    return Conflict(_("This entry's number was used before for something else. Open the page again."), task)
