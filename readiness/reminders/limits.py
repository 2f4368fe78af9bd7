"""How many messages a platform takes in a while; all senders together stay below.

Counted in Redis with a moving window. Without Redis each sender counts for itself and takes its share of what the
platform allows (NOTICE_SENDERS). Whenever one way of counting follows on the other, nothing is sent for the length of
a window: what was counted the other way is forgotten by then, on the platform too.
"""

import functools
import math
import time

from django.conf import settings
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from readiness.reminders.memory import Memory, shared

MARGIN = 0.05  # seconds: a message of just then still counts


class Limiter:
    """Counts what one process sends, together with the others when it can."""

    def __init__(self, memory: Memory, senders: int) -> None:
        self._memory = memory
        self._senders = senders
        self._together = MovingWindowRateLimiter(memory.storage)
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        # Whether the last count of a lane was made together, and since when (monotonic) it is counted like that.
        self._ways: dict[str, tuple[bool, float]] = {}

    def wait(self, lane: str, limits: str) -> float:
        """Seconds until one more message may go to `lane`; 0: now, and it is counted.

        Args:
            limits: as the library writes them, e.g. "100/minute;5/second"; empty: as many as one likes.
        """
        items = parse_many(limits) if limits else []
        if not items:
            return 0
        is_together = bool(self._memory.ask(self._memory.client.ping))
        if (pause := self._pause(lane, is_together, max(item.get_expiry() for item in items))) > 0:
            return pause
        if not is_together:
            return self._count(self._alone, [share(item, self._senders) for item in items], lane)
        wait = self._memory.ask(lambda: self._count(self._together, items, lane))
        return self.wait(lane, limits) if wait is None else wait

    def _pause(self, lane: str, is_together: bool, longest: float) -> float:
        """Seconds left of the window between two ways of counting; at most 0: none.

        A process that begins without Redis cannot know what the others counted there a moment ago.
        """
        was_together, since = self._ways.get(lane, (True, -math.inf))
        if was_together != is_together:
            since = time.monotonic()
        self._ways[lane] = is_together, since
        return since + longest + MARGIN - time.monotonic()

    @staticmethod
    def _count(limiter: MovingWindowRateLimiter, items: list[RateLimitItem], lane: str) -> float:
        """0 and counted, if all windows have room; else when the last of them will have."""
        full = [item for item in items if not limiter.test(item, lane)]
        if not full and all(limiter.hit(item, lane) for item in items):
            return 0
        resets = [limiter.get_window_stats(item, lane).reset_time - time.time() for item in full or items]
        # Not longer than a window, whatever the clock did.
        return MARGIN + min(max(0.0, *resets), max(item.get_expiry() for item in items))


def share(item: RateLimitItem, senders: int) -> RateLimitItem:
    """What one of so many senders may send when they cannot agree: less often, where there is not one for each."""
    if item.amount >= senders:
        return type(item)(item.amount // senders, item.multiples, item.namespace)
    return type(item)(1, item.multiples * math.ceil(senders / item.amount), item.namespace)


@functools.cache
def _limiter(memory: Memory, senders: int) -> Limiter:
    return Limiter(memory, senders)


def wait(lane: str, channel: str) -> float:
    """Seconds until one more message may go to `lane`, by the channel's NOTICE_LIMITS; 0: now, and it is counted."""
    limiter = _limiter(shared(), settings.NOTICE_SENDERS)
    return limiter.wait(lane, settings.NOTICE_LIMITS.get(channel, ""))
