"""The web with its guard taken away, for the control run of test_race.py: a change forgets which version it was made from."""

from typing import Any

from django.db.models import QuerySet

from readiness.wsgi import application

from checklists import ticks  # isort: skip - after Django is set up
from checklists.models import Task  # isort: skip

__all__ = ["application"]


class AnyVersion:
    """Stands in for `Task.objects` in checklists/ticks.py."""

    def filter(self, *, version: int, **conditions: Any) -> "QuerySet[Task]":
        return Task.objects.filter(**conditions)

    def __getattr__(self, name: str) -> Any:
        return getattr(Task.objects, name)


class Unguarded:
    """Stands in for `Task` in checklists/ticks.py."""

    objects = AnyVersion()


ticks.Task = Unguarded  # type: ignore[assignment, misc]
