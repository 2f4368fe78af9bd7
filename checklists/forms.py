"""What people send about a task, checked before anything is written."""

import re
import unicodedata
import uuid
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from checklists.days import DayField
from checklists.models import Campaign, State, Task
from villages.residents import Words

LONGEST_NOTE = 2000
LARGEST_VALUE = Decimal(10) ** 12
PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


def plain_number(raw: str, *, percent: bool = False) -> Decimal | None:
    """A number ≥ 0 with at most four places; None if nothing is written.

    Full-width digits are understood, and a % sign after a percentage.

    Raises:
        ValidationError: saying what is wrong with it.
    """
    raw = unicodedata.normalize("NFKC", raw).strip()
    if not raw:
        return None
    if percent:
        raw = raw.removesuffix("%").strip()
    # Decimal alone would also take 1_000, 1e9 and NaN.
    if not PLAIN_NUMBER.fullmatch(raw):
        raise ValidationError(_("“%(raw)s” is not a number. Write it like 12 or 12.5."), params={"raw": raw[:40]})
    value = Decimal(raw)
    if value < 0:
        raise ValidationError(_("A value cannot be below 0."))
    if percent and value > 100:
        raise ValidationError(_("A percentage cannot be above 100."))
    if value >= LARGEST_VALUE:
        raise ValidationError(_("This number is too large."))
    if value != round(value, 4):
        raise ValidationError(_("Write at most four decimal places."))
    return round(value, 4)


class EventForm(forms.Form):
    """What carries the sender's own number of this entry: 8-4-4-4-12 hexadecimal digits, upper or lower case."""

    event = forms.RegexField(
        r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z",
        error_messages={
            "required": _("The entry's number is missing. Open the page again and repeat."),
            "invalid": _("The entry's number is not valid. Open the page again and repeat."),
        },
    )

    def clean_event(self) -> uuid.UUID:
        """As a UUID; all zeros is what a program sends that has none."""
        event = uuid.UUID(self.cleaned_data["event"])
        if not event.int:
            raise ValidationError(self.fields["event"].error_messages["invalid"])
        return event

    @property
    def complaint(self) -> str:
        """The first thing that is wrong, for a line that has no room for more."""
        for messages in self.errors.values():
            return str(messages[0])
        return ""


class TickForm(EventForm):
    """One change of one task. Field names are relied on by others."""

    state = forms.ChoiceField(
        choices=State.choices,
        error_messages={
            "required": _("Say what to do with the task."),
            "invalid_choice": _("There is no such state: %(value)s"),
        },
    )
    value = forms.CharField(label=_("Value"), required=False, max_length=40)
    as_of = DayField(label=_("As of"), required=False)
    note = Words(
        label=_("Note"),
        required=False,
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"max_length": _("A note has at most %(limit_value)d characters; this one has %(show_value)d.")},
    )
    seen = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)

    def __init__(self, *args: Any, task: Task, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.task = task

    def clean_value(self) -> Decimal | None:
        """A plain number."""
        return plain_number(self.cleaned_data["value"], percent=self.task.item.is_percentage)

    def clean_as_of(self) -> date | None:
        """Not in the future and not before the campaign began; without a value it says nothing."""
        day: date | None = self.cleaned_data["as_of"]
        if day is None or self.cleaned_data.get("value") is None:
            return None
        if day > timezone.localdate():
            raise ValidationError(_("This day has not come yet."))
        if day < self.task.campaign.starts_on:
            raise ValidationError(_("This lies before the campaign's first day."))
        return day


class MoreTimeForm(EventForm):
    """More time for one task: asked for, or given."""

    until = DayField(label=_("Until"), error_messages={"required": _("Say until when.")})
    note = Words(
        label=_("Reason"),
        max_length=400,
        error_messages={
            "required": _("Give a reason: it stays in the history."),
            "max_length": _("A reason has at most %(limit_value)d characters; this one has %(show_value)d."),
        },
    )
    seen = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class AnswerForm(EventForm):
    """Yes or no to a request for more time."""

    granted = forms.TypedChoiceField(
        choices=[("yes", _("Yes")), ("no", _("No"))],
        coerce=lambda said: said == "yes",
        error_messages={"required": _("Say yes or no."), "invalid_choice": _("Say yes or no.")},
    )
    note = Words(
        label=_("Reason"),
        max_length=400,
        required=False,
        error_messages={
            "max_length": _("A reason has at most %(limit_value)d characters; this one has %(show_value)d.")
        },
    )


def _words(name: Any, longest: int, missing: Any) -> forms.CharField:
    return Words(
        label=name,
        max_length=longest,
        error_messages={
            "required": missing,
            "max_length": _("Write at most %(limit_value)d characters; these are %(show_value)d."),
        },
    )


class HelpForm(EventForm):
    """A call for help with one task."""

    obstacle = _words(_("What is in the way"), 400, _("Say what is in the way."))
    need = _words(_("What is needed"), 400, _("Say what you need."))
    reply_by = DayField(label=_("Answer needed by"), error_messages={"required": _("Say by when you need an answer.")})


class HelpAnswerForm(EventForm):
    """The answer to a call for help."""

    answer = _words(_("Answer"), 400, _("Write an answer: it stays in the history."))


class ChaseForm(EventForm):
    """Why a unit is chased."""

    reason = _words(_("Reason"), 200, _("Give a reason: it stays in the history."))


class TaskFilter(forms.Form):
    """Which tasks of a list to show."""

    SHOW = [
        ("owed", _("Still owed")),
        ("check", _("Waiting for my check")),
        ("overdue", _("Overdue")),
        ("help", _("Calls for help unanswered")),
        ("gate", _("Gate items still owed")),
        ("veto", _("Veto items still owed")),
        ("done", _("Claimed, not yet verified")),
        ("verified", _("Verified")),
        ("returned", _("Returned")),
        ("waived", _("Waived")),
        ("drawn", _("Drawn and looked at")),
        ("unfounded", _("Drawn, did not hold")),
        ("all", _("All")),
    ]
    campaign = forms.TypedChoiceField(label=_("Campaign"), coerce=int, empty_value=None, required=False)
    show = forms.ChoiceField(label=_("Show"), choices=SHOW, required=False)
    under = forms.RegexField(r"^(?:0|[0-9DS]{2,20})$", required=False, widget=forms.HiddenInput)
    section = forms.CharField(max_length=60, required=False, widget=forms.HiddenInput)
    kind = forms.CharField(max_length=20, required=False, widget=forms.HiddenInput)
    responsible = forms.CharField(max_length=120, required=False, widget=forms.HiddenInput)
    due_from = forms.DateField(required=False, widget=forms.HiddenInput)
    due_until = forms.DateField(required=False, widget=forms.HiddenInput)
    phase = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    beside = forms.RegexField(r"^(?:0|[0-9]{2,12})$", required=False, widget=forms.HiddenInput)
    q = forms.CharField(label=_("Search"), max_length=60, required=False)

    def __init__(self, *args: Any, campaigns: Iterable[Campaign] = (), **kwargs: Any) -> None:
        """`campaigns`: those to choose from; none where the page is about one of them."""
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["campaign"]
        choices.choices = [("", _("All campaigns")), *((str(campaign.pk), str(campaign)) for campaign in campaigns)]
        for name in ("campaign", "show"):
            self.fields[name].widget.attrs["class"] = "form-select"
        self.fields["q"].widget.attrs |= {"class": "form-control", "type": "search"}
