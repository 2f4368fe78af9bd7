"""The board of a campaign: one page that zooms from the country to the township, in several views."""

import re
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.core.cache import caches
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from checklists import ladder
from checklists.models import Campaign, Item
from readiness.boards import answers, battle, belief, csv, curve, figures, gaps, items, live, places, tables, words
from readiness.boards import map as maps
from readiness.boards.figures import Board
from readiness.boards.filters import NARROWS, BoardFilter
from readiness.boards.forecast import Forecast, NoForecast, forecast
from readiness.boards.heat import Heat
from readiness.boards.series import Series, series
from readiness.reminders.state import alarm
from villages import access
from villages.http import CadreRequest
from villages.models import CODE_PATTERN, Cadre, code_of

UNIT = re.compile(CODE_PATTERN, re.ASCII)


@require_safe
def board(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The answer in one line, the figures, and one view of the units below."""
    campaign, unit = place(request.user, campaign_id, request.GET.get("unit", ""))
    if unit is not None and not figures.has_board(unit):
        return redirect("unit_tasks", campaign.pk, unit)
    today = timezone.localdate()
    tag = live.tag(request, request.user, campaign, timezone.now(), today, frame=alarm(request.user))
    if same := live.unchanged(request, tag):
        return same
    # Written once for all who see the same, until something changes.
    written = caches["boards"].get(tag)
    if written is None:
        context = _context(request, campaign, unit, today) | {"tag": tag}
        written = {
            "title": " – ".join(filter(None, (context["here"], str(campaign)))),
            "written": render_to_string("boards/_board.html", context),
        }
        caches["boards"].set(tag, written)
    answer = render(request, "boards/board.html", written)
    answer["ETag"] = tag
    return answer


@require_safe
def table(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The view of the board that the same query shows, as a file for a spreadsheet."""
    campaign, unit = place(request.user, campaign_id, request.GET.get("unit", ""))
    if unit is not None and not figures.has_board(unit):
        raise Http404
    context = _context(request, campaign, unit, timezone.localdate())
    name, header, rows = tables.sheet(context)
    return csv.answer(" ".join(filter(None, (str(campaign), context["here"], name))), header, rows)


def place(user: access.Person, campaign_id: int, asked: str) -> tuple[Campaign, str | None]:
    """The campaign, and the unit that was asked for or else the highest that the reader covers (None: several).

    Raises:
        Http404: the campaign or the unit is out of sight.
    """
    unit = code_of(asked) if asked else None
    if unit is not None and not UNIT.fullmatch(unit):
        raise Http404
    seen = Campaign.objects.visible_to(user).select_related("host", "decided_by")
    found = live.with_pulse(seen, access.scopes(user) if unit is None else [unit], on=timezone.localdate())
    campaign: Campaign = get_object_or_404(found, pk=campaign_id)
    tops = figures.tops(campaign, user)
    if unit is not None and not any(unit.startswith(top) for top in tops):
        raise Http404
    if unit is None and len(tops) == 1 and figures.has_board(tops[0]):
        unit = tops[0]
    return campaign, unit


def _context(request: CadreRequest, campaign: Campaign, at: str | None, today: date) -> dict[str, Any]:
    user = request.user
    checklist = items.of_campaign(campaign)
    is_ranked = campaign.counts("ranking", today)
    views = ["battle", "curve", *(["ranking"] if is_ranked else []), "weak", "belief", "map"]
    form = BoardFilter(request.GET, campaign=campaign, checklist=checklist, views=views)
    form.is_valid()
    asked = form.cleaned_data
    past = asked.get("on")
    chosen = None if past else form.narrowed
    on = past or today
    stands = ladder.standing(campaign, user, on=on)
    vetoed = ladder.vetoed(stands)
    shown = figures.board(campaign, user, at=at, on=on, items=chosen, as_of=past, vetoed=vetoed)
    if at is not None and at not in shown.names:
        raise Http404
    # Items have no days of their own, and days no items.
    missing = {"battle": past is not None, "curve": chosen is not None, "belief": past is not None}
    missing["map"] = not any(row.code in shown.drawn for row in shown.rows if row.is_whole)
    views = [view for view in views if not missing.get(view)]
    view = asked["show"] if asked.get("show") in views else "heat"
    frame = {
        "campaign": campaign,
        "form": form,
        "board": shown,
        "here": shown.names.get(at, "") if at is not None else "",
        "tasks": _tasks_query(form, at),
        "past": past,
        "view": view,
        "tabs": [(name, label, form.query(show=name)) for name, label in _tabs(views)],
        "may_run": access.may_run(user, campaign.host_id),
        "may_see_notices": access.may_see_notices(user, campaign.host_id),
        "may_see_rounds": access.may_see_rounds(user, campaign.host_id),
        "csv_url": f"{reverse('board_table', args=[campaign.pk])}?{form.query()}",
        "name": f"{campaign} {shown.names.get(at or '', '')}".strip(),
    }
    vacancies = [] if past else answers.vacancies(campaign, user, shown, on=today)
    coming: Forecast | NoForecast | None = None
    days: Series | None = None
    if chosen is None and not past:
        days = series(campaign, user, at, until=today)
        coming = outlook(campaign, days)
    gates = None
    if not past and campaign.counts("gates", on):
        by_due = items.by_due_date(campaign, user, at, on=today)
        gates = sum(items.gates(by_due, [item for item in checklist if chosen is None or item.pk in chosen]).values())
    believed = None
    if not past:
        believed = belief.beliefs(campaign, user, shown, items=chosen, days=days, in_full=view == "belief")
    counted = None if past or at is None or not figures.levels([at]) else gaps.known(campaign, user, at)
    frame |= {
        "gates": gates,
        "calls": None if past else sum(chosen is None or item in chosen for item in campaign.calls),  # type: ignore[attr-defined]
        # A finding may be about no item: where items are left out, none are counted.
        "findings": None if past or chosen is not None else (campaign.unsettled, campaign.late, campaign.unlooked),  # type: ignore[attr-defined]
        "answer": words.answer(shown, campaign.days_left(on), coming, closed_on=None if past else campaign.closed_on),
        "vacancies": vacancies,
        "gaps": counted,
        "belief": believed,
        "vacant": counted.vacancies if counted else len(vacancies),
        "days_left": campaign.days_left(on),
    }
    match frame["view"]:
        case "curve":
            days = days or series(campaign, user, at, until=on)
            return frame | {"curve": progress(campaign, days, coming, on)}
        case "map":
            shapes_url = f"{reverse('shapes', args=[campaign.pk])}?unit={at or '0'}"
            return frame | {"areas": maps.areas(campaign, shown), "shapes_url": shapes_url, "cells": shown}
        case "battle":
            return frame | _battle(campaign, user, at, checklist, chosen, on, _tasks_query(form, at))
        case "belief":
            return frame
        case "weak":
            codes = [cell.code for cell, _ in places.weakest(shown) if cell.code]
            found = answers.contacts(campaign, user, codes, on=today)
            return frame | {"weak": places.weak(campaign, shown, vacancies, found)}
        case "ranking":
            reached = places.reached_on(campaign, user, shown)
            week = figures.board(campaign, user, at=at, on=on, as_of=on - places.WEEK)
            return frame | {"ranking": places.ranking(campaign, shown.rows, reached, week.rows, stands)}
    # Below a township's villages there are no units, but sections there are.
    has_cells = at is None or figures.BELOW[len(at)][1] > 0
    by_sections = not past and (asked.get("by") == "sections" or not has_cells)
    if by_sections:
        shown = items.by_section(campaign, user, shown, checklist, on=on, chosen=chosen)
    standing = {} if past or by_sections else ladder.named(stands)
    return (
        frame
        | _heat(campaign, shown, form, vacancies, standing, by_sections=by_sections)
        | {"may_switch": at is not None and has_cells and not past}
        | {"orphans": [item for item in checklist if not item.is_owed] if at == campaign.host_id and not past else []}
    )


def outlook(campaign: Campaign, days: Series) -> Forecast | NoForecast:
    """What will be claimed by the inspection; nothing any more in a closed campaign."""
    if campaign.is_closed:
        return NoForecast.CLOSED
    claimed = list(zip(days.days, days.claimed, strict=True))
    return forecast(claimed, days.due, until=campaign.inspects_on, is_over=False)


def progress(campaign: Campaign, days: Series, coming: Forecast | NoForecast | None, on: date) -> curve.Curve:
    """Planned, claimed and verified, drawn. One query."""
    return curve.draw(
        list(zip(days.days, days.claimed, strict=True)),
        list(zip(days.days, days.verified, strict=True)),
        days.due,
        coming or NoForecast.OVER,
        on=on,
        inspects_on=campaign.inspects_on,
        phases=campaign.phases.all(),
    )


def _battle(
    campaign: Campaign,
    user: Cadre,
    at: str | None,
    checklist: list[Item],
    chosen: list[int] | None,
    on: date,
    under: str,
) -> dict[str, Any]:
    item_of = {item.pk: item for item in checklist if chosen is None or item.pk in chosen}
    by_due = [line for line in items.by_due_date(campaign, user, at, on=on) if line[0] in item_of]
    tasks = f"{reverse('campaign_tasks', args=[campaign.pk])}?{under}"
    gates = items.gates(by_due, checklist) if campaign.counts("gates", on) else {}
    stages = [
        battle.Stage(
            f"{phase} · {_('closed')}" if phase.is_closed else str(phase),
            phase.starts_on,
            phase.ends_on,
            gates.get(phase.pk, 0),
            f"{tasks}&show=gate&phase={phase.pk}",
        )
        for phase in campaign.phases.all()
    ]

    def link(section: str, first: date | None, last: date | None) -> str:
        narrowed = {"section": section, "due_from": first, "due_until": last}
        return f"{tasks}&show=all&{urlencode({name: value for name, value in narrowed.items() if value})}"

    by_due.sort(key=lambda line: item_of[line[0]].position)
    due = [(item_of[item].section, day, counts) for item, day, counts in by_due]
    inspects = campaign.inspects_on, campaign.last_day
    return {"battle": battle.draw(due, stages, starts_on=campaign.starts_on, inspects=inspects, on=on, link=link)}


def _heat(
    campaign: Campaign,
    shown: Board,
    form: BoardFilter,
    vacancies: list[answers.Vacancy],
    standing: dict[str, str],
    *,
    by_sections: bool,
) -> dict[str, Any]:
    light = form.cleaned_data.get("light")
    shown = shown.only(light) if light else shown
    heat = Heat(
        campaign,
        vacant={vacancy.code for vacancy in vacancies},
        standing=standing,
        sections=_and(_narrowed(form, but="section")) if by_sections else None,
        keeps=_and(form.query(unit=None)),
        narrowed=_and(_narrowed(form)),
    )
    return {"cells": shown, "heat": heat.write(shown), "by_sections": by_sections, "chosen_light": light}


def _tabs(views: list[str]) -> list[tuple[str | None, str]]:
    labels = {
        "battle": _("Battle map"),
        "curve": _("Curve"),
        "ranking": _("Ranking"),
        "weak": _("Weak places"),
        "belief": _("How much to believe"),
        "map": _("Map"),
    }
    return [(None, _("Heat map")), *((view, labels[view]) for view in views)]


def _tasks_query(form: BoardFilter, at: str | None) -> str:
    """The filters that lead from a figure to its tasks, beside `show`."""
    return "&".join(filter(None, ("" if at is None else f"under={at or '0'}", _narrowed(form))))


def _and(query: str) -> str:
    return f"&{query}" if query else ""


def _narrowed(form: BoardFilter, *, but: str = "") -> str:
    """The filters that leave items out, as a query."""
    kept = {name: form.data.get(name, "") for name in NARROWS if name not in form.errors and name != but}
    return urlencode({name: value for name, value in kept.items() if value})
