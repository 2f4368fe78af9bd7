"""May they? What is done about campaigns, posts, draws, measures and notices; and who does some of it anywhere."""

from django.utils.translation import gettext_lazy as _

from villages.access.rows import Person, grants
from villages.access.table import RIGHTS, Action, leads
from villages.access.verdicts import YES, Verdict, can


def may_run(user: Person, host: str) -> Verdict:
    """Set up, launch and close campaigns of the host unit."""
    if can(user, Action.RUN, host):
        return YES
    return Verdict(False, _("Only the campaign admin of the host unit can do this."))


def may_run_some(user: Person) -> Verdict:
    """What is for campaign admins of any unit: set a campaign up, connect units to platforms, see how sending goes."""
    return YES if runs_campaigns(user) else Verdict(False, _("Only campaign admins can do this."))


def may_connect(user: Person, unit: str) -> Verdict:
    """Connect this unit to platforms that carry its notices: whoever runs its campaigns."""
    if can(user, Action.RUN, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, connects it to platforms."))


def may_see_notices(user: Person, host: str) -> Verdict:
    """See what campaigns of the host unit told to whom."""
    if can(user, Action.WATCH, host):
        return YES
    return Verdict(False, _("Only the campaign admin and the leaders of the host unit see what was sent to whom."))


def may_decide(user: Person, unit: str) -> Verdict:
    """Say whether a measure against the unit is applied, or answer its objection. Nobody decides in their own case."""
    if may_object(user, unit):
        return Verdict(False, _("This is about your own unit; a leader above it decides."))
    if can(user, Action.DECIDE, unit):
        return YES
    return Verdict(False, _("Measures are decided by the leaders above the unit."))


def may_object(user: Person, unit: str) -> Verdict:
    """Object to a measure against the unit: whoever owes or ticks its tasks, or leads it."""
    leads_it = any(grant.unit == unit and leads(grant.role) for grant in grants(user))
    if leads_it or can(user, Action.OWE, unit) or can(user, Action.TICK, unit):
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


def may_staff(user: Person, unit: str) -> Verdict:
    """Appoint to this unit, end its posts, name who stands in."""
    if can(user, Action.STAFF, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, says who holds a post here."))


def may_load_boundaries(user: Person, unit: str) -> Verdict:
    """Load and remove the boundaries of the units below: whoever staffs them; both are facts of no campaign."""
    if can(user, Action.STAFF, unit):
        return YES
    return Verdict(False, _("Only the campaign admin of this unit, or of one above it, loads its boundaries."))


def may_give_number(user: Person, among: str) -> Verdict:
    """Give one of the two numbers of a draw among the units of this one."""
    if can(user, Action.NUMBER, among):
        return YES
    return Verdict(
        False, _("Numbers are given by the leaders, the campaign admin and supervisors of this unit or above it.")
    )


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


def runs_campaigns(user: Person) -> bool:
    """Whether the user is a campaign admin anywhere."""
    return any(grant.role in RIGHTS[Action.RUN] for grant in grants(user))
