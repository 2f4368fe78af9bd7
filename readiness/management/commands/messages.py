from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from readiness import messages


class Command(BaseCommand):
    help = (
        "Keeps the Chinese of the pages: collects msgids into the .po and compiles it. Needs no gettext, no database."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--compile", action="store_true", help="only compile, and only what has changed")
        how.add_argument("--check", action="store_true", help="change nothing; 1 if anything is not in Chinese")

    def handle(self, *args: Any, **options: Any) -> None:
        root = settings.BASE_DIR
        if options["compile"]:
            messages.compile_(root)
        elif options["check"]:
            found = messages.faults(root)
            if found:
                raise CommandError(
                    "\n".join([*found, f"{len(found)} in all. Run: manage.py messages, then translate."])
                )
            self.stdout.write("Every msgid has its Chinese; no bare text in the templates.")
        else:
            renewed = messages.renew(root)
            messages.compile_(root)
            self.stdout.write(
                f"{messages.PO}: {renewed.total} msgids, {renewed.added} new, {renewed.dropped} dropped, "
                f"{renewed.untranslated} to translate"
            )
