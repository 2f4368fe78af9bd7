"""How a campaign reminds: how long before, how often after, whom, who hears of it next, and at what time."""

from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from checklists.models import Campaign, Change, Responsibility
from checklists.setup import page
from checklists.setup.seen import SeenForm
from readiness.models import Rules
from readiness.reminders import outbox
from readiness.reminders.calendars import on_or_after
from villages.http import CadreRequest

DAYS_BEFORE = (14, 7, 5, 3, 2, 1, 0)
LONGEST = 30  # working days
EARLIEST, LATEST = time(6), time(20)
WHOM = ("first", "direct", "linked")
ON_WORKDAYS = range(5)
LOOKED_AHEAD = 5  # working days


def in_days(days: int) -> str:
    """How far ahead of its deadline a task is announced."""
    return ngettext("%(n)d day ahead", "%(n)d days ahead", days) % {"n": days} if days else _("on the day itself")


class Days(forms.TypedMultipleChoiceField):
    """Numbers of days, out of a few."""

    def to_python(self, value: Any) -> list[Any]:
        """As numbers already, to be compared with what is kept."""
        try:
            return [int(one) for one in super().to_python(value)]
        except ValueError as wrong:
            raise ValidationError(_("Choose among the days in the list.")) from wrong


class Steps(forms.Field):
    """Three numbers of working days, rising; or none."""

    # Its page writes the three boxes out.
    widget = forms.MultipleHiddenInput
    hidden_widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[int]:
        """Without the boxes left empty."""
        found = []
        for one in value or []:
            written = str(one).strip()
            if not written:
                continue
            if not (written.isascii() and written.isdigit() and len(written) < 4):
                raise ValidationError(_("“%(written)s” is not a number of days."), params={"written": written[:20]})
            found.append(int(written))
        return found

    def clean(self, value: Any) -> list[int]:
        """Three that rise, or none at all."""
        steps = self.to_python(value)
        if steps and len(steps) != len(Responsibility.Kind.values) - 1:
            raise ValidationError(_("Fill in all three steps, or leave all three empty: then nobody further is told."))
        if any(not 1 <= step <= LONGEST for step in steps):
            raise ValidationError(_("Each step lies between 1 and %(most)d working days.") % {"most": LONGEST})
        if any(later <= step for step, later in pairwise(steps)):
            raise ValidationError(_("Each step comes later than the one before, such as 1, 3, 5."))
        return steps


