"""The heat map as HTML, written cell by cell.

A template takes three times as long for as many cells (docs/decisions.md), and this is the part of a board that grows.
Everything that is not a number of ours is escaped.
"""

from collections.abc import Collection, Mapping
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists.models import Campaign
from readiness.boards.figures import Board, Cell, Row
from readiness.boards.light import Counts, Light
from readiness.boards.words import why

ICONS = {
    Light.RED: "exclamation-octagon-fill",
    Light.AMBER: "exclamation-triangle-fill",
    Light.GREEN: "check-circle-fill",
    Light.NONE: "dash-circle",
}


class Heat:
    """Writes one board; what all its cells share is looked up once."""

    def __init__(
        self,
        campaign: Campaign,
        *,
        vacant: Collection[str],
        sections: str | None,
        keeps: str = "",
        narrowed: str = "",
        standing: Mapping[str, str] | None = None,
    ) -> None:
        """What links keep: `keeps` those to boards, `narrowed` those to tasks.

        `sections`: what those to the tasks of a section keep, where cells are sections; None where they are units.
        `standing`: unit -> the measure that stands against it.
        """
        self.campaign = campaign
        self.vacant = vacant
        self.standing = standing or {}
        self.measures = reverse("measures", args=[campaign.pk])
        self.sections = None if sections is None else escape(sections)
        self.keeps = escape(keeps)
        self.narrowed = escape(narrowed)
        self.tasks = reverse("campaign_tasks", args=[campaign.pk])
        self.units = f"{reverse('board', args=[campaign.pk])}units/"
        self.letters = {light: escape(light.letter) for light in Light}
        self.itself = escape(_("itself"))
        self.whys: dict[tuple[object, ...], str] = {}  # many units are as they are for the same reasons
        self.words = {
            "departments": _(" and its departments"),
            "mine": _("My units"),
            "verified": _("Verified"),
            "claimed": _("Claimed"),
        }

    def write(self, board: Board) -> SafeString:
        """All rows."""
        return mark_safe("".join(map(self.row, board.rows)))  # noqa: S308 - see above

    def row(self, row: Row) -> str:
        """One upper unit, how it stands, and its cells."""
        name = escape(row.name) if row.code is not None else self.words["mine"]
        if row.code is not None:
            name = f'<a href="{self.opens(row.code, has_board=row.has_board)}">{name}</a>'
            if not row.is_whole:
                name += self.words["departments"]
        head = f"<h3>{name}</h3>{self.light(row)}"
        if row.is_whole and (standing := self.standing.get(row.code or "")):
            word = escape(standing)
            head += f'<a class="measure" href="{self.measures}?unit={row.code}">{word}</a>'
        if row.code is not None:
            late = ngettext("%(n)s overdue", "%(n)s overdue", row.counts.overdue) % {"n": row.counts.overdue}
            head += f'<a class="late" href="{self.tasks}?show=overdue&amp;{row.tasks}{self.narrowed}">{late}</a>'
        head += self.bars(row)
        cells = "".join(self.cell(cell, row) for cell in row.cells)
        return (
            f'<section class="row-of-units" data-row><div class="row-head">{head}</div>'
            f'<ul class="cells">{cells}</ul></section>'
        )

    def light(self, row: Row) -> str:
        """The colour as shape and word too; why it is so on hovering."""
        said = self.why(row.light, row.counts)
        return (
            f'<span class="light light-{row.light}" title="{said}">'
            f'<i class="bi bi-{ICONS[row.light]}" aria-hidden="true"></i> {escape(row.light.label)}</span>'
        )

    def bars(self, row: Row) -> str:
        """Verified and claimed side by side, never added."""
        parts = (("verified", row.counts.verified_percent), ("claimed", row.counts.claimed_percent))
        bars = "".join(
            f"<label><span>{self.words[name]} <b>{percent}%</b></span>"
            f'<progress class="{name}" max="100" value="{percent}">{percent}%</progress></label>'
            for name, percent in parts
        )
        return f'<div class="bars">{bars}</div>'

    def cell(self, cell: Cell, row: Row) -> str:
        """One unit or section: name, how many are overdue or sent back, colour as border, number and letter."""
        counts, light = cell.counts, cell.light
        said = self.why(light, counts, is_vacant=cell.code in self.vacant)
        if self.sections is not None:
            # In a row without a unit a section stands for all that the reader sees of it.
            href = f"{self.tasks}?show=all&amp;section={quote(cell.code)}&amp;{row.tasks}{self.sections}"
        elif cell.has_board:
            href = self.opens(cell.code, has_board=True)
        else:
            href = f"{self.units}{cell.code or '0'}/"
        if not cell.is_own and (word := self.standing.get(cell.code)):
            said += f" · {escape(word)}"
        mark = f"<b>{counts.overdue}</b>" if counts.overdue else f"<b>↩{counts.returned}</b>" if counts.returned else ""
        name: str = self.itself if cell.is_own else escape(cell.name)
        if not cell.is_own and cell.code in self.standing:
            name += '<i class="bi bi-flag-fill measure" aria-hidden="true"></i>'
            name += f'<span class="visually-hidden"> {escape(self.standing[cell.code])}</span>'
        return (
            f'<li><a class="cell light-{light}" href="{href}" title="{said}">'
            f'<span class="name">{name}</span>{mark}<i class="sign">{self.letters[light]}</i></a></li>'
        )

    def why(self, light: Light, counts: Counts, *, is_vacant: bool = False) -> str:
        """Why a unit has its colour; looked up once for all that have it for the same reasons."""
        key = light, counts.overdue, counts.returned, counts.vetoes, bool(counts.applying), is_vacant
        if key not in self.whys:
            self.whys[key] = escape(why(light, counts, vetoes=self.campaign.vetoes, is_vacant=is_vacant))
        return self.whys[key]

    def opens(self, code: str, *, has_board: bool) -> str:
        """The board of a unit with something below it, else the unit's own page."""
        code = code or "0"
        return f"?unit={code}{self.keeps}" if has_board else f"{self.units}{code}/"
