"""One task: look at it, and change it. One campaign: read its history."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from checklists import answers, chases, help, scope, ticks
from checklists import more_time as times
from checklists.evidence.shown import seen, shown
from checklists.evidence.things import Thing
from checklists.findings import ledger
from checklists.forms import AnswerForm, ChaseForm, EventForm, HelpAnswerForm, HelpForm, MoreTimeForm, TickForm
from checklists.lines import Lines
from checklists.measured import Values
from checklists.models import Campaign, Extension, HelpRequest, Responsibility, State, Task, TaskEvent
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
    task = get_object_or_404(Task.objects.visible_to(request.user).for_change(), pk=task_id)
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


@require_POST
def more_time(request: CadreRequest, task_id: int) -> HttpResponse:
    """Asks for more time for one task or, from someone who may answer, gives it."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=task_id)
    access.require(times.may(request.user, task))
    form = MoreTimeForm(request.POST)
    if not form.is_valid():
        return _task_page(request, task, time_form=form, status=422)
    seen = form.cleaned_data.pop("seen")
    try:
        if access.may_give_time(request.user, task):
            outcome = times.give(task, by=request.user, seen=seen, **form.cleaned_data)
        else:
            outcome = times.ask(task, by=request.user, **form.cleaned_data)
    except ticks.Refused as refused:
        return _refused(request, refused, time_form=form)
    return _noted(request, outcome)


@require_POST
def answer_extension(request: CadreRequest, extension_id: int) -> HttpResponse:
    """Says yes or no to a request for more time."""
    asked = Extension.objects.visible_to(request.user).select_related("asked_by", "answered_by")
    extension = get_object_or_404(asked, pk=extension_id)
    extension.task = Task.objects.for_list().get(pk=extension.task_id)
    access.require(access.may_give_time(request.user, extension.task))
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _task_page(request, extension.task, answer_form=form, status=422)
    try:
        outcome = times.answer(extension, by=request.user, **form.cleaned_data)
    except ticks.Refused as refused:
        return _refused(request, refused, answer_form=form)
    return _noted(request, outcome)


@require_POST
def ask_help(request: CadreRequest, task_id: int) -> HttpResponse:
    """Calls for help with one task."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=task_id)
    access.require(access.may_tick(request.user, task))
    form = HelpForm(request.POST)
    if not form.is_valid():
        return _task_page(request, task, help_form=form, status=422)
    try:
        outcome = help.ask(task, by=request.user, **form.cleaned_data)
    except ticks.Refused as refused:
        return _refused(request, refused, help_form=form)
    return _noted(request, outcome)


@require_POST
def answer_help(request: CadreRequest, request_id: int) -> HttpResponse:
    """Answers a call for help."""
    call = get_object_or_404(HelpRequest.objects.visible_to(request.user), pk=request_id)
    call.task = Task.objects.for_list().get(pk=call.task_id)
    access.require(access.may_answer(request.user, call.task.unit_id))
    form = HelpAnswerForm(request.POST)
    if not form.is_valid():
        return _task_page(request, call.task, reply_form=form, status=422)
    try:
        outcome = help.answer(call, by=request.user, **form.cleaned_data)
    except ticks.Refused as refused:
        return _refused(request, refused, reply_form=form)
    return _noted(request, outcome)


@require_POST
def chase(request: CadreRequest, task_id: int) -> HttpResponse:
    """Chases one task that is due."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=task_id)
    access.require(access.may_chase(request.user, task.unit_id))
    form = ChaseForm(request.POST)
    if not form.is_valid():
        return _task_page(request, task, chase_form=form, status=422)
    try:
        chases.chase([task], by=request.user, **form.cleaned_data)
    except ticks.Refused as refused:
        return _refused(request, refused, chase_form=form)
    messages.success(request, _("Chased. Everyone who sees this task sees it."))
    return back(request, otherwise=task.get_absolute_url())


def _refused(request: CadreRequest, refused: ticks.Refused, **forms: Any) -> HttpResponse:
    """The task's page with what is wrong, at the field or above all."""
    if not isinstance(refused, ticks.Unfit):
        return _task_page(request, refused.task, **forms, conflict=str(refused.message), status=409)
    for form in forms.values():
        form.add_error(refused.field if refused.field in form.fields else None, str(refused.message))
    return _task_page(request, refused.task, **forms, status=422)


def _noted(request: CadreRequest, outcome: ticks.Outcome) -> HttpResponse:
    """Back to where the form stood, saying what the history says now."""
    if outcome.event is not None:
        messages.success(request, outcome.event.note)
    return back(request, otherwise=outcome.task.get_absolute_url())


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
        lines = Lines(request, back=request.POST.get("next", ""), show_unit=bool(request.POST.get("show_unit")))
        return HttpResponse(lines.write(task, form=form, outcome=outcome, conflict=conflict), status=status)
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


