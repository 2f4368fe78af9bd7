"""The course of a campaign after its launch: paused, resumed, closed, reopened. Each is a line of its history."""

from typing import Any

from django.db import transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Length
from django.utils import timezone

from checklists import draws
from checklists.models import Campaign, Change, Draw, Finding, Measure, Round, Tally
from checklists.models.tally import COUNTY_PLACES
from villages.models import Cadre

Status = Campaign.Status
# From where to where each leads. What is not here is refused.
WAYS: dict[str, tuple[set[str], str]] = {
    Change.What.PAUSED: ({Status.ACTIVE}, Status.PAUSED),
    Change.What.RESUMED: ({Status.PAUSED}, Status.ACTIVE),
    Change.What.CLOSED: ({Status.ACTIVE, Status.PAUSED}, Status.CLOSED),
    Change.What.REOPENED: ({Status.CLOSED}, Status.ACTIVE),
}
NEEDS_REASON = {Change.What.PAUSED, Change.What.CLOSED, Change.What.REOPENED}  # of whoever does it on the page


@transaction.atomic
def steer(campaign: Campaign, what: str, *, by: Cadre, note: str = "") -> bool:
    """Pauses, resumes, closes or reopens. False if it was there already, or there is no such way from where it is.

    Args:
        what: one of WAYS.

    A paused or closed campaign takes no ticks and reminds nobody; the database freezes the tasks of a closed one.
    """
    starts, end = WAYS[what]
    closed = end == Status.CLOSED
    moved = Campaign.objects.filter(pk=campaign.pk, status__in=starts).update(
        status=end, closed_at=timezone.now() if closed else None, closed_by=by if closed else None
    )
    if moved:
        Change.objects.create(campaign=campaign, by=by, what=what, note=note)
    campaign.refresh_from_db()
    return bool(moved)


def left_open(campaign: Campaign) -> dict[str, int]:
    """What a campaign would leave undone if it were closed now, by what it is. One query.

    Of the `rounds` that nobody finished, `drawn` are those whose units everybody sees from then on.
    """
    # A tally holds all below it from the county down; above, those of counties and of what lies beside them add up.
    tops = Tally.objects.alias(places=Length("unit")).filter(campaign=OuterRef("pk"))
    whole = tops.filter(unit=campaign.host_id) if len(campaign.host_id) >= COUNTY_PLACES else tops.filter(places__lte=8)
    waiting: Any = draws.waiting(Round.objects.filter(campaign=OuterRef("pk")))
    measures = Measure.objects.filter(campaign=OuterRef("pk"))
    numbers = {
        "owed": _sum(whole, Sum(F("open") + F("returned"))),
        "claims": _sum(whole, Sum("done")),
        "findings": _sum(Finding.objects.unsettled().filter(campaign=OuterRef("pk"))),
        "rounds": _sum(waiting),
        "drawn": _sum(waiting.filter(draw__isnull=False)),
        "draws": _sum(Draw.objects.waiting().filter(campaign=OuterRef("pk"))),
        "proposed": _sum(measures.filter(state=Measure.State.PROPOSED)),
        "objections": _sum(measures.objected()),
    }
    found = Campaign.objects.filter(pk=campaign.pk).values_list(*numbers.values()).get()
    return dict(zip(numbers, found, strict=True))


def _sum(rows: QuerySet[Any], of: Any = None) -> Coalesce:
    return Coalesce(Subquery(rows.order_by().values("campaign").annotate(n=of or Count("pk")).values("n")), 0)
