from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from readiness.reminders import outbox, sender


class Command(BaseCommand):
    help = "Writes one notice per cadre for the day into the outbox and sends the mail that waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--on", metavar="YYYY-MM-DD", help="the day; today if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            on = date.fromisoformat(options["on"]) if options["on"] else timezone.localdate()
        except ValueError as error:
            raise CommandError(f"{options['on']!r} is no date; write it as 2026-12-31") from error
        fresh = outbox.write(on)
        delivered = sender.deliver()
        self.stdout.write(
            f"{on}: {fresh} notices written; mail: {delivered.accepted} sent, {delivered.refused} refused, "
            f"{delivered.unknown} unknown"
        )
