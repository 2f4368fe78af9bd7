"""A draw in words: what is taken from what, and who is sent."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from checklists.draws.recipe import FrozenList
from checklists.models import Draw
from readiness.boards.light import Light
from villages.models import Kind

RISKS = {
    "overdue": gettext_lazy("something overdue"),
    "returned": gettext_lazy("something returned"),
    "veto": gettext_lazy("a veto item overdue or returned"),
    "unchecked": gettext_lazy("nothing checked yet"),
}


def recipe_of(draw: Draw, frozen: FrozenList) -> list[str]:
    """The recipe, a sentence for each rule of it."""
    wishes = draw.recipe
    numbers: dict[str, Any] = {
        "take": frozen.take,
        "of": len(frozen.units),
        "kind": Kind(wishes["kind"]).label,
        "where": draw.among.short_name,
        "least": frozen.least,
        "groups": len(frozen.groups),
        "left": len(frozen.left_out),
        "items": len(frozen.items),
        "take_items": frozen.take_items,
        "seats": frozen.seats,
        "people": len(frozen.inspectors),
    }
    said = [_("%(take)d of %(of)d units are drawn (%(kind)s, %(where)s).") % numbers]
    if frozen.least and wishes["groups"] == "township":
        said.append(_("At least %(least)d come from each of %(groups)d townships.") % numbers)
    elif frozen.least:
        said.append(_("At least %(least)d come from each of %(groups)d lights.") % numbers)
    if frozen.left_out:
        said.append(
            ngettext(
                "%(left)d unit that was drawn before is left out.",
                "%(left)d units that were drawn before are left out.",
                numbers["left"],
            )
            % numbers
        )
    if wishes["chances"] == "risk":
        said.append(
            _(
                "A unit holds 1 lot, and one more each for something overdue, something returned, a veto item overdue "
                "or returned, and nothing checked yet: twice the lots, twice the chance to come first."
            )
        )
    else:
        said.append(_("Each unit holds 1 lot: all have the same chance within their group."))
    if frozen.take_items:
        said.append(_("%(take_items)d of %(items)d items are drawn; each unit drawn is looked at for these.") % numbers)
    elif wishes["items"] == "all":
        said.append(_("Everything that a unit owes is looked at."))
    else:
        said.append(_("%(items)d items are looked at: all of those chosen.") % numbers)
    said.append(
        _(
            "For each unit %(seats)d of %(people)d inspectors, those sent to fewest so far first. Nobody goes to a "
            "township in which they hold a post or held one within a year, nor to a unit that they answer for."
        )
        % numbers
    )
    return said


def group(name: str) -> str:
    """A group as the reader says it: the list names lights by their code, and townships as they are called."""
    return Light(name).label if name in set(Light) else name


def why(risks: tuple[str, ...]) -> str:
    """What a unit has more than one lot for."""
    return pgettext("between things of a list", ", ").join(str(RISKS[risk]) for risk in risks)
