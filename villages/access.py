"""Who may see and do what. The only place that says how; everything else asks here.

Two questions, one policy. *Which rows?* `within()` turns a person's posts into a condition in SQL
(prefixes of unit codes, never a list of visible ids). *May they?* each `may_…()` answers with a
`Verdict` that carries its reason. Out of sight is a 404, in sight but not allowed a 403.

Source of the table: the role table of the design; township staff also check the villages below them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from operator import or_
from typing import NamedTuple, Protocol

from django.core.exceptions import PermissionDenied
from django.db.models import IntegerChoices, Q, TextChoices
from django.utils.functional import Promise
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
    DEPARTMENT = 3, _("supervisors of the county's departments or higher")
    COUNTY = 4, _("the county itself")


class Grant(NamedTuple):
    """One current post, reduced to what decides."""

    role: str
    unit: str


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
    RUN = "run"  # set up, launch and close campaigns of this unit
    CALL = "call"  # see telephone numbers in full
    STAFF = "staff"  # say who holds which post, load boundaries
    WATCH = "watch"  # see what a unit's campaigns told to whom, and hear when nothing goes out any more


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
    Action.WATCH: dict.fromkeys((Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER, Role.CAMPAIGN_ADMIN), Reach.ALL),
}


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


class OwedTask(Protocol):
    """As much of a task as decides who may touch it."""

    @property
    def unit_id(self) -> str: ...

    @property
    def done_by_id(self) -> int | None: ...


class SentOrSeen(Protocol):
    """What somebody sent, or saw."""

    @property
    def by_id(self) -> int: ...


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


def grants(user: Person) -> tuple[Grant, ...]:
    """The user's current posts; nobody's are none."""
    return getattr(user, "grants", ())


def scopes(user: Person) -> list[str]:
    """Codes of the units the user's posts cover, without those that lie under another of them."""
    codes = sorted({grant.unit for grant in grants(user)})
    return [code for code in codes if not any(code != top and code.startswith(top) for top in codes)]


