"""A new draft: from a speech, from a template of one's own, from nothing, or as a copy of an old campaign."""

from datetime import date, timedelta
from typing import Any, cast

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Column, Layout, Row, Submit
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count, F, Func, IntegerField, Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from checklists import copying, launch
from checklists.days import DayField, within_ten_years
from checklists.models import Campaign, Template
from checklists.models.campaign import in_language
from checklists.setup.templates import LEVELS
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Kind, Unit
from villages.residents import Words

# Old campaigns that can be chosen; an older one is copied from its own page.
COPIES_SHOWN = 50
FURTHEST = timedelta(days=3660)


def templates_for(user: access.Person) -> list[Any]:
    """The newest version of each template, with what is told of it, but without its text."""
    length = {
        part: Func(KeyTransform(part, "body"), function="jsonb_array_length", output_field=IntegerField())
        for part in ("items", "phases")
    }
    told = {name: KeyTextTransform(name, "body") for name in ("level", "occasion", "occasion_en")}
    found = Template.objects.visible_to(user).newest().select_related("owner").defer("body")
    return list(found.annotate(**length, **told).order_by(F("owner").asc(nulls_first=True), "title"))


def campaigns_for(user: access.Person, asked: str) -> list[Any]:
    """Campaigns that the user runs, the latest inspections first; the one that is asked for in any case."""
    mine = Campaign.objects.filter(access.reached("host__code", user, access.Action.RUN)).select_related("host")
    told = mine.annotate(
        n=Count("items", filter=Q(items__struck=False), distinct=True), stages=Count("phases", distinct=True)
    )
    found = list(told.order_by("-inspects_on", "-pk")[:COPIES_SHOWN])
    number = asked.removeprefix("copy-")
    if asked.startswith("copy-") and number.isascii() and number.isdecimal() and len(number) < 10:
        found += [one for one in told.filter(pk=int(number)) if one not in found]
    return found


class NewCampaignForm(forms.Form):
    """From what, for whom, and the inspection day or window."""

    template = forms.ChoiceField(label=gettext_lazy("Start from"), required=False)
    host = forms.ModelChoiceField(Unit.objects.none(), label=gettext_lazy("Run by"), empty_label=None)
    title = Words(
        label=pgettext_lazy("campaign", "Title"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("Leave empty to take the template's."),
    )
    inspects_on = DayField(label=gettext_lazy("Inspection day"), validators=[within_ten_years])
    inspects_until = DayField(
        label=gettext_lazy("or any day until"),
        required=False,
        help_text=gettext_lazy("Leave empty if the day is known."),
        validators=[within_ten_years],
    )

    def __init__(self, *args: Any, user: access.Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = str((self.data if self.is_bound else self.initial).get("template", ""))
        self.templates = templates_for(user)
        self.campaigns = campaigns_for(user, asked)
        self.sources = {str(one.pk): one for one in self.templates} | {f"copy-{one.pk}": one for one in self.campaigns}
        self.chosen = self.sources.get(asked)
        choice = cast(forms.ChoiceField, self.fields["template"])
        choice.choices = self._choices()
        # The words about the chosen one come along; without JavaScript each has its page in the list below.
        choice.widget.attrs = {
            "hx-get": reverse("new_campaign"),
            "hx-target": "#chosen",
            "hx-swap": "outerHTML",
        }
        hosts: Any = self.fields["host"]
        hosts.queryset = Unit.objects.filter(access.runs_for(user)).filter(
            kind__in=[Kind.TOWNSHIP, Kind.COUNTY, Kind.CITY, Kind.PROVINCE]
        )
        self.helper = FormHelper()
        self.helper.form_action = "create_campaign"
        self.helper.layout = Layout(
            "template",
            HTML('{% include "setup/_chosen.html" %}'),
            Row(Column("host"), Column("title")),
            Row(Column("inspects_on"), Column("inspects_until")),
            Submit("go", _("Set up")),
        )

    def by_level(self) -> list[tuple[str, list[Any]]]:
        """Speeches by the level of their host, then one's own."""
        groups = [
            (str(name), [one for one in self.templates if one.owner_id is None and one.level == level])
            for level, name in LEVELS.items()
        ]
        known = {one.pk for _level, members in groups for one in members}
        groups.append((_("Other templates"), [t for t in self.templates if t.owner_id is None and t.pk not in known]))
        groups.append((_("Own templates"), [one for one in self.templates if one.owner_id is not None]))
        return [(name, members) for name, members in groups if members]

    def _choices(self) -> list[tuple[str, Any]]:
        groups: list[tuple[str, Any]] = [("", _("Empty: I write the items myself"))]
        for name, members in self.by_level():
            groups.append((name, [(str(one.pk), _called(one)) for one in members]))
        if self.campaigns:
            old = [(f"copy-{one.pk}", f"{one} · {one.host.name} · {one.inspects_on}") for one in self.campaigns]
            groups.append((_("Copy of an old campaign"), old))
        return groups

    def about(self) -> dict[str, Any] | None:
        """The chosen one in a few words."""
        match self.chosen:
            case Template():
                one: Any = self.chosen
                occasion = in_language(one.occasion or "", one.occasion_en or "")
                return {"template": one, "occasion": occasion, "items": one.items, "phases": one.phases}
            case Campaign():
                old: Any = self.chosen
                return {"campaign": old, "items": old.n, "phases": old.stages}
        return None

    def clean_inspects_on(self) -> date:
        """Neither in the past nor so far off that it is a slip of the pen."""
        day: date = self.cleaned_data["inspects_on"]
        if day < timezone.localdate():
            raise ValidationError(_("The inspection day is already past."))
        if day > timezone.localdate() + FURTHEST:
            raise ValidationError(_("The inspection day is more than ten years off; check the year."))
        return day

    def clean(self) -> dict[str, Any]:
        """A window ends after it begins, and within sight."""
        data = super().clean() or {}
        first, last = data.get("inspects_on"), data.get("inspects_until")
        if first and last and last < first:
            self.add_error("inspects_until", _("The window ends before it begins."))
        if last and last > timezone.localdate() + FURTHEST:
            self.add_error("inspects_until", _("The inspection day is more than ten years off; check the year."))
        return data

    def draft(self, *, by: Cadre) -> Campaign:
        """Makes it.

        Raises:
            CannotLaunch: there is such a campaign already.
        """
        given = {name: value for name, value in self.cleaned_data.items() if name != "template"}
        today = timezone.localdate()
        if isinstance(self.chosen, Campaign):
            return copying.copy(self.chosen, **given, on=today, by=by)
        return launch.draft(self.chosen, **given, on=today, by=by)


def _called(template: Template) -> str:
    return f"{template} · {template.owner.name}" if template.owner else str(template)


@require_safe
def new(request: CadreRequest) -> HttpResponse:
    """Choose what to start from, the unit that runs the campaign, and the inspection day; htmx gets the choice only."""
    access.require(access.may_run_some(request.user))
    form = NewCampaignForm(user=request.user, initial={"template": request.GET.get("template", "")})
    return render(request, "setup/_chosen.html" if request.htmx else "setup/new.html", {"form": form})


@require_POST
def create(request: CadreRequest) -> HttpResponse:
    """Makes the draft."""
    access.require(access.may_run_some(request.user))
    form = NewCampaignForm(request.POST, user=request.user)
    if not form.is_valid():
        return render(request, "setup/new.html", {"form": form}, status=422)
    try:
        campaign = form.draft(by=request.user)
    except launch.CannotLaunch as error:
        form.add_error(None, str(error))
        return render(request, "setup/new.html", {"form": form}, status=422)
    return redirect("setup", campaign.pk)
