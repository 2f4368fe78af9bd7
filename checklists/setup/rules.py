"""Step 6: rules, and who decided them."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from checklists.models import Campaign
from checklists.setup import page
from checklists.setup.seen import HeightField, SeenForm
from villages.access import Role
from villages.http import CadreRequest
from villages.models import Cadre, Post

LEADERS = (Role.COUNTY_LEADER, Role.TOWNSHIP_LEADER)


class RulesForm(SeenForm):
    """Where red begins, and what is switched on by whose decision."""

    looked_at_by = HeightField(
        label=_("Claims are checked by"), help_text=_("An item can ask for another height."), required=False
    )

    class Meta:
        model = Campaign
        fields = ["red_percent", "looked_at_by", "gates", "vetoes", "ranking", "last_places", "decided_by"]
        labels = {"red_percent": _("Red from this share overdue (%)")}
        help_texts = {
            "red_percent": _("Of all tasks that apply to a unit. Below it: amber. Nothing overdue or returned: green."),
            "vetoes": _("Which items are a veto is marked in the checklist."),
            "gates": _("Which items are the gate of their phase is marked in the checklist."),
            "ranking": _("Shows townships by their share of points verified. Photos and log-ins count nowhere."),
            "last_places": _("0: nobody is warned."),
            "decided_by": _("A leader of the host unit or above. Needed for veto and ranking; stands on the board."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        host = self.instance.host_id
        above = [host[:length] for length in (2, 4, 6, 9) if length <= len(host)]
        held = Post.objects.filter(unit__in=above, role__in=LEADERS, until__isnull=True)
        leaders: Any = self.fields["decided_by"]
        leaders.queryset = Cadre.objects.filter(posts__in=held, is_active=True).distinct().order_by("name")
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(*self.Meta.fields)

    def clean(self) -> dict[str, Any]:
        """Veto and ranking are a named leader's decision."""
        data = super().clean()
        data["looked_at_by"] = data.get("looked_at_by") or self.before["looked_at_by"]
        if (data.get("vetoes") or data.get("ranking")) and not data.get("decided_by"):
            self.add_error("decided_by", _("Name the leader who decided on veto or ranking."))
        if data.get("last_places") and not data.get("ranking"):
            self.add_error("last_places", _("Last places exist only in a ranking; switch it on, or enter 0."))
        return data


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Shows and saves the switches; the speech's own rules stand beside them, to read."""
    campaign = page.planned(request, campaign_id)
    texts = campaign.template.body.get("rules", []) if campaign.template else []
    if request.method != "POST":
        return page.show(request, campaign, "setup_rules", form=RulesForm(instance=campaign), rules=texts)
    with transaction.atomic():
        held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        form = RulesForm(request.POST, instance=held)
        if form.is_valid():
            form.record(by=request.user, campaign=held)
            return page.saved(request, campaign, "setup_rules")
    return page.show(request, campaign, "setup_rules", form=form, rules=texts, status=422)
