"""Who answers for what a board shows: places where nobody does, and whom to call."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from checklists.models import Campaign, Responsibility
from readiness.boards import figures
from readiness.boards.figures import Board
from villages import access

NEEDED = (Responsibility.Kind.FIRST, Responsibility.Kind.DIRECT)


@dataclass(frozen=True)
class Vacancy:
    """空白点: a unit with tasks where nobody first or directly answers."""

    code: str
    name: str
    missing: list[str]


@dataclass(frozen=True)
class Contact:
    """Somebody who answers, with the number as far as the reader may see it."""

    name: str
    kind: str
    phone: str
    may_call: bool


def vacancies(campaign: Campaign, user: access.Person, shown: Board, *, on: date) -> list[Vacancy]:
    """Units on the board with tasks of their own that nobody first or directly answers for. One query or none.

    A board above a county knows of none (`Board.owing`): there gaps.py counts.
    """
    if not shown.owing:
        return []
    where = [shown.at] if shown.at is not None else figures.tops(campaign, user)
    there = Q(unit__in=list(shown.owing)) if figures.levels(where) else figures.within(where)
    held = set(
        Responsibility.objects.visible_to(user)
        .filter(there, campaign=campaign, kind__in=NEEDED)
        .in_office(on)
        .values_list("unit_id", "kind")
    )
    missing = {code: [str(kind.label) for kind in NEEDED if (code, kind) not in held] for code in sorted(shown.owing)}
    return [Vacancy(code, shown.names.get(code, code), kinds) for code, kinds in missing.items() if kinds]


def contacts(campaign: Campaign, user: access.Person, codes: Iterable[str], *, on: date) -> dict[str, list[Contact]]:
    """Unit -> who answers for it, in the order in which they are called. One query."""
    found = defaultdict(list)
    answering = Responsibility.objects.visible_to(user).filter(campaign=campaign, unit__in=list(codes))
    for one in answering.in_office(on).in_order():
        may_call = bool(access.may_call(user, one.unit_id))
        phone = (one.cadre.phone or "") if may_call else one.cadre.masked_phone
        found[one.unit_id].append(Contact(one.cadre.name, one.get_kind_display(), phone, may_call))
    return found
