from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checklists import catalog


class Command(BaseCommand):
    help = "Loads the speeches of checklists/catalog/ as templates; again, it says what changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--table", type=Path, metavar="FILE", help="only write the catalog as a table, for docs/")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["table"]:
            options["table"].write_text(catalog.table(), encoding="utf-8")
            return
        try:
            loaded = catalog.load()
        except catalog.BadTemplate as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{len(loaded.added)} added, {len(loaded.updated)} updated, {len(loaded.unchanged)} unchanged"
        )
