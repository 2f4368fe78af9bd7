"""What people send about findings, checked before anything is written."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from checklists.days import DayField, within_ten_years
from checklists.findings import usual_due
from checklists.findings.ledger import AGES
from checklists.findings.verbs import NEEDS_REASON, look_back_on
from checklists.forms import EventForm
from checklists.models import Finding, FindingEvent, Task
from villages.models import Cadre, Unit
from villages.residents import Words

LONGEST = 1000
What = FindingEvent.What
NO_NAMES = _("No residents' names, families or health: the place and the matter are enough.")


def _text(label: Any, missing: Any = "", *, longest: int = LONGEST, rows: int = 2) -> Any:
    """Words of several lines; without `missing` they may be left out."""
    return Words(
        label=label,
        max_length=longest,
        required=bool(missing),
        widget=forms.Textarea(attrs={"rows": rows, "class": "form-control"}),
        error_messages={
            "required": missing,
            "max_length": _("Write at most %(limit_value)d characters; these are %(show_value)d."),
        },
    )


def _day(label: Any, missing: Any = "", **kwargs: Any) -> Any:
    return DayField(
        label=label,
        required=bool(missing),
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d"),
        error_messages={"required": missing},
        **kwargs,
    )


SAY_UNTIL = _("Say until when.")


class VerbForm(EventForm):
    """One thing done to a finding. `title`: as its button says."""

    title: "str | Promise" = ""
    is_main = False  # the next step that a finding waits for
    beside = ""  # what to know before it is sent
    seen = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, finding: Finding, takers: Iterable[Cadre] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"auto_id": f"{self.verb}-%s"})
        self.finding = finding
        self.start(takers)

    verb: str = ""

    def start(self, takers: Iterable[Cadre]) -> None:
        """What the fields begin with."""

    @property
    def shown(self) -> list[Any]:
        """The fields that people fill in."""
        return [self[name] for name in self.fields if name not in ("event", "seen", "step")]


def _noted(name: What, said: Any, label: Any, missing: Any, *, waited_for: bool = False) -> type[VerbForm]:
    """A form of words alone."""

    class NotedForm(VerbForm):
        verb, title, is_main = name.value, said, waited_for
        note = _text(label, missing if name in NEEDS_REASON else "")

    return NotedForm


GIVE_REASON = _("Give a reason: it stays in the history.")
REASON = _("Reason")


class PlanForm(VerbForm):
    """What to do now, what to change for good, and one more step."""

    verb, title = What.PLANNED.value, _("Save the plan")
    fix_now = _text(_("To do now"))
    change_for_good = _text(_("To change for good"))
    new_step = Words(
        label=_("One more step"),
        max_length=400,
        required=False,
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )
    until = _day(_("This step is done by"))

    def start(self, takers: Iterable[Cadre]) -> None:
        self.initial.update(fix_now=self.finding.fix_now, change_for_good=self.finding.change_for_good)


class StepForm(VerbForm):
    """A step is done."""

    verb, title = What.STEPPED.value, pgettext_lazy("finding", "Done")
    step = forms.IntegerField(min_value=1, max_value=2**63 - 1)


class ConfirmForm(VerbForm):
    """It is so: closed, to be looked at again."""

    verb, title = What.CONFIRMED.value, _("I looked: it is put right. Close it")
    is_main = True
    note = _text(_("What I saw"))
    until = _day(_("Look again on"), _("Say when it is looked at again."))

    def start(self, takers: Iterable[Cadre]) -> None:
        self.initial["until"] = look_back_on(self.finding, timezone.localdate())


class SendBackForm(VerbForm):
    """It is not so."""

    verb, title = What.SENT_BACK.value, _("Not so: send it back")
    note = _text(_("What is still wanting"), GIVE_REASON)
    until = _day(_("New deadline, if it is moved"))


class ReopenForm(VerbForm):
    """It has come back."""

    verb, title = What.REOPENED.value, _("It came back: reopen it")
    note = _text(_("What is wanting again"), GIVE_REASON)
    until = _day(_("To be put right by"), SAY_UNTIL)

    def start(self, takers: Iterable[Cadre]) -> None:
        self.initial["until"] = usual_due(self.finding.severity, timezone.localdate())


class AskTimeForm(VerbForm):
    """The doing side needs longer."""

    verb, title = What.ASKED_TIME.value, _("Ask for more time")
    until = _day(_("Until"), SAY_UNTIL)
    note = _text(REASON, GIVE_REASON)


class GiveTimeForm(VerbForm):
    """Asked or unasked."""

    verb, title = What.GAVE_TIME.value, _("Give more time")
    until = _day(_("Until"), SAY_UNTIL)
    note = _text(REASON)

    def start(self, takers: Iterable[Cadre]) -> None:
        self.initial["until"] = self.finding.asked_until


class HandOverForm(VerbForm):
    """To somebody else who holds a post here."""

    verb, title = What.HANDED_OVER.value, _("Hand over")
    to = forms.ModelChoiceField(
        Cadre.objects.none(),
        label=_("To whom"),
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={
            "required": _("Say who takes it over."),
            "invalid_choice": _("Choose among the people listed."),
        },
    )
    note = _text(REASON, GIVE_REASON)

    def start(self, takers: Iterable[Cadre]) -> None:
        people = [one for one in takers if one.pk != self.finding.responsible_id]
        _among(self.fields["to"], people)


def _among(field: Any, people: list[Cadre], nobody: "str | Promise" = "—") -> None:
    """Lets a field take one of these people, without asking the database for each."""
    field.queryset = Cadre.objects.filter(pk__in=[one.pk for one in people])
    field.choices = [("", nobody), *((one.pk, one.name) for one in people)]


FORMS: dict[str, type[VerbForm]] = {
    form.verb: form
    for form in (
        _noted(
            What.FIXED, _("It is put right"), _("What was done"), _("Say in a line what was done."), waited_for=True
        ),
        ConfirmForm,
        SendBackForm,
        _noted(What.LOOKED_BACK, _("I looked again: it holds"), _("What I saw"), ""),
        ReopenForm,
        _noted(
            What.ANSWERED,
            _("Keep the answer"),
            _("What whoever asked or complained was told"),
            _("Write what they were told: it stays in the history."),
            waited_for=True,
        ),
        GiveTimeForm,
        _noted(What.REFUSED_TIME, _("No more time"), REASON, GIVE_REASON),
        _noted(What.UPHELD, _("The finding stands"), REASON, GIVE_REASON),
        _noted(What.DROPPED, _("No finding after all"), REASON, GIVE_REASON),
        PlanForm,
        StepForm,
        AskTimeForm,
        HandOverForm,
        _noted(What.DISPUTED, _("Dispute it"), REASON, GIVE_REASON),
        _noted(What.NOTED, _("Leave a note"), _("Note"), _("Write something.")),
    )
}


class FindingForm(EventForm):
    """A new finding at one unit."""

    source = forms.ChoiceField(
        label=_("Found by way of"), choices=Finding.Source.choices, widget=forms.Select(attrs={"class": "form-select"})
    )
    severity = forms.TypedChoiceField(
        label=_("Severity"),
        choices=Finding.Severity.choices,
        coerce=int,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    what = _text(_("What is wanting"), _("Say what is wanting."), rows=3)
    task = forms.ModelChoiceField(
        Task.objects.none(),
        label=_("About which item (if any)"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={"invalid_choice": _("This task is not this unit's in this campaign.")},
    )
    responsible = forms.ModelChoiceField(
        Cadre.objects.none(),
        label=_("Responsible"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={"invalid_choice": _("Choose among the people listed.")},
    )
    found_on = _day(_("Found on"), _("Say when it was found."))
    due_on = _day(_("To be put right by"))

    def __init__(
        self,
        *args: Any,
        sources: list[str],
        tasks: list[Task],
        people: list[Cadre],
        unit: Unit,
        usual: Cadre | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        source: Any = self.fields["source"]
        source.choices = [(value, label) for value, label in Finding.Source.choices if value in sources]
        named = _("%(name)s, who answers here") % {"name": usual.name} if usual else _("nobody yet")
        _among(self.fields["responsible"], people, named)
        choices: Any = self.fields["task"]
        choices.queryset = Task.objects.filter(pk__in=[task.pk for task in tasks])
        choices.choices = [("", "—"), *((task.pk, task.item.name) for task in tasks)]
        self.fields["what"].help_text = NO_NAMES
        dues = {label: usual_due(value, timezone.localdate()) for value, label in Finding.Severity.choices}
        times = [f"{label} {date_format(day, 'MONTH_DAY_FORMAT')}" for label, day in dues.items()]
        self.fields["due_on"].help_text = _("Left empty: in working days by severity, so from today %(days)s.") % {
            "days": pgettext("between things of a list", ", ").join(times)
        }

    def clean_found_on(self) -> date:
        """Not in the future, and not years ago."""
        day: date = self.cleaned_data["found_on"]
        today = timezone.localdate()
        if day > today:
            raise ValidationError(_("This day has not come yet."))
        if day < today - timedelta(days=3653):
            raise ValidationError(_("This lies more than ten years back. Look at the year."))
        return day

    def clean_due_on(self) -> date | None:
        """Not before it was found."""
        day: date | None = self.cleaned_data["due_on"]
        if day is not None:
            within_ten_years(day)
            if (found := self.cleaned_data.get("found_on")) and day < found:
                raise ValidationError(_("It cannot be due before it was found."))
        return day


class LedgerFilter(forms.Form):
    """Which findings of the ledger to show."""

    SHOW = [
        ("unsettled", _("Not settled")),
        ("overdue", _("Overdue")),
        ("open", _("To be put right")),
        ("fixed", _("Put right, to be confirmed")),
        ("unlooked", _("Look overdue")),
        ("asked", _("More time asked for")),
        ("disputed", _("Disputed")),
        ("look", _("To be looked at again")),
        ("back", _("Came back")),
        ("unanswered", _("Not answered yet")),
        ("closed", _("Closed")),
        ("dropped", _("No finding after all")),
        ("all", _("All")),
    ]
    show = forms.ChoiceField(label=_("Show"), choices=SHOW, required=False)
    under = forms.RegexField(r"^(?:0|[0-9DS]{2,20})\Z", label=_("Unit"), required=False)
    severity = forms.TypedChoiceField(label=_("Severity"), coerce=int, empty_value=None, required=False)
    source = forms.ChoiceField(label=_("Found by way of"), required=False)
    responsible = forms.CharField(label=_("Responsible"), max_length=40, required=False)
    age = forms.ChoiceField(choices=[("", ""), *((age, age) for age in AGES)], required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, places: list[Unit], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("Every unit")), *((unit.written_code, unit.short_name) for unit in places)]
        asked = self.data.get("under", "")
        if asked and asked not in dict(choices):
            choices.append((asked, asked))
        self.fields["under"].widget = forms.Select(choices=choices, attrs={"class": "form-select"})
        every: Any = self.fields["severity"]
        every.choices = [("", _("Every severity")), *Finding.Severity.choices]
        every = self.fields["source"]
        every.choices = [("", _("Every source")), *Finding.Source.choices]
        for name in ("show", "severity", "source"):
            self.fields[name].widget.attrs["class"] = "form-select"
        self.fields["responsible"].widget.attrs |= {"class": "form-control", "type": "search"}
