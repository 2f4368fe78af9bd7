"""What all senders remember together: Redis, asked with little patience. Nobody's truth: they go on without it."""

import functools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from django.conf import settings
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")
PATIENCE = 0.4  # seconds for one answer
AGAIN = 5.0  # seconds for which one that did not answer is left alone
logger = logging.getLogger(__name__)


class Memory:
    """One Redis, as seen from one process."""

    def __init__(self, url: str) -> None:
        self.storage = RedisStorage(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # handed on to redis.Redis
        )
        self.client: redis.Redis = self.storage.storage
        self._not_before = 0.0

    def ask(self, question: Callable[[], T]) -> T | None:
        """What `question` found in it; None when it does not answer, or did not a moment ago."""
        if time.monotonic() < self._not_before:
            return None
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            self._not_before = time.monotonic() + AGAIN
            logger.warning("Redis does not answer: %s", error)
            return None


@functools.cache
def _of(url: str) -> Memory:
    return Memory(url)


def shared() -> Memory:
    """That of all senders."""
    return _of(settings.REDIS_URL)
