"""Beside step 2: a newer version of the campaign's template, line by line."""

from django.db import IntegrityError
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from checklists import newer as versions
from checklists.models import Campaign, Template
from checklists.setup import page
from villages.http import CadreRequest


@require_http_methods(["GET", "HEAD", "POST"])
def newer(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """What the newer version would change; POST takes over the chosen lines, `done` declines the others."""
    campaign = page.planned(request, campaign_id)
    template = versions.latest(campaign)
    if request.method != "POST" or template is None:
        return _show(request, campaign, template, status=200 if request.method != "POST" else 409)
    chosen = set(request.POST.getlist("line"))
    done = "done" in request.POST
    if not chosen and not done:
        return _show(request, campaign, template, status=422, complaint=_("Choose at least one line."))
    try:
        left = versions.take_over(campaign, template, chosen, done=done, by=request.user)
    except versions.Outdated:
        told = _("Somebody has changed these lines meanwhile; nothing was taken over. This is how they stand now.")
        return _show(request, campaign, template, status=422, complaint=told, chosen=chosen)
    except IntegrityError:
        told = _("This unit already runs a campaign from this template for that day.")
        return _show(request, campaign, template, status=422, complaint=told, chosen=chosen)
    if left:
        said = ngettext("Taken over; %(n)d line is left.", "Taken over; %(n)d lines are left.", len(left))
        return page.saved(request, campaign, "setup_newer", said=said % {"n": len(left)})
    said = _("The campaign now follows version %(number)d of its template.") % {"number": template.version}
    return page.saved(request, campaign, "setup_items", said=said)


def _show(
    request: CadreRequest,
    campaign: Campaign,
    template: Template | None,
    *,
    status: int = 200,
    complaint: str = "",
    chosen: set[str] | None = None,
) -> HttpResponse:
    """The lines, item by item; ticked beforehand are those that nobody here has changed."""
    groups: dict[str, dict[str, list[tuple[versions.Line, bool]]]] = {}
    for line in versions.lines(campaign, template) if template else []:
        ticked = line.key in chosen if chosen is not None else not line.by_hand
        kind = "phase" if line.what.startswith("phase") else line.what
        groups.setdefault(kind, {}).setdefault(f"{line.number} {line.name}", []).append((line, ticked))
    return page.show(
        request,
        campaign,
        "setup_items",
        part="newer",
        status=status,
        version=template,
        groups=[(kind, groups[kind]) for kind in ("add", "strike", "change", "phase") if kind in groups],
        complaint=complaint,
    )
