"""Second looks: what waits for somebody's look and why it stands where it does; many claims looked at in one go."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from checklists import ticks
from checklists.evidence.shown import Small, small
from checklists.models import Campaign, State, Task, TaskEvent
from checklists.models.task import read_along
from villages.models import Cadre

SHORT = 60  # characters of a standard that are shown at once


class Waiting(NamedTuple):
    """One claim that waits for a look."""

    task: Task
    why: list[str]  # it stands where it does, in short
    since: str
    said: TaskEvent | None  # the last word about it
    proof: Small
    typed: str = ""  # the reader's own reason for this one, as it was sent
    wrong: str = ""  # and what is wrong with it

    @property
    def key(self) -> str:
        """The task as the reader sees it: with another version it is another."""
        return f"{self.task.pk}.{self.task.version}"

    @property
    def is_long(self) -> bool:
        """Whether the standard is folded up."""
        return len(self.task.item.meaning) > SHORT


@dataclass
class Looked:
    """What came of many at once."""

    made: list[Task] = field(default_factory=list)  # also those of a repeat
    left: list[tuple[Task, str]] = field(default_factory=list)  # as they are, and why
    gone: int = 0  # removed meanwhile, or no longer in sight


def waiting(tasks: Iterable[Task], campaigns: Iterable[Campaign]) -> list[Waiting]:
    """Claims as `TaskQuerySet.riskiest_first` and `with_proof` give them, with what a reader is told of each.

    Four queries, five where shares are split.
    """
    found = read_along(tasks, campaigns, with_units=True)
    words = TaskEvent.objects.filter(task__in=[task.pk for task in found]).exclude(note="")
    last = {event.task_id: event for event in words.select_related("by").order_by("at", "id")}
    return [Waiting(task, _why(task), _since(task), last.get(task.pk), small(task)) for task in found]


def _why(task: Task) -> list[str]:
    """In the words of TaskQuerySet.riskiest_first, and in its order."""
    reasons = {
        _("veto item"): task.veto,
        _("gate item"): task.item.gate,
        _("returned before"): getattr(task, "came_back", False),
        _("first claim to be verified here"): getattr(task, "is_new_here", False),
        _("claimed in the last hour"): getattr(task, "is_last_hour", False),
    }
    return [words for words, holds in reasons.items() if holds]


def _since(task: Task) -> str:
    claimed = localtime(task.done_at)
    when = f"{date_format(claimed, 'MONTH_DAY_FORMAT')} {claimed:%H:%M}"
    return _("claimed by %(who)s, %(when)s") % {"who": task.done_by, "when": when}


def several(
    chosen: Mapping[int, int],
    *,
    by: Cadre,
    event: uuid.UUID,
    state: str,
    note: str = "",
    reasons: Mapping[int, str] | None = None,
) -> Looked:
    """Verifies or returns many claims, each by itself: what cannot be done is named and left.

    Each task has an event of its own, made from the form's; a repeat is answered as the first time.

    Args:
        chosen: the ids of tasks, and the version of each that the sender looked at.
        state: `verified` or `returned`.
        reasons: what each of them is told, by the task's id; `returned` needs one.
        note: what those are told that have none of their own.
    """
    own = reasons or {}
    looked = Looked()
    found = Task.objects.visible_to(by).for_list().filter(pk__in=chosen)
    for task in found.order_by("pk"):
        mine = uuid.uuid5(event, str(task.pk))
        try:
            outcome = ticks.record(
                task, by=by, event=mine, state=state, note=own.get(task.pk) or note, seen=chosen[task.pk]
            )
        except ticks.Refused as refused:
            looked.left.append((task, str(refused.message)))
        except PermissionDenied as refused:
            looked.left.append((task, str(refused)))
        else:
            if outcome.result is ticks.Result.ALREADY:
                looked.left.append((task, _somebody_else(outcome.task)))
            else:
                looked.made.append(outcome.task)
    looked.gone = len(chosen) - len(looked.made) - len(looked.left)
    return looked


def _somebody_else(task: Task) -> str:
    """Who was there first."""
    if task.state == State.VERIFIED and task.verified_by is not None:
        return _("%(who)s has verified this meanwhile.") % {"who": task.verified_by.name}
    return _("This was so already.")
