"""One unit in a campaign: its checklist, how far it is, what it calls for, and chasing it."""

import uuid
from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from checklists import chases, help, ladder, ticks
from checklists.evidence.shown import Seen, seen
from checklists.findings import ledger, sources
from checklists.forms import ChaseForm
from checklists.lines import Lines
from checklists.models import (
    Campaign,
    Chase,
    Check,
    Finding,
    HelpRequest,
    Measure,
    Responsibility,
    State,
    Task,
    TaskEvent,
)
from checklists.models.task import read_along
from readiness.boards import figures, measures
from readiness.boards.light import Counts
from villages import access
from villages.http import CadreRequest, back
from villages.models import Unit

MOST_CHECKS = 30  # of what rounds found, on one page

# What there is besides a unit's tasks: most units have little of it, and what is not there need not be asked for.
BESIDE = """
    ARRAY(SELECT 'units' WHERE EXISTS (SELECT FROM villages_unit below WHERE below.parent_id = villages_unit.code)
    UNION ALL SELECT 'findings' WHERE EXISTS (SELECT FROM checklists_finding
        WHERE unit_id = villages_unit.code AND campaign_id = %s AND state IN ('open', 'fixed'))
    UNION ALL SELECT 'calls' WHERE EXISTS (SELECT FROM checklists_helprequest JOIN checklists_task t ON t.id = task_id
        WHERE unit_id = villages_unit.code AND campaign_id = %s AND answered_at IS NULL)
    UNION ALL SELECT 'checks' WHERE EXISTS (SELECT FROM checklists_check JOIN checklists_task t ON t.id = task_id
        WHERE unit_id = villages_unit.code AND campaign_id = %s))
"""


@require_safe
def unit_page(request: CadreRequest, campaign_id: int, code: str) -> HttpResponse:
    """One unit's own checklist by section, who answers for it, its light, what is open and what blocks it."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    return _unit_page(request, campaign, code)


@require_POST
def chase_unit(request: CadreRequest, campaign_id: int, code: str) -> HttpResponse:
    """Chases all that the unit itself is overdue with, in one go."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    unit = get_object_or_404(Unit.objects.visible_to(request.user).under(campaign.host_id), pk=code)
    access.require(access.may_chase(request.user, unit.pk))
    form = ChaseForm(request.POST)
    if not form.is_valid():
        return _unit_page(request, campaign, code, chase_form=form, status=422)
    late = list(Task.objects.overdue(timezone.localdate()).filter(campaign=campaign, unit=unit).for_change())
    if not late:
        return _unit_page(request, campaign, code, chase_form=form, conflict=str(chases.NOTHING_DUE), status=409)
    try:
        chased = chases.chase(late, by=request.user, **form.cleaned_data)
    except ticks.Conflict as conflict:
        return _unit_page(request, campaign, code, chase_form=form, conflict=str(conflict.message), status=409)
    n = len(chased.now)
    messages.success(request, ngettext("%(n)d task chased.", "%(n)d tasks chased.", n) % {"n": n})
    if chased.before:
        messages.info(request, chases.chased_before(chased.before[0]))
    return back(request, otherwise=reverse("unit_tasks", args=[campaign_id, code]))


