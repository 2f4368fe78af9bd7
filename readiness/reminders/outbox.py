"""The outbox: notices are rows first, then mail. The inbox is delivered by being a row."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone, translation

from readiness.models import Channel, Notice
from readiness.reminders import plan

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
