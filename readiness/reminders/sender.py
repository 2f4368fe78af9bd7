"""Sends what waits in the outbox; several processes may, at once.

Each gateway has a lane of its own, and so has mail. In one process a lane carries one notice at a time, and the lanes
run side by side: a platform that hangs holds up nobody but itself. Only the calling thread speaks to the database; the
others speak to the platforms. See lease.py for what happens to one notice.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models import F, Q, Window
from django.db.models.functions import Now, RowNumber
from django.utils import translation
from django.utils.translation import gettext as _

from readiness.models import Notice
from readiness.models.notice import NoticeQuerySet
from readiness.reminders import breaker, channels, lease, restored
from readiness.reminders.channels import Accepted
from readiness.reminders.unchanged import FRESH
from villages.models import Cadre

T = TypeVar("T")
logger = logging.getLogger(__name__)
Status = Notice.Status
Lane = int | None  # the gateway; None: mail

THREADS = 24  # as many platforms at once; a thread only waits for an answer
SECONDS = 45.0  # of one run; the next is another task's, perhaps another process's
LOOK = 1.0  # seconds after which a run looks for what is new, which may be urgent
BRIEF = 2.0  # seconds that a run waits for a lane that must rest, rather than end
LISTED = 100  # notices of a lane looked up at once
PATIENCE = 60.0  # seconds for a database that is away while an answer waits to be written down
# What a person may send again, having seen what became of it.
AGAIN = (Status.UNKNOWN, Status.FAILED, Status.REFUSED, Status.ASIDE)
ASKED = 50  # notices that one run of `confirm` asks about
ASKED_FOR = timedelta(days=1)


@dataclass
class Delivered:
    """What became of what was due: how many notices."""

    accepted: int = 0  # those known to be delivered among them
    refused: int = 0
    later: int = 0
    failed: int = 0
    unknown: int = 0
    superseded: int = 0

    def count(self, status: str) -> None:
        """One more."""
        name = {Status.DELIVERED: "accepted", Status.PENDING: "later"}.get(Status(status), status)
        setattr(self, name, getattr(self, name) + 1)


def deliver(
    send: Callable[[Notice], Accepted] = channels.send,
    *,
    threads: int = THREADS,
    seconds: float = SECONDS,
    go_on: Callable[[], bool] = lambda: True,
) -> Delivered:
    """Sends what is due; ends when nothing more is, or after so many seconds.

    Args:
        send: hands one notice to its platform; raises what channels/answers.py has.
        threads: how many platforms are spoken to at once.
        go_on: asked about once a second; False: begin nothing more, end what has begun.
    """
    run = _Run(send, threads, go_on, time.monotonic() + seconds)
    if restored.may_send():
        try:
            run.outcome.unknown += lease.expire()
            run.run()
        finally:
            restored.remember(run.handed_over)
    return run.outcome


@dataclass
class _Queue:
    """Notices of one lane, the first to go out first."""

    listed: deque[int] = field(default_factory=deque)
    is_part: bool = False  # there are more than were listed


@dataclass
class _Run:
    """One run of a sender. Times are monotonic."""

    send: Callable[[Notice], Accepted]
    threads: int
    go_on: Callable[[], bool]
    end: float
    outcome: Delivered = field(default_factory=Delivered)
    handed_over: int = 0
    waiting: dict[Lane, _Queue] = field(default_factory=dict)
    resting: dict[Lane, float] = field(default_factory=dict)  # until when nothing is begun there
    begun: dict[Lane, float] = field(default_factory=dict)  # whose turn is longest ago comes first
    under_way: "dict[Future[Accepted], tuple[Lane, lease.Lease]]" = field(default_factory=dict)

    def run(self) -> None:
        look_at = 0.0
        with ThreadPoolExecutor(self.threads, thread_name_prefix="lane") as pool:
            try:
                while self.go_on() and (now := time.monotonic()) < self.end:
                    if has_looked := now >= look_at:
                        self.waiting, look_at = _due(), now + LOOK
                    if self._begin(pool):
                        look_at = 0.0
                    rest = self._shortest_rest()
                    if self.under_way:
                        self._finish(within=min(LOOK, rest))
                    elif rest < BRIEF:
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
        """Gives every free lane its next notice. True: one of which only a part was listed came to its end."""
        busy = {lane for lane, _ in self.under_way.values()}
        is_emptied = False
        for lane in sorted(self.waiting.keys() - busy, key=lambda lane: self.begun.get(lane, 0.0)):
            queue = self.waiting[lane]
            while queue.listed and lane not in busy and len(self.under_way) < self.threads and not self._rest(lane):
                match lease.claim(queue.listed.popleft()):
                    case lease.Lease() as ours:
                        self.under_way[pool.submit(self._speak, ours.notice)] = lane, ours
                        self.begun[lane] = ours.began
                        self.handed_over += 1
                        busy.add(lane)
                    case lease.Rest(seconds):
                        self.resting[lane] = time.monotonic() + seconds
                    case lease.Ended(status):
                        self.outcome.count(status)
                is_emptied |= queue.is_part and not queue.listed
        return is_emptied

    def _rest(self, lane: Lane) -> float:
        """Seconds before anything may be begun in a lane again."""
        return max(0.0, self.resting.get(lane, 0.0) - time.monotonic())

    def _shortest_rest(self) -> float:
        return min((rest for lane, queue in self.waiting.items() if (rest := self._rest(lane))), default=BRIEF)

    def _speak(self, notice: Notice) -> Accepted:
        try:
            return self.send(notice)
        finally:
            connection.close()  # of this thread, should the channel have asked something

    def _finish(self, within: float) -> None:
        """Waits for the next answer, and writes down what was answered."""
        for future in wait(self.under_way, within, FIRST_COMPLETED).done:
            _, ours = self.under_way.pop(future)
            if status := _patiently(lease.settle(ours, future.result)):
                self.outcome.count(status)


def _due() -> dict[Lane, _Queue]:
    """What may be sent now, lane by lane. A digest that was not worded lately waits for a plan to look at it."""
    order = ["-is_urgent", "due_at", "pk"]
    fresh = ~Q(rule__in=lease.OF_ONE_DAY) | Q(worded_at__gt=Now() - FRESH) | Q(sent_at__isnull=False)
    rows = (
        Notice.objects.filter(fresh, breaker.closed("gateway__"), status=Status.PENDING, due_at__lte=Now())
        .annotate(place=Window(RowNumber(), partition_by="gateway_id", order_by=order))
        .filter(place__lte=LISTED)
        .order_by("place")
        .values_list("gateway_id", "pk", "place")
    )
    lanes: dict[Lane, _Queue] = {}
    for lane, pk, place in rows:
        queue = lanes.setdefault(lane, _Queue())
        queue.listed.append(pk)
        queue.is_part = place == LISTED
    return lanes


def _patiently(write: Callable[[], T]) -> T:
    """Writes down what cannot be asked again, also while PostgreSQL starts anew."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > until:
                raise
            connection.close()
            time.sleep(0.2)


