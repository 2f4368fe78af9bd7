"""How far we are: the front page, my tasks, the campaigns, a campaign's tasks."""

import uuid
from datetime import date, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from checklists.findings import ledger
from checklists.forms import TaskFilter
from checklists.lines import Lines
from checklists.models import Campaign, Extension, Finding, HelpRequest, Task
from checklists.models.draw import looked_at, unfounded
from checklists.models.help import calling
from checklists.models.task import TaskQuerySet, read_along
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, code_of

PER_PAGE = 60
FINDINGS_SHOWN = 20  # to put right or to confirm, likewise
ASKS_SHOWN = 20  # requests for more time and calls for help each, above my tasks


@require_safe
def home(request: CadreRequest) -> HttpResponse:
    """My tasks for those who owe some; the board of the next inspection for the others."""
    if access.owes_tasks(request.user):
        return redirect("my_tasks")
    campaign = Campaign.objects.visible_to(request.user).running().first()
    return redirect("board", campaign.pk) if campaign else redirect("campaigns")


@require_safe
def my_tasks(request: CadreRequest) -> HttpResponse:
    """What I still owe, by when: overdue, today, this week, later."""
    today = timezone.localdate()
    usual = "owed" if access.owes_tasks(request.user) else "check"
    found_here = Finding.objects.visible_to(request.user).filter(campaign=OuterRef("pk"))
    campaigns: list[Any] = list(Campaign.objects.visible_to(request.user).annotate(has_findings=Exists(found_here)))
    running = [campaign for campaign in campaigns if campaign.is_running]
    form = TaskFilter({"show": usual} | request.GET.dict(), campaigns=campaigns)
    checking = form.data["show"] == "check"
    mine = Task.objects.to_check_by(request.user) if checking else Task.objects.owed_by(request.user)
    mine = mine.filter(campaign__in=running)
    tasks = _filtered(mine, form, user=request.user, on=today).order_by("due_on", "unit_id", "item__position")
    page = Paginator(tasks.select_related("item"), PER_PAGE).get_page(request.GET.get("page"))
    show_unit = checking or len({grant.unit for grant in access.grants(request.user)}) > 1
    found = read_along(page.object_list, running, with_units=show_unit)
    rows = Lines(request, back=request.get_full_path(), show_unit=show_unit).all(found)
    to_check, asked, shown, called, calls = 0, 0, list[Extension](), 0, list[HelpRequest]()
    if access.checks_tasks(request.user):
        to_check = Task.objects.to_check_by(request.user).filter(campaign__in=running).count()
    if access.gives_time(request.user):
        asks = Extension.objects.to_answer_by(request.user)
        shown = list(asks.select_related("asked_by", "task__item", "task__unit")[:ASKS_SHOWN])
        asked = asks.count() if len(shown) == ASKS_SHOWN else len(shown)
    if access.answers_calls(request.user):
        waiting = HelpRequest.objects.to_answer_by(request.user)
        calls = list(waiting.select_related("asked_by", "finding", "task__item", "task__unit")[:ASKS_SHOWN])
        called = waiting.count() if len(calls) == ASKS_SHOWN else len(calls)
    findings = list[Finding]()
    if any(campaign.has_findings for campaign in campaigns):  # composing what follows takes longer than all else here
        findings = list(ledger.mine(request.user, on=today)[:FINDINGS_SHOWN])
    return render(
        request,
        "boards/my_tasks.html",
        {
            "form": form,
            "page": page,
            "groups": [(_("Waiting for my check"), rows)] if checking and rows else _by_day(rows, on=today),
            "checking": checking,
            "to_check": to_check,
            "asks": [(extension, uuid.uuid4()) for extension in shown],
            "asked": asked,
            "calls": [(call, uuid.uuid4()) for call in calls],
            "called": called,
            "findings": ledger.lines(findings, on=today),
        },
    )


