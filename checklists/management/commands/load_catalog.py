from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checklists import catalog


class Command(BaseCommand):
    help = "Loads the speeches of checklists/catalog/ as templates; again, it says what changed."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            loaded = catalog.load()
        except catalog.BadTemplate as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{len(loaded.added)} added, {len(loaded.updated)} updated, {len(loaded.unchanged)} unchanged"
        )
