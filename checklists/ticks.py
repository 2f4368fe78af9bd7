"""The verbs on a task. One function writes, in one transaction: change the task, append the event.

The sender makes the event's id. A repeat of the same event is answered as the first time and changes
nothing; the same id with another body is refused. Two people at once: the change is a compare-and-set
on the task's version, so one wins and the other is told what happened. Every answer is given after commit
(the caller is not inside a longer transaction).
"""

import uuid
from copy import copy
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from checklists.models import Campaign, State, Task, TaskEvent
from villages import access
from villages.models import Cadre


class Verb(Enum):
    """What a change of state means."""

    TICK = "tick"
    UNTICK = "untick"
    NOTE = "note"  # a measured value or a remark; the state stays
    WAIVE = "waive"
    RESTORE = "restore"  # it does apply after all
    VERIFY = "verify"
    RETURN = "return"
    LOOK = "look"  # at what is verified: still so


# Every change there is. What is not here is a conflict: the task is not where the sender thinks.
VERBS: dict[tuple[str, str], Verb] = {
    (State.OPEN, State.OPEN): Verb.NOTE,
    (State.RETURNED, State.RETURNED): Verb.NOTE,
    (State.DONE, State.DONE): Verb.NOTE,
    (State.OPEN, State.DONE): Verb.TICK,
    (State.RETURNED, State.DONE): Verb.TICK,
    (State.DONE, State.OPEN): Verb.UNTICK,
    (State.OPEN, State.WAIVED): Verb.WAIVE,
    (State.RETURNED, State.WAIVED): Verb.WAIVE,
    (State.DONE, State.WAIVED): Verb.WAIVE,
    (State.WAIVED, State.OPEN): Verb.RESTORE,
    (State.DONE, State.VERIFIED): Verb.VERIFY,
    (State.DONE, State.RETURNED): Verb.RETURN,
    (State.VERIFIED, State.RETURNED): Verb.RETURN,
    (State.VERIFIED, State.VERIFIED): Verb.LOOK,
}
# Who may make which change.
MAY = {
    Verb.TICK: access.may_tick,
    Verb.UNTICK: access.may_tick,
    Verb.NOTE: access.may_tick,
    Verb.WAIVE: access.may_waive,
    Verb.RESTORE: access.may_waive,
    Verb.VERIFY: access.may_check,
    Verb.RETURN: access.may_check,
    Verb.LOOK: access.may_check,
}


NO_PROOF = _(
    "This item asks for proof and there is none yet. Add a file below, or return the task and say what to send."
)
# What a repeat has in common with the first time, beside the day.
SENT = ("task_id", "by_id", "to_state", "value", "note")


class Result(Enum):
    """How a change ended."""

    CHANGED = "changed"
    REPEATED = "repeated"  # this very event was recorded before
    ALREADY = "already"  # the task was there already, by somebody's doing


@dataclass(frozen=True)
class Outcome:
    """The task as it is now, and how it got there."""

    task: Task
    result: Result
    event: TaskEvent | None = None


class Refused(Exception):
    """A change that is not made. `message` says why and what to do, in the reader's language."""

    def __init__(self, message: "str | Promise", task: Task) -> None:
        super().__init__(str(message))
        self.message = message
        self.task = task


class Conflict(Refused):
    """The task, or the event's id, is not what the sender thinks (409)."""


class Unfit(Refused):
    """The value or the note does not fit the item (422). `field` names which."""

    def __init__(self, message: "str | Promise", task: Task, field: str) -> None:
        super().__init__(message, task)
        self.field = field


@dataclass(frozen=True)
class _Anywhere:
    """A task of this unit, whoever ticked it."""

    unit_id: str
    height: int
    done_by_id: int | None = None
    done_for_id: int | None = None
    rests_on: tuple[int, ...] = ()


def may(user: Cadre, task: Task, state: str) -> access.Verdict:
    """Whether the user may ask for this state from anywhere; `record` then looks at where the task stands.

    Who ticked it does not count here: a repeat must be answered alike even if its sender ticked since.
    """
    where = _Anywhere(task.unit_id, task.height)
    verdicts = [MAY[verb](user, where) for verb in Verb if any(VERBS[way] is verb for way in VERBS if way[1] == state)]
    return next((verdict for verdict in verdicts if verdict), verdicts[0])


