"""Is everything alive? `/healthz` names what is down; worker, beat and sender leave signs of life in the database."""

import logging
import time
from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, close_old_connections, connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from readiness.models import Heartbeat

PARTS = ("worker", "beat", "sender")
# Who has been silent for this long is shown to people (reminders/state.py); /healthz is less patient.
SILENT = timedelta(minutes=5)
logger = logging.getLogger(__name__)


class Pulse:
    """Notes that a part lives, at most every `every` seconds; a database that is down is only logged."""

    def __init__(self, part: str, *, every: float = 15) -> None:
        self.part = part
        self.every = every
        self.last = float("-inf")

    def beat(self) -> None:
        if time.monotonic() - self.last < self.every:
            return
        self.last = time.monotonic()
        try:
            if not connection.in_atomic_block:
                close_old_connections()
            Heartbeat.objects.update_or_create(part=self.part, defaults={"at": Now()})
        except DatabaseError as error:
            connection.close()
            logger.warning("%s could not leave a sign of life: %s", self.part, error)


def _late(after: timedelta) -> list[str]:
    """Parts without a sign of life for so long, by the database's clock."""
    # A sign of tomorrow was left before the clock was set back by a day, and says nothing about now.
    lately = Heartbeat.objects.filter(at__range=(Now() - after, Now() + timedelta(hours=12)))
    fresh = set(lately.values_list("part", flat=True))
    return [part for part in PARTS if part not in fresh]


def down() -> list[str]:
    """Names of the parts that do not answer; empty when all is well. Waits at most a second for Redis."""
    try:
        late = _late(settings.HEARTBEAT_LATE)
    except DatabaseError:
        return ["database", *([] if _redis_answers() else ["redis"])]
    return [*([] if _redis_answers() else ["redis"]), *late]


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@never_cache
@login_not_required  # asked by machines; says nothing but which part is down
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 `ok`, or 503 with the parts that are down."""
    parts = down()
    body = "down: " + ", ".join(parts) if parts else "ok"
    return HttpResponse(body + "\n", status=503 if parts else 200, content_type="text/plain")
