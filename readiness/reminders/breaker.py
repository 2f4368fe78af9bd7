"""Circuit breakers: a platform that failed several times in a row is left alone for a while, and the others are not.

After FAILURES in a row nothing is sent for 1, 2, 4 … at most 30 minutes. Then one message is tried: an answer closes
the breaker, a failure opens it for longer. A gateway's breaker is in its row, so that all senders share it; mail has no
row, and each process its own.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from readiness.models import Gateway

FAILURES = 5
LONGEST = 30  # minutes
FURTHEST = timedelta(minutes=61)  # platforms may ask for an hour, see channels/http.py
TRIAL = timedelta(minutes=5)  # the one try takes no longer, or whoever made it is dead


def closed(gateway: str = "") -> Q:
    """Gateways that may be tried; with "gateway__", notices to them. What lies too far ahead was written by a clock
    that has been set back since.
    """
    until = f"{gateway}open_until"
    return Q((until, None)) | Q((f"{until}__lte", Now())) | Q((f"{until}__gt", Now() + FURTHEST))


def pause(failures: int) -> timedelta:
    """For how long nothing is sent after so many failures in a row, at least FAILURES."""
    return timedelta(minutes=min(2 ** min(failures - FAILURES, LONGEST), LONGEST))


class Breaker(Protocol):
    """Between the sender and one platform."""

    def admits(self, at: datetime) -> bool:
        """Whether a message may be sent now. Of a half-open breaker the one try is taken by asking."""

    def answered(self, error: str = "") -> None:
        """The platform took a message, or refused it with reason: it lives."""

    def failed(self, error: str) -> None:
        """It did not answer, or with nonsense. To be called by whom `admits` let through."""

    def hold(self, seconds: float) -> None:
        """It is well, and asks for a pause."""


@dataclass
class OfGateway:
    """In the gateway's row."""

    gateway: Gateway  # as it was just read
    is_trial: bool = False

    def admits(self, at: datetime) -> bool:
        """In the transaction of the claim, so that a try is taken only with a message to try."""
        until = self.gateway.open_until
        if until and at < until < at + FURTHEST:
            return False
        if self.gateway.failures < FAILURES:
            return True
        self.is_trial = self._row().filter(closed()).update(open_until=Now() + TRIAL) == 1
        return self.is_trial

    def _row(self) -> models.QuerySet[Gateway]:
        return Gateway.objects.filter(pk=self.gateway.pk)

    def answered(self, error: str = "") -> None:
        accepted = {} if error else {"last_accepted_at": Now()}
        self._row().update(failures=0, open_until=None, last_error=error, **accepted)

    @transaction.atomic
    def failed(self, error: str) -> None:
        row = self._row().select_for_update(no_key=True).annotate(clock=Now()).get()
        if row.open_until and row.open_until > row.clock and not self.is_trial:
            return  # it is open: others failed at the same time
        row.failures += 1
        row.last_error = error
        row.open_until = row.clock + pause(row.failures) if row.failures >= FAILURES else None
        row.save(update_fields=["failures", "last_error", "open_until"])

    def hold(self, seconds: float) -> None:
        until = Now() + timedelta(seconds=seconds)
        self._row().update(open_until=Greatest(F("open_until"), until))


@dataclass
class OfMail:
    """In the memory of this process."""

    failures: int = 0
    open_until: float = -math.inf  # monotonic

    def admits(self, at: datetime) -> bool:
        if self.open_until > time.monotonic():
            return False
        if self.failures >= FAILURES:
            self.hold(TRIAL.total_seconds())
        return True

    def answered(self, error: str = "") -> None:
        self.failures, self.open_until = 0, -math.inf

    def failed(self, error: str) -> None:
        self.failures += 1
        if self.failures >= FAILURES:
            self.hold(pause(self.failures).total_seconds())

    def hold(self, seconds: float) -> None:
        self.open_until = time.monotonic() + seconds


_of_mail = OfMail()


def of(gateway: Gateway | None) -> Breaker:
    """That of a gateway; None: of mail."""
    return OfGateway(gateway) if gateway else _of_mail
