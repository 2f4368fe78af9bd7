"""Setting up a campaign: a draft is edited on one page, step by step, and then launched."""

from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from checklists import launch
from checklists.models import Campaign, Item, Responsibility
from checklists.setup_forms import ItemForm, NewCampaignForm, PhaseForm, ScopeForm, WhatForm
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Kind, Unit

# Vacancies that the page names one by one; the others are counted.
VACANCIES_SHOWN = 50


def _draft(seen: QuerySet[Campaign], campaign_id: int, user: Cadre) -> Campaign:
    """The draft among what its reader sees, for those who may set it up; once launched it is changed elsewhere."""
    campaign = get_object_or_404(seen.select_related("host", "template"), pk=campaign_id)
    access.require(access.may_run(user, campaign.host_id))
    if not campaign.is_draft:
        raise PermissionDenied(_("This campaign is launched already; its set-up is closed."))
    return campaign


@require_safe
def new(request: CadreRequest) -> HttpResponse:
    """Choose a speech, the unit that runs the campaign, and the inspection day."""
    access.require(access.may_run_some(request.user))
    return render(request, "setup/new.html", {"form": NewCampaignForm(user=request.user)})


@require_POST
def create(request: CadreRequest) -> HttpResponse:
    """Makes the draft."""
    access.require(access.may_run_some(request.user))
    form = NewCampaignForm(request.POST, user=request.user)
    if not form.is_valid():
        return render(request, "setup/new.html", {"form": form}, status=422)
    try:
        campaign = launch.draft(on=timezone.localdate(), by=request.user, **form.cleaned_data)
    except launch.CannotLaunch as error:
        form.add_error(None, str(error))
        return render(request, "setup/new.html", {"form": form}, status=422)
    return redirect("setup", campaign.pk)


@require_safe
def setup(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The draft on one page, step by step."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    return _page(request, campaign)


@require_POST
def what(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Saves what it is called and when the inspection is; deadlines move along."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    before = copy(campaign)
    form = WhatForm(request.POST, instance=campaign)
    if not form.is_valid():
        return _page(request, before, what=form)
    wanted, campaign.inspects_on = campaign.inspects_on, before.inspects_on
    try:
        with transaction.atomic():
            form.save()
            launch.move_inspection(campaign, wanted)
    except IntegrityError:
        form.add_error("inspects_on", _("This unit already runs a campaign from this template for that day."))
        return _page(request, before, what=form)
    return _saved(request, campaign, "what")


@require_POST
def item(request: CadreRequest, campaign_id: int, item_id: int) -> HttpResponse:
    """Changes or strikes one item."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    found = get_object_or_404(campaign.items, pk=item_id)
    form = ItemForm(request.POST, instance=found, campaign=campaign)
    if not form.is_valid():
        return _page(request, campaign, item=form)
    form.save()
    return _saved(request, campaign, f"item-{found.pk}")


@require_POST
def add_item(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Adds an item of one's own, numbered after the others of its kind."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    form = ItemForm(request.POST, instance=None, campaign=campaign)
    if not form.is_valid():
        return _page(request, campaign, item=form)
    added = launch.add_own_item(campaign, form.save(commit=False))
    return _saved(request, campaign, f"item-{added.pk}")


@require_POST
def phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Moves the dates of one phase."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    form = PhaseForm(request.POST, instance=get_object_or_404(campaign.phases, pk=phase_id))
    if not form.is_valid():
        return _page(request, campaign, phase=form)
    form.save()
    return _saved(request, campaign, "phases")


@require_POST
def scope(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Takes a unit, with all below it, out of the campaign or back in."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    form = ScopeForm(request.POST)
    below = Unit.objects.visible_to(request.user).under(campaign.host_id)
    unit = get_object_or_404(below, pk=form.cleaned_data["code"] if form.is_valid() else "")
    if form.cleaned_data["takes_part"]:
        campaign.excluded.remove(unit)
    else:
        campaign.excluded.add(unit)
    return _saved(request, campaign, "units")


@require_POST
def go_live(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Launches: makes exactly what the page showed."""
    campaign = _draft(Campaign.objects.visible_to(request.user), campaign_id, request.user)
    if not launch.tasks_by_item(campaign):
        messages.info(request, _("No unit would owe anything. Add items, or units that owe them."))
        return redirect(reverse("setup", args=[campaign.pk]) + "#launch")
    try:
        launched = launch.go_live(campaign, on=timezone.localdate())
    except launch.CannotLaunch as error:
        messages.info(request, str(error))
        return redirect(reverse("setup", args=[campaign.pk]) + "#launch")
    messages.success(
        request,
        ngettext("Launched: %(n)d task.", "Launched: %(n)d tasks.", launched.tasks) % {"n": launched.tasks},
    )
    return redirect("board", campaign.pk)


def _saved(request: CadreRequest, campaign: Campaign, place: str) -> HttpResponse:
    messages.success(request, _("Saved."))
    return redirect(reverse("setup", args=[campaign.pk]) + f"#{place}")


def _page(
    request: CadreRequest,
    campaign: Campaign,
    *,
    what: WhatForm | None = None,
    item: ItemForm | None = None,
    phase: PhaseForm | None = None,
) -> HttpResponse:
    """The whole page; a form that does not fit stands in its place, with what was typed."""
    today = timezone.localdate()
    made = launch.tasks_by_item(campaign)
    by_kind = launch.units_by_kind(campaign)
    vacancies = launch.vacancies(campaign, on=today)
    wanted = request.GET.get("q", "").replace("\0", "").strip()[:60]
    below = Unit.objects.visible_to(request.user).under(campaign.host_id).exclude(pk=campaign.host_id)
    wrong = next((form for form in (what, item, phase) if form is not None), None)
    context: dict[str, Any] = {
        "campaign": campaign,
        "what": what or WhatForm(instance=campaign),
        "sections": _sections(campaign, made, item),
        "new_item": item if item and item.instance.pk is None else ItemForm(instance=None, campaign=campaign),
        "phases": [
            phase if phase and phase.instance == found else PhaseForm(instance=found) for found in campaign.phases.all()
        ],
        "excluded": campaign.excluded.order_by("code"),
        "q": wanted,
        "found": below.named(wanted).order_by("code")[:20] if wanted else below.filter(kind=Kind.TOWNSHIP)[:200],
        "by_kind": [(Kind(kind).label, n) for kind, n in sorted(by_kind.items())],
        "units": sum(by_kind.values()),
        "tasks": sum(made.values()),
        "items": len(made),
        "vacancies": [
            (unit, [Responsibility.Kind(kind).label for kind in kinds]) for unit, kinds in vacancies[:VACANCIES_SHOWN]
        ],
        "vacant": len(vacancies),
        "left_out": campaign.template.body.get("left_out", []) if campaign.template else [],
        "rules": campaign.template.body.get("rules", []) if campaign.template else [],
    }
    return render(request, "setup/setup.html", context, status=422 if wrong is not None else 200)


def _sections(
    campaign: Campaign, made: dict[int, int], wrong: ItemForm | None
) -> dict[str, list[tuple[Item, int, ItemForm]]]:
    """Items by section of the speech: the item, how many tasks it would make, and its form."""
    sections: dict[str, list[tuple[Item, int, ItemForm]]] = {}
    for found in campaign.items.select_related("phase"):
        form = wrong if wrong and wrong.instance.pk == found.pk else ItemForm(instance=found, campaign=campaign)
        sections.setdefault(found.section, []).append((found, made.get(found.pk, 0), form))
    return sections
