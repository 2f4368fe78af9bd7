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
from django.utils.text import format_lazy
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
    DRAW = "draw"  # announce draws among the units below
    NUMBER = "number"  # give one of the two numbers that a draw follows from
    WATCH = "watch"  # see what a unit's campaigns told to whom, and hear when nothing goes out any more
    DECIDE = "decide"  # say whether a measure against a unit is applied
    INSPECT = "inspect"  # send inspectors on rounds, and see those that are not over


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
    Action.DRAW: dict.fromkeys((Role.CAMPAIGN_ADMIN, Role.SUPERVISOR), Reach.ALL),
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

    @property
    def done_for_id(self) -> int | None: ...

    @property
    def height(self) -> int: ...


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
    return _any(_covered(path, grant, rights[grant.role]) for grant in grants(user) if grant.role in rights)


def checkable(path: str, user: Person, *, height: str, done_by: str, done_for: str) -> Q:
    """The condition that a claim at a unit (its code at `path`) is the user's to check. Twin in SQL of `may_check`.

    Args:
        height: where it stands how high the look must go.
        done_by: where it stands who claimed it, and `done_for` in whose place.
    """
    rights, conditions = RIGHTS[Action.CHECK], []
    for grant in grants(user):
        if grant.role in rights:
            mine = _covered(path, grant, rights[grant.role]) & Q(**{f"{height}__lte": height_of(grant)})
            if grant.instead_of is not None:
                mine &= ~Q(**{done_by: grant.instead_of}) & ~Q(**{done_for: grant.instead_of})
            conditions.append(mine)
    me = getattr(user, "pk", None)
    return _any(conditions) & ~Q(**{done_by: me}) & ~Q(**{done_for: me})


def _covered(path: str, grant: Grant, reach: Reach) -> Q:
    """The condition that a unit code at `path` lies within the grant's reach. Twin in SQL of `allows`."""
    match reach:
        case Reach.OWN:
            return Q(**{path: grant.unit}) | Q(**{f"{path}__startswith": grant.unit + "S"})
        case Reach.BELOW:
            return under(path, grant.unit) & ~Q(**{path: grant.unit})
        case Reach.ALL:
            return under(path, grant.unit)


def may_see(user: Person, unit: str) -> bool:
    """Whether the unit with this code lies in the user's sight."""
    return any(unit.startswith(code) for code in scopes(user))


def may_tick(user: Person, task: OwedTask) -> Verdict:
    """Tick, untick, set a value, leave a note."""
    if _may(user, Action.TICK, task.unit_id):
        return YES
    return Verdict(False, _("Only the cadres of this unit and its township can tick this task."))


def may_check(user: Person, task: OwedTask) -> Verdict:
    """Verify, return, look again: claimed and verified are two people's words.

    Not whoever ticked, nor in whose place they did, nor who only stands in for either of them; and the look must come
    from as high as the task asks. Twin in SQL: `checkable`.
    """
    able = _able(user, Action.CHECK, task.unit_id)
    if not able:
        return Verdict(False, _("Checking is for linked cadres, the township, the campaign admin and supervisors."))
    high = [grant for grant in able if height_of(grant) >= task.height]
    if not high:
        who = Height(task.height).label
        return Verdict(False, format_lazy(_("Your post is not high enough for this check. It is for: {who}."), who=who))
    claimants, me = {task.done_by_id, task.done_for_id} - {None}, getattr(user, "pk", None)
    if task.done_by_id in claimants and task.done_by_id == me:
        return Verdict(False, _("You ticked this task yourself; someone else has to check it."))
    if me in claimants:
        return Verdict(False, _("This task was ticked in your place; someone else has to check it."))
    if all(grant.instead_of in claimants for grant in high):
        return Verdict(False, _("You stand in for whoever ticked this task; someone else has to check it."))
    return YES


def ticks_for(user: Person, task: OwedTask) -> int | None:
    """In whose place the user ticks this task; None: by a post of their own, which goes first."""
    return _in_place_of(_able(user, Action.TICK, task.unit_id))


def checks_for(user: Person, task: OwedTask) -> int | None:
    """In whose place the user checks this task, as `ticks_for`; never in that of whoever ticked it."""
    able = _able(user, Action.CHECK, task.unit_id)
    claimants = {task.done_by_id, task.done_for_id} - {None}
    return _in_place_of(
        grant for grant in able if height_of(grant) >= task.height and grant.instead_of not in claimants
    )


def height_of(grant: Grant) -> Height:
    """How high a look by this post comes from; a post at a township looks from the township, whatever its role."""
    height = HEIGHTS[grant.role]
    return min(height, Height.TOWNSHIP) if len(grant.unit) >= TOWNSHIP_PLACES else height


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


def may_find(user: Person, unit: str) -> Verdict:
    """Enter findings of the unit, confirm or send back what was put right, give time, decide, answer."""
    if _may(user, Action.FIND, unit):
        return YES
    return Verdict(
        False,
        _("This is for the linked cadre, the township, the leaders above it, the campaign admin and supervisors."),
    )


def may_put_right(user: Person, unit: str, responsible: int | None) -> Verdict:
    """Plan, report as put right, ask for time, dispute: whoever ticks there, or the one responsible, while in sight."""
    if _may(user, Action.TICK, unit):
        return YES
    if responsible is not None and responsible == getattr(user, "pk", None) and may_see(user, unit):
        return YES
    return Verdict(False, _("This is for the cadres of the unit and its township, and for whoever is responsible."))


