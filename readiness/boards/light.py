"""Counts of tasks, and the colour they give. Pure: no database, no clock."""

from dataclasses import dataclass, fields
from enum import StrEnum

from django.utils.translation import gettext_lazy as _


class Light(StrEnum):
    """红黄绿灯: the colour of a unit."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    NONE = "none"

    @property
    def label(self) -> str:
        return str(LABELS[self])


LABELS = {Light.RED: _("red"), Light.AMBER: _("amber"), Light.GREEN: _("green"), Light.NONE: _("nothing to do")}


@dataclass(frozen=True)
class Counts:
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

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Counts)))

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
