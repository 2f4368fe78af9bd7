"""One notice on its way out: claimed under a lease, settled by what its platform answered.

Nothing outside can be sent exactly once. A row is claimed and committed, then sent, then settled. Who dies in between
leaves an expired lease: such a row becomes "unknown" and is never sent blindly again, unless the platform itself knows
a repeat by its key. So nothing is doubled, and nothing is lost without a trace. All times are the database's.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, prefetch_related_objects
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from readiness.models import Channel, Notice, Wishes
from readiness.reminders import breaker, channels, limits
from readiness.reminders.calendars import beside_the_crowd, first_sending, not_before

logger = logging.getLogger(__name__)
Status = Notice.Status

LEASE = timedelta(minutes=5)  # longer than any sending takes, and than the task that sends may live
TRIES = 6
CLOSED = 30.0  # seconds before a breaker is asked again
PAUSE = 60.0  # seconds, where a platform asks for a pause and does not say for how long
CONFIRM = timedelta(minutes=1)  # after so long a platform may know what became of what it took
# What may have arrived goes out again with the same key while the platform still knows the key: Feishu for an hour,
# WeCom for four; less the time that a try itself may take.
KNOWN: dict[str, timedelta] = {Channel.FEISHU: timedelta(hours=1) - LEASE, Channel.WECOM: timedelta(hours=4) - LEASE}
LATE = timedelta(minutes=10)  # after so long a digest is no longer the one that was due at this hour
# A picture of its day, out of date on the next.
OF_ONE_DAY = ("digest", "group")


@dataclass(frozen=True)
class Lease:
    """A notice that is ours to send, for a while."""

    notice: Notice
    platform: breaker.Breaker
    at: datetime
    began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """By the database's clock, without asking it."""
        return self.at + timedelta(seconds=time.monotonic() - self.began)


