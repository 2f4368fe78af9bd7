"""Sends what waits in the outbox.

Mail cannot be sent exactly once. A row is claimed under a lease and committed, then sent, then marked.
Who dies in between leaves an expired lease: such a row becomes "unknown" and is never sent blindly again.
So nothing is doubled, and nothing is lost without a trace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from readiness.models import Channel, Notice
from readiness.reminders import channels

LEASE = timedelta(minutes=5)


@dataclass
class Delivered:
    """What became of what was waiting: how many notices."""

    accepted: int = 0
    refused: int = 0
    unknown: int = 0


def deliver(send: Callable[[Notice], None] = channels.mail) -> Delivered:
    """Sends what is waiting, one at a time; safe to run in several processes at once."""
    outcome = Delivered(unknown=_give_up_on_expired())
    while (notice := _claim()) is not None:
        try:
            send(notice)
        except channels.Refused as refused:
            outcome.refused += _settle(notice, Notice.Status.REFUSED, error=str(refused)[:300])
        else:
            outcome.accepted += _settle(notice, Notice.Status.ACCEPTED, sent_at=timezone.now())
    return outcome


@transaction.atomic
def _claim() -> Notice | None:
    notice = (
        Notice.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("cadre")
        .filter(status=Notice.Status.PENDING, channel=Channel.MAIL)
        .order_by("pk")
        .first()
    )
    if notice is not None:
        notice.status = Notice.Status.SENDING
        notice.leased_until = timezone.now() + LEASE
        notice.save(update_fields=["status", "leased_until"])
    return notice


def _give_up_on_expired() -> int:
    return Notice.objects.filter(status=Notice.Status.SENDING, leased_until__lt=timezone.now()).update(
        status=Notice.Status.UNKNOWN, leased_until=None
    )


def _settle(notice: Notice, status: str, **fields: object) -> int:
    return Notice.objects.filter(pk=notice.pk, status=Notice.Status.SENDING).update(
        status=status, leased_until=None, **fields
    )
