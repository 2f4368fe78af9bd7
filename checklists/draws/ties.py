"""Who is tied to which units, and so inspects nowhere there (回避). One query, whatever the number of people."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, Value

from checklists.draws.recipe import DIGITS, Inspector
from checklists.models import Campaign, Responsibility
from villages.access import TOWNSHIP_PLACES
from villages.models import Post

TIED_FOR = timedelta(days=365)  # a post that ended within this time still ties


def inspectors(campaign: Campaign, people: Any, on: date) -> tuple[Inspector, ...]:
    """These people (ids, or a query for them) with what each is tied to; without those who never held a post.

    Tied to: the unit of every post they hold or held within a year, with its whole township; each unit that they
    answer for in this campaign. A post at a county or higher ties to its departments no more than to its villages.
    """
    posts = Post.objects.filter(Q(until__isnull=True) | Q(until__gt=on - TIED_FOR), cadre__in=people)
    answering = Responsibility.objects.filter(campaign=campaign, cadre__in=people)
    named, tied = dict[int, str](), defaultdict[int, set[str]](set)
    facts = ("cadre", "cadre__name", "unit_id")
    for cadre, name, code, is_post in posts.values_list(*facts, Value(True)).union(  # one query
        answering.values_list(*facts, Value(False))
    ):
        named[cadre] = name
        tied[cadre].add(township_of(code) or code if is_post else code)
    return tuple(Inspector(cadre, barred_by(tied[cadre]), name) for cadre, name in sorted(named.items()))


def barred_by(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes without those of a county or above, and without what lies under another of them."""
    near = sorted(code for code in codes if len(code) >= TOWNSHIP_PLACES)
    return tuple(code for code in near if not any(code != top and code.startswith(top) for top in near))


def township_of(code: str) -> str:
    """The township that a unit belongs to; empty for what stands beside or above townships."""
    digits = DIGITS.match(code)
    return code[:TOWNSHIP_PLACES] if digits and len(digits[0]) >= TOWNSHIP_PLACES else ""