def within(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` (such as `unit__code`) lies in the user's sight."""
    return _any(under(path, code) for code in scopes(user))


def under(path: str, code: str) -> Q:
    """The condition that a unit code at `path` is this one or begins with it. In the country lies everything."""
    return Q(**{f"{path}__startswith": code}) if code else ~Q(pk__in=[])


def touching(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` lies in the user's sight or above it: whose campaigns reach them."""
    upward = {upper for code in scopes(user) for upper in above(code)}
    return within(path, user) | Q(**{f"{path}__in": sorted(upward)})


def reached(path: str, user: Person, action: Action) -> Q:
    """The condition that a unit code at `path` is one where the user may do this. Twin in SQL of `_may`."""
    rights = RIGHTS[action]
    conditions = []
    for grant in grants(user):
        match rights.get(grant.role):
            case Reach.OWN:
                conditions.append(Q(**{path: grant.unit}) | Q(**{f"{path}__startswith": grant.unit + "S"}))
            case Reach.BELOW:
                conditions.append(under(path, grant.unit) & ~Q(**{path: grant.unit}))
            case Reach.ALL:
                conditions.append(under(path, grant.unit))
    return _any(conditions)


def may_see(user: Person, unit: str) -> bool:
    """Whether the unit with this code lies in the user's sight."""
    return any(unit.startswith(code) for code in scopes(user))


def may_tick(user: Person, task: OwedTask) -> Verdict:
    """Tick, untick, set a value, leave a note."""
    if _may(user, Action.TICK, task.unit_id):
        return YES
    return Verdict(False, _("Only the cadres of this unit and its township can tick this task."))


def may_check(user: Person, task: OwedTask) -> Verdict:
    """Verify or return. Who ticked cannot verify: claimed and verified are two people's words."""
    if not _may(user, Action.CHECK, task.unit_id):
        return Verdict(False, _("Checking is for linked cadres, the township, the campaign admin and supervisors."))
    if task.done_by_id is not None and task.done_by_id == getattr(user, "pk", None):
        return Verdict(False, _("You ticked this task yourself; someone else has to check it."))
    return YES


def may_waive(user: Person, task: OwedTask) -> Verdict:
    """Say that an item does not apply here: needs someone other than those who owe it."""
    if _may(user, Action.WAIVE, task.unit_id):
        return YES
    return Verdict(
        False,
        _("Whoever owes a task cannot waive it alone. Leave a note with your reason; your township or leader decides."),
    )


def may_give_time(user: Person, task: OwedTask) -> Verdict:
    """Give one unit more time, or answer its request: whoever may waive there, for it is the same consent."""
    if _may(user, Action.WAIVE, task.unit_id):
        return YES
    return Verdict(
        False, _("More time is given by the linked cadre, the township, its leaders and the campaign admin.")
    )


def may_answer(user: Person, unit: str) -> Verdict:
    """Answer the unit's calls for help: whoever presses it has to move what is in its way."""
    if _may(user, Action.CHASE, unit):
        return YES
    who = _("Calls for help are answered by the linked cadre, the township, leaders above it and the campaign admin.")
    return Verdict(False, who)


def may_chase(user: Person, unit: str) -> Verdict:
    """Press the unit's cadres for what is due."""
    if _may(user, Action.CHASE, unit):
        return YES
    return Verdict(
        False, _("Chasing is for the linked cadre, the township, the leaders above it and the campaign admin.")
    )


def may_prove(user: Person, unit: str) -> Verdict:
    """Add a file that shows how it is at the unit: whoever ticks there or checks there."""
    if _may(user, Action.TICK, unit) or _may(user, Action.CHECK, unit):
        return YES
    return Verdict(False, _("Proof is added by the cadres of this unit, its township and those who check it."))


def may_prove_what_was_seen(user: Person, seen: SentOrSeen) -> Verdict:
    """Add a file to what an inspector saw: the inspector."""
    if seen.by_id == getattr(user, "pk", None):
        return YES
    return Verdict(False, _("Only the inspector who saw it adds proof to it."))


def may_take_back(user: Person, sent: SentOrSeen) -> Verdict:
    """Take a file away again: its sender."""
    if sent.by_id == getattr(user, "pk", None):
        return YES
    return Verdict(False, _("Only who sent a file takes it back."))


def may_take_proofs(user: Person, unit: str) -> Verdict:
    """Take all files of a unit along at once: whoever checks it or leads above it."""
    if _may(user, Action.CHECK, unit) or _may(user, Action.CHASE, unit):
        return YES
    return Verdict(False, _("All proof at once is for those who check this unit or lead it."))


def may_run(user: Person, host: str) -> Verdict:
    """Set up, launch and close campaigns of the host unit."""
    if _may(user, Action.RUN, host):
        return YES
    return Verdict(False, _("Only the campaign admin of the host unit can do this."))


def runs_for(user: Person) -> Q:
    """The condition on units (by `code`) for which the user may run campaigns."""
    return reached("code", user, Action.RUN)


def may_run_some(user: Person) -> Verdict:
    """What is for campaign admins of any unit: set a campaign up, connect units to platforms, see how sending goes."""
    return YES if runs_campaigns(user) else Verdict(False, _("Only campaign admins can do this."))


def may_connect(user: Person, unit: str) -> Verdict:
    """Connect this unit to platforms that carry its notices: whoever runs its campaigns."""
    if _may(user, Action.RUN, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, connects it to platforms."))


def may_see_notices(user: Person, host: str) -> Verdict:
    """See what campaigns of the host unit told to whom."""
    if _may(user, Action.WATCH, host):
        return YES
    return Verdict(False, _("Only the campaign admin and the leaders of the host unit see what was sent to whom."))


def watches(user: Person) -> bool:
    """Whether the user hears on every page when reminders no longer go out."""
    return any(grant.role in RIGHTS[Action.WATCH] for grant in grants(user))


def may_release(user: Person, places: int) -> Verdict:
    """Let notices of every office leave the house again after a restore: for the highest campaign admins there are,
    who sit at units whose code has so many places (`Post.objects.highest`)."""
    if any(grant.role in RIGHTS[Action.RUN] and len(grant.unit) <= places for grant in grants(user)):
        return YES
    return Verdict(False, _("Only the campaign admins of the highest level here let reminders go out again."))


def may_call(user: Person, unit: str) -> bool:
    """See telephone numbers of this unit's cadres in full."""
    return _may(user, Action.CALL, unit)


def may_staff(user: Person, unit: str) -> Verdict:
    """Appoint to this unit, end its posts, name who stands in."""
    if _may(user, Action.STAFF, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, says who holds a post here."))


def may_load_boundaries(user: Person, unit: str) -> Verdict:
    """Load and remove the boundaries of the units below: whoever staffs them; both are facts of no campaign."""
    if _may(user, Action.STAFF, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, loads its boundaries."))


def staffed_by(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` is one whose posts the user may give. Twin of `may_staff`."""
    return reached(path, user, Action.STAFF)


def lets(role: str, action: Action) -> bool:
    """Whether whoever holds this role may do this somewhere."""
    return role in RIGHTS[action]


def leads(role: str) -> bool:
    """Whether whoever holds this role leads the unit: told every week how it stands, and of what nobody below moves."""
    return role in (Role.TOWNSHIP_LEADER, Role.COUNTY_LEADER)


def above(unit: str) -> list[str]:
    """Codes that can name the unit itself and what lies above it."""
    return ["", *(unit[:n] for n in range(2, len(unit) + 1))]


def owes_tasks(user: Person) -> bool:
    """Whether the user has tasks of their own: the front page is then "my tasks", else the board."""
    return any(grant.role in RIGHTS[Action.OWE] for grant in grants(user))


def checks_tasks(user: Person) -> bool:
    """Whether claimed tasks may wait for the user's look."""
    return any(grant.role in RIGHTS[Action.CHECK] for grant in grants(user))


def gives_time(user: Person) -> bool:
    """Whether requests for more time may wait for the user's word."""
    return any(grant.role in RIGHTS[Action.WAIVE] for grant in grants(user))


def answers_calls(user: Person) -> bool:
    """Whether calls for help may wait for the user's word."""
    return any(grant.role in RIGHTS[Action.CHASE] for grant in grants(user))


def runs_campaigns(user: Person) -> bool:
    """Whether the user is a campaign admin anywhere."""
    return any(grant.role in RIGHTS[Action.RUN] for grant in grants(user))


def _may(user: Person, action: Action, unit: str) -> bool:
    """Twin in Python of `reached`."""
    rights = RIGHTS[action]
    for grant in grants(user):
        match rights.get(grant.role):
            case Reach.OWN if unit == grant.unit or unit.startswith(grant.unit + "S"):
                return True
            case Reach.BELOW if unit != grant.unit and unit.startswith(grant.unit):
                return True
            case Reach.ALL if unit.startswith(grant.unit):
                return True
    return False


def _any(conditions: Iterable[Q]) -> Q:
    """Any of them; none at all is false, never everything."""
    found = list(conditions)
    return reduce(or_, found) if found else Q(pk__in=[])
