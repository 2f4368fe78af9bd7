"""The wall: a board for a screen in the hall, which turns its pages by itself and follows what happens.

Read by whoever is logged in, or by anybody who knows the address of a wall pass. It hangs where everybody walks by, so
it names no people, shows no numbers to call and no notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from checklists import ladder
from checklists.models import Campaign, State, Task, TaskEvent
from readiness.boards import answers, belief, board, figures, live, places, words
from readiness.boards.figures import Board, Cell, Row
from readiness.boards.series import series
from readiness.models import WallPass
from villages import access
from villages.http import CadreRequest
from villages.models import COUNTRY_WRITTEN

NEWEST = 12  # events that pass by
NEW = timedelta(days=7)  # older ones do not, however few there are
TOLD = (State.DONE, State.VERIFIED, State.RETURNED)
MOST_RANKED = 48  # places that fit a screen


@dataclass(frozen=True)
class Block:
    """Cells that stand together, under the name of their upper unit if there are several blocks."""

    row: Row | None
    cells: Sequence[Cell | Row]


@dataclass(frozen=True)
class News:
    """Something that happened to a task: no word of who did it, or of what they noted."""

    at: datetime
    upper: str  # name of the unit above the task's, where the board shows it
    unit: str
    item: str
    state: State


@require_safe
def wall(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The unit that was asked for, or all that somebody who is logged in covers."""
    campaign, unit = board.place(request.user, campaign_id, request.GET.get("unit", ""))
    return _answer(request, request.user, campaign, unit)


@login_not_required
@require_safe
def wall_pass(request: HttpRequest, campaign_id: int, token: str) -> HttpResponse:
    """The unit of a pass, for whoever knows its address. Wrong, of another campaign, run out or revoked: all one."""
    known = WallPass.objects.in_force(timezone.now())
    found = get_object_or_404(known, digest=WallPass.digest_of(token))
    if found.campaign_id != campaign_id:
        raise Http404
    reader = access.Onlooker(found.unit_id)
    campaign, unit = board.place(reader, campaign_id, found.unit_id or COUNTRY_WRITTEN)
    return _answer(request, reader, campaign, unit)


def _answer(request: HttpRequest, reader: access.Person, campaign: Campaign, unit: str | None) -> HttpResponse:
    """The page, or 304. Kept by nobody: it is gone with the session or the pass."""
    if unit is not None and not figures.has_board(unit):
        raise Http404
    today = timezone.localdate()
    tag = live.tag(request, reader, campaign, timezone.now(), today)
    answer = live.unchanged(request, tag)
    if answer is None:
        context = _context(campaign, reader, unit, today) | {"tag": tag, "theme": _theme(request)}
        answer = render(request, "boards/wall.html", context)
        answer["ETag"] = tag
    answer["Cache-Control"] = "no-store, private"
    return answer


def _theme(request: HttpRequest) -> str:
    """As the address says; else the screen's own setting decides."""
    asked = request.GET.get("theme", "")
    return asked if asked in ("dark", "light") else ""


def _context(campaign: Campaign, reader: access.Person, at: str | None, today: date) -> dict[str, Any]:
    stands = ladder.standing(campaign, reader, on=today)
    shown = figures.board(campaign, reader, at=at, on=today, vetoed=ladder.vetoed(stands))
    if at is not None and at not in shown.names:
        raise Http404
    vacancies = answers.vacancies(campaign, reader, shown, on=today)
    days = series(campaign, reader, at, until=today)
    coming = board.outlook(campaign, days)
    curve = board.progress(campaign, days, coming, today)
    ranking: list[places.Place] = []
    if campaign.counts("ranking", today):
        ranking = places.ranking(campaign, shown.rows, places.reached_on(campaign, reader, shown), [], stands)
    titles = [("sum", _("Overview")), ("heat", _("Heat map")), ("weak", _("Weak places")), ("curve", _("Curve"))]
    return {
        "campaign": campaign,
        "board": shown,
        "here": shown.names.get(at, "") if at is not None else "",
        "answer": words.answer(shown, campaign.days_left(today), coming, closed_on=campaign.closed_on),
        "days": abs(campaign.days_left(today)),
        "is_over": campaign.days_left(today) < 0,
        "today": today,
        "vacancies": vacancies,
        "belief": belief.beliefs(campaign, reader, shown).total,
        "blocks": _blocks(shown),
        "weak": places.weak(campaign, shown, vacancies, {}),
        "curve": curve,
        "drawing": curve.drawings[-1],
        "ranking": ranking[:MOST_RANKED],
        "events": newest(campaign, reader, shown, since=timezone.now() - NEW),
        "pages": [*titles, ("ranking", _("Ranking"))] if ranking else titles,
    }


def _blocks(shown: Board) -> list[Block]:
    """Every cell of the board. A township's villages are rows without any: they stand with its own in one block."""
    if all(row.cells for row in shown.rows):
        return [Block(row, row.cells) for row in shown.rows]
    cells: list[Cell | Row] = []
    for row in shown.rows:
        cells += row.cells or [row]
    return [Block(None, sorted(cells, key=lambda cell: figures.need(cell.light, cell.counts, cell.code or "")))]


def newest(campaign: Campaign, reader: access.Person, shown: Board, *, since: datetime) -> list[News]:
    """The last claims, checks and returns on a board, newest first. One query."""
    where = [shown.at] if shown.at is not None else figures.tops(campaign, reader)
    tasks = Task.objects.visible_to(reader).asked_for().filter(figures.within(where), campaign=campaign)
    told = TaskEvent.objects.filter(task__in=tasks, to_state__in=TOLD, at__gte=since)
    told = told.exclude(to_state=F("from_state")).select_related("task__unit", "task__item")
    return [
        News(
            event.at,
            shown.names.get(event.task.unit.parent_id or "", "") if event.task.unit.parent_id != shown.at else "",
            event.task.unit.short_name,
            event.task.item.name,
            State(event.to_state),
        )
        for event in told.order_by("-at", "-id")[:NEWEST]
    ]
