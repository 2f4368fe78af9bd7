"""四种方式: who is due for a visit, and why. Supervision comes round in four ways, and the software proposes.

Track to the end: findings there are not settled. Repeat: something did not hold on the last visit, all of it is
settled since, and nobody has looked whether it lasts. Focus: overdue, sent back, veto items. Patrol: nobody has been
there for longest. A unit is proposed once, by the first of these that fits; none where a round waits.

Source of the four: the supervision measures of the speeches (巡回督查、重点督查、反复督查、跟踪督查).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists import draws
from checklists.models import Campaign, Check, Finding, Item, Round, State, Task
from checklists.models.draw import NOBODY_YET
from checklists.models.task import OWED
from villages import access
from villages.models import Cadre, Unit

SHOWN = 5  # proposals of each rhythm at a time
COUNTY = 6  # digits: above it, tasks are too many to be read for one page


@dataclass(frozen=True)
class Proposal:
    """A unit that is due for a visit."""

    rhythm: Round.Rhythm
    unit: Unit
    why: str


@dataclass(frozen=True)
class Due:
    """The first of those that are due by one rhythm, who needs it most first, and how many there are."""

    rhythm: Round.Rhythm
    proposals: list[Proposal]
    total: int


@dataclass
class _Place:
    """What is known of one unit."""

    code: str
    applying: int = 0
    overdue: int = 0
    returned: int = 0
    vetoes: int = 0
    unsettled: int = 0
    late: date | None = None  # since when a finding is overdue
    visited: datetime | None = None
    looked: int = 0  # decided on the last visit
    failed: int = 0  # of these
    waits: bool = False  # a round is open


def due(campaign: Campaign, user: access.Person, *, on: date) -> list[Due]:
    """What is proposed to the user, rhythm by rhythm. Four queries, whatever the number of units."""
    sorted_by = _by_rhythm(campaign, user, on=on)
    shown = {place.code for places in sorted_by.values() for place in places[:SHOWN]}
    units = Unit.objects.in_bulk(list(shown))
    return [
        Due(
            rhythm,
            [Proposal(rhythm, units[place.code], WHY[rhythm](place, on)) for place in places[:SHOWN]],
            len(places),
        )
        for rhythm, places in sorted_by.items()
    ]


def proposal(campaign: Campaign, user: Cadre, *, rhythm: str, unit: Unit, on: date) -> Proposal | None:
    """The proposal for one unit, if it is still due by this rhythm."""
    for kind, places in _by_rhythm(campaign, user, on=on, only=unit.pk).items():
        if kind == rhythm and places:
            return Proposal(kind, unit, WHY[kind](places[0], on))
    return None


def items_for(campaign: Campaign, found: Proposal) -> list[Item]:
    """What inspectors look at: what findings name, or what did not hold on the last visit; none is all there is."""
    if found.rhythm == Round.Rhythm.TRACK:
        named = Finding.objects.unsettled().filter(campaign=campaign, unit=found.unit, item__isnull=False)
        return list(Item.objects.filter(pk__in=named.values("item")))
    if found.rhythm == Round.Rhythm.REPEAT:
        last = Round.objects.filter(campaign=campaign, unit=found.unit, finished_at__isnull=False)
        failed = Check.objects.filter(round__in=last.order_by("-finished_at").values("pk")[:1], result="fails")
        return list(Item.objects.filter(pk__in=failed.values("task__item")))
    return []


def is_too_high(campaign: Campaign, user: access.Person) -> bool:
    """Whether what the user plans for reaches beyond a county."""
    places = [grant.unit for grant in access.grants(user) if access.may_inspect(user, grant.unit)]
    return any(len(max(code, campaign.host_id, key=len)) < COUNTY for code in places)


def _by_rhythm(
    campaign: Campaign, user: access.Person, *, on: date, only: str | None = None
) -> dict[Round.Rhythm, list[_Place]]:
    """Every unit that is due, once, by its rhythm, who needs it most first."""
    found: dict[Round.Rhythm, list[_Place]] = {rhythm: [] for rhythm in ORDER}
    if not campaign.is_running or (only is None and is_too_high(campaign, user)):
        return found
    places = _places(campaign, user, on=on, only=only)
    for place in places:
        for rhythm in ORDER:
            if not place.waits and FITS[rhythm](place, campaign):
                found[rhythm].append(place)
                break
    been = Counter(place.code[:9] for place in places if place.visited)
    far = timezone.make_aware(datetime(1970, 1, 1))  # never
    found[Round.Rhythm.TRACK].sort(key=lambda it: (it.late or date.max, -it.unsettled, it.code))
    found[Round.Rhythm.REPEAT].sort(key=lambda it: (it.visited or far, it.code))
    found[Round.Rhythm.FOCUS].sort(key=lambda it: (-it.vetoes, -it.overdue / it.applying, -it.returned, it.code))
    # Where it was long ago for many, those first whose township has seen the fewest visits.
    found[Round.Rhythm.PATROL].sort(key=lambda it: (it.visited or far, been[it.code[:9]], it.code))
    return found


def _places(campaign: Campaign, user: access.Person, *, on: date, only: str | None) -> list[_Place]:
    """Every unit with tasks of its own where the user plans rounds."""

    def here(path: str) -> Q:
        one = Q(**{path: only}) if only is not None else Q()
        return access.reached(path, user, access.Action.INSPECT) & one

    late, returned = Q(state__in=OWED, due_on__lt=on), Q(state=State.RETURNED)
    counts: dict[str, Any] = {
        "applying": Count("pk"),
        "overdue": Count("pk", filter=late),
        "returned": Count("pk", filter=returned),
        "vetoes": Count("pk", filter=Q(veto=True) & (late | returned)),
    }
    tasks = Task.objects.asked_for().filter(here("unit__code"), campaign=campaign).exclude(state=State.WAIVED)
    counted = tasks.order_by().values("unit_id").annotate(**counts).values_list("unit_id", *counts)
    places = {code: _Place(code, *numbers) for code, *numbers in counted}
    unsettled = Finding.objects.unsettled().filter(here("unit__code"), campaign=campaign).order_by()
    late_since = Min("due_on", filter=Q(state=Finding.State.OPEN, due_on__lt=on))
    grouped: Any = unsettled.values("unit_id").annotate(n=Count("pk"), since=late_since)
    for code, n, since in grouped.values_list("unit_id", "n", "since"):
        if code in places:
            places[code].unsettled, places[code].late = n, since
    decided, failed = Q(checks__result__in=("holds", "fails")), Q(checks__result="fails")
    visits: Any = draws.in_force(Round.objects.filter(here("unit__code"), campaign=campaign))
    visits = visits.order_by("finished_at", "pk")
    looked: dict[str, Any] = {"looked": Count("checks", filter=decided), "failed": Count("checks", filter=failed)}
    for visit in visits.annotate(**looked).values_list("unit_id", "finished_at", "looked", "failed"):
        code, at, n, bad = visit
        if code in places and at is None:
            places[code].waits = True
        elif code in places:
            places[code].visited, places[code].looked, places[code].failed = at, n, bad
    return list(places.values())


def _is_focus(place: _Place, campaign: Campaign) -> bool:
    """As red a light as the campaign's own share says (Twin: readiness/boards/light.py), or several sent back."""
    red = place.overdue > 0 and place.overdue * 100 >= campaign.red_percent * place.applying
    return red or place.vetoes > 0 or place.returned >= 3


