"""The settings of the processes under test: as they are, only everything that comes by the clock comes sooner."""

from datetime import timedelta

from readiness.settings import *  # noqa: F403
from readiness.settings import CELERY_BEAT_SCHEDULE

CELERY_BEAT_SCHEDULE = {name: line | {"schedule": timedelta(seconds=1)} for name, line in CELERY_BEAT_SCHEDULE.items()}
