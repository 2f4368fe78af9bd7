"""What Celery wakes up. Each may run twice and calls one function."""

from django.utils import timezone

from readiness.celery import app
from readiness.reminders import outbox


@app.task(name="readiness.reminders.send")
def send() -> None:
    """Writes today's notices and sends what is waiting."""
    outbox.write(timezone.localdate())
    outbox.deliver()