def _by_day(rows: list[dict[str, Any]], *, on: date) -> list[tuple[str, list[dict[str, Any]]]]:
    """Lines under the heading of their day; finished ones under one of their own. A week ends on Sunday."""
    week_ends = on + timedelta(days=6 - on.weekday())
    groups: dict[str, list[dict[str, Any]]] = {
        name: [] for name in (_("Overdue"), _("Today"), _("This week"), _("Later"), _("No longer owed"))
    }
    overdue, now, week, later, finished = groups.values()
    for row in rows:
        task: Task = row["task"]
        if not task.is_owed:
            finished.append(row)
        elif task.due_on < on:
            overdue.append(row)
        elif task.due_on == on:
            now.append(row)
        else:
            (week if task.due_on <= week_ends else later).append(row)
    return [(name, found) for name, found in groups.items() if found]


def _filtered(tasks: TaskQuerySet, form: TaskFilter, *, user: Cadre, on: date) -> TaskQuerySet:
    """The tasks that the filter asks for; a filter that makes no sense shows what is still owed."""
    chosen = form.cleaned_data if form.is_valid() else {}
    if chosen.get("campaign"):
        tasks = tasks.filter(campaign=chosen["campaign"])
    if chosen.get("under"):
        tasks = tasks.under(code_of(chosen["under"]))
    if chosen.get("beside"):
        tasks = tasks.beside(code_of(chosen["beside"]))
    for name in ("phase", "section", "kind", "responsible"):
        if chosen.get(name):
            tasks = tasks.filter(**{f"item__{name}": chosen[name]})
    if chosen.get("due_from"):
        tasks = tasks.filter(due_on__gte=chosen["due_from"])
    if chosen.get("due_until"):
        tasks = tasks.filter(due_on__lte=chosen["due_until"])
    if chosen.get("q"):
        words = chosen["q"]
        tasks = tasks.filter(
            Q(item__title__icontains=words) | Q(item__title_en__icontains=words) | Q(unit__name__contains=words)
        )
    match chosen.get("show"):
        case "all":
            return tasks
        case "check":
            return tasks.to_check_by(user)
        case "overdue":
            return tasks.overdue(on)
        case "veto":
            return tasks.still_owed().filter(veto=True)
        case "help":
            return calling(tasks)
        case "drawn":
            return looked_at(tasks)
        case "unfounded":
            return unfounded(tasks)
        case "gate":
            return tasks.still_owed().filter(item__gate=True)
        case ("done" | "verified" | "returned" | "waived") as state:
            return tasks.filter(state=state)
    return tasks.still_owed()


@require_safe
def campaigns(request: CadreRequest) -> HttpResponse:
    """Every campaign that reaches me, running ones first."""
    found = Campaign.objects.visible_to(request.user).select_related("host", "template")
    order = {status: place for place, status in enumerate(("active", "paused", "draft", "closed"))}
    rows = sorted(found, key=lambda campaign: (order[campaign.status], campaign.inspects_on))
    today = timezone.localdate()
    return render(
        request,
        "boards/campaigns.html",
        {
            "rows": [(campaign, campaign.days_left(today)) for campaign in rows],
            "runs_campaigns": access.runs_campaigns(request.user),
        },
    )


@require_safe
def campaign_tasks(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The tasks behind a figure of the board."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    today = timezone.localdate()
    form = TaskFilter(request.GET)
    del form.fields["campaign"]
    asked = Task.objects.visible_to(request.user).asked_for().filter(campaign=campaign)
    tasks = _filtered(asked, form, user=request.user, on=today).order_by("due_on", "unit_id", "item__position")
    page = Paginator(tasks.select_related("item"), PER_PAGE).get_page(request.GET.get("page"))
    lines = Lines(request, back=request.get_full_path(), show_unit=True)
    found = read_along(page.object_list, [campaign], with_units=True)
    return render(
        request,
        "boards/campaign_tasks.html",
        {
            "campaign": campaign,
            "form": form,
            "page": page,
            "lines": lines.all(found, calls=HelpRequest.objects.by_task(found)),
        },
    )
