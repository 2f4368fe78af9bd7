"""Step 6: rules, and who decided them."""

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Fieldset, Layout, Row
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from checklists.days import DayField
from checklists.models import Campaign
from checklists.setup import page
from checklists.setup.seen import HeightField, SeenForm
from villages.access import Role
from villages.http import CadreRequest
from villages.models import Cadre, Post

LEADERS = (Role.COUNTY_LEADER, Role.TOWNSHIP_LEADER)
SWITCHES = ("gates", "vetoes", "ranking")  # each with the day from which it counts: `gates_from` …


def leaders(campaign: Campaign) -> QuerySet[Cadre]:
    """Who can decide that a rule bites, or does not this once: leaders of the host unit or above."""
    host = campaign.host_id
    above = [host[:length] for length in (2, 4, 6, 9) if length <= len(host)]
    held = Post.objects.filter(unit__in=above, role__in=LEADERS, until__isnull=True)
    return Cadre.objects.filter(posts__in=held, is_active=True).distinct().order_by("name")


class RulesForm(SeenForm):
    """Where red begins, and what is switched on by whose decision, from which day on.

    A rule counts from today at the earliest: nobody is held to one that they could not know.
    """

    gates_from = DayField(label=_("gates count from"), required=False)
    vetoes_from = DayField(label=_("vetoes count from"), required=False)
    ranking_from = DayField(label=_("ranking and warning count from"), required=False)
    ladder_from = DayField(label=_("Measures are proposed from"), required=False)

    looked_at_by = HeightField(
        label=_("Claims are checked by"), help_text=_("An item can ask for another height."), required=False
    )

    class Meta:
        model = Campaign
        fields = ["red_percent", "looked_at_by", "gates", "gates_from", "vetoes", "vetoes_from", "ranking",
                  "ranking_from", "last_places", "decided_by", "ladder_from", "ladder_by"]  # fmt: skip
        labels = {"red_percent": _("Red from this share overdue (%)")}
        help_texts = {
            "red_percent": _("Of all tasks that apply to a unit. Below it: amber. Nothing overdue or returned: green."),
            "vetoes": _(
                "Which items are a veto is marked in the checklist. What is behind is proposed; a leader decides "
                "each time."
            ),
            "gates": _("Which items are the gate of their phase is marked in the checklist."),
            "ranking": _("Shows townships by their share of points verified. Photos and log-ins count nowhere."),
            "last_places": _(
                "0: nobody is warned. So many are proposed for a warning, with whoever shares the highest of these "
                "places; a leader decides each time."
            ),
            "decided_by": _(
                "A leader of the host unit or above. Needed for gates, veto and ranking; stands on the board."
            ),
            "ladder_from": _(
                "Empty: nothing is proposed. Named in the bulletin, rated a grade lower, vetoed: the software"
                " proposes, a leader decides, the unit may object."
            ),
            "ladder_by": _("A leader of the host unit or above."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("decided_by", "ladder_by"):
            field: Any = self.fields[name]
            field.queryset = leaders(self.instance)
        for name in (*SWITCHES, "ladder"):
            self.fields[f"{name}_from"].widget.attrs["placeholder"] = timezone.localdate().isoformat()
        self.fields["ladder_by"].label = _("Switched on by")
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            "red_percent",
            "looked_at_by",
            Fieldset(
                _("Gates, veto, ranking"),
                *(
                    Row(Column(name, css_class="col-md-8"), Column(f"{name}_from", css_class="col-md-4"))
                    for name in SWITCHES
                ),
                "last_places",
                "decided_by",
            ),
            Fieldset(
                _("Measures"),
                Row(Column("ladder_from", css_class="col-md-6"), Column("ladder_by", css_class="col-md-6")),
            ),
        )

    def clean(self) -> dict[str, Any]:
        """What bites is a named leader's decision with a day; a rule that is off has none."""
        data = super().clean()
        data["looked_at_by"] = data.get("looked_at_by") or self.before["looked_at_by"]
        today = timezone.localdate()
        if any(data.get(name) for name in SWITCHES) and not data.get("decided_by"):
            self.add_error("decided_by", _("Name the leader who decided on gates, veto or ranking."))
        for name in SWITCHES:
            day = f"{name}_from"
            if not data.get(name):
                data[day] = None
            elif not self.before[name]:  # switched on just now
                data[day] = data.get(day) or today
            self._require_ahead(data, day, today)
        self._require_ahead(data, "ladder_from", today)
        if data.get("ladder_from") and not data.get("ladder_by"):
            self.add_error("ladder_by", _("Name the leader who switched it on."))
        if data.get("ladder_by") and not data.get("ladder_from") and "ladder_from" not in self.errors:
            self.add_error("ladder_from", _("Say from which day on, or name nobody."))
        if data.get("last_places") and not data.get("ranking"):
            self.add_error("last_places", _("Last places exist only in a ranking; switch it on, or enter 0."))
        return data

    def _require_ahead(self, data: dict[str, Any], name: str, today: date) -> None:
        """A day that is set anew is not past; one that stands there already may be."""
        day = data.get(name)
        if day is not None and day != self.before[name] and day < today:
            self.add_error(name, _("A rule counts from today at the earliest."))


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
