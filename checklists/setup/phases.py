"""Step 3: phases and deadlines."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from checklists.models import Campaign, Phase
from checklists.setup import page
from checklists.setup.days import DayField
from checklists.setup.seen import SeenForm
from villages.http import CadreRequest


class PhaseForm(SeenForm):
    """When a phase begins and ends."""

    starts_on = DayField(label=_("from"))
    ends_on = DayField(label=_("to"))

    class Meta:
        model = Phase
        fields = ["starts_on", "ends_on"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["prefix"] = f"phase-{kwargs['instance'].pk}"
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """The end is not before the beginning."""
        data = super().clean()
        if data.get("starts_on") and data.get("ends_on") and data["ends_on"] < data["starts_on"]:
            self.add_error("ends_on", _("A phase ends on or after its first day."))
        return data


@require_safe
def phases(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """All phases with their dates."""
    return _list(request, page.planned(request, campaign_id))


@require_POST
def phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Moves the dates of one phase."""
    campaign = page.planned(request, campaign_id)
    with transaction.atomic():
        found = get_object_or_404(campaign.phases.select_for_update(no_key=True), pk=phase_id)
        form = PhaseForm(request.POST, instance=found)
        if form.is_valid():
            form.record(by=request.user, campaign=campaign)
            return page.saved(request, campaign, "setup_phases", at=f"phase-{found.pk}")
    return _list(request, campaign, wrong=form)


def _list(request: CadreRequest, campaign: Campaign, *, wrong: PhaseForm | None = None) -> HttpResponse:
    forms = [
        wrong if wrong and wrong.instance == found else PhaseForm(instance=found) for found in campaign.phases.all()
    ]
    return page.show(request, campaign, "setup_phases", status=422 if wrong else 200, phases=forms)
