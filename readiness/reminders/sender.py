"""Sends what waits in the outbox; several processes may, at once.

Nothing outside can be sent exactly once. A row is claimed under a lease and committed, then sent, then settled. Who
dies in between leaves an expired lease: such a row becomes "unknown" and is never sent blindly again, unless the
platform itself knows a repeat by its key. So nothing is doubled, and nothing is lost without a trace.

Each gateway has a lane of its own, and so has mail. In one process a lane carries one notice at a time, and the lanes
run side by side: a platform that hangs holds up nobody but itself. Only the calling thread speaks to the database; the
threads speak to the platforms.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, Window
from django.db.models.functions import Coalesce, Now, RowNumber
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from readiness.models import Channel, Notice
from readiness.models.notice import NoticeQuerySet
from readiness.reminders import breaker, channels, limits, restored
from villages.models import Cadre

logger = logging.getLogger(__name__)
Status = Notice.Status
Lane = int | None  # the gateway; None: mail

LEASE = timedelta(minutes=5)  # longer than any sending takes, and than the task may live
TRIES = 6
THREADS = 24  # as many platforms at once; a thread only waits for an answer
SECONDS = 45.0  # of one run; then the next one looks, which may be another process
LISTED = 100  # notices of a lane looked up at once
PAUSE = 60.0  # seconds, where a platform asks for a pause and does not say for how long
# Whoever may have got it gets it again with the same key, while the platform still knows the key: Feishu for an hour,
# WeCom for four; less the time that the last try itself may take.
DEDUPLICATE = {Channel.FEISHU: timedelta(hours=1) - LEASE, Channel.WECOM: timedelta(hours=4) - LEASE}
# What a person may send again, having seen what became of it.
AGAIN = (Status.UNKNOWN, Status.FAILED, Status.REFUSED, Status.ASIDE)
# A picture of the day, which is out of date on the next.
OF_ONE_DAY = ("digest", "group")


@dataclass
class Delivered:
    """What became of what was due: how many notices."""

    accepted: int = 0  # delivered ones among them
    refused: int = 0
    later: int = 0
    failed: int = 0
    unknown: int = 0
    superseded: int = 0
    limited: int = 0  # how often a lane had to wait

    @property
    def handed_over(self) -> int:
        """How many left the house, as far as one knows."""
        return self.accepted + self.refused + self.unknown


def deliver(send: Callable[[Notice], object] = channels.send) -> Delivered:
    """Sends what is waiting, one at a time; safe to run in several processes at once."""
    outcome = Delivered(unknown=_give_up_on_expired())
    while (notice := _claim()) is not None:
        try:
            send(notice)
        except channels.NotSent as refused:
            outcome.refused += _settle(notice, Notice.Status.REFUSED, error=str(refused)[:300])
        else:
            outcome.accepted += _settle(notice, Notice.Status.ACCEPTED, sent_at=timezone.now())
    return outcome


@dataclass(frozen=True)
class _Claim:
    """A notice that is ours for the length of its lease."""

    notice: Notice
    breaker: breaker.Breaker
    at: datetime  # by the database's clock
    began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """By the database's clock, without asking it."""
        return self.at + timedelta(seconds=time.monotonic() - self.began)


@dataclass
class _Run:
    """One run of a sender."""

    send: Callable[[Notice], channels.Accepted]
    threads: int
    go_on: Callable[[], bool]
    end: float  # monotonic, as are all times here
    outcome: Delivered
    waiting: dict[Lane, deque[int]] = field(default_factory=dict)
    resting: dict[Lane, float] = field(default_factory=dict)  # until when nothing is begun there
    begun: dict[Lane, float] = field(default_factory=dict)  # whose turn was longest ago comes first
    under_way: "dict[Future[channels.Accepted], tuple[Lane, _Claim]]" = field(default_factory=dict)

    def run(self) -> None:
        look_at = 0.0
        with ThreadPoolExecutor(self.threads, thread_name_prefix="lane") as pool:
            try:
                while self.go_on() and (now := time.monotonic()) < self.end:
                    if has_looked := now >= look_at:
                        self.waiting, look_at = _due(), now + LOOK
                    if self._begin(pool):  # a lane came to its end: there may be more
                        look_at = 0.0
                    if self.under_way:
                        self._finish(within=min(LOOK, self._rest() or LOOK))
                    elif rest := self._rest():
                        time.sleep(rest)
                    elif has_looked:
                        return
                    else:
                        look_at = 0.0
            finally:
                while self.under_way:
                    self._finish(within=LOOK)
                    self.go_on()

    def _begin(self, pool: ThreadPoolExecutor) -> bool:
        """Gives every free lane its next notice. True: one that had as many as are listed has none left."""
        busy = {lane for lane, _claim in self.under_way.values()}
        is_emptied = False
        for lane in sorted(self.waiting, key=lambda lane: self.begun.get(lane, 0.0)):
            queue = self.waiting[lane]
            while queue and lane not in busy and len(self.under_way) < self.threads and not self._rests(lane):
                is_emptied |= len(queue) == 1 and self.listed[lane] == LISTED
                if claim := self._claim(lane, queue.popleft()):
                    self.under_way[pool.submit(self._speak, claim.notice)] = lane, claim
                    self.begun[lane] = claim.began
                    busy.add(lane)
        return is_emptied

    def _speak(self, notice: Notice) -> channels.Accepted:
        try:
            return self.send(notice)
        finally:
            connection.close()  # of this thread, should a channel have opened one
