import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from checklists.models.tally import DRIFT


class Command(BaseCommand):
    help = "Recounts every tally from the tasks; prints each difference and exits 1 if there is any."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(DRIFT)
            drift = cursor.fetchall()
        for campaign, unit, due_on, state, kept, counted, kept_points, counted_points in drift:
            self.stdout.write(
                f"campaign {campaign} unit {unit} due {due_on} {state}: "
                f"kept {kept or 0} ({kept_points or 0} points), counted {counted or 0} ({counted_points or 0} points)"
            )
        if drift:
            self.stderr.write(f"{len(drift)} tallies differ from the tasks")
            sys.exit(1)
        self.stdout.write("Every tally equals a recount")
