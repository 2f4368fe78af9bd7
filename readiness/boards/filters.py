"""What of a board is shown: the unit, the view, and filters by item, light and day."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.models import Campaign, Item
from checklists.newer import KINDS
from readiness.boards.light import LABELS, Light
from villages.models import CODE_PATTERN

NARROWS = ("section", "kind", "phase", "responsible")  # filters that leave items out


class BoardFilter(forms.Form):
    """What of a board is shown. An address with all of it can be sent to others, who see their own part."""

    unit = forms.RegexField(f"^(?:0|{CODE_PATTERN})$", max_length=24, required=False, widget=forms.HiddenInput)
    show = forms.ChoiceField(required=False, widget=forms.HiddenInput)
    by = forms.ChoiceField(choices=[("", ""), ("sections", "")], required=False, widget=forms.HiddenInput)
    section = forms.ChoiceField(label=gettext_lazy("Section"), required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    phase = forms.TypedChoiceField(label=gettext_lazy("Phase"), coerce=int, empty_value=None, required=False)
    responsible = forms.ChoiceField(label=gettext_lazy("Responsible, as in the speech"), required=False)
    light = forms.TypedChoiceField(
        label=gettext_lazy("Light"),
        choices=[
            ("", gettext_lazy("Any light")),
            *((light, LABELS[light]) for light in Light if light is not Light.NONE),
        ],
        coerce=Light,
        empty_value=None,
        required=False,
    )
    on = forms.DateField(
        label=gettext_lazy("As of the end of"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, campaign: Campaign, checklist: list[Item], views: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.checklist = checklist
        kinds = dict.fromkeys(item.kind for item in checklist if item.kind)
        phases = dict.fromkeys(item.phase for item in checklist if item.phase)
        self._choices("show", "", [(view, view) for view in views])
        self._choices("section", _("Every section"), _same(item.section for item in checklist))
        self._choices("kind", _("Every kind"), [(kind, KINDS.get(kind, kind)) for kind in kinds])
        self._choices("phase", _("Every phase"), [(phase.pk, str(phase)) for phase in phases])
        self._choices("responsible", _("Whoever is responsible"), _same(item.responsible for item in checklist))
        for name in (*NARROWS, "light"):
            self.fields[name].widget.attrs["class"] = "form-select"
        today = timezone.localdate()
        self.fields["on"].widget.attrs |= {"class": "form-control", "min": campaign.starts_on, "max": today}

    def _choices(self, name: str, everything: str, choices: list[tuple[Any, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = [("", everything), *choices]

    def clean_on(self) -> date | None:
        """A day of the campaign that is over; today is today's board."""
        day: date | None = self.cleaned_data["on"]
        today = timezone.localdate()
        if day is not None and day < self.campaign.starts_on:
            raise ValidationError(_("This lies before the campaign's first day."))
        if day is not None and day > today:
            raise ValidationError(_("This day has not come yet."))
        return None if day == today else day

    @property
    def narrowed(self) -> list[int] | None:
        """The items that are left; None if all of them are."""
        chosen = {name: value for name in NARROWS if (value := self.cleaned_data.get(name))}
        if not chosen:
            return None
        phase = chosen.pop("phase", None)
        return [
            item.pk
            for item in self.checklist
            if all(getattr(item, name) == value for name, value in chosen.items())
            and (phase is None or item.phase_id == phase)
        ]

    @property
    def is_narrowed(self) -> bool:
        """Whether less than everything, or another day, is shown."""
        return any(self.cleaned_data.get(name) for name in (*NARROWS, "light", "on"))

    @property
    def rest(self) -> str:
        """The same view of the same unit without filters."""
        return self.query(**dict.fromkeys((*NARROWS, "light", "on")))

    @property
    def any_light(self) -> str:
        """Without the filter by light."""
        return self.query(light=None)

    @property
    def heat(self) -> str:
        """The heat map of the same unit, every light."""
        return self.query(show=None, light=None)

    @property
    def believed(self) -> str:
        """How much to believe, of the same unit."""
        return self.query(show="belief", light=None)

    @property
    def today(self) -> str:
        """Without a past day."""
        return self.query(on=None)

    @property
    def by_units(self) -> str:
        """With units as cells."""
        return self.query(by=None)

    @property
    def by_sections(self) -> str:
        """With sections of the checklist as cells."""
        return self.query(by="sections")

    def query(self, **changes: str | None) -> str:
        """The filter as a query string, with these changes; None takes one out."""
        kept = {name: self.data.get(name, "") for name in self.fields if name not in self.errors}
        kept |= {name: value or "" for name, value in changes.items()}
        return urlencode({name: value for name, value in kept.items() if value})


def _same(values: Any) -> list[tuple[str, str]]:
    return [(value, value) for value in dict.fromkeys(values) if value]
