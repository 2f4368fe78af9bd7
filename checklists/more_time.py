"""More time for one task: a unit asks, someone above it answers, or gives it unasked.

Each is one line of the task's own history, so a task that was ever asked about is never removed. Written like a
tick (checklists/ticks.py): a repeat of the same event changes nothing, and of two people at once one wins.
"""

import uuid
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from checklists import noted
from checklists.models import Campaign, Extension, Task, TaskEvent
from checklists.ticks import Conflict, Outcome, Result, Unfit, as_now
from villages import access
from villages.models import Cadre


def may(user: Cadre, task: Task) -> access.Verdict:
    """Whether the user may give more time or, if not, ask for it."""
    return access.YES if access.may_give_time(user, task) else access.may_tick(user, task)


def is_open_for(task: Task) -> bool:
    """Whether its day can still be moved: it is owed, in a campaign that runs and is not over."""
    return task.is_owed and task.campaign.is_running and task.campaign.last_day >= timezone.localdate()


def ask(task: Task, *, by: Cadre, event: uuid.UUID, until: date, note: str) -> Outcome:
    """Asks for more time for one task; the request waits until someone above answers.

    Raises:
        Conflict: a request waits already, or the task is not where its day could be moved.
        Unfit: the day is no later one before the end of the campaign.
        PermissionDenied: only who may tick the task asks.
    """
    said = _("Asks for more time until %(day)s: %(reason)s") % {"day": _said(until), "reason": note}
    if (earlier := noted.earlier(event, task, by=by, note=said)) is not None:
        return earlier
    access.require(access.may_tick(by, task))
    _require_open(task)
    if until <= task.due_on:
        raise Unfit(_("It is due on %(day)s; ask for a later day.") % {"day": _said(task.due_on)}, task, "until")
    _require_in_time(task, until)
    waiting = task.extensions.waiting().select_related("asked_by").first()
    if waiting is not None:
        raise Conflict(
            _("%(who)s has asked for more time already; the answer is still to come.") % {"who": waiting.asked_by.name},
            task,
        )
    request = Extension(task=task, asked_by=by, until=until, reason=note)
    return _write(task, noted.line(event, task, by, said), ask=request)


def give(task: Task, *, by: Cadre, event: uuid.UUID, until: date, note: str, seen: int | None = None) -> Outcome:
    """Moves one unit's day, with a reason; a request that waits is answered by it.

    Raises:
        Conflict: the task has moved on, or is not where its day could be moved; or it was the giver who asked.
        Unfit: the day is none between the item's own and the end of the campaign.
        PermissionDenied: only who may answer requests gives.
    """
    said = _("More time until %(day)s: %(reason)s") % {"day": _said(until), "reason": note}
    if (earlier := noted.earlier(event, task, by=by, note=said)) is not None:
        return earlier
    access.require(access.may_give_time(by, task))
    _require_open(task)
    if seen is not None and seen != task.version:
        raise Conflict(_("Someone changed this task since you opened it. Look at what happened, then decide."), task)
    if until == task.due_on:
        raise Unfit(_("It is due on this very day."), task, "until")
    if until < task.item.due_on:
        raise Unfit(
            _("Everybody has until %(day)s; no unit gets less.") % {"day": _said(task.item.due_on)}, task, "until"
        )
    _require_in_time(task, until)
    waiting = task.extensions.waiting().first()
    if waiting is not None and waiting.asked_by_id == by.pk:
        raise Conflict(_("You asked for more time yourself; someone else answers."), task)
    return _write(task, noted.line(event, task, by, said), until=until, answer=waiting, granted=True, words=note)


