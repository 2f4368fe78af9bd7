"""Step 4: who takes part."""

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from checklists import scope
from checklists.models import Campaign, Change
from checklists.setup import page
from villages.http import CadreRequest
from villages.models import Kind, Unit


class ScopeForm(forms.Form):
    """A unit that takes no part, or takes part again."""

    code = forms.RegexField(r"^[0-9DS]{2,20}$", label=_("Unit"))
    takes_part = forms.BooleanField(required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def units(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Units of the host; POST takes one, with all below it, out of the campaign or back in."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return _tree(request, campaign)
    form = ScopeForm(request.POST)
    below = Unit.objects.visible_to(request.user).under(campaign.host_id)
    unit = get_object_or_404(below, pk=form.cleaned_data["code"] if form.is_valid() else "")
    takes_part = form.cleaned_data["takes_part"]
    if campaign.excluded.filter(pk=unit.pk).exists() is takes_part:
        (campaign.excluded.remove if takes_part else campaign.excluded.add)(unit)
        words = [str(_("takes no part")), str(_("takes part"))]
        Change.objects.create(
            campaign=campaign,
            by=request.user,
            what=Change.What.EDITED,
            unit=unit,
            fields={"excluded": words if takes_part else words[::-1]},
        )
    return page.saved(request, campaign, "setup_units", at="units")


def _tree(request: CadreRequest, campaign: Campaign) -> HttpResponse:
    by_kind = scope.units_by_kind(campaign)
    wanted = request.GET.get("q", "").replace("\0", "").strip()[:60]
    below = Unit.objects.visible_to(request.user).under(campaign.host_id).exclude(pk=campaign.host_id)
    return page.show(
        request,
        campaign,
        "setup_units",
        excluded=campaign.excluded.order_by("code"),
        q=wanted,
        found=below.named(wanted).order_by("code")[:20] if wanted else below.filter(kind=Kind.TOWNSHIP)[:200],
        by_kind=[(Kind(kind).label, n) for kind, n in sorted(by_kind.items())],
        units=sum(by_kind.values()),
    )
