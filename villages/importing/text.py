"""From a file to its lines, whatever the file is; never more than a few kilobytes of it in memory."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from django.utils.translation import gettext as _

from villages.importing.problems import refusal

LONGEST_LINE = 4096
CHUNK = 1 << 16

XLSX = b"PK\x03\x04"
XLS = b"\xd0\xcf\x11\xe0"


def encoding_of(path: Path) -> str:
    """The encoding in which the whole file is valid: UTF-8, else GB18030. Reads the file once or twice.

    Raises:
        BadFile: if there is none, if it is not a text file, or not a file at all.
        OSError: if it cannot be read.
    """
    if path.is_dir():
        raise refusal(_("This is a directory, not a file."))
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise refusal(_("This is not an ordinary file."))
    with path.open("rb") as file:
        start = file.read(4)
    if start == XLSX:
        raise refusal(_("This is an Excel workbook (.xlsx), whatever its name. Save it as CSV."))
    if start == XLS:
        raise refusal(_("This is an old Excel workbook (.xls), whatever its name. Save it as CSV."))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refusal(_("The file is in UTF-16. Save it as CSV in UTF-8."))
    bad_lines = []
    for encoding in ("utf-8-sig",) if start.startswith(codecs.BOM_UTF8) else ("utf-8", "gb18030"):
        bad_line = _undecodable_line(path, encoding)
        if not bad_line:
            return encoding
        bad_lines.append(bad_line)
    # The encoding that got further is more likely the one that was meant.
    reason = _("This line is neither UTF-8 nor GB18030. Save the file as CSV in UTF-8.")
    raise refusal(reason, max(bad_lines))


def _undecodable_line(path: Path, encoding: str) -> int:
    """The first line that is not in this encoding; 0 if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
                line += chunk.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return line + error.object[: error.start].count(b"\n")
    return 0


def lines_of(text: TextIO) -> Iterator[tuple[int, str]]:
    """Each line that is not blank, with its number; of one longer than LONGEST_LINE only the beginning."""
    number = 0
    while line := text.readline(LONGEST_LINE + 1):
        number += 1
        yield number, line.removesuffix("\n")
        while line and not line.endswith("\n"):
            line = text.readline(CHUNK)