def answer(extension: Extension, *, by: Cadre, event: uuid.UUID, granted: bool, note: str = "") -> Outcome:
    """Answers a request; a yes moves the task's day.

    Args:
        extension: with its task as `Task.objects.for_list` reads it.

    Raises:
        Conflict: somebody has answered already, or the task is not where its day could be moved.
        Unfit: a no without a reason, or a day that has become impossible since it was asked for.
        PermissionDenied: by someone who may not, or by the one who asked.
    """
    task = extension.task
    if granted:
        said = _("More time until %(day)s: %(reason)s") % {
            "day": _said(extension.until),
            "reason": note or _("granted"),
        }
    else:
        said = _("No more time: %(reason)s") % {"reason": note}
    if (earlier := noted.earlier(event, task, by=by, note=said)) is not None:
        return earlier
    access.require(access.may_give_time(by, task))
    if extension.asked_by_id == by.pk:
        access.require(access.Verdict(False, _("You asked for more time yourself; someone else answers.")))
    if extension.answered_by is not None:
        raise Conflict(_answered(extension), task)
    if not granted and not note:
        raise Unfit(_("Give a reason: it stays in the history."), task, "note")
    if granted:
        _require_open(task)
        if extension.until <= task.due_on:
            raise Unfit(_("It is due on %(day)s by now, later than asked.") % {"day": _said(task.due_on)}, task, "note")
        _require_in_time(task, extension.until)
    until = extension.until if granted else None
    return _write(task, noted.line(event, task, by, said), until=until, answer=extension, granted=granted, words=note)


def _require_open(task: Task) -> None:
    """The task is owed and its campaign runs."""
    if not task.campaign.is_running:
        raise Conflict(_("This campaign takes no changes now. Your entry was not saved."), task)
    if not task.is_owed:
        raise Conflict(_("This task is not owed now, so its day stays. Your entry was not saved."), task)


def _require_in_time(task: Task, until: date) -> None:
    """The day is still to come, and not after the campaign's last."""
    if until > task.campaign.last_day:
        raise Unfit(
            _("The inspection may be over after %(day)s; no later day can be given.")
            % {"day": _said(task.campaign.last_day)},
            task,
            "until",
        )
    if until < timezone.localdate():
        raise Unfit(_("This day is already past."), task, "until")


def _write(
    task: Task,
    event: TaskEvent,
    *,
    ask: Extension | None = None,
    until: date | None = None,
    answer: Extension | None = None,
    granted: bool = False,
    words: str = "",
) -> Outcome:
    """In one transaction: the request or its answer, the task's day by compare-and-set, and the event."""
    day: dict[str, Any] = {} if until is None else {"due_on": until, "due_by_hand": True}
    try:
        with transaction.atomic():
            # Its share of the campaign first, as a tick takes it: bringing tasks up to date waits for us.
            held = Campaign.objects.raw(
                "SELECT * FROM checklists_campaign WHERE id = %s FOR SHARE", [task.campaign_id]
            )[0]
            if not held.is_running:
                raise Conflict(_("This campaign takes no changes now. Your entry was not saved."), task)
            if answer is not None:
                won = Extension.objects.filter(pk=answer.pk, answered_at__isnull=True).update(
                    answered_by=event.by, answered_at=timezone.now(), granted=granted, answer=words
                )
                if not won:
                    raise _Lost
            if not Task.objects.filter(pk=task.pk, version=task.version).update(version=F("version") + 1, **day):
                raise _Lost
            if ask is not None:
                ask.save(force_insert=True)
            event.save(force_insert=True)
    except (_Lost, IntegrityError) as lost:
        constraint = getattr(getattr(lost.__cause__, "diag", None), "constraint_name", "")
        if not isinstance(lost, _Lost) and constraint != "checklists_taskevent_pkey":
            raise
        return _told(task, event, answer)
    return Outcome(as_now(task), Result.CHANGED, event)


class _Lost(Exception):
    """Somebody else was faster; everything in the transaction is undone."""


def _told(task: Task, event: TaskEvent, answer: Extension | None) -> Outcome:
    """What happened instead: the same event by a double tap, or somebody else's."""
    task = as_now(task)
    if (earlier := noted.earlier(event.pk, task, by=event.by, note=event.note)) is not None:
        return earlier
    if answer is not None:
        answer = Extension.objects.select_related("answered_by").get(pk=answer.pk)
        if answer.answered_by is not None:
            raise Conflict(_answered(answer), task)
    raise Conflict(_("Someone changed this task since you opened it. Look at what happened, then decide."), task)


def _answered(extension: Extension) -> str:
    who = extension.answered_by.name if extension.answered_by else ""
    if extension.granted:
        return _("%(who)s has answered already: yes.") % {"who": who}
    return _("%(who)s has answered already: no.") % {"who": who}


def _said(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
