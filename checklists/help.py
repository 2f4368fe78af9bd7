"""求助: whoever owes a task cannot move and says so; someone above answers.

Both are lines of the task's own history (checklists/noted.py); who hears of them: readiness/reminders.
"""

import uuid
from datetime import date

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from checklists import noted
from checklists.models import HelpRequest, Task
from checklists.ticks import Conflict, Outcome, Result, Unfit
from villages import access
from villages.models import Cadre


def takes(task: Task) -> bool:
    """Whether help can be asked for: it is owed, in a campaign that runs and is not over."""
    return task.is_owed and task.campaign.is_running and task.campaign.last_day >= timezone.localdate()


def may_answer(user: Cadre, call: HelpRequest, task: Task) -> access.Verdict:
    """Whether the user may answer this call; nobody answers their own."""
    if not (verdict := access.may_answer(user, task.unit_id)):
        return verdict
    if call.asked_by_id == user.pk:
        return access.Verdict(False, _("You asked for help yourself; someone else answers."))
    return access.YES


def answers(user: Cadre, call: HelpRequest, task: Task) -> bool:
    """Whether the user can answer the call now: they may, the task is asked for, and its campaign runs."""
    return task.retired_at is None and task.campaign.is_running and bool(may_answer(user, call, task))


def ask(task: Task, *, by: Cadre, event: uuid.UUID, obstacle: str, need: str, reply_by: date) -> Outcome:
    """Calls for help with one task; the call waits until someone above answers.

    Raises:
        Conflict: a call waits already, or the task is not owed or its campaign does not run.
        Unfit: the day of the answer is past, or after the campaign's last.
        PermissionDenied: only who may tick the task asks.
    """
    said = _("Asks for help: %(obstacle)s; needed: %(need)s; answer by %(day)s") % {
        "obstacle": obstacle,
        "need": need,
        "day": _said(reply_by),
    }
    with noted.held(task) as now:
        if (repeated := noted.earlier(event, now, by=by, note=said)) is not None:
            return repeated
        access.require(access.may_tick(by, now))
        if not now.campaign.is_running:
            raise Conflict(_("This campaign takes no changes now. Your entry was not saved."), now)
        if not now.is_owed:
            raise Conflict(_("This task is not owed now, so it needs no help. Your entry was not saved."), now)
        if reply_by < timezone.localdate():
            raise Unfit(_("This day is already past."), now, "reply_by")
        if reply_by > now.campaign.last_day:
            raise Unfit(
                _("The inspection may be over after %(day)s; ask for an answer before.")
                % {"day": _said(now.campaign.last_day)},
                now,
                "reply_by",
            )
        waiting = now.help_requests.waiting().select_related("asked_by").first()
        if waiting is not None:
            raise Conflict(
                _("%(who)s has asked for help already; the answer is still to come.") % {"who": waiting.asked_by.name},
                now,
            )
        now.help_requests.create(asked_by=by, obstacle=obstacle, need=need, reply_by=reply_by)
        line = noted.line(event, now, by, said)
        line.save(force_insert=True)
        return Outcome(now, Result.CHANGED, line)


def answer(request: HelpRequest, *, by: Cadre, event: uuid.UUID, answer: str) -> Outcome:
    """Answers a call for help; the task stays owed, whatever the answer says.

    Raises:
        Conflict: somebody has answered already, the task is no longer asked for, or its campaign does not run.
        PermissionDenied: by someone who may not, or by the one who asked.
    """
    said = _("Answer to the call for help: %(answer)s") % {"answer": answer}
    with noted.held(request.task) as now:
        if (repeated := noted.earlier(event, now, by=by, note=said)) is not None:
            return repeated
        access.require(may_answer(by, request, now))
        if not now.campaign.is_running:
            raise Conflict(_("This campaign takes no changes now. Your entry was not saved."), now)
        if now.retired_at is not None:
            raise Conflict(_("This task is no longer asked for. Your entry was not saved."), now)
        first = HelpRequest.objects.select_related("answered_by").get(pk=request.pk)
        if first.answered_by is not None:
            raise Conflict(_("%(who)s has answered already.") % {"who": first.answered_by.name}, now)
        HelpRequest.objects.filter(pk=request.pk).update(answered_by=by, answered_at=timezone.now(), answer=answer)
        line = noted.line(event, now, by, said)
        line.save(force_insert=True)
        return Outcome(now, Result.CHANGED, line)


def _said(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
