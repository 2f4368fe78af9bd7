"""Units from a CSV file: all of it or nothing, in bounded memory, however large or broken the file is.

The file is read twice: once to learn its encoding, once line by line into a temporary table. What concerns
one line alone is checked on the way; what concerns two lines (doubled codes, missing parents) is checked by
the database, which then writes everything with one statement.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from django.db import connection, transaction
from django.utils.translation import gettext as _

from villages.importing.cells import (
    Columns,
    clean_code,
    clean_name,
    code_and_name,
    columns_of,
    is_blank,
    orphan_reason,
    parent_of,
)
from villages.importing.problems import KEPT, BadFile, Problem, Problems, refusal, shown
from villages.importing.text import encoding_of, lines_of

__all__ = ["BadFile", "Outcome", "Problem", "import_units"]

ROWS_PER_COPY = 10_000
# The key of the lock. Any number will do, as long as nobody else takes the same.
ONE_AT_A_TIME = 511504


@dataclass(frozen=True)
class Outcome:
    """What an import did.

    Attributes:
        renamed: units given the name of the file (or the parent that their code tells, if it was another).
        kept: units under those of the file that are not in it themselves; nothing happened to them.
        ignored_columns: titles of the columns that were not read.
    """

    added: int
    renamed: int
    unchanged: int
    kept: int
    ignored_columns: tuple[str, ...]


def import_units(path: Path, *, progress: Callable[[int], None] | None = None) -> Outcome:
    """Adds and renames units after the lines of a CSV file; never deletes one.

    Every unit's parent follows from its code and must be in the file, on any line, or in the database. The
    same file again changes nothing. A second import waits until the first has ended. Costs a few megabytes
    of memory whatever the size of the file, and less than four times a bare COPY into the same table.

    Args:
        path: UTF-8 or GB18030, with a header; codes and names are found by their titles.
        progress: is told now and then how many bytes have been read so far.

    Raises:
        BadFile: if any line is not as it should be; then nothing has been written.
    """
    try:
        encoding = encoding_of(path)
        with transaction.atomic(), path.open("rb") as binary, io.TextIOWrapper(binary, encoding) as text:
            return _import(text, progress or (lambda position: None))
    except OSError as error:
        raise refusal(_("The file cannot be read: %(reason)s") % {"reason": error.strerror or error}) from error
    except UnicodeDecodeError as error:  # written to between the two readings
        raise refusal(_("The file was changed while it was read.")) from error


def _import(text: TextIO, progress: Callable[[int], None]) -> Outcome:
    problems = Problems()
    with connection.cursor() as cursor:
        # An import of the whole country takes longer than a page may, and waits for its turn.
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        cursor.execute(CREATE_STAGE)
        lines = ((number, line) for number, line in lines_of(text) if not is_blank(line))
        columns = _header(lines)
        rows = _rows(lines, columns, problems)
        staged = 0
        while batch := "".join(islice(rows, ROWS_PER_COPY)):
            cursor.copy_expert("COPY staged_units FROM STDIN", io.StringIO(batch))
            staged += cursor.rowcount
            progress(text.buffer.tell())
        if not staged and not problems.total:
            raise refusal(_("The file has a header, but no units."))
        cursor.execute(INDEX_STAGE)
        # What no line shows alone: codes that stand twice, parents that nobody has.
        for query, reason in ((DOUBLED, _doubled_reason), (ORPHANED, orphan_reason)):
            cursor.execute(query, [KEPT])
            if found := cursor.fetchall():
                title = shown(columns.titles[columns.code])
                errors = [Problem(line, title, code, reason(code, other)) for line, code, other, _n in found]
                problems.merge(errors, total=found[0][-1])
        if problems.total:
            raise BadFile(problems.first, problems.total)
        cursor.execute(WRITE)
        added, renamed = cursor.fetchone()
        cursor.execute(COUNT_KEPT)
        (kept,) = cursor.fetchone()
        cursor.execute("DROP TABLE staged_units")
    return Outcome(added, renamed, staged - added - renamed, kept, columns.ignored)


def _header(lines: Iterator[tuple[int, str]]) -> Columns:
    number, header = next(lines, (0, ""))
    if not number:
        raise refusal(_("The file is empty."))
    try:
        return columns_of(header)
    except ValueError as error:
        raise refusal(str(error), number, header) from None


def _rows(lines: Iterator[tuple[int, str]], columns: Columns, problems: Problems) -> Iterator[str]:
    """Every line with a good code in COPY's text format: line, code, parent, name.

    A line whose name is bad is among them, so that its children are not called orphans.
    """
    null = r"\N"
    for number, line in lines:
        try:
            raw_code, raw_name = code_and_name(line, columns)
        except ValueError as error:
            problems.add(number, "", line, str(error))
            continue
        name = null
        try:
            name = clean_name(raw_name).replace("\\", r"\\")
        except ValueError as error:
            problems.add(number, columns.titles[columns.name], raw_name, str(error))
        try:
            code = clean_code(raw_code)
        except ValueError as error:
            problems.add(number, columns.titles[columns.code], raw_code, str(error))
            continue
        yield f"{number}\t{code}\t{parent_of(code) or null}\t{name}\n"


def _doubled_reason(code: str, first: int) -> str:
    return _("The same code stands on line %(first)s.") % {"first": first}


CREATE_STAGE = """
    CREATE TEMPORARY TABLE staged_units (
        line integer NOT NULL,
        code varchar(20) COLLATE "C" NOT NULL,
        parent varchar(20) COLLATE "C",
        name varchar(80)
    )
