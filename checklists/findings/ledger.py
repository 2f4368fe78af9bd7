"""问题台账: which findings a list shows, in which order, and how old they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Func, Q, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from checklists.models import Campaign, Finding
from checklists.models.finding import FindingQuerySet
from checklists.workdays import workday_back
from villages import access
from villages.models import Unit, code_of

# Days since it was found, both included; None: without end.
LOOK_WITHIN = 5  # working days after it was put right; then the next one up hears that nobody has looked
AGES: dict[str, tuple[int, int | None]] = {"0-7": (0, 7), "8-14": (8, 14), "15-30": (15, 30), "31-": (31, None)}


def shown(findings: FindingQuerySet, show: str, *, on: date) -> FindingQuerySet:
    """Those that a list is asked for by this name; by no known name those that are not settled."""
    match show:
        case "all":
            return findings
        case "overdue":
            return findings.overdue(on)
        case "unlooked":
            return findings.filter(unlooked(on))
        case "open" | "fixed" | "closed" | "dropped":
            return findings.filter(state=show)
        case "disputed":
            return findings.filter(disputed_by__isnull=False)
        case "asked":
            return findings.filter(asked_until__isnull=False)
        case "back":
            return findings.filter(came_back__gt=0)
        case "unanswered":
            return findings.unanswered()
        case "look":
            return findings.to_look_back_at(on)
    return findings.unsettled()


def unlooked(on: date) -> Q:
    """Put right, and nobody else has looked for LOOK_WITHIN working days."""
    return Q(state=Finding.State.FIXED, fixed_at__date__lt=workday_back(on, LOOK_WITHIN))


class Line(NamedTuple):
    """A finding in a list, and what is said of it there."""

    finding: Finding
    is_overdue: bool
    waits: int  # days since it was put right without anybody's look; 0: today, or it waits for none
    is_unlooked: bool  # for too long


def lines(findings: Iterable[Finding], *, on: date) -> list[Line]:
    """No query of its own."""
    long_ago, found = workday_back(on, LOOK_WITHIN), []
    for one in findings:
        fixed_on = timezone.localdate(one.fixed_at) if one.fixed_at and one.state == Finding.State.FIXED else on
        found.append(Line(one, one.is_overdue(on), (on - fixed_on).days, fixed_on < long_ago))
    return found


def narrowed(findings: FindingQuerySet, asked: dict[str, Any], *, on: date) -> FindingQuerySet:
    """Those that the other filters leave: unit, severity, source, responsible, age, words."""
    if asked.get("under"):
        findings = findings.under(code_of(asked["under"]))
    for name in ("severity", "source"):
        if asked.get(name):
            findings = findings.filter(**{name: asked[name]})
    if asked.get("responsible"):
        findings = findings.filter(responsible__name__contains=asked["responsible"])
    return findings


def of_age(findings: FindingQuerySet, age: str, *, on: date) -> FindingQuerySet:
    """Found so long ago."""
    if age not in AGES:
        return findings
    return findings.filter(_age(age, on))


def _age(age: str, on: date) -> Q:
    first, last = AGES[age]
    found = Q(found_on__lte=on - timedelta(days=first))
    return found if last is None else found & Q(found_on__gte=on - timedelta(days=last))


def by_need(findings: FindingQuerySet, *, on: date) -> FindingQuerySet:
    """Overdue ones first, among these the grave ones; then what has waited too long for a look, then what is open,
    what waits, and what is settled.
    """
    late = When(state=Finding.State.OPEN, due_on__lt=on, then=Value(0))
    ranks = [When(state=state, then=Value(rank)) for rank, state in enumerate(Finding.State.values, start=2)]
    return findings.order_by(Case(late, When(unlooked(on), then=Value(1)), *ranks), "-severity", "due_on", "number")


def mine(user: access.Person, *, on: date) -> FindingQuerySet:
    """What the user has to put right, to look at now that somebody else has, to look back at or to answer; by need."""
    seen = Finding.objects.visible_to(user)
    found = seen.to_put_right_by(user, on=on) | seen.to_confirm_by(user)
    found |= seen.to_look_back_at_by(user, on=on) | seen.to_answer_by(user)
    return by_need(found, on=on).select_related("unit", "responsible")


@dataclass(frozen=True)
class Sums:
    """How many findings there are of each sort, and of the unsettled how many of each age."""

    shown: dict[str, int]
    ages: dict[str, int]
    returns: int  # how often any of them came back


def sums(findings: FindingQuerySet, *, on: date) -> Sums:
    """One query."""
    unsettled = Q(state__in=(Finding.State.OPEN, Finding.State.FIXED))
    sorts = {
        "unsettled": unsettled,
        "overdue": Q(state=Finding.State.OPEN, due_on__lt=on),
        "fixed": Q(state=Finding.State.FIXED),
        "unlooked": unlooked(on),
        "look": Q(look_back_on__lte=on),
        "back": Q(came_back__gt=0),
        "unanswered": Q(source__in=Finding.ANSWERED_SOURCES, answer=""),
        "closed": Q(state=Finding.State.CLOSED),
        "all": Q(),
    }
    counts: dict[str, Any] = {f"n_{sort}": Count("pk", filter=condition) for sort, condition in sorts.items()}
    counts |= {f"age_{n}": Count("pk", filter=unsettled & _age(age, on)) for n, age in enumerate(AGES)}
    found = findings.order_by().aggregate(**counts, returns=Coalesce(Sum("came_back"), 0))
    return Sums(
        {sort: found[f"n_{sort}"] for sort in sorts},
        {age: found[f"age_{n}"] for n, age in enumerate(AGES)},
        found["returns"],
    )


def places(campaign: Campaign, user: access.Person, asked: str = "") -> list[Unit]:
    """The townships and departments in sight at or below which something was found, and the one that was asked for
    (as it is written). Two queries.
    """
    upper: Any = Func(F("unit_id"), template="substring(%(expressions)s from '^[0-9]{1,9}(?:D[0-9]+)?')")
    found = Finding.objects.visible_to(user).filter(campaign=campaign).order_by().values_list(upper, flat=True)
    codes = {*found.distinct(), *([code_of(asked)] if asked.isalnum() else [])}
    return list(Unit.objects.visible_to(user).filter(code__in=codes).order_by("code"))


def problems(campaign: Campaign, user: access.Person) -> list[dict[str, Any]]:
    """The speech's own list: each line with its words in both languages and how many findings name it. One query.

    The campaign comes with its template.
    """
    listed = campaign.template.body.get("problems", []) if campaign.template else []
    if not listed:
        return []
    named = Finding.objects.visible_to(user).filter(campaign=campaign).exclude(problem="").order_by()
    counts = dict(named.values_list("problem").annotate(n=Count("pk")))
    return [line | {"found": counts.get(line["id"], 0)} for line in listed]
