"""What is wrong with a file, in words for the person who made it."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

KEPT = 200
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where. Without a line it is about the whole file. Safe to print on a terminal."""

    line: int | None
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        if self.line is None:
            return self.reason
        if self.column:
            return _("line %(line)s, column %(column)s, “%(value)s”: %(reason)s") % vars(self)
        if self.value:
            return _("line %(line)s, “%(value)s”: %(reason)s") % vars(self)
        return _("line %(line)s: %(reason)s") % vars(self)


class BadFile(Exception):
    """The file was refused and nothing was written: the first problems by line, and how many there are."""

    def __init__(self, errors: list[Problem], total: int) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
        self.total = total


@dataclass
class Problems:
    """The first problems by line, and a count of all."""

    first: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, line: int, column: str, value: str, reason: str) -> None:
        """One more, not on an earlier line than those before."""
        self.total += 1
        if len(self.first) < KEPT:
            self.first.append(Problem(line, shown(column), shown(value), reason))

    def merge(self, first: list[Problem], total: int) -> None:
        """Those of another look at the same lines."""
        self.total += total
        self.first = sorted(self.first + first, key=lambda problem: problem.line or 0)[:KEPT]


def refusal(reason: str, line: int | None = None, value: str = "") -> BadFile:
    """A file refused for one reason."""
    return BadFile([Problem(line, "", shown(value), reason)], 1)


def shown(text: str) -> str:
    """Short, and without anything that a terminal would obey or hide."""
    short = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)
