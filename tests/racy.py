"""The web application with the compare-and-set of ticks taken out: the control run of test_race.py serves it."""

from typing import Any

from readiness.wsgi import application  # isort: skip  (sets Django up for the imports below)

from checklists.models.task import TaskQuerySet

__all__ = ["application"]

_filter = TaskQuerySet.filter


def _whatever_version(self: TaskQuerySet, *conditions: Any, **lookups: Any) -> TaskQuerySet:
    lookups.pop("version", None)
    return _filter(self, *conditions, **lookups)


TaskQuerySet.filter = _whatever_version  # type: ignore[method-assign]