class RulesForm(SeenForm):
    """The rules of one campaign. None of them can be finer than a day: nobody is sent more than one digest a day."""

    days_before = Days(
        label=gettext_lazy("Before the deadline"),
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": gettext_lazy("Choose among the days in the list.")},
    )
    overdue_every = forms.IntegerField(
        label=gettext_lazy("Once overdue, every so many working days"),
        min_value=1,
        max_value=LONGEST,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            gettext_lazy("Write a whole number of working days from 1 to 30; more than once a day is not possible."),
        ),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Who is reminded"),
        choices=[(kind.value, kind.label) for kind in Responsibility.Kind if kind in WHOM],
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": gettext_lazy("Choose at least one; else nobody is reminded."),
            "invalid_choice": gettext_lazy("Choose among the people in the list."),
        },
    )
    steps = Steps(label=gettext_lazy("When it stays overdue, tell the next one up"), required=False)
    weekly_on = forms.IntegerField(
        label=gettext_lazy("The week in one message to the leaders"),
        required=False,
        min_value=0,
        max_value=4,
        widget=forms.Select(
            choices=[("", gettext_lazy("none")), *((day, WEEKDAYS[day]) for day in ON_WORKDAYS)],
            attrs={"class": "form-select"},
        ),
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), gettext_lazy("Choose a day from Monday to Friday, or none.")
        ),
    )
    at = forms.TimeField(
        label=gettext_lazy("The day's message goes out at"),
        widget=forms.TimeInput(attrs={"type": "time", "class": "form-control"}, format="%H:%M"),
        error_messages=dict.fromkeys(("required", "invalid"), gettext_lazy("Write a time such as 08:00.")),
    )

    class Meta:
        model = Rules
        fields = ["days_before", "overdue_every", "kinds", "steps", "weekly_on", "at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days: Any = self.fields["days_before"]
        days.choices = [(day, in_days(day)) for day in DAYS_BEFORE]
        self.fields["at"].widget.attrs |= {"min": f"{EARLIEST:%H:%M}", "max": f"{LATEST:%H:%M}"}

    def clean_at(self) -> time:
        """In the waking hours, so that nobody's phone rings at night."""
        at: time = self.cleaned_data["at"]
        if not EARLIEST <= at <= LATEST:
            raise ValidationError(_("Between 06:00 and 20:00, please: at other times people rest."))
        return at.replace(second=0, microsecond=0)

    def readable(self, name: str, value: Any) -> str:
        """As the page says it."""
        match name:
            case "days_before":
                return "、".join(in_days(day) for day in value) or _("none")
            case "kinds":
                return "、".join(str(Responsibility.Kind(kind).label) for kind in value)
            case "steps":
                return "、".join(map(str, value)) or _("none")
            case "weekly_on":
                return _("none") if value is None else str(WEEKDAYS[value])
            case "at":
                return f"{value:%H:%M}"
        return str(value)

    @property
    def seen_before(self) -> str:
        """What stood in the fields beside which nothing puts it: lists of boxes, and the three steps."""
        return format_html("{}{}", self.seen, self["steps"].as_hidden(only_initial=True))

    @property
    def boxes(self) -> list[tuple[str, Any]]:
        """The three steps as they are written: who is told, after how many working days."""
        written = list(self["steps"].value() or [])
        kinds = [kind.label for kind in Responsibility.Kind if kind != Responsibility.Kind.FIRST]
        return [(str(kind), written[at] if at < len(written) else "") for at, kind in enumerate(kinds)]


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Shows and saves how the campaign reminds."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return _page(request, campaign, RulesForm(instance=_kept(campaign)))
    with transaction.atomic():
        held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        form = RulesForm(request.POST, instance=_kept(held))
        if form.is_valid():
            form.record(by=request.user, campaign=held)
            messages.success(request, _("Saved."))
            return redirect("reminder_rules", campaign.pk)
    return _page(request, campaign, form, status=422)


def _kept(campaign: Campaign) -> Rules:
    """The campaign's rules; the usual ones, not saved yet, where it has none of its own."""
    return Rules.objects.filter(campaign=campaign).first() or Rules(campaign=campaign)


def coming(campaign: Campaign, now: datetime) -> str:
    """When the campaign next reminds how many cadres, in a sentence. Plans up to a week, as things stand."""
    rule, local = _kept(campaign), timezone.localtime(now)
    day = local.date() if local.time() < rule.at else local.date() + timedelta(days=1)
    for _turn in range(LOOKED_AHEAD):
        day = on_or_after(day)
        at = datetime.combine(day, rule.at, local.tzinfo)
        told = {one.cadre for one in outbox.planned(day, at) if one.cadre and campaign.pk in one.about}
        if told:
            people = ngettext("about %(n)d cadre", "about %(n)d cadres", len(told)) % {"n": len(told)}
            when = date_format(day, "MONTH_DAY_FORMAT")
            return _("Next reminder: %(day)s %(time)s, %(people)s.") % {
                "day": when,
                "time": f"{rule.at:%H:%M}",
                "people": people,
            }
        day += timedelta(days=1)
    return _("Nobody is to be reminded on the next %(n)d working days, as things stand.") % {"n": LOOKED_AHEAD}


def _page(request: CadreRequest, campaign: Campaign, form: RulesForm, *, status: int = 200) -> HttpResponse:
    changed = Change.objects.filter(campaign=campaign, fields__has_any_keys=RulesForm.Meta.fields)
    context = {
        "campaign": campaign,
        "form": form,
        "changes": changed.select_related("by")[:20],
        "coming": coming(campaign, timezone.now()) if "next" in request.GET and campaign.is_running else "",
    }
    return render(request, "reminders/rules.html", context, status=status)
