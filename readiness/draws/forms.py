"""What is wished of a draw, and a number for one."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from checklists.days import DayField
from checklists.draws import recipe
from checklists.models import Campaign, Item, Round
from checklists.newer import KINDS
from readiness.draws import words
from villages import access
from villages.models import Kind, Unit, code_of
from villages.residents import Words

MOST_SEATS = 5


def _choice(label: Any, choices: Iterable[tuple[str, Any]], **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, widget=forms.Select(attrs={"class": "form-select"}), **options
    )


def _count(label: Any, lowest: int, most: int = recipe.MOST_UNITS, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=lowest,
        max_value=most,
        widget=forms.NumberInput(attrs={"class": "form-control", "inputmode": "numeric"}),
        **options,
    )


class DrawForm(forms.Form):
    """What to draw from, how many, and who is sent there."""

    title = Words(
        label=gettext_lazy("What it is for"),
        max_length=120,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Say what it is for, to tell this draw from others.")},
    )
    among = forms.TypedChoiceField(
        label=gettext_lazy("Among the units of"), coerce=code_of, widget=forms.Select(attrs={"class": "form-select"})
    )
    kind = _choice(gettext_lazy("Sort of unit"), ())
    chances = _choice(
        gettext_lazy("Chances"),
        [
            ("same", gettext_lazy("the same for every unit")),
            ("risk", gettext_lazy("higher where more is amiss: 1 to 5 lots")),
        ],
    )
    repeat = _choice(
        gettext_lazy("Drawn before in this campaign"),
        [
            ("all", gettext_lazy("is left out")),
            ("last", gettext_lazy("is left out if it was in the latest draws")),
            ("none", gettext_lazy("can be drawn again")),
        ],
    )
    last = _count(gettext_lazy("So many latest draws"), 1, 99, required=False)
    groups = _choice(
        gettext_lazy("In groups"),
        [
            ("none", gettext_lazy("no")),
            ("township", gettext_lazy("by township")),
            ("light", gettext_lazy("by light")),
        ],
    )
    take = _count(gettext_lazy("Units to draw"), 1)
    counted = _choice(
        gettext_lazy("Counted"), [("all", gettext_lazy("in all")), ("group", gettext_lazy("from each group"))]
    )
    least = _count(gettext_lazy("Of them at least, from each group"), 0, required=False)
    items = _choice(gettext_lazy("Items"), ())
    take_items = _count(gettext_lazy("Draw so many of them (empty: all)"), 1, required=False)
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Inspectors are drawn from"), widget=forms.CheckboxSelectMultiple
    )
    seats = _count(gettext_lazy("Inspectors for each unit"), 1, MOST_SEATS)
    rhythm = _choice(gettext_lazy("Rhythm"), Round.Rhythm.choices)
    on = DayField(
        label=gettext_lazy("Planned for (may stay empty)"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "form-control"}),
    )
    reason = Words(
        label=gettext_lazy("Why it is drawn again"),
        max_length=400,
        required=False,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    number = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)

    PARTS = (
        (gettext_lazy("What is drawn"), ("title", "among", "kind", "chances", "repeat", "last")),
        (gettext_lazy("How many"), ("take", "counted", "groups", "least")),
        (gettext_lazy("What is looked at"), ("items", "take_items", "rhythm", "on")),
        (gettext_lazy("Who is sent"), ("seats", "roles")),
    )

    def __init__(
        self, *args: Any, campaign: Campaign, units: list[Unit], items: list[Item], again: bool, **kwargs: Any
    ) -> None:
        """`again`: it replaces another draw, and says why."""
        super().__init__(*args, **kwargs)
        self.campaign, self.again = campaign, again
        kinds = sorted({kind for item in items for kind in item.owed_by} & DRAWN, key=Kind.values.index)
        self._offer("among", [(unit.written_code, unit.short_name) for unit in units])
        self._offer("kind", [(kind, Kind(kind).label) for kind in kinds])
        self._offer("items", _items(items))
        self._offer(
            "roles", [(role.value, role.label) for role in access.Role if access.lets(role, access.Action.CHECK)]
        )
        self.fields["reason"].required = again
        self.fields["reason"].error_messages["required"] = _("Say why it is drawn again: it stays beside both draws.")

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        """What needs two fields to be wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("repeat") == "last" and not cleaned.get("last") and "last" not in self.errors:
            self.add_error("last", _("Say how many of the latest draws."))
        if cleaned.get("groups") == "none" and (cleaned.get("least") or cleaned.get("counted") == "group"):
            self.add_error("groups", _("There are no groups to count from. Choose by township or by light."))
        cleaned["least"] = cleaned.get("least") or 0
        return cleaned

    def clean_on(self) -> Any:
        """As text: it is kept with the draw."""
        day = self.cleaned_data["on"]
        return day and day.isoformat()

    @property
    def wishes(self) -> dict[str, Any]:
        """What the list is made by, and what is kept with the draw."""
        return {name: self.cleaned_data[name] for name in WISHES}

    @property
    def asks_why(self) -> bool:
        """Whether it is drawn again."""
        return self.again or "reason" in self.errors or bool(self["reason"].value())

    @property
    def parts(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """The fields as the page shows them."""
        return [(legend, [self[name] for name in names]) for legend, names in self.PARTS]

    def refuse(self, unfit: recipe.Unfit) -> None:
        """Says at which field why nothing can be drawn."""
        field, words = _words(unfit, of_some=self.cleaned_data["items"] != recipe.ALL)
        self.add_error("take" if field == "least" and self.cleaned_data["counted"] == "group" else field, words)


DRAWN = {Kind.VILLAGE, Kind.TOWNSHIP, Kind.SITE, Kind.DEPARTMENT}
WISHES = (
    *("kind", "chances", "repeat", "last", "groups", "take", "counted", "least"),
    *("items", "take_items", "roles", "seats", "rhythm", "on"),
)


class NumberForm(forms.Form):
    """One of the two numbers of a draw."""

    number = forms.CharField(
        label=gettext_lazy("Your number"),
        widget=forms.TextInput(
            attrs={"class": "form-control", "inputmode": "numeric", "autocomplete": "off", "maxlength": "40"}
        ),
        error_messages={"required": gettext_lazy("Write a number: any digits that come to your mind.")},
    )

    def clean_number(self) -> str:
        """Digits as they are, with leading zeros; full-width ones are understood."""
        raw: str = self.cleaned_data["number"]
        if len(raw) > recipe.LONGEST_NUMBER:
            raise ValidationError(
                _("A number has at most %(most)d digits; this one has %(found)d.")
                % {"most": recipe.LONGEST_NUMBER, "found": len(raw)}
            )
        number = unicodedata.normalize("NFKC", raw)
        if not re.fullmatch(r"[0-9]{1,40}", number):
            raise ValidationError(_("Write digits only, without spaces, points or signs."))
        return number


def _items(items: list[Item]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [(recipe.ALL, gettext_lazy("all items"))]
    if any(item.veto for item in items):
        found.append(("veto", gettext_lazy("veto items")))
    sections = dict.fromkeys(item.section for item in items if item.section)
    kinds = dict.fromkeys(item.kind for item in items if item.kind)
    found += [(f"section:{name}", _("section %(name)s") % {"name": name}) for name in sections]
    found += [(f"kind:{name}", _("kind %(name)s") % {"name": KINDS.get(name, name)}) for name in kinds]
    return found


def _words(unfit: recipe.Unfit, *, of_some: bool) -> tuple[str, str]:
    """The field, and what is wrong, where, and what to do. `of_some`: not all items are looked at."""
    numbers: dict[str, Any] = {**unfit.numbers}
    numbers["names"] = "、".join(words.group(name) for name in unfit.names[:5]) + (" …" if len(unfit.names) > 5 else "")
    match unfit.what:
        case "none" if numbers["left"]:
            return "repeat", _("All units were drawn before (%(left)d). Let some be drawn again.") % numbers
        case "none" if of_some:
            return "items", _("No such unit has anything to do with these items. Choose others, or all items.")
        case "none":
            return "kind", _("No such unit there has anything to do in this campaign.")
        case "many":
            return "among", _("There are more than %(most)d units. Choose a smaller place or a higher kind.") % numbers
        case "crowd":
            return "roles", _("More than %(most)d people could be sent. Choose fewer roles.") % numbers
        case "take":
            return "take", ngettext(
                "There is %(there)d unit to draw from, and %(asked)d are asked for.",
                "There are %(there)d units to draw from, and %(asked)d are asked for.",
                numbers["there"],
            ) % numbers
        case "least":
            return "least", _("Fewer than %(asked)d units are in: %(names)s. Ask for less from each group.") % numbers
        case "parts":
            return "take", _("%(groups)d groups need %(needed)d units, and only %(asked)d are to be drawn.") % numbers
        case "items":
            return "take_items", _("There are %(there)d such items, and %(asked)d are asked for.") % numbers
    return "seats", _(
        "For %(units)d units there are fewer than %(asked)d inspectors who have nothing to do with them: %(names)s. "
        "Choose more roles, or fewer inspectors for each unit."
    ) % numbers
