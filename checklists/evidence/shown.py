"""What a page shows of the proof of one task or finding: templates/evidence/_proofs.html; of checks: _seen.html.

    context["proofs"] = shown(Thing(task), request.user, now=timezone.now())
    {% include "evidence/_proofs.html" %}

A page with the upload form also loads static/uploads.js.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import JSONObject

from checklists.evidence import MAY_BE_TAKEN_BACK
from checklists.evidence.things import Thing
from checklists.models import Check, Evidence, EvidenceUse, Finding, Task
from checklists.models.task import TaskQuerySet
from villages import access
from villages.models import Cadre

HERE = 30  # files of the same unit to choose from
SMALL = 4  # files of one task in a list


@dataclass(frozen=True)
class Elsewhere:
    """Another place where the same bytes serve."""

    words: str  # unit and item, or the finding
    campaign: str
    page: str
    at: datetime


@dataclass(frozen=True)
class Proof:
    """One file, and what its reader should know of it."""

    evidence: Evidence
    attached_by: Cadre
    may_be_taken_back: bool
    elsewhere: list[Elsewhere] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """Everything that `_proofs.html` needs."""

    thing: Thing
    proofs: list[Proof]
    gone: list[Evidence]  # taken back; their rows stay
    may_add: bool
    here: list[Evidence]  # already there, and of the same unit and campaign
    takes_all: bool  # may take along all of the unit's in one file
    asked_for: bool  # the item wants a file
    megabytes: int


@dataclass(frozen=True)
class File:
    """As much of a file as a small picture needs."""

    id: str
    name: str
    has_thumbnail: bool
    may_be_taken_back: bool = False


@dataclass(frozen=True)
class Seen:
    """What an inspector saw of one task, and the proof of it that the reader sees."""

    check: Check
    files: list[File]
    address: str  # where the reader sends more; empty: they do not


@dataclass(frozen=True)
class Small:
    """The proof of one task where many stand in a list."""

    files: list[File] = field(default_factory=list)  # the first few
    more: int = 0  # besides
    serves_elsewhere: bool = False  # the same bytes as one of them, somewhere in the reader's sight


def with_proof(tasks: TaskQuerySet, user: Cadre) -> TaskQuerySet:
    """The tasks, each with what `small` says of its proof; in the query that reads them."""
    seen = EvidenceUse.objects.filter(access.within("evidence__unit__code", user))
    uses = seen.filter(task=OuterRef("pk"), evidence__removed_at__isnull=True).order_by("at", "pk")
    told = JSONObject(id="evidence__id", name="evidence__name", has_thumbnail=~Q(evidence__thumbnail=""))
    same = seen.filter(evidence__sent_sha256=OuterRef("evidence__sent_sha256")).exclude(task=OuterRef("task"))
    read: dict[str, Any] = {
        "files": ArraySubquery(uses.values_list(told)[:SMALL]),
        "many_files": Subquery(uses.order_by().values("task").annotate(n=Count("pk")).values("n")),
        "serves_elsewhere": Exists(uses.filter(Exists(same))),
        "lacks_proof": Q(item__needs_proof=True) & ~Exists(uses),
    }
    return tasks.annotate(**read)


def small(task: Any) -> Small:
    """The proof of one of many, as `with_proof` has read it."""
    return Small([File(**file) for file in task.files], (task.many_files or 0) - len(task.files), task.serves_elsewhere)


def seen(checks: QuerySet[Check], user: Cadre, *, now: datetime, takes: bool = False) -> list[Seen]:
    """The checks in their order, each with its files. One query.

    Args:
        takes: the page is the round's own, which still takes what its inspectors saw, and gives it back.
    """
    there = Evidence.objects.visible_to(user).there()
    uses = EvidenceUse.objects.filter(check_seen=OuterRef("pk"), evidence__in=there).order_by("at", "pk")
    told = JSONObject(
        id="evidence__id",
        name="evidence__name",
        has_thumbnail=~Q(evidence__thumbnail=""),
        may_be_taken_back=Q(evidence__by=user, evidence__at__gt=now - MAY_BE_TAKEN_BACK) if takes else Value(False),
    )
    said: Any = checks.annotate(files=ArraySubquery(uses.values_list(told)))
    return [
        Seen(
            one,
            [File(**file) for file in one.files],
            Thing(one).address if takes and Thing(one).may(user) else "",
        )
        for one in said
    ]


def shown(thing: Thing, user: Cadre, *, now: datetime) -> Shown:
    """At most three queries."""
    uses = list(EvidenceUse.objects.filter(**thing.named).select_related("evidence__by", "by").order_by("at", "pk"))
    elsewhere, verified = _elsewhere(thing, uses, user)
    if isinstance(thing.row, Task) and thing.row.state == "verified":
        verified |= {use.evidence_id for use in uses}
    proofs = [
        Proof(
            use.evidence,
            use.by,
            bool(access.may_take_back(user, use.evidence))
            and now - use.evidence.at <= MAY_BE_TAKEN_BACK
            and use.evidence_id not in verified,
            elsewhere[use.evidence.sent_sha256],
        )
        for use in uses
        if use.evidence.removed_at is None
    ]
    may_add = not thing.closed and bool(thing.may(user))
    here = Evidence.objects.there().filter(unit=thing.unit_id, campaign=thing.campaign).select_related("by")
    here = here.exclude(pk__in=[use.evidence_id for use in uses]).order_by("-at", "-id")
    return Shown(
        thing,
        proofs,
        [use.evidence for use in uses if use.evidence.removed_at is not None],
        may_add,
        list(here[:HERE]) if may_add else [],
        bool(proofs) and bool(access.may_take_proofs(user, thing.unit_id)),
        isinstance(thing.row, Task) and thing.row.item.needs_proof,
        settings.PROOF_MEGABYTES,
    )


def _elsewhere(thing: Thing, uses: list[EvidenceUse], user: Cadre) -> tuple[dict[str, list[Elsewhere]], set[object]]:
    """Where in the user's sight the same bytes serve, too, by their hash; the files that a verified task rests on."""
    found: dict[str, list[Elsewhere]] = defaultdict(list)
    verified: set[object] = set()
    hashes = {use.evidence.sent_sha256 for use in uses}
    if not hashes:
        return found, verified
    others = (
        EvidenceUse.objects.filter(access.within("evidence__unit__code", user), evidence__sent_sha256__in=hashes)
        .exclude(Q(**thing.named))
        .select_related(
            "evidence",
            *("task__item", "task__campaign", "task__unit"),
            *("check_seen__task__item", "check_seen__task__campaign", "check_seen__task__unit"),
            *("finding__campaign", "finding__unit"),
        )
        .order_by("-at")[:100]
    )
    for use in others:
        checked = use.check_seen.task if use.check_seen else None
        rows: list[Task | Finding | None] = [use.task, checked, use.finding]
        row = next(one for one in rows if one is not None)
        words = row if isinstance(row, Finding) else row.item.name
        where = Elsewhere(f"{row.unit.short_name} · {words}", str(row.campaign), Thing(row).page, use.at)
        found[use.evidence.sent_sha256].append(where)
        if use.task is not None and use.task.state == "verified":
            verified.add(use.evidence_id)
    return found, verified
