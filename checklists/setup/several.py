"""Several items changed at once: everything or nothing, and each in the history."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.days import DayField, Span
from checklists.models import Campaign, Change, Item
from checklists.setup.itemform import MOST_POINTS, NO_POINTS, is_weightless
from checklists.setup.seen import readable
from villages.models import Cadre
from villages.residents import Words

LONGEST_SHIFT = 3660


class SeveralForm(forms.Form):
    """Which items, and what becomes of them; what is left empty stays as it is."""

    items = forms.MultipleChoiceField(
        error_messages={
            "required": gettext_lazy("Choose the items first."),
            "invalid_choice": gettext_lazy("One of the chosen items is not in this checklist (any more)."),
        }
    )
    due_on = DayField(label=gettext_lazy("Due on"), required=False)
    shift = forms.IntegerField(
        label=gettext_lazy("Move by days"), required=False, min_value=-LONGEST_SHIFT, max_value=LONGEST_SHIFT
    )
    points = forms.IntegerField(label=gettext_lazy("Points"), required=False, min_value=0, max_value=MOST_POINTS)
    responsible = Words(label=gettext_lazy("Responsible"), required=False, max_length=120)
    struck = forms.TypedChoiceField(
        choices=[("on", ""), ("off", "")], coerce=lambda word: word == "on", empty_value=None, required=False
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, campaign: Campaign, items: list[Item]) -> None:
        super().__init__(data, auto_id="several-%s")
        chosen: Any = self.fields["items"]
        chosen.choices = [(str(item.pk), item.number) for item in items]
        self.campaign, self.all = campaign, items
        self.span = Span.of(campaign)
        day: Any = self.fields["due_on"]
        day.first, day.last = self.span.first, self.span.last

    @property
    def chosen(self) -> set[int]:
        """The items that were ticked, for the page that shows them again."""
        known = {str(item.pk): item.pk for item in self.all}
        return {known[key] for key in (self["items"].value() or []) if key in known}

    @property
    def complaints(self) -> list[str]:
        """All that is wrong, each with the name of its field."""
        return [
            f"{self.fields[name].label}: {words}" if self.fields[name].label else str(words)
            for name, all_words in self.errors.items()
            if name in self.fields
            for words in all_words
        ] + [str(words) for words in self.non_field_errors()]

    def clean(self) -> dict[str, Any]:
        """Something is to be done, and only one thing with the day."""
        data = super().clean() or {}
        if data.get("due_on") and data.get("shift"):
            self.add_error("shift", _("Set the day or move it, not both."))
        wanted = [data.get(name) for name in ("due_on", "shift", "points", "responsible", "struck")]
        if not self.errors and all(one in (None, "") for one in wanted):
            raise forms.ValidationError(_("Say what to change: a day, points, who is responsible."))
        return data

    def record(self, *, by: Cadre) -> int:
        """Changes the chosen items of a campaign that is held still; with any fault none of them. How many changed."""
        changes = []
        chosen = [item for item in self.all if str(item.pk) in self.cleaned_data["items"]]
        for item in chosen:
            new = self._new(item)
            if complaint := self.span.complaint(new.get("due_on", self.span.first)):
                self.add_error(None, f"{item}, {date_format(new['due_on'], 'DATE_FORMAT')}: {complaint}")
            if new:
                fields = {
                    name: [readable(item, name, getattr(item, name)), readable(item, name, new[name])] for name in new
                }
                changes.append(Change(campaign=self.campaign, by=by, what=Change.What.EDITED, item=item, fields=fields))
            for name, value in new.items():
                setattr(item, name, value)
        if is_weightless(self.all) and any({"points", "struck"} & change.fields.keys() for change in changes):
            self.add_error(None, NO_POINTS)
        if self.errors:
            return 0
        Item.objects.bulk_update(chosen, ["due_on", "points", "responsible", "struck"])
        return len(Change.objects.bulk_create(changes))

    def _new(self, item: Item) -> dict[str, Any]:
        """What becomes different in an item."""
        data = self.cleaned_data
        wanted = {
            name: data[name] for name in ("due_on", "points", "responsible", "struck") if data[name] not in (None, "")
        }
        if data["shift"]:
            wanted["due_on"] = item.due_on + timedelta(days=data["shift"])
        return {name: value for name, value in wanted.items() if getattr(item, name) != value}
