"""Whether, and if not, why not; and how one asks the table."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.utils.functional import Promise

from villages.access.rows import Person, grants
from villages.access.table import Action, Grant, allows


@dataclass(frozen=True)
class Verdict:
    """Whether, and if not, why not."""

    allowed: bool
    reason: "str | Promise" = ""

    def __bool__(self) -> bool:
        return self.allowed


YES = Verdict(True)


def require(verdict: Verdict) -> None:
    """Go on, or answer 403 with the reason.

    Raises:
        PermissionDenied: carrying the verdict's reason.
    """
    if not verdict:
        raise PermissionDenied(verdict.reason)


def can(user: Person, action: Action, unit: str) -> bool:
    """Twin in Python of `reached`."""
    return bool(posts_for(user, action, unit))


def posts_for(user: Person, action: Action, unit: str) -> list[Grant]:
    """Which of the user's posts let them do this at the unit."""
    return [grant for grant in grants(user) if allows(grant.role, grant.unit, action, unit)]


def in_place_of(able: Iterable[Grant]) -> int | None:
    """Whose post is used: one's own before any that one only stands in for, and of these the first."""
    places = [grant.instead_of for grant in able]
    return None if None in places or not places else places[0]
