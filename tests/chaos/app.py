"""The product's Celery for the processes under test: every day is a working day, and signs of life come twice a second.

The tests run on Sundays too, and shall not take minutes; so what is due goes out at once, also at a full hour.
"""

import django

django.setup()

from readiness import celery, health  # noqa: E402
from readiness.reminders import calendars, plan, unchanged  # noqa: E402

app = celery.app
calendars.is_workday = plan.is_workday = unchanged.is_workday = lambda day: True
calendars.SPREAD = calendars.CROWD = 0
health.Pulse.__init__.__kwdefaults__["every"] = 0.5
