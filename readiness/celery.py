"""Celery wakes things up and keeps no truth."""

import os
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")

app = Celery("readiness")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["readiness.reminders", "readiness.boards"])


class BeatingScheduler(PersistentScheduler):
    """The scheduler of beat: notes in the database that it lives, and gets over a clock that is set back."""

    max_interval = 20

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if not hasattr(self, "_pulse"):
            from readiness.health import Pulse

            self._pulse = Pulse("beat")
        self._pulse.beat()
        self._forget_the_future()
        return min(float(super().tick(*args, **kwargs)), self.max_interval)

    def _forget_the_future(self) -> None:
        """What was last done tomorrow would else wait for tomorrow."""
        for entry in self.schedule.values():
            now = self.app.now()
            if entry.last_run_at and entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # to be sorted anew


app.conf.beat_scheduler = "readiness.celery:BeatingScheduler"
app.conf.beat_max_loop_interval = 20
