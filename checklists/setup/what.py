"""Step 1: what it is called, who inspects, and when."""

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from checklists import launch
from checklists.days import DayField, within_ten_years
from checklists.models import Campaign, Change
from checklists.setup import page
from checklists.setup.seen import SeenForm
from villages.http import CadreRequest


class WhatForm(SeenForm):
    """Title, inspecting level, inspection day or window."""

    inspects_on = DayField(
        label=_("Inspection day"), help_text=_("Phases and deadlines move along."), validators=[within_ten_years]
    )
    inspects_until = DayField(
        label=_("or any day until"),
        required=False,
        help_text=_("Leave empty if the day is known."),
        validators=[within_ten_years],
    )

    class Meta:
        model = Campaign
        fields = ["title", "title_en", "inspected_by", "inspects_on", "inspects_until"]
        labels = {"title_en": _("Title in English")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            Row(Column("title"), Column("title_en")),
            Row(Column("inspected_by"), Column("inspects_on"), Column("inspects_until")),
        )

    def clean_inspects_on(self) -> date:
        """Not before the campaign begins."""
        day: date = self.cleaned_data["inspects_on"]
        if day < self.instance.starts_on:
            raise ValidationError(_("The inspection day lies before the campaign's first day."))
        return day

    def clean(self) -> dict[str, Any]:
        """A window ends after it begins."""
        data = super().clean()
        first, last = data.get("inspects_on"), data.get("inspects_until")
        if first and last and last < first:
            self.add_error("inspects_until", _("The window ends before it begins."))
        return data


@require_http_methods(["GET", "HEAD", "POST"])
def what(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Shows and saves what it is called and when the inspection is; deadlines move along."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return page.show(request, campaign, "setup", form=WhatForm(instance=campaign))
    try:
        with transaction.atomic():
            held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
            form = WhatForm(request.POST, instance=held)
            if not form.is_valid():
                return page.show(request, campaign, "setup", form=form, status=422)
            moved = "inspects_on" in form.changes()
            form.record(by=request.user, campaign=held, what=Change.What.MOVED if moved else Change.What.EDITED)
            if moved:
                launch.move_deadlines(held, by=held.inspects_on - form.before["inspects_on"])
    except IntegrityError:
        form.add_error("inspects_on", _("This unit already runs a campaign from this template for that day."))
        return page.show(request, campaign, "setup", form=form, status=422)
    return page.saved(request, campaign, "setup")
