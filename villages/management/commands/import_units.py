from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils.translation import gettext as _
from tqdm import tqdm

from villages.importing import BadFile, Outcome, import_units


class Command(BaseCommand):
    help = "Adds and renames units after a CSV file with the columns code and name: all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="UTF-8 or GB18030, with a header")
        parser.add_argument("--progress", action="store_true", help="show a progress bar without a terminal too")

    def handle(self, *args: Any, file: Path, progress: bool, **options: Any) -> None:
        size = file.stat().st_size if file.is_file() else None
        # disable=None: unless stderr is a terminal.
        with tqdm(total=size, unit="B", unit_scale=True, leave=False, disable=False if progress else None) as bar:

            def advance(position: int) -> None:
                bar.update(position - bar.n)
                if position == size:
                    bar.set_description(_("writing"))

            try:
                outcome = import_units(file, progress=advance)
            except BadFile as refused:
                raise CommandError(self.refusal(file, refused)) from refused
            except Error as error:
                raise CommandError(_("The database refused: %(reason)s") % {"reason": error}) from error
        self.report(outcome)

    def refusal(self, file: Path, refused: BadFile) -> str:
        """The number of problems, then each on a line of its own."""
        problems = {"file": file, "total": refused.total, "more": refused.total - len(refused.errors)}
        lines = [
            _("%(file)s: nothing was written. Problems: %(total)s") % problems,
            *map(str, refused.errors),
        ]
        if problems["more"]:
            lines.append(_("… and %(more)s more.") % problems)
        return "\n  ".join(lines)

    def report(self, outcome: Outcome) -> None:
        """What happened."""
        if outcome.added or outcome.renamed:
            counts = _("Added: %(added)s, renamed: %(renamed)s, unchanged: %(unchanged)s.")
        else:
            counts = _("Nothing changed: all %(unchanged)s units are as in the file.")
        self.stdout.write(counts % vars(outcome))
        if outcome.kept:
            self.stdout.write(_("Not in the file and kept: %(kept)s units.") % vars(outcome))
        if outcome.ignored_columns:
            self.stdout.write(_("Columns not read: %(columns)s") % {"columns": ", ".join(outcome.ignored_columns)})
