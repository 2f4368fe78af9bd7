"""What a view of the board shows, as rows for a file."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from readiness.boards.belief import Belief, Beliefs
from readiness.boards.figures import Board
from readiness.boards.light import Counts, Light
from readiness.boards.places import Place, Weak

Sheet = tuple[str, list[str], Iterable[list[object]]]  # name of the view, header, rows


def sheet(context: dict[str, Any]) -> Sheet:
    """The table of the view that this context of the board is for."""
    match context["view"]:
        case "curve":
            return _("Curve"), *context["curve"].sheet()
        case "battle":
            return _("Battle map"), *context["battle"].sheet()
        case "ranking":
            return _ranking(context["ranking"])
        case "belief":
            return _belief(context["belief"])
        case "weak":
            return _weak(context["weak"])
    return _heat(context["cells"])


def _heat(board: Board) -> Sheet:
    header = [_("Belongs to"), _("Unit"), _("Light"), *_names()]
    rows: list[list[object]] = []
    for row in board.rows:
        rows.append(["", row.name, row.light.label, *_numbers(row.counts)])
        for cell in row.cells:
            name = _("itself") if cell.is_own else cell.name
            rows.append([row.name, name, cell.light.label, *_numbers(cell.counts)])
    return _("Heat map"), header, rows


def _names() -> list[str]:
    return [
        _("Verified"),
        _("Claimed, not yet verified"),
        _("open"),
        _("Returned"),
        _("Overdue"),
        _("Waived"),
        _("Applying"),
    ]


def _numbers(of: Counts) -> list[object]:
    return [of.verified, of.done, of.open, of.returned, of.overdue, of.waived, of.applying]


def _ranking(ranking: Iterable[Place]) -> Sheet:
    header = [_("Place"), _("Unit"), _("Verified"), _("Claimed"), _("Since last week")]
    rows: list[list[object]] = [
        [place.place, place.row.name, f"{place.verified_percent}%", f"{place.claimed_percent}%", place.up]
        for place in ranking
    ]
    return _("Ranking"), header, rows


def _weak(weak: Iterable[Weak]) -> Sheet:
    header = [_("Belongs to"), _("Unit"), _("Light"), _("Why"), _("Who answers")]
    rows: list[list[object]] = [
        [
            place.upper,
            place.cell.name,
            Light(place.cell.light).label,
            place.why,
            _(", ").join(f"{who.kind} {who.name} {who.phone}".strip() for who in place.contacts),
        ]
        for place in weak
    ]
    return _("Weak places"), header, rows


def _belief(found: Beliefs) -> Sheet:
    header = [_("What"), _("Last looked at"), _("Applying"), _("Verified"), _("Claimed, not yet verified")]
    header += [_("Units drawn"), _("Units visited"), _("Drawn and looked at"), _("Held"), _("Could not be seen")]
    header += [_("To count on, % of the claims, from"), _("To count on, % of the claims, to")]
    header += [_("Claimed too much, points, from"), _("Claimed too much, points, to"), _("In words")]
    rows = [_believed(one, one.name) for one in (*found.rows, *found.draws)]
    return _("How much to believe"), header, [_believed(found.total, _("In all")), *rows]


def _believed(of: Belief, name: str) -> list[object]:
    found = of.estimate
    seen = [found.seen, found.held] if found else [0, 0]
    told = [of.low_percent, of.high_percent, of.gap_low, of.gap_high] if of.is_known else [None] * 4
    here = [of.counts.applying, of.counts.verified, of.counts.done, of.reach.drawn, of.reach.visited]
    return [name, of.day, *here, *seen, of.unseen, *told, of.words]
