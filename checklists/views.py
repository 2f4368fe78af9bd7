"""One task: look at it, and change it. One campaign: read its history."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from checklists import answers, scope, ticks
from checklists.forms import TickForm
from checklists.models import Campaign, Responsibility, State, Task, TaskEvent
from villages import access
from villages.http import CadreRequest, back
from villages.models import Cadre, Unit


@require_safe
def task_page(request: CadreRequest, task_id: int) -> HttpResponse:
    """Standard, source, deadline, history, and what the reader may do."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=task_id)
    return _task_page(request, task)


@require_POST
def tick(request: CadreRequest, task_id: int) -> HttpResponse:
    """Every verb on a task: tick, untick, value, note, waive, verify, return."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=task_id)
    form = TickForm(request.POST, task=task)
    if not form.is_valid():
        return _answer(request, task, form=form, status=422)
    access.require(ticks.may(request.user, task, form.cleaned_data["state"]))
    try:
        outcome = ticks.record(task, by=request.user, **form.cleaned_data)
    except ticks.Unfit as unfit:
        form.add_error(unfit.field, str(unfit.message))
        return _answer(request, unfit.task, form=form, status=422)
    except ticks.Conflict as conflict:
        return _answer(request, conflict.task, form=form, status=409, conflict=str(conflict.message))
    return _answer(request, outcome.task, outcome=outcome)


def _answer(
    request: CadreRequest,
    task: Task,
    *,
    form: TickForm | None = None,
    outcome: ticks.Outcome | None = None,
    conflict: str = "",
    status: int = 200,
) -> HttpResponse:
    """Under htmx the line that changed; else back to where the form stood, or the task's page with what is wrong."""
    if request.htmx:
        context = _line(request, task) | {"form": form, "outcome": outcome, "conflict": conflict}
        return render(request, "checklists/_task.html", context, status=status)
    if outcome is None:
        return _task_page(request, task, form=form, conflict=conflict, status=status)
    if outcome.result is ticks.Result.ALREADY:
        messages.info(request, _("Nothing to change: this was so already."))
    else:
        messages.success(
            request,
            _("Saved: %(item)s – %(state)s")
            % {
                "item": task.item.name,
                "state": task.get_state_display(),
            },
        )
    return back(request, otherwise=task.get_absolute_url())


def _line(request: CadreRequest, task: Task) -> dict[str, Any]:
    """Context of checklists/_task.html."""
    today = timezone.localdate()
    return {
        "task": task,
        "choices": ticks.choices(request.user, task),
        "event": uuid.uuid4(),
        "late": (today - task.due_on).days,
        "today": today,
        "next": request.POST.get("next", ""),
        "show_unit": request.POST.get("show_unit", ""),
    }


def _task_page(
    request: CadreRequest, task: Task, *, form: TickForm | None = None, conflict: str = "", status: int = 200
) -> HttpResponse:
    choices = ticks.choices(request.user, task)
    lost = form is not None and form.data.get("state") not in choices
    if form is not None and lost and form.errors:  # the page has no place for this form any more
        conflict = conflict or form.complaint
    context = {
        "task": task,
        "events": task.events.select_related("by"),
        "answers": Responsibility.objects.filter(campaign=task.campaign, unit=task.unit)
        .in_office(timezone.localdate())
        .in_order(),
        "choices": choices,
        "forms": [
            (verb, uuid.uuid4(), form if form and form.data.get("state") == verb else TickForm(task=task))
            for verb in State.values
            if verb in choices
        ],
        "conflict": conflict,
        "typed": [form.data[name] for name in ("value", "note") if form.data.get(name)] if form else [],
        "may_call": access.may_call(request.user, task.unit_id),
    }
    return render(request, "checklists/task.html", context, status=status)


@require_safe
def events(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Who changed what, newest first."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    history = (
        TaskEvent.objects.filter(task__in=Task.objects.visible_to(request.user).filter(campaign=campaign))
        .select_related("by", "task__unit", "task__item")
        .order_by("-at", "-id")
    )
    return render(
        request,
        "checklists/events.html",
        {
            "campaign": campaign,
            "page": Paginator(history, 50).get_page(request.GET.get("page")),
        },
    )


@require_safe
def letter(request: CadreRequest, campaign_id: int, code: str) -> HttpResponse:
    """责任书: who answers for a unit and what it owes, to be signed. In a draft as the launch would make it."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user).select_related("host"), pk=campaign_id)
    unit = get_object_or_404(Unit.objects.visible_to(request.user).under(campaign.host_id), pk=code)
    named: dict[str, Cadre] = {}
    if campaign.is_draft:
        row = answers.of_unit(campaign, unit.code)
        named = {kind: one.cadre for kind, one in row.answers.items() if one and one.held} if row else {}
        items = campaign.items.filter(pk__in=scope.items_of(campaign, unit.code)).select_related("campaign")
        owed = [(item, item.due_on) for item in items]
    else:
        held = Responsibility.objects.visible_to(request.user).filter(campaign=campaign, unit=unit)
        named = {answer.kind: answer.cadre for answer in held.in_office(timezone.localdate()).in_order()}
        tasks = Task.objects.visible_to(request.user).asked_for().filter(campaign=campaign, unit=unit)
        tasks = tasks.exclude(state=State.WAIVED).for_list().order_by("item__position", "pk")
        owed = [(task.item, task.due_on) for task in tasks]
    return render(
        request,
        "checklists/letter.html",
        {
            "campaign": campaign,
            "unit": unit,
            "answers": [(kind.label, named.get(kind)) for kind in Responsibility.Kind],
            "owed": owed,
        },
    )
