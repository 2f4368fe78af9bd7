"""The ledger of a campaign's findings: a page that every figure about them leads to, and the same as a file."""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from checklists.findings import ledger, sources
from checklists.findings.forms import LedgerFilter
from checklists.models import Campaign, Finding
from readiness.boards import csv
from villages import access
from villages.http import CadreRequest
from villages.models import Unit

PER_PAGE = 100
USUAL = {"show": "unsettled"}


@require_safe
def findings(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """What was found wanting: by need, with filters, how old it is and how often it came back."""
    user, today = request.user, timezone.localdate()
    campaign = get_object_or_404(
        Campaign.objects.visible_to(request.user).select_related("template", "host"), pk=campaign_id
    )
    form = LedgerFilter(USUAL | request.GET.dict(), places=ledger.places(campaign, user, request.GET.get("under", "")))
    found, everything = _found(request, campaign, form)
    paginator = Paginator(found.select_related("unit", "responsible", "fixed_by"), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    sums = ledger.sums(everything, on=today)
    labels = dict(LedgerFilter.SHOW)
    context = {
        "campaign": campaign,
        "form": form,
        "page": page,
        "rows": ledger.lines(page.object_list, on=today),
        "sums": [(show, labels[show], n) for show, n in sums.shown.items()],
        "ages": list(sums.ages.items()),
        "returns": sums.returns,
        "show": form.cleaned_data.get("show") or "unsettled",
        "age": form.cleaned_data.get("age", ""),
        "may_find": bool(sources(campaign)) and access.finds(user),
        "problems": ledger.problems(campaign, user) if access.may_find(user, campaign.host_id) else [],
    }
    return render(request, "findings/ledger.html", context)


@require_safe
def table(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """What the same query shows, as a file for a spreadsheet."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    form = LedgerFilter(USUAL | request.GET.dict(), places=list[Unit]())
    found, _everything = _found(request, campaign, form)
    rows = found.select_related("unit", "responsible", "found_by", "fixed_by", "confirmed_by")
    return csv.answer(f"{campaign} {_('Findings')}", _header(), _rows(rows))


def _found(request: CadreRequest, campaign: Campaign, form: LedgerFilter) -> tuple[Any, Any]:
    """What the filter leaves, in order; and the same of every state and age."""
    today = timezone.localdate()
    form.is_valid()
    asked = form.cleaned_data
    seen = Finding.objects.visible_to(request.user).filter(campaign=campaign)
    everything = ledger.narrowed(seen, asked, on=today)
    found = ledger.of_age(ledger.shown(everything, asked.get("show", ""), on=today), asked.get("age", ""), on=today)
    return ledger.by_need(found, on=today), everything


def _header() -> list[str]:
    return [
        _("No."), _("Unit"), _("What is wanting"), _("Severity"), _("Found by way of"), _("Found on"), _("Found by"),
        _("Responsible"), _("To be put right by"), _("Asked for until"), _("To do now"), _("To change for good"),
        _("State"), _("Put right by"), _("Put right on"), _("Confirmed by"), _("Look again on"),
        _("How often it came back"), _("What they were told"),
    ]  # fmt: skip


def _rows(findings: Any) -> Iterator[list[object]]:
    for one in findings:
        yield [
            one.number, one.unit.short_name, one.what, one.get_severity_display(), one.get_source_display(),
            one.found_on, one.found_by.name, one.responsible.name if one.responsible else "", one.due_on,
            one.asked_until, one.fix_now, one.change_for_good, one.get_state_display(),
            one.fixed_by.name if one.fixed_by else "", timezone.localdate(one.fixed_at) if one.fixed_at else "",
            one.confirmed_by.name if one.confirmed_by else "",
            one.look_back_on, one.came_back, one.answer,
        ]  # fmt: skip
