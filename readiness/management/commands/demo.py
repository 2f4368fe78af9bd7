from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from readiness import demo


class Command(BaseCommand):
    help = "Makes the demo: a district, invented people, a campaign under way. Only where DEBUG is on, and once."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = demo.make(on=timezone.localdate())
        except demo.NoDemo as reason:
            raise CommandError(str(reason)) from reason
        self.stdout.write(
            f"{made.units} units, {made.cadres} cadres, {made.tasks} tasks, {made.events} events, "
            f"{made.notices} notices\n"
            f"Log-ins: {' '.join(demo.LOGINS)}   password: {demo.PASSWORD}"
        )
