import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from checklists.models.tally import COUNTS, DRIFT


class Command(BaseCommand):
    help = "Recounts every tally from the tasks (by unit, item, day); prints each difference, exits 1 if there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            # A recount of the country takes minutes: longer than any page may.
            cursor.execute("SET statement_timeout = 0; SET work_mem = '256MB'")
            cursor.execute(DRIFT)
            drift = cursor.fetchall()
            cursor.execute("RESET statement_timeout; RESET work_mem")
        for what, campaign, unit, item, due_on, kept, counted in drift:
            differs = [f"{name} {k}, counted {c}" for name, k, c in zip(COUNTS, kept, counted, strict=True) if k != c]
            where = f"campaign {campaign} unit {unit}" + (f" item {item}" if item else "")
            self.stdout.write(f"{what}: {where} due {due_on}: kept {'; '.join(differs)}")
        if drift:
            self.stderr.write(f"{len(drift)} tallies differ from the tasks")
            sys.exit(1)
        self.stdout.write("Every tally equals a recount")
