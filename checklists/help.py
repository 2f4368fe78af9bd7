"""求助: whoever owes a task cannot move and says so; someone above answers.

Both are lines of the task's own history (checklists/noted.py). A call goes to the linked cadre, and to the leader in
charge where nobody is linked or the day of the answer has passed.
"""

import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from checklists import noted
from checklists.models import HelpRequest, Responsibility, Task
from checklists.ticks import Conflict, Outcome, Result, Unfit
from villages import access
from villages.access import Action, Grant
from villages.models import Cadre, Post


class Step(Enum):
    """Why somebody is told of a call for help."""

    LINKED = "linked"
    LEAD = "lead"  # nobody is linked, or the day of the answer has passed
    ABOVE = "above"  # of those named nobody can answer


class Told(NamedTuple):
    """Somebody who is to hear of a call for help that waits."""

    request_id: int
    cadre_id: int
    step: Step
    is_urgent: bool  # the answer is needed by tomorrow
    campaign_id: int
    unit_id: str
    unit: str
    task_id: int
    title: str
    asked_by: str
    obstacle: str
    need: str
    reply_by: date
    asked_at: datetime


def takes(task: Task) -> bool:
    """Whether help can be asked for: it is owed, in a campaign that runs and is not over."""
    return task.is_owed and task.campaign.is_running and task.campaign.last_day >= timezone.localdate()


def may_answer(user: Cadre, call: HelpRequest, task: Task) -> access.Verdict:
    """Whether the user may answer this call; nobody answers their own."""
    if not (verdict := access.may_answer(user, task)):
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


def told_to(on: date) -> list[Told]:
    """Who is to hear of which call that waits, as of a day. Three queries, however many wait.

    The linked cadre; from the day after `reply_by` on, or if nobody linked is in office, also the leader in charge. If
    of these nobody can answer, everyone in office who can. Never the one who asked.
    """
    waiting = HelpRequest.objects.about(Task.objects.running()).select_related("task__item", "task__unit", "asked_by")
    waiting = waiting.order_by("reply_by", "pk")
    calls = list(waiting)
    places = {(call.task.campaign_id, call.task.unit_id) for call in calls}
    named = _named(places, on)
    able = _able({unit for _, unit in places}, on)
    told = []
    for call in calls:
        unit, others = call.task.unit_id, able[call.task.unit_id] - {call.asked_by_id}
        linked, lead = (
            {named[place] for place in [(call.task.campaign_id, unit, kind)] if place in named} - {call.asked_by_id}
            for kind in (Responsibility.Kind.LINKED, Responsibility.Kind.LEAD)
        )
        hears = dict.fromkeys(linked, Step.LINKED)
        if call.reply_by < on or not linked:
            hears = dict.fromkeys(lead, Step.LEAD) | hears
        if not others & hears.keys():
            hears = dict.fromkeys(sorted(others), Step.ABOVE) | hears
        told += [_told(call, cadre, step, on) for cadre, step in hears.items()]
    return told


def _named(places: set[tuple[int, str]], on: date) -> dict[tuple[int, str, str], int]:
    """Campaign, unit and kind -> the linked cadre and the leader in charge, where they are in office. One query."""
    rows = Responsibility.objects.in_office(on).filter(
        kind__in=(Responsibility.Kind.LINKED, Responsibility.Kind.LEAD),
        campaign__in={campaign for campaign, _ in places},
        unit__in={unit for _, unit in places},
    )
    return {
        (campaign, unit, kind): cadre
        for campaign, unit, kind, cadre in rows.values_list("campaign_id", "unit_id", "kind", "cadre_id")
    }


def _able(units: Iterable[str], on: date) -> dict[str, set[int]]:
    """Unit -> everyone in office who may answer its calls for help. One query."""
    units = set(units)
    where = {code for unit in units for code in access.above(unit)}
    posts = Post.objects.current(on).filter(unit__in=where, role__in=list(access.RIGHTS[Action.WAIVE]))
    held = list(posts.values_list("cadre_id", "role", "unit_id"))
    return {
        unit: {cadre for cadre, role, at in held if access.reaches(Grant(role, at), Action.WAIVE, unit)}
        for unit in units
    }


def _told(call: HelpRequest, cadre: int, step: Step, on: date) -> Told:
    task = call.task
    return Told(
        request_id=call.pk,
        cadre_id=cadre,
        step=step,
        is_urgent=call.reply_by <= on + timedelta(days=1),
        campaign_id=task.campaign_id,
        unit_id=task.unit_id,
        unit=task.unit.name,
        task_id=task.pk,
        title=task.item.name,
        asked_by=call.asked_by.name,
        obstacle=call.obstacle,
        need=call.need,
        reply_by=call.reply_by,
        asked_at=call.asked_at,
    )


def _said(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
