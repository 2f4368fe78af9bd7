"""The order of the items, changed by dragging and by keyboard."""

from collections.abc import Iterable
from dataclasses import dataclass

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.models import Campaign, Change, Item
from villages.models import Cadre

GONE = gettext_lazy("This item is not in the checklist.")


def in_sections(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Items by section, each section once: where it first comes."""
    sections: dict[str, list[Item]] = {}
    for item in items:
        sections.setdefault(item.section, []).append(item)
    return sections


def in_order(items: Iterable[Item]) -> list[Item]:
    """As the page shows them, from the first to the last."""
    return [item for lines in in_sections(items).values() for item in lines]


@dataclass(frozen=True)
class Place:
    """Where an item stands now."""

    item: Item
    nth: int
    of: int

    @property
    def words(self) -> str:
        """To be read out."""
        told = {"item": self.item.name, "nth": self.nth, "all": self.of}
        return _("“%(item)s” is now number %(nth)d of %(all)d.") % told


class OrderForm(forms.Form):
    """One item goes up or down within its section, or before or after another, into that one's section."""

    up = forms.CharField(required=False)
    down = forms.CharField(required=False)
    item = forms.CharField(required=False)
    before = forms.CharField(required=False)
    after = forms.CharField(required=False)

    def __init__(self, data: QueryDict, *, items: list[Item]) -> None:
        super().__init__(data)
        self.items = {str(item.pk): item for item in items}

    def clean(self) -> dict[str, Item]:
        """What moves, and beside what; an item that is already first or last stays."""
        sent = {name: self.items.get(key) for name, key in (super().clean() or {}).items() if key}
        found = {name: item for name, item in sent.items() if item}
        if not found or len(found) < len(sent):
            raise forms.ValidationError(GONE)
        for way, side, by in (("up", "before", -1), ("down", "after", 1)):
            if item := found.get(way):
                beside = [one for one in self.items.values() if one.section == item.section]
                at = beside.index(item) + by
                return {"item": item} | ({side: beside[at]} if 0 <= at < len(beside) else {})
        if "item" not in found:
            raise forms.ValidationError(GONE)
        return found

    def record(self, campaign: Campaign, *, by: Cadre) -> Place:
        """Moves the item, numbers the positions anew and notes in the history where it went."""
        item: Item = self.cleaned_data["item"]
        before, after = self.cleaned_data.get("before"), self.cleaned_data.get("after")
        old = in_order(self.items.values())
        was = old.index(item) + 1, item.section
        new = _moved(old, item, before, after)
        late = [(position, one) for position, one in enumerate(new, start=1) if one.position != position]
        for position, one in late:
            one.position = position
        Item.objects.bulk_update({item, *(one for _position, one in late)}, ["position", "section"])
        place = Place(item, new.index(item) + 1, len(new))
        fields = {"position": [str(was[0]), str(place.nth)], "section": [was[1], item.section]}
        if fields := {name: pair for name, pair in fields.items() if pair[0] != pair[1]}:
            Change.objects.create(campaign=campaign, by=by, what=Change.What.EDITED, item=item, fields=fields)
        return place


def _moved(items: list[Item], item: Item, before: Item | None, after: Item | None) -> list[Item]:
    """The items in their new order; the neighbour passes its section on."""
    beside = before or after
    if beside is None or beside == item:
        return items
    item.section = beside.section
    left = in_order(one for one in items if one != item)
    at = left.index(beside) + (0 if before else 1)
    return [*left[:at], item, *left[at:]]
