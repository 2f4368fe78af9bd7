"""What an admin enters while setting up a campaign."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row, Submit
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from checklists.models import Campaign, Item, Phase, Template
from villages import access
from villages.models import Kind, Unit

OWING_KINDS = [(kind.value, kind.label) for kind in Kind if kind is not Kind.PROVINCE]


class DayField(forms.DateField):
    """A date, as the browser's own calendar sends it or as people write it: 2026-5-13, 2026.5.13, 2026年5月13日."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y年%m月%d日"], **kwargs)
        self.error_messages["invalid"] = _("This is no full date of the calendar; write it like 2026-12-31.")


class NewCampaignForm(forms.Form):
    """Which speech, for whom, and the inspection day."""

    template = forms.ModelChoiceField(
        Template.objects.all(), label=_("Speech"), required=False, empty_label=_("Empty: I write the items myself")
    )
    host = forms.ModelChoiceField(Unit.objects.none(), label=_("Run by"), empty_label=None)
    title = forms.CharField(
        label=_("Title"), max_length=120, required=False, help_text=_("Leave empty to take the speech's.")
    )
    inspects_on = DayField(label=_("Inspection day"))

    def __init__(self, *args: Any, user: access.Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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


class WhatForm(forms.ModelForm):  # type: ignore[type-arg]
    """Title, inspection day, and where red begins."""

    inspects_on = DayField(label=_("Inspection day"), help_text=_("Phases and deadlines move along."))

    class Meta:
        model = Campaign
        fields = ["title", "title_en", "inspects_on", "red_percent"]
        labels = {"title_en": _("Title in English"), "red_percent": _("Red from this share overdue (%)")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            Row(Column("title"), Column("title_en")), Row(Column("inspects_on"), Column("red_percent"))
        )

    def clean_inspects_on(self) -> Any:
        """Not before the campaign begins."""
        day = self.cleaned_data["inspects_on"]
        if day < self.instance.starts_on:
            raise ValidationError(_("The inspection day lies before the campaign's first day."))
        return day


class ItemForm(forms.ModelForm):  # type: ignore[type-arg]
    """One line of the checklist."""

    owed_by = forms.MultipleChoiceField(
        label=_("Owed by"), choices=OWING_KINDS, widget=forms.CheckboxSelectMultiple(), error_messages={
            "required": _("Say which kind of unit owes this item.")
        },
    )  # fmt: skip
    due_on = DayField(label=_("Due on"))

    class Meta:
        model = Item
        fields = ["title", "standard", "section", "owed_by", "due_on", "points", "struck"]
        labels = {"struck": _("Strike this item"), "section": _("Section")}
        widgets = {"standard": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs["prefix"] = f"item-{kwargs['instance'].pk}" if kwargs.get("instance") else "item-new"
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            "title",
            "standard",
            Row(Column("section"), Column("due_on"), Column("points")),
            "owed_by",
            *(["struck"] if self.instance.pk else []),
        )
        if not self.instance.pk:
            del self.fields["struck"]
            self.fields["due_on"].initial = campaign.inspects_on

    def clean_due_on(self) -> Any:
        """Between the campaign's first day and the inspection, or the end of its last phase."""
        day = self.cleaned_data["due_on"]
        last = max([self.campaign.inspects_on, *self.campaign.phases.values_list("ends_on", flat=True)])
        if day < self.campaign.starts_on:
            raise ValidationError(_("This lies before the campaign's first day."))
        if day > last:
            raise ValidationError(_("This lies after the inspection."))
        return day


class PhaseForm(forms.ModelForm):  # type: ignore[type-arg]
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
        data = super().clean() or {}
        if data.get("starts_on") and data.get("ends_on") and data["ends_on"] < data["starts_on"]:
            self.add_error("ends_on", _("A phase ends on or after its first day."))
        return data


class ScopeForm(forms.Form):
    """A unit that takes no part, or takes part again."""

    code = forms.RegexField(r"^[0-9DS]{2,20}$", label=_("Unit"))
    takes_part = forms.BooleanField(required=False)