def sits(user: Person, unit: str) -> int | None:
    """How many places the code of the highest unit has from which the user looks after this one; None: from nowhere."""
    rights = RIGHTS[Action.FIND]
    places = [len(grant.unit) for grant in grants(user) if grant.role in rights and unit.startswith(grant.unit)]
    return min(places, default=None)


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


def may_decide(user: Person, unit: str) -> Verdict:
    """Say whether a measure against the unit is applied, or answer its objection. Nobody decides in their own case."""
    if may_object(user, unit):
        return Verdict(False, _("This is about your own unit; a leader above it decides."))
    if _may(user, Action.DECIDE, unit):
        return YES
    return Verdict(False, _("Measures are decided by the leaders above the unit."))


def may_object(user: Person, unit: str) -> Verdict:
    """Object to a measure against the unit: whoever owes or ticks its tasks, or leads it."""
    leads_it = any(grant.unit == unit and leads(grant.role) for grant in grants(user))
    if leads_it or _may(user, Action.OWE, unit) or _may(user, Action.TICK, unit):
        return YES
    return Verdict(False, _("Objections are for the cadres of the unit that the measure is about."))


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


def may_inspect(user: Person, unit: str) -> Verdict:
    """Send inspectors to this unit, and finish a round there in their place."""
    if _may(user, Action.INSPECT, unit):
        return YES
    return Verdict(
        False, _("Rounds are planned by the campaign admin and supervisors of this unit or of one above it.")
    )


def may_inspect_for(user: Person, host: str) -> Verdict:
    """Send inspectors to some of the units that the host's campaigns reach."""
    places = [host, *(grant.unit for grant in grants(user) if grant.unit.startswith(host))]
    return next((verdict for place in places if (verdict := may_inspect(user, place))), may_inspect(user, host))


def may_see_rounds(user: Person, host: str) -> Verdict:
    """See the rounds of the host's campaigns also before they are over: who plans some, and who leads the host."""
    return YES if _may(user, Action.WATCH, host) else may_inspect_for(user, host)


def may_go_on_rounds(user: Person) -> Verdict:
    """Be an inspector still: in office, wherever that is."""
    if grants(user):
        return YES
    return Verdict(
        False, _("You hold no post any more, so you inspect no longer. Tell whoever sent you on this round.")
    )


def staffed_by(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` is one whose posts the user may give. Twin of `may_staff`."""
    return reached(path, user, Action.STAFF)


def may_draw(user: Person, among: str) -> Verdict:
    """Announce a draw among the units of this one."""
    if _may(user, Action.DRAW, among):
        return YES
    return Verdict(False, _("Draws are announced by the campaign admin and by supervisors of this unit or above it."))


def may_draw_some(user: Person, host: str) -> Verdict:
    """Announce a draw among some units of the host. Twin in SQL: `reached` with units below the host."""
    rights = RIGHTS[Action.DRAW]
    if any(
        grant.role in rights and (grant.unit.startswith(host) or host.startswith(grant.unit)) for grant in grants(user)
    ):
        return YES
    return Verdict(False, _("Draws are announced by campaign admins and supervisors."))


def may_give_number(user: Person, among: str) -> Verdict:
    """Give one of the two numbers of a draw among the units of this one."""
    if _may(user, Action.NUMBER, among):
        return YES
    return Verdict(
        False, _("Numbers are given by the leaders, the campaign admin and supervisors of this unit or above it.")
    )


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


def owes_tasks(user: Person) -> bool:
    """Whether the user has tasks of their own: the front page is then "my tasks", else the board."""
    return any(grant.role in RIGHTS[Action.OWE] for grant in grants(user))


def checks_tasks(user: Person) -> bool:
    """Whether claimed tasks may wait for the user's look."""
    return any(grant.role in RIGHTS[Action.CHECK] for grant in grants(user))


def may_check_some(user: Person) -> Verdict:
    """What is for whoever checks claims of any unit: the queue of those that wait."""
    if checks_tasks(user):
        return YES
    return Verdict(False, _("Checking is for linked cadres, the township, the campaign admin and supervisors."))


def gives_time(user: Person) -> bool:
    """Whether requests for more time may wait for the user's word."""
    return any(grant.role in RIGHTS[Action.WAIVE] for grant in grants(user))


def answers_calls(user: Person) -> bool:
    """Whether calls for help may wait for the user's word."""
    return any(grant.role in RIGHTS[Action.CHASE] for grant in grants(user))


def finds(user: Person) -> bool:
    """Whether findings that were put right may wait for the user's look."""
    return any(grant.role in RIGHTS[Action.FIND] for grant in grants(user))


def finds_at(path: str, user: Person) -> Q:
    """The condition that a unit code at `path` is one where the user may enter findings. Twin of `may_find`."""
    return reached(path, user, Action.FIND)


def runs_campaigns(user: Person) -> bool:
    """Whether the user is a campaign admin anywhere."""
    return any(grant.role in RIGHTS[Action.RUN] for grant in grants(user))


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


def _may(user: Person, action: Action, unit: str) -> bool:
    """Twin in Python of `reached`."""
    return bool(_able(user, action, unit))


def _able(user: Person, action: Action, unit: str) -> list[Grant]:
    """Which of the user's posts let them do this at the unit."""
    return [grant for grant in grants(user) if allows(grant.role, grant.unit, action, unit)]


def _in_place_of(able: Iterable[Grant]) -> int | None:
    """Whose post is used: one's own before any that one only stands in for, and of these the first."""
    places = [grant.instead_of for grant in able]
    return None if None in places or not places else places[0]


def _any(conditions: Iterable[Q]) -> Q:
    """Any of them; none at all is false, never everything."""
    found = list(conditions)
    return reduce(or_, found) if found else Q(pk__in=[])