"""
INDEX_STAGE = "CREATE INDEX ON staged_units (code); ANALYZE staged_units"
DOUBLED = """
    SELECT line, code, first, count(*) OVER ()
    FROM staged_units
    JOIN (
        SELECT code, min(line) AS first FROM staged_units GROUP BY code HAVING count(*) > 1
    ) AS doubled USING (code)
    WHERE line > first
    ORDER BY line
    LIMIT %s
"""
ORPHANED = """
    SELECT line, code, parent, count(*) OVER ()
    FROM staged_units AS child
    WHERE parent IS NOT NULL
      AND NOT EXISTS (SELECT FROM staged_units AS staged WHERE staged.code = child.parent)
      AND NOT EXISTS (SELECT FROM villages_unit AS unit WHERE unit.code = child.parent)
    ORDER BY line
    LIMIT %s
"""
# Rows that are as they should be are left out: ON CONFLICT would lock and log each of them. Parents need no
# order, as their constraint waits for the end; an index grows faster in its own. Updated rows have an xmax.
WRITE = """
    WITH written AS (
        INSERT INTO villages_unit (code, name, parent_id)
        SELECT code, name, parent
        FROM staged_units AS staged
        WHERE NOT EXISTS (
            SELECT FROM villages_unit AS unit
            WHERE unit.code = staged.code
              AND unit.name = staged.name
              AND unit.parent_id IS NOT DISTINCT FROM staged.parent
        )
        ORDER BY code
        ON CONFLICT (code) DO UPDATE SET name = EXCLUDED.name, parent_id = EXCLUDED.parent_id
        RETURNING xmax = 0 AS added
    )
    SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE NOT added)
    FROM written
"""
# A unit lies under one of the file if one of its own prefixes is a code of the file.
COUNT_KEPT = """
    SELECT count(*)
    FROM villages_unit AS unit
    WHERE NOT EXISTS (SELECT FROM staged_units AS staged WHERE staged.code = unit.code)
      AND EXISTS (
          SELECT FROM staged_units AS above
          WHERE above.code = ANY (ARRAY[
              left(unit.code, 2), left(unit.code, 4), left(unit.code, 6), left(unit.code, 9),
              left(unit.code, 12), split_part(unit.code, 'S', 1)
          ])
      )
"""
