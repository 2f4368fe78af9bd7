"""`import_units` of the whole country against a bare COPY of the same rows into the same table."""

import csv
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pgtrigger
from django.conf import settings
from django.db import connection

from benchmarks import Bench, timed
from benchmarks.worlds import database
from villages.importing import import_units
from villages.importing.cells import parent_of

# The national list as of 2023. Fetched when measured, kept in the data directory, never committed.
PACKAGE = "china-division"
VERSION = "2.7.0"
LEVELS = ("provinces", "cities", "areas", "streets", "villages")

world = partial(database, "bench_imports")
DIRECTORY: Path = settings.DATA_DIR / "bench"
UNITS = DIRECTORY / "units.csv"
COPY_ROWS = DIRECTORY / "units.copy"


def setup() -> None:
    """Writes the rows twice: as the file to import and in COPY's own format."""
    archive = fetched()
    with UNITS.open("w", encoding="utf-8") as units, COPY_ROWS.open("w", encoding="utf-8") as copy_rows:
        units.write("code,name\n")
        for code, name in national(archive) if archive else made_up():
            units.write(f"{code},{name}\n")
            copy_rows.write(f"{code}\t{name}\t{parent_of(code) or chr(92) + 'N'}\n")


def fetched() -> Path | None:
    """The package from npm, or from an earlier run; None if it cannot be had."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    archive = DIRECTORY / f"{PACKAGE}-{VERSION}.tgz"
    npm = shutil.which("npm")
    if npm and not archive.exists():
        command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, cwd=DIRECTORY, timeout=300, stdout=subprocess.DEVNULL, check=False)
    if archive.exists():
        return archive
    print(f"npm cannot fetch {PACKAGE}: measured with made-up units", file=sys.stderr)
    return None


def national(archive: Path) -> Iterator[tuple[str, str]]:
    """Code and name of 665,276 units, from the provinces down."""
    with tarfile.open(archive) as package:
        for level in LEVELS:
            file = package.extractfile(f"package/dist/{level}.csv")
            assert file is not None
            rows = csv.DictReader(line.decode("utf-8-sig") for line in file)
            yield from ((row["code"], row["name"]) for row in rows)


def made_up() -> Iterator[tuple[str, str]]:
    """670,003 units in the proportions of the national list: counties, townships and villages as many."""
    codes = [f"{11 + n:02}" for n in range(31)]
    for digits, children, kind in (
        (0, 0, "省"),
        (2, 12, "市"),
        (2, 8, "县"),
        (3, 14, "镇"),
        (3, 15, "村民委员会"),
    ):
        codes = [f"{code}{n + 1:0{digits}}" for code in codes for n in range(children)] if digits else codes
        yield from ((code, f"第{code}{kind}") for code in codes)


def reset() -> None:
    """No unit, and nothing that refers to one; the history of tasks guards itself against that."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE villages_unit CASCADE")


def ours() -> None:
    """The promise: checked, derived, all or nothing."""
    import_units(UNITS)


def floor() -> None:
    """What the table itself costs, with its indexes and constraints."""
    with connection.cursor() as cursor, COPY_ROWS.open("rb") as rows:
        cursor.execute("SET statement_timeout = 0")
        cursor.copy_expert("COPY villages_unit (code, name, parent_id) FROM STDIN", rows)


BENCHES = [Bench("import_whole_country", limit=4, run=timed(ours, floor, reset), setup=setup)]
