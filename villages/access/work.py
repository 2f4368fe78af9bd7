"""May they? What is done about a unit's tasks: ticked, checked, proved, chased, found wanting, inspected."""

from collections.abc import Collection
from typing import Protocol

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from villages.access.rows import Person, grants, scopes
from villages.access.table import RIGHTS, Action, Height, height_of
from villages.access.verdicts import YES, Verdict, can, in_place_of, posts_for


class OwedTask(Protocol):
    """As much of a task as decides who may touch it."""

    @property
    def unit_id(self) -> str: ...

    @property
    def done_by_id(self) -> int | None: ...

    @property
    def done_for_id(self) -> int | None: ...

    @property
    def rests_on(self) -> Collection[int]: ...

    @property
    def height(self) -> int: ...


class SentOrSeen(Protocol):
    """What somebody sent, or saw."""

    @property
    def by_id(self) -> int: ...


def may_see(user: Person, unit: str) -> bool:
    """Whether the unit with this code lies in the user's sight."""
    return any(unit.startswith(code) for code in scopes(user))


def may_tick(user: Person, task: OwedTask) -> Verdict:
    """Tick, untick, set a value, leave a note."""
    if can(user, Action.TICK, task.unit_id):
        return YES
    return Verdict(False, _("Only the cadres of this unit and its township can tick this task."))


def may_check(user: Person, task: OwedTask) -> Verdict:
    """Verify, return, look again: claimed and verified are two people's words.

    Not whoever ticked, nor on whose word it rests besides (a value, an earlier claim), nor in whose place they did, nor
    who only stands in for any of them; and the look must come from as high as the task asks. Twin in SQL: `checkable`.
    """
    able = posts_for(user, Action.CHECK, task.unit_id)
    if not able:
        return Verdict(False, _("Checking is for linked cadres, the township, the campaign admin and supervisors."))
    high = [grant for grant in able if height_of(grant) >= task.height]
    if not high:
        who = Height(task.height).label
        return Verdict(False, format_lazy(_("Your post is not high enough for this check. It is for: {who}."), who=who))
    claimants, me = _claimants(task), getattr(user, "pk", None)
    if me in claimants and task.done_by_id == me:
        return Verdict(False, _("You ticked this task yourself; someone else has to check it."))
    if me in claimants and me in task.rests_on:
        return Verdict(False, _("This claim rests on what you entered; someone else has to check it."))
    if me in claimants:
        return Verdict(False, _("This task was ticked in your place; someone else has to check it."))
    if all(grant.instead_of in claimants for grant in high):
        return Verdict(False, _("You stand in for whoever ticked this task; someone else has to check it."))
    return YES


def ticks_for(user: Person, task: OwedTask) -> int | None:
    """In whose place the user ticks this task; None: by a post of their own, which goes first."""
    return in_place_of(posts_for(user, Action.TICK, task.unit_id))


def checks_for(user: Person, task: OwedTask) -> int | None:
    """In whose place the user checks this task, as `ticks_for`; never in that of whoever ticked it."""
    able, claimants = posts_for(user, Action.CHECK, task.unit_id), _claimants(task)
    return in_place_of(grant for grant in able if height_of(grant) >= task.height and grant.instead_of not in claimants)


def _claimants(task: OwedTask) -> set[int | None]:
    return {task.done_by_id, task.done_for_id, *task.rests_on} - {None}


def may_waive(user: Person, task: OwedTask) -> Verdict:
    """Say that an item does not apply here: needs someone other than those who owe it."""
    if can(user, Action.WAIVE, task.unit_id):
        return YES
    return Verdict(
        False,
        _("Whoever owes a task cannot waive it alone. Leave a note with your reason; your township or leader decides."),
    )


def may_give_time(user: Person, task: OwedTask) -> Verdict:
    """Give one unit more time, or answer its request: whoever may waive there, for it is the same consent."""
    if can(user, Action.WAIVE, task.unit_id):
        return YES
    return Verdict(
        False, _("More time is given by the linked cadre, the township, its leaders and the campaign admin.")
    )


def may_answer(user: Person, unit: str) -> Verdict:
    """Answer the unit's calls for help: whoever presses it has to move what is in its way."""
    if can(user, Action.CHASE, unit):
        return YES
    who = _("Calls for help are answered by the linked cadre, the township, leaders above it and the campaign admin.")
    return Verdict(False, who)


def may_find(user: Person, unit: str) -> Verdict:
    """Enter findings of the unit, confirm or send back what was put right, give time, decide, answer."""
    if can(user, Action.FIND, unit):
        return YES
    return Verdict(
        False,
        _("This is for the linked cadre, the township, the leaders above it, the campaign admin and supervisors."),
    )


def may_put_right(user: Person, unit: str, responsible: int | None) -> Verdict:
    """Plan, report as put right, ask for time, dispute: whoever ticks there, or the one responsible, while in sight."""
    if can(user, Action.TICK, unit):
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
    if can(user, Action.CHASE, unit):
        return YES
    return Verdict(
        False, _("Chasing is for the linked cadre, the township, the leaders above it and the campaign admin.")
    )


def may_prove(user: Person, unit: str) -> Verdict:
    """Add a file that shows how it is at the unit: whoever ticks there or checks there."""
    if can(user, Action.TICK, unit) or can(user, Action.CHECK, unit):
        return YES
    return Verdict(False, _("Proof is added by the cadres of this unit, its township and those who check it."))


def may_prove_what_was_seen(user: Person, seen: SentOrSeen) -> Verdict:
    """Add a file to what an inspector saw: the inspector, while in office."""
    if seen.by_id == getattr(user, "pk", None):
        return may_go_on_rounds(user)
    return Verdict(False, _("Only the inspector who saw it adds proof to it."))


def may_take_back(user: Person, sent: SentOrSeen) -> Verdict:
    """Take a file away again: its sender."""
    if sent.by_id == getattr(user, "pk", None):
        return YES
    return Verdict(False, _("Only who sent a file takes it back."))


def may_take_proofs(user: Person, unit: str) -> Verdict:
    """Take all files of a unit along at once: whoever checks it or leads above it."""
    if can(user, Action.CHECK, unit) or can(user, Action.CHASE, unit):
        return YES
    return Verdict(False, _("All proof at once is for those who check this unit or lead it."))


def may_call(user: Person, unit: str) -> bool:
    """See telephone numbers of this unit's cadres in full."""
    return can(user, Action.CALL, unit)


def may_inspect(user: Person, unit: str) -> Verdict:
    """Send inspectors to this unit or others in their place, finish a round there, announce a draw among its units."""
    if can(user, Action.INSPECT, unit):
        return YES
    return Verdict(
        False, _("Rounds are planned and drawn by the campaign admin and supervisors of this unit or of one above it.")
    )


def may_inspect_for(user: Person, host: str) -> Verdict:
    """Send inspectors to some of the units that the host's campaigns reach, or draw among them."""
    places = [host, *(grant.unit for grant in grants(user) if grant.unit.startswith(host))]
    return next((verdict for place in places if (verdict := may_inspect(user, place))), may_inspect(user, host))


def may_see_rounds(user: Person, host: str) -> Verdict:
    """See the rounds of the host's campaigns also before they are over: who plans some, and who leads the host."""
    return YES if can(user, Action.WATCH, host) else may_inspect_for(user, host)


def may_go_on_rounds(user: Person) -> Verdict:
    """Be an inspector still: in office, wherever that is."""
    if grants(user):
        return YES
    return Verdict(
        False, _("You hold no post any more, so you inspect no longer. Tell whoever sent you on this round.")
    )
