"""The page of step 2: every item with what it asks for, and the forms around the list."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists import scope
from checklists.models import Campaign, Item
from checklists.setup import page
from checklists.setup.itemform import ItemForm
from checklists.setup.order import in_sections
from checklists.setup.several import SeveralForm
from villages.http import CadreRequest
from villages.models import Kind


@dataclass(frozen=True)
class Row:
    """One item as the list shows it."""

    item: Item
    nth: int
    tasks: int
    complaint: str = ""

    @property
    def owed_by(self) -> list[str]:
        """The kinds of units, by name."""
        return [str(Kind(kind).label) for kind in self.item.owed_by]


def _rows(items: Iterable[Item], made: dict[int, int], complaints: dict[int, str]) -> dict[str, list[Row]]:
    """By section, as people read them: each section once, where it first comes."""
    nth = 0
    sections: dict[str, list[Row]] = {}
    for section, lines in in_sections(items).items():
        for item in lines:
            nth += 1
            row = Row(item, nth, made.get(item.pk, 0), complaints.get(item.pk, ""))
            sections.setdefault(section, []).append(row)
    return sections


def _sum(items: list[Item], made: dict[int, int]) -> str:
    """Items, points, and how many items nobody owes."""
    asked = [item for item in items if not item.struck]
    points = sum(item.points for item in asked)
    words = [
        ngettext("%(n)d item", "%(n)d items", len(asked)) % {"n": len(asked)},
        ngettext("%(n)d point", "%(n)d points", points) % {"n": points},
    ]
    if struck := len(items) - len(asked):
        words.append(_("%(n)d struck") % {"n": struck})
    if idle := sum(item.pk not in made for item in asked):
        words.append(_("%(n)d that no unit owes") % {"n": idle})
    return " · ".join(words)


def show(
    request: CadreRequest,
    campaign: Campaign,
    *,
    status: int = 200,
    new_item: ItemForm | None = None,
    several: SeveralForm | None = None,
    faults: Iterable[str] = (),
    complaints: dict[int, str] | None = None,
) -> HttpResponse:
    """The whole list. A form that did not fit stands in its place, with what was typed."""
    made = scope.tasks_by_item(campaign)
    items = list(campaign.items.all())
    body = campaign.template.body if campaign.template else {}
    return page.show(
        request,
        campaign,
        "setup_items",
        status=status,
        made=made,
        sections=_rows(items, made, complaints or {}),
        sums=_sum(items, made),
        new_item=new_item or ItemForm(instance=None, campaign=campaign),
        several=several or SeveralForm(campaign=campaign, items=items),
        faults=list(faults),
        left_out=body.get("left_out", []),
    )


def show_row(
    request: CadreRequest,
    campaign: Campaign,
    item_id: int,
    *,
    status: int = 200,
    complaints: dict[int, str] | None = None,
    **context: Any,
) -> HttpResponse:
    """One row for htmx, with the counts in the head of the page; with a `form`, to be filled in."""
    made = scope.tasks_by_item(campaign)
    items = list(campaign.items.all())
    lines = (row for rows in _rows(items, made, complaints or {}).values() for row in rows)
    frame = {
        "campaign": campaign,
        "row": next(row for row in lines if row.item.pk == item_id),
        "tasks": sum(made.values()),
        "sums": _sum(items, made),
    }
    return render(request, "setup/_item_swap.html", frame | context, status=status)
