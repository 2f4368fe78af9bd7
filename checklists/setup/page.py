"""What every step of the set-up shares: who may, the row of steps, and how a saved form answers."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists import newer, scope
from checklists.models import Campaign
from villages import access
from villages.http import CadreRequest

# Name of the address -> what the step is called.
STEPS = {
    "setup": gettext_lazy("What"),
    "setup_items": gettext_lazy("Checklist"),
    "setup_phases": gettext_lazy("Phases"),
    "setup_units": gettext_lazy("Who takes part"),
    "setup_answers": gettext_lazy("Who answers"),
    "setup_rules": gettext_lazy("Rules"),
    "setup_launch": gettext_lazy("Launch"),
}


def planned(request: CadreRequest, campaign_id: int, *, closed_too: bool = False) -> Campaign:
    """The campaign, for those who may set it up.

    Raises:
        Http404: out of sight.
        PermissionDenied: no admin of the host, or a closed campaign.
    """
    seen = Campaign.objects.visible_to(request.user).select_related("host", "template", "decided_by")
    campaign = get_object_or_404(seen, pk=campaign_id)
    access.require(access.may_run(request.user, campaign.host_id))
    if campaign.is_closed and not closed_too:
        raise PermissionDenied(_("This campaign is closed and keeps its figures; reopen it first."))
    return campaign


def show(
    request: CadreRequest,
    campaign: Campaign,
    step: str,
    *,
    part: str = "",
    status: int = 200,
    made: dict[int, int] | None = None,
    **context: Any,
) -> HttpResponse:
    """One step, or a part of it with a page of its own, under the row of all of them.

    Args:
        made: how many tasks each item would make, by its id, if that is known already (scope.tasks_by_item).
    """
    made = scope.tasks_by_item(campaign) if made is None else made
    names = list(STEPS)
    following = names[names.index(step) + 1] if step != names[-1] else ""
    frame = {
        "campaign": campaign,
        "step": step,
        "steps": [(name, label, reverse(name, args=[campaign.pk])) for name, label in STEPS.items()],
        "next_step": (STEPS[following], reverse(following, args=[campaign.pk])) if following else None,
        "made": made,
        "tasks": sum(made.values()),
        "newer": newer.latest(campaign) if step == "setup_items" and not part else None,
    }
    return render(request, f"setup/{part or step.removeprefix('setup_')}.html", frame | context, status=status)


def saved(request: CadreRequest, campaign: Campaign, step: str, *, at: str = "", said: str = "") -> HttpResponse:
    """Back to the step, to where on its page the change was made (`at`), with a word that it is saved."""
    messages.success(request, said or _("Saved."))
    return redirect(reverse(step, args=[campaign.pk]) + (f"#{at}" if at else ""))