def choices(user: Cadre, task: Task) -> set[str]:
    """The states that the user may bring the task to now; decides which buttons a page shows."""
    if not task.campaign.is_running or task.retired_at is not None:
        return set()
    return {to for (at, to), verb in VERBS.items() if at == task.state and MAY[verb](user, task)}


def record(
    task: Task,
    *,
    by: Cadre,
    event: uuid.UUID,
    state: str,
    value: Decimal | None = None,
    as_of: date | None = None,
    note: str = "",
    seen: int | None = None,
) -> Outcome:
    """Brings a task to a state and appends the event, or says why not.

    Args:
        task: as the sender's view found it; visible to `by`, who may ask for the state (see `may`).
        event: the sender's own id for this change.
        value: the measured value, in the item's unit of measure.
        as_of: the day that the value stands for; None is today. The newest day's value is the task's.
        seen: the version of the task that the sender looked at; None skips this guard.

    Raises:
        Conflict: the task has moved on, the campaign takes no ticks, or the id was used for something else.
        Unfit: a reason is missing, or the value does not reach the target.
        PermissionDenied: between the look and the change the right went away.
    """
    change = TaskEvent(id=event, task=task, by=by, from_state=task.state, to_state=state, value=value, note=note)
    said: Outcome | Refused | PermissionDenied
    try:
        said = _changed(task, change, as_of=as_of, seen=seen)
    except (Refused, PermissionDenied) as refusal:
        said = refusal
    if isinstance(said, Outcome) and said.result is Result.CHANGED:
        return said  # the history has taken the event, so it was new
    earlier = TaskEvent.objects.select_related("by").filter(pk=event).first()
    if earlier is not None:
        now = task if isinstance(said, PermissionDenied) else said.task
        return _repeat(earlier, change, now, as_of=as_of)
    if isinstance(said, Outcome):
        return said
    raise said


def _changed(task: Task, event: TaskEvent, *, as_of: date | None, seen: int | None) -> Outcome:
    """Makes the change if nothing speaks against it, without asking whether it was made before."""
    state, value = event.to_state, event.value
    if task.campaign.status == Campaign.Status.PAUSED:
        raise Conflict(_("This campaign is paused and takes no changes now. Your entry was not saved."), task)
    if not task.campaign.is_running:
        raise Conflict(_("This campaign is closed and takes no more changes. Your entry was not saved."), task)
    if task.retired_at is not None:
        raise Conflict(_("This task is no longer asked for. Your entry was not saved."), task)
    # Only who says what they saw can have looked again: to others the task was verified without their doing.
    looks = state == State.VERIFIED and seen is not None and seen == task.version
    if task.state == state and value is None and not event.note and state != State.RETURNED and not looks:
        return Outcome(task, Result.ALREADY)
    event.as_of = None if value is None else as_of or timezone.localdate()
    if seen is not None and seen != task.version:
        return _lost(task, event)
    verb = VERBS.get((task.state, state))
    if verb is None and task.state == State.VERIFIED:
        raise Conflict(_("This task is verified. To change it, whoever checks has to return it first."), task)
    if verb is None:
        raise Conflict(_("This step does not fit where the task stands now."), task)
    access.require(MAY[verb](event.by, task))
    # A value entered late stands in the history; the task keeps what was measured since.
    newest = value is not None and not task.events.measured().filter(Q(day__gt=event.as_of)).exists()
    reached = value if newest else task.value
    _check(task, verb, value=value, reached=reached, note=event.note)
    return _write(task, verb, event, reached=reached, counts=newest)


def _check(task: Task, verb: Verb, *, value: Decimal | None, reached: Decimal | None, note: str) -> None:
    """Refuses a value or a note that does not fit the item."""
    if verb in (Verb.WAIVE, Verb.RETURN) and not note:
        raise Unfit(_("Give a reason: it stays in the history."), task, "note")
    if verb is Verb.NOTE and value is None and not note:
        raise Unfit(_("Enter a value or a note."), task, "note")
    if value is not None and not task.item.is_measured:
        raise Unfit(_("Nothing is measured here; leave the value empty."), task, "value")
    if value is not None and verb not in (Verb.NOTE, Verb.TICK):
        raise Unfit(_("A value can only be entered by whoever does the work."), task, "value")
    if verb is Verb.VERIFY and task.lacks_proof:
        raise Unfit(NO_PROOF, task, "state")
    claims = verb is Verb.TICK or (verb is Verb.NOTE and task.state == State.DONE)
    if not claims:
        return
    if reached is None and task.asks_value:
        raise Unfit(_("Enter the measured value before you tick this task."), task, "value")
    if reached is not None and not task.is_met_by(reached):
        raise Unfit(
            _("The value does not reach the standard yet, so the task stays open. Save the value without ticking."),
            task,
            "value",
        )