def _unit_page(
    request: CadreRequest,
    campaign: Campaign,
    code: str,
    *,
    chase_form: ChaseForm | None = None,
    conflict: str = "",
    status: int = 200,
) -> HttpResponse:
    user = request.user
    upward = Unit.objects.visible_to(user).under(campaign.host_id).filter(code__in=access.above(code))
    beside = RawSQL(BESIDE, [campaign.pk] * 3)  # noqa: S611 - a constant
    path: list[Any] = list(upward.annotate(beside=beside).order_by("code"))
    if not path or path[-1].code != code:
        raise Http404
    *above, unit = path
    today = timezone.localdate()
    asked = Task.objects.visible_to(user).asked_for()
    asked = asked.filter(campaign=campaign, unit=unit).select_related("item").order_by("item__position", "due_on", "pk")
    tasks = read_along(asked, [campaign])
    counts = sum((_count(task, on=today) for task in tasks), Counts())
    # The last word said about each task that is still owed: what blocks it. A chase blocks nothing.
    said, chased = dict[int, TaskEvent](), dict[int, TaskEvent]()
    chasing = Exists(Chase.objects.filter(task=OuterRef("task"), at=OuterRef("at")))
    owed = TaskEvent.objects.filter(task__in=[task.pk for task in tasks if task.is_owed])
    for event in owed.exclude(note="").annotate(is_chase=chasing).select_related("by"):
        if not event.is_chase:  # type: ignore[attr-defined]
            said[event.task_id] = event
        elif timezone.localdate(event.at) == today:
            chased[event.task_id] = event
    calls = HelpRequest.objects.by_task(tasks) if "calls" in unit.beside else {}
    late = [task for task in tasks if task.is_overdue(today)]
    answering = Responsibility.objects.visible_to(user).of_unit(campaign, unit, on=today)
    chases_here = campaign.is_running and access.may_chase(user, unit.pk) and chases.hearers(answering, user)
    # What a site owes, its village owes: a measure against the village colours the site, and is told at the village.
    measured = list[Measure]()
    if campaign.has_measures:
        against = Measure.objects.visible_to(user).filter(campaign=campaign, unit__in={code, code.partition("S")[0]})
        measured = list(against.select_related("decided_by", "objected_by", "answered_by"))
    told = [one for one in measured if one.unit_id == code]
    vetoed = {one.unit_id for one in measured if (one.rung, one.state) == (ladder.Rung.VETO, ladder.State.APPLIED)}
    here = reverse("unit_tasks", args=[campaign.pk, code])
    found, saw = list[Finding](), list[Seen]()
    if "findings" in unit.beside:
        unsettled = Finding.objects.visible_to(user).filter(campaign=campaign, unit=unit).unsettled()
        found = list(ledger.by_need(unsettled, on=today).select_related("unit", "responsible"))
    if "checks" in unit.beside:
        saw = seen(Check.objects.found_at(campaign, unit)[:MOST_CHECKS], user, now=timezone.now())
    lines = Lines(request, back=here, show_unit=False).all(tasks, said, calls)
    sections: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        sections.setdefault(line["task"].item.section, []).append(line)
    return render(
        request,
        "boards/unit.html",
        {
            "campaign": campaign,
            "unit": unit,
            "counts": counts,
            "light": figures.light_of(campaign, figures.decided(counts, code, vetoed), today),
            "sections": sections,
            "late": [(task, chased.get(task.pk)) for task in late],
            "to_chase": sum(task.pk not in chased for task in late) if chases_here else 0,
            "chase_form": chase_form,
            "typed": [chase_form.data["reason"]] if chase_form and chase_form.data.get("reason") else [],
            "event": uuid.uuid4(),
            "conflict": conflict,
            "calls": [
                (task, calls[task.pk], uuid.uuid4() if help.answers(user, calls[task.pk], task) else None)
                for task in tasks
                if task.pk in calls
            ],
            "findings": ledger.lines(found, on=today),
            "may_find": bool(sources(campaign)) and access.may_find(user, unit.code),
            # What is called for, or stands as a finding, is said there.
            "blocked": [
                line
                for line in lines
                if line["said"] and line["task"].pk not in {*calls, *(one.task_id for one in found)}
            ],
            "saw": saw,
            "plans_rounds": campaign.is_running and access.may_inspect(user, unit.code),
            "answers": answering,
            "may_call": access.may_call(user, unit.code),
            "has_below": "units" in unit.beside,
            "has_board": figures.has_board(unit.code),
            "above": [(upper.code, upper.name) for upper in above],
            "measures": measures.shown(told, user, campaign=campaign, on=today),
        },
        status=status,
    )


def _count(task: Task, *, on: date) -> Counts:
    late = task.is_overdue(on)
    return Counts(
        **{task.state: 1},
        overdue=int(late),
        vetoes=int(task.veto and (late or task.state == State.RETURNED)),
        vetoes_owed=int(task.veto and task.is_owed),
        points=task.points if task.state != State.WAIVED else 0,
        points_done=task.points if task.state == State.DONE else 0,
        points_verified=task.points if task.state == State.VERIFIED else 0,
    )
