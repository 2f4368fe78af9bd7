"""Which rows? Posts become conditions in SQL: prefixes of unit codes, never lists of visible ids."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Protocol

from django.db.models import Q

from villages.access.table import RIGHTS, Action, Grant, Reach, Role, above, height_of


class Person(Protocol):
    """A cadre, or nobody: strangers hold no post and so see nothing."""

    @property
    def is_authenticated(self) -> bool: ...


@dataclass(frozen=True)
class Onlooker:
    """Nobody in particular, who sees one unit with all below it and may do nothing: whoever stands before a wall."""

    unit: str
    is_authenticated: bool = False

    @property
    def grants(self) -> tuple[Grant, ...]:
        """As an auditor there would have."""
        return (Grant(Role.AUDITOR, self.unit),)


def grants(user: Person) -> tuple[Grant, ...]:
    """The user's current posts; nobody's are none."""
    return getattr(user, "grants", ())


def scopes(user: Person) -> list[str]:
    """Codes of the units the user's posts cover, without those that lie under another of them."""
    codes = sorted({grant.unit for grant in grants(user)})
    return [code for code in codes if not any(code != top and code.startswith(top) for top in codes)]


def within(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` (such as `unit__code`) lies in the user's sight."""
    return any_of(under(path, code) for code in scopes(user))


def under(path: str, code: str) -> Q:
    """The condition that a unit code at `path` is this one or begins with it. In the country lies everything."""
    return Q(**{f"{path}__startswith": code}) if code else ~Q(pk__in=[])


def touching(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` lies in the user's sight or above it: whose campaigns reach them."""
    upward = {upper for code in scopes(user) for upper in above(code)}
    return within(path, user) | Q(**{f"{path}__in": sorted(upward)})


def reached(path: str, user: Person, action: Action) -> Q:
    """The condition that a unit code at `path` is one where the user may do this. Twin in SQL of `can`."""
    rights = RIGHTS[action]
    return any_of(_covered(path, grant, rights[grant.role]) for grant in grants(user) if grant.role in rights)


def checkable(path: str, user: Person, *, height: str, done_by: str, done_for: str, rests_on: str) -> Q:
    """The condition that a claim at a unit (its code at `path`) is the user's to check. Twin in SQL of `may_check`.

    Args:
        height: where it stands how high the look must go.
        done_by: where it stands who claimed it, `done_for` in whose place, and `rests_on` on whose word besides.
    """
    rights, conditions = RIGHTS[Action.CHECK], []

    def not_of(who: int | None) -> Q:
        return ~Q(**{done_by: who}) & ~Q(**{done_for: who}) & ~Q(**{f"{rests_on}__contains": [who]})

    for grant in grants(user):
        if grant.role in rights:
            mine = _covered(path, grant, rights[grant.role]) & Q(**{f"{height}__lte": height_of(grant)})
            if grant.instead_of is not None:
                mine &= not_of(grant.instead_of)
            conditions.append(mine)
    return any_of(conditions) & not_of(getattr(user, "pk", None))


def _covered(path: str, grant: Grant, reach: Reach) -> Q:
    """The condition that a unit code at `path` lies within the grant's reach. Twin in SQL of `allows`."""
    match reach:
        case Reach.OWN:
            return Q(**{path: grant.unit}) | Q(**{f"{path}__startswith": grant.unit + "S"})
        case Reach.BELOW:
            return under(path, grant.unit) & ~Q(**{path: grant.unit})
        case Reach.ALL:
            return under(path, grant.unit)


def runs_for(user: Person) -> Q:
    """The condition on units (by `code`) for which the user may run campaigns."""
    return reached("code", user, Action.RUN)


def staffed_by(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` is one whose posts the user may give. Twin of `may_staff`."""
    return reached(path, user, Action.STAFF)


def finds_at(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` is one where the user may enter findings. Twin of `may_find`."""
    return reached(path, user, Action.FIND)


def any_of(conditions: Iterable[Q]) -> Q:
    """Any of them; none at all is false, never everything."""
    found = list(conditions)
    return reduce(or_, found) if found else Q(pk__in=[])
