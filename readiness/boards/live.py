"""Whether anything on a board has changed since it was last sent: asked for in one query, before any figure is read."""

import hashlib
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, Max, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Length
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.translation import get_language

from checklists.findings import ledger
from checklists.models import Campaign, Change, Draw, Finding, Pulse, Task
from checklists.models.help import calling
from readiness.boards import figures
from villages import access

# Who answers where changes with posts and their dates, which no tally counts: looked at anew this often.
MINUTES = 5


def with_pulse(campaigns: Any, units: list[str], *, on: date) -> Any:
    """Campaigns with what tells whether a board of these units has changed.

    `pulse` grows with every change to one of their tasks, `changed` is the last edit, `calls` names the item
    of each call for help without an answer, `unsettled`, `late` and `unlooked` count findings: no task changes with
    them; `has_draws` says whether there is anything to believe claims by.
    """
    under = there = Q(pk__in=[])
    for code in units:
        there |= access.under("unit__code", code)
        if len(code) >= figures.COUNTY_PLACES:
            under |= Q(unit=_beats_for(code))
        else:
            under |= access.under("unit__code", code) & Q(places__lte=8)
    beats: Any = Pulse.objects.alias(places=Length("unit_id")).filter(under, campaign=OuterRef("pk")).order_by()
    beats = beats.values("campaign").annotate(sum=Sum("version")).values("sum")
    edits = Change.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign").annotate(last=Max("pk"))
    draws = Draw.objects.filter(campaign=OuterRef("pk"), drawn_at__isnull=False)
    calls = calling(Task.objects.filter(there, campaign=OuterRef("pk"))).order_by("item")
    found = Finding.objects.filter(there, campaign=OuterRef("pk")).unsettled().order_by().values("campaign")
    late = Count("pk", filter=Q(state=Finding.State.OPEN, due_on__lt=on))
    unlooked = Count("pk", filter=ledger.unlooked(on))
    return campaigns.annotate(
        unsettled=Coalesce(Subquery(found.annotate(n=Count("pk")).values("n")), Value(0)),
        late=Coalesce(Subquery(found.annotate(n=late).values("n")), Value(0)),
        unlooked=Coalesce(Subquery(found.annotate(n=unlooked).values("n")), Value(0)),
        pulse=Coalesce(Subquery(beats), Value(0)),
        changed=Coalesce(Subquery(edits.values("last")), Value(0)),
        calls=ArraySubquery(calls.values("item")),
        has_draws=Exists(draws),
    )


def _beats_for(code: str) -> str:
    """The unit with whose pulse this one's changes come: a village's is its township, a site's whom it belongs to."""
    unit = code.partition("S")[0]
    return unit if "D" in unit else unit[:9]


def tag(
    request: HttpRequest, reader: access.Person, campaign: Campaign, now: datetime, today: date, *, frame: object = None
) -> str:
    """What all that this reader sees at this address depends on, in short; the same for all who see the same.

    Args:
        frame: what the page around the board says that an open page has to hear of.
    """
    seen = (
        request.get_full_path(),
        sorted(access.grants(reader)),
        get_language(),
        campaign.pulse,  # type: ignore[attr-defined]
        campaign.changed,  # type: ignore[attr-defined]
        campaign.calls,  # type: ignore[attr-defined]
        (campaign.unsettled, campaign.late, campaign.unlooked),  # type: ignore[attr-defined]
        campaign.status,
        today,
        int(now.timestamp()) // (60 * MINUTES),
        frame,
    )
    return '"' + hashlib.sha256(repr(seen).encode()).hexdigest()[:32] + '"'


def unchanged(request: HttpRequest, tag: str) -> HttpResponse | None:
    """304 if the reader has this already."""
    if tag not in [known.strip() for known in request.headers.get("If-None-Match", "").split(",")]:
        return None
    answer = HttpResponseNotModified()
    answer["ETag"] = tag
    return answer
