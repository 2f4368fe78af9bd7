"""Celery wakes things up and keeps no truth."""

import os
from datetime import timedelta
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
            self._ask_for_all()
        self._pulse.beat()
        self._forget_the_future()
        return min(float(super().tick(*args, **kwargs)), self.max_interval)

    def _ask_for_all(self) -> None:
        """Who starts it sees within seconds whether all the others are there, and what was missed is made up for."""
        for entry in self.schedule.values():
            entry.last_run_at = self.app.now() - timedelta(days=1)
        self._heap = None  # to be sorted anew

    def _forget_the_future(self) -> None:
        """What was last done tomorrow would else wait for tomorrow."""
        for entry in self.schedule.values():
            now = self.app.now()
            if entry.last_run_at and entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None


app.conf.beat_scheduler = "readiness.celery:BeatingScheduler"
app.conf.beat_max_loop_interval = 20
