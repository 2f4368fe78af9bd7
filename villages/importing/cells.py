"""One line of the file: its cells, and what a code and a name may look like.

Everything here refuses by ValueError, whose text is the reason for the person who made the file.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass

from django.utils.translation import gettext as _

from villages.importing.problems import shown
from villages.importing.text import LONGEST_LINE
from villages.models import CODE_PATTERN, COUNTRY, COUNTRY_WRITTEN

CODE_TITLES = ("code", "代码", "编码", "统计用区划代码")
NAME_TITLES = ("name", "名称", "单位名称")
LONGEST_NAME = 80

# What clings to a cell that was copied from a web page or from Excel.
EDGES = " \t\u00a0\u200b\u2060\u3000\ufeff"
EXCEL_TEXT_MARK = "'"

WELL_FORMED = re.compile(CODE_PATTERN, re.ASCII)
EXCEL_NUMBER = re.compile(r"\d+\.\d+|\d+(?:\.\d+)?E\+?\d+", re.ASCII | re.IGNORECASE)
PARENT_DIGITS = {2: 0, 4: 2, 6: 4, 9: 6, 12: 9}
# Control, format, surrogate and separator characters. Private ones (Co) may be: rare place names need them.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Columns:
    """What the columns are called in this file, and which of them are read."""

    titles: list[str]
    code: int
    name: int

    @property
    def ignored(self) -> tuple[str, ...]:
        """Titles of the columns that are not read."""
        read = (self.code, self.name)
        return tuple(shown(title) for n, title in enumerate(self.titles) if title and n not in read)


def columns_of(header: str) -> Columns:
    """Where code and name stand; the header must name each of them once."""
    titles = [cell.strip(EDGES) for cell in _cells(header)]
    plain = [unicodedata.normalize("NFKC", title).casefold() for title in titles]
    codes = [n for n, title in enumerate(plain) if title in CODE_TITLES]
    names = [n for n, title in enumerate(plain) if title in NAME_TITLES]
    if len(codes) != 1 or len(names) != 1:
        reason = _("Expected a header with one column %(code)s and one column %(name)s, such as code,name.")
        raise ValueError(reason % {"code": "/".join(CODE_TITLES), "name": "/".join(NAME_TITLES)})
    return Columns(titles, codes[0], names[0])


def is_blank(line: str) -> bool:
    """Whether nothing stands on a line; Excel saves empty rows as commas."""
    return not line.strip("," + EDGES)


def code_and_name(line: str, columns: Columns) -> tuple[str, str]:
    """The two cells that are read, as they stand."""
    cells = _cells(line)
    if len(cells) <= max(columns.code, columns.name):
        raise ValueError(_("Too few columns."))
    # A comma inside a name would cut the name short.
    if any(cell.strip(EDGES) for cell in cells[len(columns.titles) :]):
        raise ValueError(_("More columns than in the header. A name with a comma must stand in quotes."))
    return cells[columns.code], cells[columns.name]


def _cells(line: str) -> list[str]:
    if len(line) > LONGEST_LINE:
        raise ValueError(_("The line is longer than %(longest)s characters.") % {"longest": LONGEST_LINE})
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True))
    except csv.Error:
        raise ValueError(_("A quote is not closed on this line.")) from None


def clean_code(raw: str) -> str:
    """The code without what surrounds it, full-width digits made plain."""
    code = raw if raw.isascii() else unicodedata.normalize("NFKC", raw)
    code = code.strip(EDGES + EXCEL_TEXT_MARK)
    if _is_padded(code):
        raise ValueError(_padded_reason(code))
    if not code:
        raise ValueError(_("The code is empty."))
    if code == COUNTRY_WRITTEN:
        return COUNTRY
    if WELL_FORMED.fullmatch(code):
        return code
    if EXCEL_NUMBER.fullmatch(code):
        raise ValueError(_("Excel turned the code into a number. Format the column as text."))
    if code.isdecimal():
        raise ValueError(_("A code has 2, 4, 6, 9 or 12 digits, not %(count)s.") % {"count": len(code)})
    raise ValueError(_("A code has 2, 4, 6, 9 or 12 digits, then D001 or S0001 at most once each."))


def clean_name(raw: str) -> str:
    """The name without what surrounds it. Full-width letters and brackets belong to names and stay."""
    name = raw.strip(EDGES)
    if not name or name.isspace():
        raise ValueError(_("The name is empty."))
    if len(name) > LONGEST_NAME:
        raise ValueError(_("The name is longer than %(longest)s characters.") % {"longest": LONGEST_NAME})
    if not name.isprintable() and any(unicodedata.category(c) in UNSEEN for c in name):
        raise ValueError(_("The name contains a control character or an invisible character."))
    return name


def parent_of(code: str) -> str:
    """The code of the unit that a unit belongs to; empty for a province and for the country itself."""
    if code.isdecimal():
        return code[: PARENT_DIGITS[len(code)]]
    if code == COUNTRY:
        return COUNTRY
    return code[: code.index("S" if "S" in code else "D")]


def orphan_reason(code: str, parent: str) -> str:
    """Why a unit without its parent is refused: mostly because of zeros that do not belong to the code."""
    if significant(code) != code:
        return _padded_reason(code)
    return _("It belongs to %(parent)s, which is neither in the file nor known.") % {"parent": parent}


def _is_padded(code: str) -> bool:
    """Whether zeros stand where a village has its number.

    Six zeros may be in order: in the national list 350527, a county without townships, has the township
    350527000 and the village 350527000000. If they are not, the parent is missing, and that is noticed.
    """
    return len(code) == 12 and code.endswith("000") and not code.endswith("000000")


def significant(code: str) -> str:
    """A code without the zeros that official lists append to fill six or twelve places."""
    return next((code[:n] for n in (2, 4, 6, 9) if code[n:] and not code[n:].strip("0")), code)


def _padded_reason(code: str) -> str:
    digits = {"code": significant(code)}
    return _("The code is padded with zeros. Write the significant digits: %(code)s") % digits
