"""A table as a file that Excel opens as it is."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from urllib.parse import quote

from django.http import HttpResponse

# What a spreadsheet would take for a formula: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def answer(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The rows as CSV (RFC 4180) in UTF-8, with the mark by which Excel knows it.

    Args:
        name: of the file, without its ending; may be Chinese (RFC 6266, RFC 8187).
        rows: numbers stay numbers, days are written 2026-05-11, None is an empty cell; text that a spreadsheet would
            run as a formula gets an apostrophe before it.
    """
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    clean = "".join(character for character in name if character.isprintable() and character not in '/\\:*?"<>|')
    file = f"{clean.strip(' .') or 'table'}.csv"
    response["Content-Disposition"] = f"attachment; filename=\"table.csv\"; filename*=UTF-8''{quote(file, safe='')}"
    lines = csv.writer(response)
    lines.writerow(map(_cell, header))
    lines.writerows(map(_cell, row) for row in rows)
    return response


def _cell(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        text = value.replace("\0", "")
        return f"'{text}" if text.startswith(FORMULA) else text
    return value
