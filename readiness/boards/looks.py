"""What random draws have listed and what was seen of it: the data that beliefs (belief.py) are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.utils import timezone

from checklists.draws import waiting
from checklists.models import Campaign, Task
from checklists.models.draw import Check, Draw, Round
from readiness.boards import figures
from villages import access

CLAIMED = ("done", "verified")
KNOWN = ("number", "title", "frozen", "campaign")


@dataclass(frozen=True)
class Listed:
    """A unit on the frozen list of a draw."""

    code: str
    group: str
    lots: int
    was_drawn: bool = False  # and therefore left out this time


@dataclass(frozen=True)
class Seen:
    """One look at one task on a drawn round."""

    unit: str
    task: int
    item: int
    result: str
    counts: bool  # the task was claimed when it was looked at
    is_claimed: bool  # and still is
    claims: int  # of the round's unit, now; read above a county only
    at: datetime


@dataclass(frozen=True)
class Found:
    """A draw and what was seen of it."""

    number: int
    title: str
    listed: list[Listed]
    items: set[int]  # those listed, if only a part of them was drawn
    seen: list[Seen]
    sent: dict[str, bool]  # units that it drew -> whether anything was seen there
    is_held_back: bool = False  # nobody in these posts may know yet which: nothing of the above is said

    @property
    def last(self) -> date | None:
        """The day of the last look."""
        return max((timezone.localdate(one.at) for one in self.seen), default=None)


def drawn(campaign: Campaign, user: access.Person, where: list[str], *, items: list[int] | None = None) -> list[Found]:
    """Draws that sent somebody there, or may have, oldest first. One query.

    Above a county only draws that were made there or above count: those of single counties are their own. A draw that
    another one replaced before anybody had begun is none; of one that was begun, units that nobody went to any more
    stay drawn. A draw with a visit to come, wherever, that the reader's posts do not show is held back as a
    whole: a board must tell neither whom it sent nor whom it did not (四不两直).
    """
    is_high = bool(figures.levels(where))
    checks: Any = Check.objects.visible_to(user).from_draws().filter(_at(where), round__draw=OuterRef("pk"))
    claims: Any = Task.objects.visible_to(user).asked_for().claimed().filter(campaign=campaign)
    if items is not None:
        checks, claims = checks.filter(task__item__in=items), claims.filter(item__in=items)
    claims = claims.filter(unit=OuterRef("round__unit")).order_by().values("unit").annotate(n=Count("pk")).values("n")
    # Up to a county the board knows what each unit claims.
    there: Any = Coalesce(Subquery(claims, output_field=IntegerField()), 0) if is_high else Value(0)
    checks = checks.annotate(claims=there).order_by("at", "id")
    look = JSONObject(
        unit="round__unit_id",
        task="task_id",
        item="task__item_id",
        result="result",
        was="was",
        state="task__state",
        claims="claims",
        at="at",
    )
    drew = Round.objects.filter(_at(where, "unit"), draw=OuterRef("pk"))
    went = Exists(Check.objects.filter(round=OuterRef("pk")).exclude(result=Check.Result.UNSEEN))
    drew = drew.exclude(rhythm__in=Round.CHOSEN).annotate(went=went).order_by("unit")
    to_come: Any = waiting(Round.objects.filter(draw=OuterRef("pk")))
    unshown = to_come.filter(begun=False).exclude(pk__in=Round.objects.shown_by_posts(user).values("pk"))
    draws: Any = Draw.objects.visible_to(user).filter(campaign=campaign, drawn_at__isnull=False)
    begun = Exists(Check.objects.filter(round__draw=OuterRef("pk")))
    draws = draws.exclude(~begun, replaced_by__drawn_at__isnull=False)
    if is_high:
        draws = draws.filter(among__in={code[:n] for code in where for n in (0, 2, 4, 6) if n <= len(code)})
    sent = JSONObject(unit="unit_id", went="went")
    draws = draws.annotate(looks=ArraySubquery(checks.values_list(look)), sent=ArraySubquery(drew.values_list(sent)))
    draws = draws.annotate(is_held_back=Exists(unshown))
    return [one for draw in draws.order_by("number").only(*KNOWN) if (one := _found(draw, tuple(where))) is not None]


def _found(draw: Any, where: tuple[str, ...]) -> Found | None:
    units, items = listed(draw.frozen)
    if draw.is_held_back:
        listed_here = any(unit.code.startswith(where) for unit in units)
        return Found(draw.number, draw.title, [], set(), [], {}, is_held_back=True) if listed_here else None
    if not draw.sent:
        return None
    went = {one["unit"]: one["went"] for one in draw.sent}
    return Found(draw.number, draw.title, units, items, [_seen(one) for one in draw.looks], went)


def _at(where: Iterable[str], unit: str = "task__unit") -> Q:
    condition = Q(pk__in=[])
    for code in where:
        condition |= access.under(f"{unit}__code", code)
    return condition


def _seen(one: Mapping[str, Any]) -> Seen:
    return Seen(
        one["unit"],
        one["task"],
        one["item"],
        one["result"],
        one["was"] in CLAIMED,
        one["state"] in CLAIMED,
        one["claims"],
        datetime.fromisoformat(one["at"]),
    )


def listed(frozen: str) -> tuple[list[Listed], set[int]]:
    """The units of a frozen list, and its items if only a part of them was drawn; what else it says is left alone."""
    units, items, part = [], set(), 0
    for line in frozen.split("\n"):
        match line.split("\t"):
            case ["unit", code, group, lots, *_]:
                units.append(Listed(code, group, int(lots)))
            case ["without", code, *_]:
                units.append(Listed(code, "", 1, was_drawn=True))
            case ["item", item, *_]:
                items.add(int(item))
            case ["items", taken]:
                part = int(taken)
    return units, items if part else set()
