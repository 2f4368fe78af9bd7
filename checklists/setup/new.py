"""A new draft: from a speech, from nothing, or from an old campaign."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row, Submit
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from checklists import launch
from checklists.models import Template
from checklists.setup.days import DayField
from villages import access
from villages.http import CadreRequest
from villages.models import Kind, Unit


class NewCampaignForm(forms.Form):
    """Which speech, for whom, and the inspection day."""

    template = forms.ModelChoiceField(
        Template.objects.none(), label=_("Speech"), required=False, empty_label=_("Empty: I write the items myself")
    )
    host = forms.ModelChoiceField(Unit.objects.none(), label=_("Run by"), empty_label=None)
    title = forms.CharField(
        label=_("Title"), max_length=120, required=False, help_text=_("Leave empty to take the speech's.")
    )
    inspects_on = DayField(label=_("Inspection day"))

    def __init__(self, *args: Any, user: access.Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        templates: Any = self.fields["template"]
        templates.queryset = Template.objects.visible_to(user).newest()
        hosts: Any = self.fields["host"]
        hosts.queryset = Unit.objects.filter(access.runs_for(user)).filter(
            kind__in=[Kind.TOWNSHIP, Kind.COUNTY, Kind.CITY, Kind.PROVINCE]
        )
        self.helper = FormHelper()
        self.helper.form_action = "create_campaign"
        self.helper.layout = Layout(
            "template", "host", Row(Column("title"), Column("inspects_on")), Submit("go", _("Set up"))
        )

    def clean_inspects_on(self) -> Any:
        """Not in the past."""
        day = self.cleaned_data["inspects_on"]
        if day < timezone.localdate():
            raise ValidationError(_("The inspection day is already past."))
        return day


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
