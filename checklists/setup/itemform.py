"""The form of one item."""

import unicodedata
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from checklists.days import DayField, Span
from checklists.forms import plain_number
from checklists.models import Campaign, Item
from checklists.setup.seen import HeightField, SeenForm
from villages.models import Kind

OWING_KINDS = [(kind.value, kind.label) for kind in Kind if kind not in (Kind.COUNTRY, Kind.PROVINCE)]
# With more, the points of a province's tasks would not fit into a tally.
MOST_POINTS = 1000
LONGEST_STANDARD = 4000
LONGEST_NUMBER = 40

NO_POINTS = _("The points of the whole checklist would add up to 0, and nobody could have a share of them.")
NO_TARGET = _(
    "A statistic is recorded and compared, but carries no target: its figures belong to those surveyed, and nobody is "
    "handed a number to reach."
)


def is_weightless(items: list[Item] | QuerySet[Item]) -> bool:
    """Whether items that are not struck have no point among them."""
    counted = [item.points for item in items if not item.struck]
    return bool(counted) and not sum(counted)


def is_percent(text: str) -> bool:
    """Whether a number is written as a percentage."""
    return unicodedata.normalize("NFKC", text).strip().endswith("%")


class ValueField(forms.CharField):
    """A number as TickForm reads them: full-width digits and a % sign are understood, 1e400 is not."""

    def to_python(self, value: Any) -> Any:
        """A Decimal, or None."""
        text = "" if value is None else str(value).strip()
        if len(text) > LONGEST_NUMBER:
            raise ValidationError(_("This number is too large."))
        return plain_number(text, percent=is_percent(text)) if text else None

    def prepare_value(self, value: Any) -> Any:
        """90, not 90.0000."""
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value

    def run_validators(self, value: Any) -> None:
        """All is said by then; those of a text do not fit."""


class ItemForm(SeenForm):
    """One line of the checklist."""

    owed_by = forms.MultipleChoiceField(
        label=_("Owed by"), choices=OWING_KINDS, widget=forms.CheckboxSelectMultiple(), error_messages={
            "required": _("Say which kind of unit owes this item.")
        },
    )  # fmt: skip
    due_on = DayField(label=_("Due on"))
    points = forms.IntegerField(label=_("Points"), min_value=0, max_value=MOST_POINTS, initial=1)
    target = ValueField(label=_("Target of each unit"), required=False)
    total = ValueField(label=_("Target of all together"), required=False)
    looked_at_by = HeightField(label=_("Checked by"), otherwise=_("as the campaign says"))

    class Meta:
        model = Item
        fields = [
            *("title", "standard", "section", "owed_by", "due_on", "phase", "points", "responsible", "proof"),
            *(
                "needs_proof",
                "gate",
                "veto",
                "metric",
                "operator",
                "target",
                "measured_in",
                "total",
                "every",
                "statistic",
            ),
            *("title_en", "standard_en", "struck", "looked_at_by"),
        ]
        labels = {
            "struck": _("Strike this item"),
            "section": _("Section"),
            "phase": _("Phase"),
            "responsible": _("Responsible"),
            "proof": _("What shows it"),
            "needs_proof": _("Proof: verified only with a file that shows it"),
            "gate": _("Gate: must be done before its phase closes"),
            "veto": _("Veto: overdue, it makes the whole unit red"),
            "metric": _("What is measured"),
            "operator": _("The value must be"),
            "measured_in": _("Measured in"),
            "every": _("Reported every"),
            "statistic": _("A statistic: recorded, never given a target"),
            "title_en": _("Title in English"),
            "standard_en": _("Standard in English"),
        }
        widgets = {
            "standard": forms.Textarea(attrs={"rows": 3}),
            "standard_en": forms.Textarea(attrs={"rows": 2}),
            "section": forms.TextInput(attrs={"list": "sections"}),  # those there are stand on the page
        }

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs["prefix"] = f"item-{kwargs['instance'].pk}" if kwargs.get("instance") else "item-new"
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.span = Span.of(campaign)
        day: Any = self.fields["due_on"]
        day.first, day.last = self.span.first, self.span.last
        phases: Any = self.fields["phase"]
        phases.queryset = campaign.phases
        phases.empty_label = _("none")
        for name in ("standard", "standard_en"):
            self.fields[name].validators.append(MaxLengthValidator(LONGEST_STANDARD))
        if not self.instance.pk:
            del self.fields["struck"]
            day.initial = campaign.inspects_on

    @property
    def is_measured(self) -> bool:
        """Whether the part about measuring stands open: something is measured, or something is wrong there."""
        names = ("metric", "operator", "target", "measured_in", "total", "every", "statistic")
        return bool(self["metric"].value()) or any(self[name].errors for name in names)

    def clean(self) -> dict[str, Any]:
        """What no field can know by itself: the campaign's days, its points, and that a measure is whole."""
        data = super().clean()
        if (day := data.get("due_on")) and (complaint := self.span.complaint(day)):
            self.add_error("due_on", complaint)
        if "points" in data:
            self._weigh(data)
        if not {"metric", "operator", "target", "total", "statistic", "measured_in"} & self.errors.keys():
            self._measure(data)
        return data

    def _weigh(self, data: dict[str, Any]) -> None:
        others = [item for item in self.campaign.items.all() if item.pk != self.instance.pk]
        mine = Item(points=data["points"], struck=data.get("struck", False))
        if is_weightless([*others, mine]):
            self.add_error("struck" if mine.struck else "points", NO_POINTS)

    def _measure(self, data: dict[str, Any]) -> None:
        """Sets what follows from what was typed; says what is missing."""
        targets = {name: data[name] for name in ("target", "total") if data.get(name) is not None}
        percent = {name for name in targets if is_percent(str(self[name].data))}
        if percent and not data["measured_in"]:
            data["measured_in"] = "%"
        for name, value in targets.items():
            if data["statistic"]:
                self.add_error(name, NO_TARGET)
            elif data["measured_in"].startswith("%") and value > 100:
                self.add_error(name, _("A percentage cannot be above 100."))
            elif name in percent and not data["measured_in"].startswith("%"):
                self.add_error(name, _("This is a percentage, but it is measured in something else."))
        if data["statistic"] and not targets:
            data["operator"] = ""
        elif targets and not data["operator"]:
            self.add_error("operator", _("Say whether the value must reach the target, stay below it or equal it."))
        elif data["operator"] and not targets:
            self.add_error("target", _("Enter the target, or nothing at “The value must be”."))
        if not data["metric"] and (targets or data.get("operator") or data["statistic"] or data.get("every")):
            self.add_error("metric", _("Say what is measured."))
        if data.get("target") != self.before["target"]:
            self.instance.target_is_stated = data.get("target") is not None
