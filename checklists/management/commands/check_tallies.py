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
        for campaign, unit, due_on, state, *counts in drift:
            kept, counted, kept_points, counted_points, kept_vetoes, counted_vetoes = (count or 0 for count in counts)
            self.stdout.write(
                f"campaign {campaign} unit {unit} due {due_on} {state}: "
                f"kept {kept} ({kept_points} points, {kept_vetoes} vetoes), "
                f"counted {counted} ({counted_points} points, {counted_vetoes} vetoes)"
            )
        if drift:
            self.stderr.write(f"{len(drift)} tallies differ from the tasks")
            sys.exit(1)
        self.stdout.write("Every tally equals a recount")
