"""Celery wakes things up and keeps no truth. Worker and beat say that they live, here."""

import logging
import os
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.signals import heartbeat_sent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")

app = Celery("readiness")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["readiness.reminders", "readiness.boards"])


def _beating(part: str) -> Callable[[], None]:
    from readiness.health import Pulse

    return Pulse(part).beat


@heartbeat_sent.connect
def worker_lives(sender: Any = None, **_: Any) -> None:
    """The worker's own heart beats every other second; the table hears of it now and then."""
    global _worker_pulse
    if _worker_pulse is None:
        _worker_pulse = _beating("worker")
    _worker_pulse()


_worker_pulse: Callable[[], None] | None = None


class BeatingScheduler(PersistentScheduler):
    """The scheduler of beat, which notes in the database that it lives."""

    max_interval = 20

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if not hasattr(self, "_pulse"):
            self._pulse = _beating("beat")
        self._pulse()
        return min(float(super().tick(*args, **kwargs)), self.max_interval)


app.conf.beat_scheduler = "readiness.celery:BeatingScheduler"
app.conf.beat_max_loop_interval = 20
logger = logging.getLogger(__name__)
