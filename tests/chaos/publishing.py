"""The control of the frozen Redis: the web, publishing in the request as Celery does by itself."""

from collections.abc import Callable, Iterable
from typing import Any

from celery import Celery
from django.conf import settings

from readiness.wsgi import application as product

celery = Celery(broker=settings.REDIS_URL, set_as_current=False)


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Each POST wakes the sender before it is answered."""
    if environ["REQUEST_METHOD"] == "POST":
        celery.send_task("readiness.reminders.wake", ignore_result=True)
    return product(environ, start)
