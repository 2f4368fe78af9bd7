"""The outbox: notices are rows first, then mail. The inbox is delivered by being a row.

Mail cannot be sent exactly once. A row is claimed under a lease and committed, then sent, then marked.
Who dies in between leaves an expired lease: such a row becomes "unknown" and is never sent blindly again.
So nothing is doubled, and nothing is lost without a trace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone, translation

from readiness.models import Channel, Notice
from readiness.reminders import channels, plan

LEASE = timedelta(minutes=5)
BATCH = 500


def write(on: date, now: datetime | None = None) -> int:
    """Writes the day's notices; how many are new. Again on the same day, none are: the database holds that."""
    fresh = 0
    rows: list[Notice] = []
    with translation.override("zh-hans"):  # a notice is written once, in the office's language
        for digest in plan.digests(on):
            rows += _rows(digest, on)
            if len(rows) >= BATCH:
                fresh += _insert(rows)
                rows = []
        return fresh + _insert(rows)


def _rows(digest: plan.Digest, on: date) -> list[Notice]:
    wanted = [Channel.INBOX, *([Channel.MAIL] if digest.email else [])]
    now = timezone.now()
    return [
        Notice(
            cadre_id=digest.cadre_id,
            rule=plan.DIGEST,
            on=on,
            channel=where,
            subject=digest.subject,
            body=digest.body,
            status=Notice.Status.DELIVERED if where == Channel.INBOX else Notice.Status.PENDING,
            sent_at=now if where == Channel.INBOX else None,
        )
        for where in wanted
    ]


def _insert(rows: list[Notice]) -> int:
    """How many rows were new."""
    with transaction.atomic():
        before = Notice.objects.count()
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
        return Notice.objects.count() - before


@dataclass
class Delivered:
    """What became of the mail that was waiting."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0


def deliver(send: Callable[[Notice], None] = channels.mail) -> Delivered:
    """Sends what is waiting, one at a time; safe to run in several processes at once."""
    outcome = Delivered(unknown=_give_up_on_expired())
    while (notice := _claim()) is not None:
        try:
            send(notice)
        except channels.Refused as refused:
            outcome.failed += _settle(notice, Notice.Status.REFUSED, error=str(refused)[:300])
        else:
            outcome.sent += _settle(notice, Notice.Status.ACCEPTED, sent_at=timezone.now())
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
