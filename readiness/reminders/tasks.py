"""What Celery wakes up. Each calls one function that looks at the database, and may run twice at once."""

import logging
import mmap
from collections.abc import Callable
from typing import Any

from celery import Task
from celery.signals import worker_init, worker_shutting_down
from django.db import OperationalError
from django.utils import timezone
from kombu.exceptions import KombuError
from psycopg2.errors import LockNotAvailable

from readiness.celery import app
from readiness.health import Pulse
from readiness.reminders import outbox, sender, unchanged

logger = logging.getLogger(__name__)
# Of whoever wakes the sender: a Redis that is frozen must not freeze a page.
PATIENCE = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3, "max_retries": 0}
_pulse = Pulse("sender")
# Set in the worker's first process, seen in those that work.
_stopping = mmap.mmap(-1, 1)


# The outbox holds each notice once, so planning again is no harm; a plan lost with its process would else wait.
@app.task(name="readiness.reminders.plan", reject_on_worker_lost=True)
def plan() -> None:
    """Writes what is due into the outbox."""
    _write(lambda: outbox.write(timezone.localdate()))


@app.task(name="readiness.reminders.news", soft_time_limit=60, time_limit=90)
def news() -> None:
    """Writes what has just happened into the outbox."""
    _write(outbox.write_news)


def _write(write: Callable[[], int]) -> None:
    try:
        fresh = write()
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        logger.info("somebody else is planning")
    else:
        if fresh:
            _ask(deliver)


# A notice is claimed before it is sent: who comes second finds it taken. The lease is longer than the task's life.
@app.task(name="readiness.reminders.deliver", reject_on_worker_lost=True, soft_time_limit=180, time_limit=240)
def deliver() -> None:
    """Sends what waits in the outbox."""
    _pulse.beat()  # also while it is paused
    if unchanged.is_stale():
        try:
            _write(lambda: outbox.write(timezone.localdate()))
        except Exception:  # what is urgent goes out all the same
            logger.exception("digests that wait could not be brought up to date")
    sender.deliver(go_on=_goes_on)


# Not put back when its process is lost: the next minute asks again.
@app.task(name="readiness.reminders.confirm", soft_time_limit=60, time_limit=90)
def confirm() -> None:
    """Asks platforms what became of what they took."""
    sender.confirm()


@app.task(name="readiness.worker_lives", soft_time_limit=20, time_limit=30)
def worker_lives() -> None:
    """The planner's sign of life: whoever is frozen cannot do this."""
    Pulse("worker").beat()


def _goes_on() -> bool:
    """Between two notices: a sign of life, and whether there may be a next."""
    _pulse.beat()
    return not _stopping[0]


@worker_init.connect
def _starts(**_: Any) -> None:
    _stopping[0] = 0


@worker_shutting_down.connect
def _stops(**_: Any) -> None:
    """SIGTERM: what is being sent is ended and noted, and nothing more is begun."""
    _stopping[0] = 1


def wake() -> None:
    """Asks planner and sender to look now and not only at their next minute; for `transaction.on_commit`.

    Best effort: gives up within a second and only logs, for they look by themselves.
    """
    _ask(news, deliver)


def _ask(*tasks: Task[..., None]) -> None:
    try:
        with app.connection_for_write(transport_options=app.conf.broker_transport_options | PATIENCE) as redis:
            for task in tasks:
                app.send_task(task.name, connection=redis, retry=False)
    except (KombuError, OSError) as error:
        logger.warning("the sender could not be woken: %s", error)