def _write(task: Task, verb: Verb, event: TaskEvent, *, reached: Decimal | None, counts: bool) -> Outcome:
    """Compare-and-set and append, in one transaction. A value that `counts` is the word of whoever entered it."""
    now = timezone.now()
    changes: dict[str, object] = {"state": event.to_state, "value": reached, "version": task.version + 1}
    event.looked_again = verb is Verb.LOOK
    if verb is Verb.TICK or (counts and task.state == State.DONE):
        changes |= {"done_by": event.by, "done_at": now, "done_for_id": access.ticks_for(event.by, task)}
        changes["rests_on"] = [] if verb is Verb.TICK and counts else sorted(task.claimants)
    elif counts:
        word = (event.by_id, access.ticks_for(event.by, task))
        changes["rests_on"] = [pk for pk in word if pk is not None]
    elif verb in (Verb.UNTICK, Verb.WAIVE, Verb.RETURN):
        changes |= task.unclaimed
    elif verb in (Verb.VERIFY, Verb.LOOK):  # the last look counts, so that the database watches over each
        changes |= {"verified_by": event.by, "verified_at": now, "verified_for_id": access.checks_for(event.by, task)}
    try:
        with transaction.atomic():
            # Its share of the campaign first: whoever brings all tasks up to date (checklists/sync.py) waits for us.
            Campaign.objects.raw("SELECT id FROM checklists_campaign WHERE id = %s FOR SHARE", [task.campaign_id])[0]
            won = Task.objects.filter(pk=task.pk, version=task.version).update(**changes)
            if won:
                event.save(force_insert=True)
            if (
                won and verb is Verb.VERIFY and task.item.needs_proof and as_now(task).lacks_proof
            ):  # taken back since we looked
                raise Unfit(NO_PROOF, task, "state")
    except IntegrityError as error:
        # The database's own rules, when something happened between our look and our change.
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        if constraint == "task_of_a_closed_campaign_stays":
            raise Conflict(
                _("This campaign is closed and takes no more changes. Your entry was not saved."),
                as_now(task),
            ) from error
        if constraint != "checklists_taskevent_pkey":
            raise
        won = 0
    if not won:
        return _lost(as_now(task), event)
    task = copy(task)  # as the sender found it, and with what was just written
    for name, value in changes.items():
        setattr(task, name, value)
    return Outcome(task, Result.CHANGED, event)


def _lost(task: Task, event: TaskEvent) -> Outcome:
    """Somebody else was faster; that is no harm if nothing that was sent is new.

    Raises:
        Conflict: something is.
    """
    if _is_so(task, event):
        return Outcome(task, Result.ALREADY)
    raise Conflict(_("Someone changed this task since you opened it. Look at what happened, then decide."), task)


def as_now(task: Task) -> Task:
    """The task as it is now.

    Raises:
        Conflict: bringing the tasks up to date has removed it, as nobody had ever touched it.
    """
    now = Task.objects.for_list().filter(pk=task.pk).first()
    if now is None:
        raise Conflict(_("This task is no longer asked for. Your entry was not saved."), task)
    return now


def _is_so(task: Task, event: TaskEvent) -> bool:
    """Whether nothing that was sent is new: the task stands there, with this value for this day."""
    if task.state != event.to_state or event.note:
        return False
    if event.value is None:
        return True
    return event.value == task.value and task.events.measured().filter(Q(day=event.as_of), value=event.value).exists()


def _repeat(earlier: TaskEvent, event: TaskEvent, task: Task, *, as_of: date | None) -> Outcome:
    """The same answer as the first time, if it is the same event."""
    same = all(getattr(earlier, name) == getattr(event, name) for name in SENT)
    if not same or as_of not in (None, earlier.as_of):
        raise Conflict(_("This entry's number was used before for something else. Open the page again."), task)
    return Outcome(task, Result.REPEATED, earlier)