ORDER = (Round.Rhythm.TRACK, Round.Rhythm.REPEAT, Round.Rhythm.FOCUS, Round.Rhythm.PATROL)
FITS: dict[Round.Rhythm, Callable[[_Place, Campaign], bool]] = {
    Round.Rhythm.TRACK: lambda place, _campaign: place.unsettled > 0,
    Round.Rhythm.REPEAT: lambda place, _campaign: place.failed > 0,
    Round.Rhythm.FOCUS: _is_focus,
    Round.Rhythm.PATROL: lambda _place, _campaign: True,
}


def _tracked(place: _Place, _on: date) -> str:
    said = ngettext("%(n)d finding is not settled", "%(n)d findings are not settled", place.unsettled)
    said %= {"n": place.unsettled}
    if place.late is None:
        return said
    return _("%(said)s; overdue since %(day)s") % {"said": said, "day": date_format(place.late, "MONTH_DAY_FORMAT")}


def _repeated(place: _Place, on: date) -> str:
    return _(
        "%(failed)d of %(looked)d did not hold on the last visit (%(visit)s); settled since, not looked at again"
    ) % {
        "failed": place.failed,
        "looked": place.looked,
        "visit": _when(place, on),
    }


def _focused(place: _Place, _on: date) -> str:
    said = [_("%(late)d of %(all)d overdue") % {"late": place.overdue, "all": place.applying}] if place.overdue else []
    if place.returned:
        said.append(ngettext("%(n)d sent back", "%(n)d sent back", place.returned) % {"n": place.returned})
    if place.vetoes:
        n = ngettext("%(n)d veto item among them", "%(n)d veto items among them", place.vetoes)
        said.append(n % {"n": place.vetoes})
    return _(", ").join(said)


def _patrolled(place: _Place, on: date) -> str:
    if place.visited is None:
        return _(NOBODY_YET)
    return _("last visit %(visit)s") % {"visit": _when(place, on)}


def _when(place: _Place, on: date) -> str:
    day = timezone.localdate(place.visited) if place.visited else on
    ago = ngettext("%(n)d day ago", "%(n)d days ago", (on - day).days) % {"n": (on - day).days}
    return _("%(day)s, %(ago)s") % {"day": date_format(day, "MONTH_DAY_FORMAT"), "ago": ago}


WHY: dict[Round.Rhythm, Callable[[_Place, date], str]] = {
    Round.Rhythm.TRACK: _tracked,
    Round.Rhythm.REPEAT: _repeated,
    Round.Rhythm.FOCUS: _focused,
    Round.Rhythm.PATROL: _patrolled,
}