@dataclass(frozen=True)
class Rest:
    """Nothing may be sent to a platform for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Ended:
    """A notice that is not to be sent any more."""

    status: Status


@transaction.atomic
def claim(pk: int) -> Lease | Rest | Ended | None:
    """Takes a notice that is due; None: somebody else did, or it is not due any more."""
    notice = (
        Notice.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("cadre__wishes", "gateway")
        .annotate(clock=Now())
        .filter(pk=pk, status=Status.PENDING, due_at__lte=Now())
        .first()
    )
    if notice is None:
        return None
    prefetch_related_objects([notice], "cadre__accounts")  # whoever speaks to the platform asks no database
    at: datetime = notice.clock  # type: ignore[attr-defined] # annotated above
    if end := _end(notice, at):
        notice.status, notice.error = end
        notice.save(update_fields=["status", "error"])
        return Ended(end[0])
    if (morning := _morning(notice, at)) > at:
        notice.due_at = morning
        notice.save(update_fields=["due_at"])
        return None
    if seconds := limits.wait(str(notice.gateway_id or notice.channel), notice.channel):
        notice.due_at = at + timedelta(seconds=seconds)
        notice.save(update_fields=["due_at"])
        return Rest(seconds)
    platform = breaker.of(notice.gateway)
    if not platform.admits(at):
        return Rest(CLOSED)
    notice.status = Status.SENDING
    notice.leased_until = at + LEASE
    notice.tries += 1
    notice.save(update_fields=["status", "leased_until", "tries"])
    return Lease(notice, platform, at)


def _end(notice: Notice, at: datetime) -> tuple[Status, str] | None:
    """In which state a notice ends that is not to be sent any more, and why."""
    today = timezone.localdate(at)
    # One that was put off until today, or that a person sends again today, is still wanted.
    if notice.rule in OF_ONE_DAY and notice.on < today and timezone.localdate(notice.due_at) < today:
        return Status.SUPERSEDED, _("It was about an earlier day.")
    if notice.cadre and not notice.cadre.is_active:
        return Status.SUPERSEDED, _("This person no longer takes part.")
    if notice.sent_at and at - notice.sent_at > KNOWN.get(notice.channel, timedelta()):
        return Status.UNKNOWN, _("It may have arrived, and the platform would no longer know a repeat.")
    return None


def _morning(notice: Notice, at: datetime) -> datetime:
    """When a digest may go out that should have gone before: a platform that comes back at night wakes nobody."""
    if notice.rule not in OF_ONE_DAY or notice.is_urgent or not (notice.tries or at - notice.due_at > LATE):
        return at
    wishes = getattr(notice.cadre, "wishes", None) or Wishes()
    hours = {"quiet_from": wishes.quiet_from, "quiet_until": wishes.quiet_until}
    who = f"cadre-{notice.cadre_id}" if notice.cadre_id else f"group-{notice.gateway_id}"
    return at if not_before(at, **hours) == at else first_sending(at, who, **hours)


def settle(lease: Lease, answer: Callable[[], channels.Accepted]) -> Callable[[], Status | None]:
    """Reads the answer, once; what it returns writes it down, and may be called until the database takes it.

    That answers the notice's new state, or None where the lease had expired and somebody else gave the notice up.
    """
    status, changes, tell = _became(lease, answer)

    @transaction.atomic
    def write() -> Status | None:
        ours = Notice.objects.filter(pk=lease.notice.pk, status=Status.SENDING, leased_until=lease.notice.leased_until)
        settled = ours.update(status=status, leased_until=None, **changes)
        tell()
        return status if settled else None

    return write


def _became(lease: Lease, answer: Callable[[], channels.Accepted]) -> tuple[Status, dict[str, Any], Callable[[], None]]:
    """What an answer makes of a notice: its state, other changes, and what the breaker is told."""
    notice, platform = lease.notice, lease.platform
    try:
        accepted = answer()
    except channels.Refused as refused:
        error = str(refused)
        return Status.REFUSED, {"error": error}, lambda: platform.answered(error)
    except channels.Later as later:
        error = str(later)
        if later.limited:
            pause = later.seconds or PAUSE
            changes = {"error": error, "due_at": _later(lease, pause), "tries": notice.tries - 1}
            return Status.PENDING, changes, lambda: platform.hold(pause)
        return *_again(lease, error, later.seconds or 0), lambda: platform.failed(error)
    except channels.Unclear as unclear:
        error = str(unclear)
    except Exception:  # a fault of ours, at any moment of the sending
        logger.exception("notice %s", notice.pk)
        error = _("The sender broke down while sending.")
    else:
        status = Status.DELIVERED if accepted.delivered else Status.ACCEPTED
        changes = {"sent_at": lease.now(), "platform_id": accepted.platform_id, "due_at": lease.now() + CONFIRM}
        return status, changes, platform.answered
    # Bytes may have gone out.
    notice.sent_at = notice.sent_at or lease.at
    status, more = _again(lease, error) if notice.channel in KNOWN else (Status.UNKNOWN, {"error": error})
    return status, {**more, "sent_at": notice.sent_at}, lambda: platform.failed(error)


def _again(lease: Lease, error: str, least: float = 0) -> tuple[Status, dict[str, Any]]:
    """Waits for its next try, if there is one."""
    tries = lease.notice.tries
    if tries >= TRIES:
        return Status.UNKNOWN if lease.notice.sent_at else Status.FAILED, {"error": error}
    seconds = max(least, 60 * 2 ** (tries - 1) * random.uniform(0.8, 1.3))  # noqa: S311 - no secret
    return Status.PENDING, {"error": error, "due_at": _later(lease, seconds)}


def _later(lease: Lease, seconds: float) -> datetime:
    """In so many seconds, or a while later."""
    return beside_the_crowd(lease.now() + timedelta(seconds=seconds), random.random())  # noqa: S311 - no secret


def expire() -> int:
    """Gives up what the dead left: how many notices are unknown now."""
    expired = Notice.objects.filter(status=Status.SENDING, leased_until__lt=Now())
    since = Coalesce(F("sent_at"), F("leased_until") - LEASE)
    again = Q(channel__in=KNOWN, tries__lt=TRIES)
    expired.filter(again).update(status=Status.PENDING, leased_until=None, sent_at=since, due_at=Now())
    # Without those: a lease that expires between the two statements is not to be given up.
    return expired.exclude(again).update(
        status=Status.UNKNOWN, leased_until=None, sent_at=since, error=_("The sender died while sending.")
    )
