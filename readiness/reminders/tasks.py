"""What Celery wakes up. Each may run twice and calls one function."""

import logging

from django.utils import timezone
from kombu.exceptions import KombuError

from readiness.celery import app
from readiness.reminders import outbox, sender

logger = logging.getLogger(__name__)
# Of whoever wakes the sender: a Redis that is frozen must not freeze a page.
PATIENCE = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3}


@app.task(name="readiness.reminders.plan")
def plan() -> None:
    """Writes what is due into the outbox."""
    if outbox.write(timezone.localdate()):
        wake()


@app.task(name="readiness.reminders.deliver")
def deliver() -> None:
    """Sends what waits in the outbox."""
    sender.deliver()


def wake() -> None:
    """Asks the sender to look now and not only at its next minute; for `transaction.on_commit`.

    Best effort: gives up within a second and only logs, for the sender looks by itself.
    """
    try:
        with app.connection_for_write(transport_options=app.conf.broker_transport_options | PATIENCE) as redis:
            deliver.apply_async(connection=redis, retry=False)
    except (KombuError, OSError) as error:
        logger.warning("the sender could not be woken: %s", error)
