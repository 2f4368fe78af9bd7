"""The table: what each role may do, and how far its rights reach.

Source: the role table of the design; township staff also check the villages below them.
"""

from enum import Enum
from typing import NamedTuple

from django.db.models import IntegerChoices, TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    """What a person is at a unit. RIGHTS says what each may do there."""

    VILLAGE_CADRE = "village_cadre", _("village cadre")
    LINKED = "linked", _("linked cadre")
    TOWNSHIP_STAFF = "township_staff", _("township staff")
    TOWNSHIP_LEADER = "township_leader", _("township leader")
    DEPARTMENT_CADRE = "department_cadre", _("department cadre")
    COUNTY_LEADER = "county_leader", _("county leader")
    CAMPAIGN_ADMIN = "campaign_admin", _("campaign admin")
    SUPERVISOR = "supervisor", _("supervisor")
    AUDITOR = "auditor", _("auditor")


class Height(IntegerChoices):
    """How high a second look comes from; a higher one always does."""

    LINKED = 1, _("linked cadre or higher")
    TOWNSHIP = 2, _("township or higher")
    # A department looks through the supervisors it sends: which department leads an item, nobody has said.
    DEPARTMENT = 3, _("supervisors of the county or higher")
    COUNTY = 4, _("the county itself")


class Grant(NamedTuple):
    """One current post, reduced to what decides."""

    role: str
    unit: str
    instead_of: int | None = None  # the cadre whose post this person stands in for


class Reach(Enum):
    """How far below the post's unit a right goes."""

    OWN = "own"  # the unit itself and its sites
    BELOW = "below"  # everything under it, but not the unit itself
    ALL = "all"  # the unit and everything under it


class Action(Enum):
    """What can be done to a unit's tasks or by a unit's campaign."""

    OWE = "owe"  # it is this person's own work: shown under "my tasks", reminded of
    TICK = "tick"
    CHECK = "check"  # verify and return
    WAIVE = "waive"
    CHASE = "chase"  # press for what is due, answer calls for help
    FIND = "find"  # enter findings, confirm what was put right, give time for it, answer who complained
    RUN = "run"  # set up, launch and close campaigns of this unit
    CALL = "call"  # see telephone numbers in full
    STAFF = "staff"  # say who holds which post, load boundaries
    NUMBER = "number"  # give one of the two numbers that a draw follows from
    WATCH = "watch"  # see what a unit's campaigns told to whom, and hear when nothing goes out any more
    DECIDE = "decide"  # say whether a measure against a unit is applied
    INSPECT = "inspect"  # send inspectors on rounds, by lot or by hand, and see those that are not over


RIGHTS: dict[Action, dict[str, Reach]] = {
    Action.OWE: {
        Role.VILLAGE_CADRE: Reach.OWN,
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.OWN,
        Role.DEPARTMENT_CADRE: Reach.OWN,
    },
    Action.TICK: {
        Role.VILLAGE_CADRE: Reach.OWN,
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.ALL,
        Role.DEPARTMENT_CADRE: Reach.OWN,
    },
    Action.CHECK: {
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.BELOW,
        Role.TOWNSHIP_LEADER: Reach.ALL,
        Role.CAMPAIGN_ADMIN: Reach.ALL,
        Role.SUPERVISOR: Reach.ALL,
    },
    # Someone else's consent: nobody waives what their own unit owes, except the one who leads it.
    Action.WAIVE: {
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.BELOW,
        Role.TOWNSHIP_LEADER: Reach.ALL,
        Role.CAMPAIGN_ADMIN: Reach.ALL,
    },
    # Words that change nothing of the record, so whoever leads may; supervisors look, and press nobody.
    Action.CHASE: {
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.BELOW,
        Role.TOWNSHIP_LEADER: Reach.ALL,
        Role.COUNTY_LEADER: Reach.ALL,
        Role.CAMPAIGN_ADMIN: Reach.ALL,
    },
    # Whoever looks after a unit from above. Its own people put right; nobody here does both with one finding.
    Action.FIND: {
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.BELOW,
        Role.TOWNSHIP_LEADER: Reach.ALL,
        Role.COUNTY_LEADER: Reach.ALL,
        Role.CAMPAIGN_ADMIN: Reach.ALL,
        Role.SUPERVISOR: Reach.ALL,
    },
    Action.RUN: {Role.CAMPAIGN_ADMIN: Reach.ALL},
    Action.CALL: {
        Role.VILLAGE_CADRE: Reach.OWN,
        Role.LINKED: Reach.OWN,
        Role.TOWNSHIP_STAFF: Reach.ALL,
        Role.TOWNSHIP_LEADER: Reach.ALL,
        Role.DEPARTMENT_CADRE: Reach.OWN,
        Role.COUNTY_LEADER: Reach.ALL,
        Role.CAMPAIGN_ADMIN: Reach.ALL,
    },
    Action.STAFF: {Role.CAMPAIGN_ADMIN: Reach.ALL},
    Action.NUMBER: dict.fromkeys(
        (Role.CAMPAIGN_ADMIN, Role.SUPERVISOR, Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER), Reach.ALL
    ),
    Action.WATCH: dict.fromkeys((Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER, Role.CAMPAIGN_ADMIN), Reach.ALL),
    # Leaders above the unit, never the admin alone; nobody decides about the unit that they lead.
    Action.DECIDE: dict.fromkeys((Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER), Reach.BELOW),
    Action.INSPECT: dict.fromkeys((Role.CAMPAIGN_ADMIN, Role.SUPERVISOR), Reach.ALL),
}


# How high a look comes from; `height_of` knows that a post at a township looks from there.
HEIGHTS: dict[str, Height] = {
    Role.LINKED: Height.LINKED,
    Role.TOWNSHIP_STAFF: Height.TOWNSHIP,
    Role.TOWNSHIP_LEADER: Height.TOWNSHIP,
    Role.SUPERVISOR: Height.DEPARTMENT,
    Role.CAMPAIGN_ADMIN: Height.COUNTY,
}


TOWNSHIP_PLACES = 9  # digits of a township's code; what has as many is the township or lies below it


def height_of(grant: Grant) -> Height:
    """How high a look by this post comes from; a post at a township looks from the township, whatever its role."""
    height = HEIGHTS[grant.role]
    return min(height, Height.TOWNSHIP) if len(grant.unit) >= TOWNSHIP_PLACES else height


def lets(role: str, action: Action) -> bool:
    """Whether whoever holds this role may do this somewhere."""
    return role in RIGHTS[action]


def onlookers() -> list[str]:
    """Roles whose holders look at the work of others and do none of it."""
    return [role for role in Role.values if lets(role, Action.CHECK) and not lets(role, Action.TICK)]


def leads(role: str) -> bool:
    """Whether whoever holds this role leads the unit: told every week how it stands, and of what nobody below moves."""
    return role in (Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER)


def above(unit: str) -> list[str]:
    """Codes that can name the unit itself and what lies above it."""
    return ["", *(unit[:n] for n in range(2, len(unit) + 1))]


def allows(role: str, at: str, action: Action, unit: str) -> bool:
    """Whether a post of this role, held at a unit, lets its holder do this at another unit (or the same)."""
    match RIGHTS[action].get(role):
        case Reach.OWN:
            return unit == at or unit.startswith(at + "S")
        case Reach.BELOW:
            return unit != at and unit.startswith(at)
        case Reach.ALL:
            return unit.startswith(at)
    return False