# What people type, shown again where a change was not made.
TYPED = ("value", "until", "note", "obstacle", "need", "reply_by", "answer", "reason")
# What can be sent from a task's page beside a tick.
BESIDE: dict[str, type[EventForm]] = {
    "time_form": MoreTimeForm,
    "answer_form": AnswerForm,
    "help_form": HelpForm,
    "reply_form": HelpAnswerForm,
    "chase_form": ChaseForm,
}


def _task_page(
    request: CadreRequest,
    task: Task,
    *,
    form: TickForm | None = None,
    conflict: str = "",
    status: int = 200,
    **beside: EventForm,
) -> HttpResponse:
    """The page; with a form that was sent and not taken, which is `form` or, by its name, one of BESIDE."""
    user, today = request.user, timezone.localdate()
    task.item.campaign = task.campaign
    choices = ticks.choices(user, task)
    waiting = task.extensions.waiting().select_related("asked_by").first()
    call = task.help_requests.waiting().select_related("asked_by", "finding").first()
    chase = task.chases.filter(on=today, at=OuterRef("at")).values("reason")[:1]
    events: list[Any] = list(task.events.select_related("by").annotate(chased_for=Subquery(chase)))
    chased = next((event for event in events if event.chased_for is not None), None)
    answering = Responsibility.objects.visible_to(user).of_unit(task.campaign, task.unit, on=today)
    gives = access.may_give_time(user, task)
    # Who asked neither answers nor gives; who may only ask waits for the answer.
    may_decide = bool(gives) and (waiting is None or waiting.asked_by != user)
    takes = {
        "time_form": times.is_open_for(task) and (may_decide or (waiting is None and bool(times.may(user, task)))),
        "answer_form": waiting is not None and may_decide and task.campaign.is_running,
        "help_form": call is None and help.takes(task) and bool(access.may_tick(user, task)),
        "reply_form": call is not None and help.answers(user, call, task),
        "chase_form": chased is None
        and chases.is_due(task, today)
        and bool(access.may_chase(user, task.unit_id) and chases.hearers(answering, user)),
    }
    values = Values.of(task, events)
    sent = form or next(iter(beside.values()), None)
    lost = (form is not None and form.data.get("state") not in choices) or not all(takes[name] for name in beside)
    if sent is not None and lost and sent.errors:  # the page has no place for this form any more
        conflict = conflict or sent.complaint
    context = {
        "task": task,
        "events": events,
        "saw": seen(task.checks.select_related("by").order_by("-at", "-id"), user, now=timezone.now()),
        "values": values,
        "next_due": values.next_due(today),
        "answers": answering,
        "height": access.Height(task.height).label,
        "looks": [event for event in events if event.is_look],
        "in_place_of": _in_place_of(task),
        "choices": choices,
        "forms": [
            (verb, uuid.uuid4(), form if form and form.data.get("state") == verb else TickForm(task=task))
            for verb in State.values
            if verb in choices
        ],
        "waiting": waiting,
        "findings": ledger.lines(task.findings.select_related("unit", "responsible"), on=today),
        "may_find": task.campaign.is_running and access.may_find(user, task.unit_id),
        "gives_time": gives,
        "call": call,
        "chased": chased,
        "reply_by": min(today + timedelta(days=2), task.campaign.last_day),
        "fresh": [uuid.uuid4() for _ in BESIDE],
        "conflict": conflict,
        "typed": [sent.data[name] for name in TYPED if sent.data.get(name)] if sent else [],
        "may_call": access.may_call(user, task.unit_id),
        "proofs": shown(Thing(task), user, now=timezone.now()),
    }
    context |= {name: beside.get(name, BESIDE[name]()) if takes[name] else None for name in BESIDE}
    return render(request, "checklists/task.html", context, status=status)


def _in_place_of(task: Task) -> list[str]:
    """In whose place a stand-in claimed the task, and in whose place another verified it."""
    pairs = [(task.done_by_id, task.done_for_id), (task.verified_by_id, task.verified_for_id)]
    stood = [pair for pair in pairs if pair[1]]
    names = dict(Cadre.objects.filter(pk__in=[one for pair in stood for one in pair]).values_list("pk", "name"))
    words = _("%(who)s, in the place of %(other)s")
    return [words % {"who": names[who or 0], "other": names[other or 0]} for who, other in stood]


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
        held = Responsibility.objects.visible_to(request.user).of_unit(campaign, unit, on=timezone.localdate())
        named = {answer.kind: answer.cadre for answer in held}
        tasks = Task.objects.visible_to(request.user).asked_for().filter(campaign=campaign, unit=unit)
        tasks = tasks.exclude(state=State.WAIVED).select_related("item").order_by("item__position", "pk")
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
