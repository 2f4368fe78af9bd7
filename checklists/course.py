"""The course of a campaign after its launch: paused, resumed, closed, reopened. Each is a line of its history."""

from django.db import transaction
from django.utils import timezone

from checklists.models import Campaign, Change
from villages.models import Cadre

Status = Campaign.Status
# From where to where each leads. What is not here is refused.
WAYS: dict[str, tuple[set[str], str]] = {
    Change.What.PAUSED: ({Status.ACTIVE}, Status.PAUSED),
    Change.What.RESUMED: ({Status.PAUSED}, Status.ACTIVE),
    Change.What.CLOSED: ({Status.ACTIVE, Status.PAUSED}, Status.CLOSED),
    Change.What.REOPENED: ({Status.CLOSED}, Status.ACTIVE),
}
NEEDS_REASON = {Change.What.PAUSED, Change.What.REOPENED}


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
