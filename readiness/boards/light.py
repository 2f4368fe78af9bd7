"""Counts of tasks, and the colour they give. Pure: no database, no clock."""

from enum import StrEnum
from operator import add, sub
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Light(StrEnum):
    """红黄绿灯: the colour of a unit."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    NONE = "none"

    @property
    def label(self) -> str:
        return str(LABELS[self])

    @property
    def letter(self) -> str:
        """For whoever tells the colours apart by something else."""
        return str(LETTERS[self])

    @property
    def rank(self) -> int:
        """0 for the one that needs people most."""
        return list(Light).index(self)


LABELS = {Light.RED: _("red"), Light.AMBER: _("amber"), Light.GREEN: _("green"), Light.NONE: _("nothing to do")}
LETTERS = {
    Light.RED: pgettext_lazy("letter of a light", "R"),
    Light.AMBER: pgettext_lazy("letter of a light", "A"),
    Light.GREEN: pgettext_lazy("letter of a light", "G"),
    Light.NONE: pgettext_lazy("letter of a light", "–"),
}


class Counts(NamedTuple):
    """How many tasks stand where. Counts are added; shares are divided once, at the end."""

    open: int = 0
    done: int = 0
    verified: int = 0
    returned: int = 0
    waived: int = 0
    overdue: int = 0  # of those open or returned
    vetoes: int = 0  # of those overdue or returned, the ones whose item is a veto
    points: int = 0  # of all that applies
    points_done: int = 0  # of what is claimed and not yet verified
    points_verified: int = 0
    vetoes_owed: int = 0  # veto tasks open or returned, also those that are not due yet

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]
        return Counts(*map(add, self, other))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*map(sub, self, other))

    @property
    def applying(self) -> int:
        """Tasks that apply here: all but the waived."""
        return self.open + self.done + self.verified + self.returned

    @property
    def total(self) -> int:
        return self.applying + self.waived

    @property
    def owed(self) -> int:
        return self.open + self.returned

    @property
    def claimed_percent(self) -> int:
        """Claimed and not yet verified, of what applies; rounded down, so that 100 means all."""
        return self._percent(self.done)

    @property
    def verified_percent(self) -> int:
        """Verified by someone else, of what applies; rounded down."""
        return self._percent(self.verified)

    def _percent(self, part: int) -> int:
        return part * 100 // self.applying if self.applying else 0

    def light(self, *, red_percent: int, vetoes: bool = False) -> Light:
        """Green: nothing overdue, nothing sent back. Red: at least `red_percent` of what applies is overdue.

        With `vetoes` switched on, one veto item overdue or sent back is red by itself.
        """
        if not self.applying:
            return Light.NONE
        if not self.overdue and not self.returned:
            return Light.GREEN
        if vetoes and self.vetoes:
            return Light.RED
        if self.overdue * 100 >= red_percent * self.applying:
            return Light.RED
        return Light.AMBER
