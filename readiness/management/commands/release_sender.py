from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from readiness.reminders import restored


class Command(BaseCommand):
    help = "Lets notices leave the house again after a restore; what was put aside stays aside unless --resend."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--resend", action="store_true", help="also send everything that was put aside")

    def handle(self, *args: Any, **options: Any) -> None:
        again = restored.release(resend=options["resend"])
        self.stdout.write(f"released; {again} notices that were put aside are sent")
