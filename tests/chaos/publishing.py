"""The web, as if each POST woke the sender before it is answered: as the product does, and as Celery does by itself."""

from collections.abc import Callable, Iterable
from typing import Any

from celery import Celery
from django.conf import settings

from readiness.wsgi import application as product  # isort: skip (first: it sets Django up)
from readiness.reminders import tasks  # isort: skip

celery = Celery(broker=settings.REDIS_URL, set_as_current=False)


def waking(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """A page that publishes."""
    if environ["REQUEST_METHOD"] == "POST":
        tasks.wake()
    return product(environ, start)


def waiting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The control."""
    if environ["REQUEST_METHOD"] == "POST":
        celery.send_task(tasks.deliver.name, ignore_result=True)
    return product(environ, start)