def confirm(*, seconds: float = 30) -> Delivered:
    """Asks platforms that can say so what became of what they took within the last day, at most a batch of it.

    Who does not know yet is asked again after as long as has passed since the sending.
    """
    outcome = Delivered()
    until = time.monotonic() + seconds
    taken = Notice.objects.filter(
        status=Status.ACCEPTED, channel__in=channels.CONFIRMS, sent_at__gt=Now() - ASKED_FOR, due_at__lte=Now()
    ).exclude(platform_id="")
    silent: set[Lane] = set()
    for notice in taken.filter(breaker.closed("gateway__")).select_related("gateway").order_by("due_at")[:ASKED]:
        if time.monotonic() > until:
            break
        if notice.gateway_id in silent:
            continue
        status, error = Status.ACCEPTED, notice.error
        try:
            if channels.confirm(notice):
                status = Status.DELIVERED
        except channels.Refused as refused:
            status, error = Status.REFUSED, str(refused)
        except channels.NotSent:
            silent.add(notice.gateway_id)
        changed = Notice.objects.filter(pk=notice.pk, status=Status.ACCEPTED).update(
            status=status, error=error, due_at=Now() + (Now() - F("sent_at"))
        )
        if changed and status != Status.ACCEPTED:
            outcome.count(status)
    return outcome


def resend(notices: NoticeQuerySet, by: Cadre) -> int:
    """Sends again, as a person decides: how many of them were unknown, failed, refused or put aside."""
    with translation.override("zh-hans"):  # in the office's language, as notices are
        words = _("Sent again by %(name)s.") % {"name": by.name}
    again = notices.filter(status__in=AGAIN).update(
        status=Status.PENDING, tries=0, due_at=Now(), sent_at=None, error=words
    )
    logger.info("%s notices are sent again by cadre %s", again, by.pk)
    return again
