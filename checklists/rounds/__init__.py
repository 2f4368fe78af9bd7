"""检查: a visit to one unit, from the plan to the end. The verbs: plan, record, finish; relief.py: others go.

What an inspector saw is a word of its own beside claimed and verified: what holds leaves a task as it is, so that a
second look stays a second look; what does not hold sends a claim back and opens a finding. Entries come late and more
than once from phones with a poor line, so each carries its sender's own number (as an event in checklists/ticks.py).

Locks are taken in one order everywhere: campaign, round, task, tallies.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from checklists import draws
from checklists.findings import open_finding
from checklists.models import Campaign, Check, Draw, Finding, Item, Responsibility, Round, State, Task, TaskEvent
from checklists.models.task import TaskQuerySet
from villages import access
from villages.models import Cadre, Post, Unit

# A failing check numbers a finding in the campaign, so it takes the whole row at once: two that first took a share and
# then wanted more would wait for each other.
SHARE = "SELECT * FROM checklists_campaign WHERE id = %s FOR SHARE"
WHOLE = "SELECT * FROM checklists_campaign WHERE id = %s FOR NO KEY UPDATE"
STAYS_OPEN = "SELECT * FROM checklists_round WHERE id = %s FOR SHARE"


class Refused(Exception):
    """A change that is not made. `message` says why and what to do, in the reader's language."""

    status = 409

    def __init__(self, message: "str | Promise") -> None:
        super().__init__(str(message))
        self.message = str(message)


class Conflict(Refused):
    """Things are not as the sender thinks."""


class Unfit(Refused):
    """What was entered does not do; `field` names which."""

    status = 422

    def __init__(self, message: "str | Promise", field: str) -> None:
        super().__init__(message)
        self.field = field


class NotThere(Refused):
    """Nothing of this round: answered like what never existed."""

    status = 404


@dataclass(frozen=True)
class Outcome:
    """What is recorded now, and whether this entry changed anything."""

    check: Check
    is_new: bool


def tasks_of(visit: Round) -> TaskQuerySet:
    """What the round may be about: the unit's tasks of its items, or of all if it names none. Retired ones too."""
    named = Round.items.through.objects.filter(round=visit.pk)
    tasks = Task.objects.filter(campaign=visit.campaign_id, unit=visit.unit_id)
    return tasks.filter(Q(item__in=named.values("item")) | ~Exists(named))


def asked(visit: Round) -> TaskQuerySet:
    """What the inspectors look at: what is asked for and applies, and whatever has a check by now."""
    applies = Q(retired_at__isnull=True) & ~Q(state=State.WAIVED)
    return tasks_of(visit).filter(applies | Exists(Check.objects.filter(round=visit.pk, task=OuterRef("pk"))))


def not_looked_at(visit: Round) -> TaskQuerySet:
    """What nobody has said anything about on this round."""
    return asked(visit).exclude(Exists(Check.objects.filter(round=visit.pk, task=OuterRef("pk"))))


def is_inspector(user: Cadre, visit: Round) -> bool:
    """Whether the user was sent on this round."""
    return visit.inspectors.filter(pk=user.pk).exists()


def replaced_by(visit: Round) -> Draw | None:
    """The draw that took the place of this round's before anybody had begun: it is nobody's work any more."""
    if visit.draw_id is None or draws.in_force(Round.objects.filter(pk=visit.pk)).exists():
        return None
    return Draw.objects.get(instead_of=visit.draw_id)


def refuse_replaced(visit: Round) -> None:
    """Nothing is done on a round that another draw replaced.

    Raises:
        Conflict: this is one.
    """
    if (draw := replaced_by(visit)) is not None:
        said = _("Draw %(n)d took the place of this round's draw before anybody had begun here. It takes no answers.")
        raise Conflict(said % {"n": draw.number})


def may_record(user: Cadre, visit: Round) -> access.Verdict:
    """Whether the user records on this round: who was sent, while in office, and while it is not their own work."""
    if not is_inspector(user, visit):
        return access.Verdict(False, _("Only the inspectors of this round record what was seen."))
    if access.can(user, access.Action.TICK, visit.unit_id):  # since they were sent
        return access.Verdict(False, _("You work at this unit by now; somebody else inspects it."))
    return access.may_go_on_rounds(user)


def may_finish(user: Cadre, visit: Round) -> access.Verdict:
    """Whether the user ends this round: its inspectors, and who plans rounds there (they may all have left)."""
    return access.YES if access.may_inspect(user, visit.unit_id) else may_record(user, visit)


# ---- Plan ---------------------------------------------------------------------------------------------------------


def cannot_go(people: Iterable[Cadre], unit: str, *, on: date) -> dict[int, str]:
    """Why a person cannot inspect this unit, by id: out of office, or it is their own work there. Sets their posts."""
    known = {person.pk: person for person in people}
    held: dict[int, list[tuple[str, str, int | None]]] = {pk: [] for pk in known}
    posts = Post.objects.current(on).filter(cadre__in=known)
    for cadre, role, at, other in posts.values_list("cadre_id", "role", "unit_id", "stands_in_for__cadre"):
        held[cadre].append((role, at, other))
    said = {}
    for pk, person in known.items():
        person.held = held[pk]  # type: ignore[attr-defined]
        if not held[pk]:
            said[pk] = _("%(who)s holds no post any more.") % {"who": person.name}
        elif access.can(person, access.Action.TICK, unit):
            said[pk] = _("%(who)s works at this unit; somebody else inspects it.") % {"who": person.name}
    return said


def plan(
    campaign: Campaign,
    *,
    by: Cadre,
    unit: Unit,
    rhythm: str,
    why: str,
    inspectors: list[Cadre],
    items: Iterable[Item] = (),
    on: date | None = None,
) -> Round:
    """Sends inspectors to a unit. At most one round waits for a unit in a campaign, so a repeat makes no second one.

    Args:
        items: what they look at; none is all that the unit owes.
        on: the day that it is planned for.

    Raises:
        Conflict: the campaign does not run, the unit owes nothing in it, or a round waits there.
        Unfit: nobody is sent, or somebody who cannot go.
        PermissionDenied: `by` plans no rounds there.
    """
    access.require(access.may_inspect(by, unit.pk))
    if not inspectors:
        raise Unfit(_("Choose at least one inspector first."), "inspectors")
    for reason in cannot_go(inspectors, unit.pk, on=timezone.localdate()).values():
        raise Unfit(reason, "inspectors")
    with transaction.atomic():
        now = Campaign.objects.raw(WHOLE, [campaign.pk])[0]
        if not now.is_running:
            raise Conflict(_("This campaign does not run, so nobody is sent on rounds."))
        if not Task.objects.asked_for().filter(campaign=campaign, unit=unit).exists():
            raise Conflict(_("%(unit)s owes nothing in this campaign.") % {"unit": unit.name})
        open_ones = draws.in_force(Round.objects.open()).filter(campaign=campaign, unit=unit)
        waiting = open_ones.select_related("made_by").first()
        if waiting is not None:
            same = {one.pk for one in inspectors} == set(waiting.inspectors.values_list("pk", flat=True))
            if same and (waiting.made_by_id, waiting.rhythm) == (by.pk, rhythm):
                return waiting
            raise Conflict(
                _("A round by %(who)s already waits at %(unit)s; finish it first.")
                % {"who": waiting.made_by.name, "unit": unit.name}
            )
        made = Round.objects.create(campaign=campaign, unit=unit, rhythm=rhythm, why=why, on=on, made_by=by)
        made.inspectors.set(inspectors)
        made.items.set(items)
        return made


# ---- Record -------------------------------------------------------------------------------------------------------


def record(
    visit: Round,
    *,
    by: Cadre,
    event: uuid.UUID,
    task: int,
    result: str,
    remark: str = "",
    seen_at: datetime | None = None,
) -> Outcome:
    """Keeps what an inspector saw of one task; what does not hold sends a claim back and opens a finding.

    Args:
        event: the sender's own number of this entry; the same one twice is answered alike, also when the round is over.
        seen_at: by the sender's clock; kept, never relied on.

    Raises:
        NotThere: the round is not about this task.
        Conflict: the round is over or replaced, the campaign does not run, somebody decided otherwise, or the number
            was used.
        Unfit: it does not say what is wanting.
        PermissionDenied: by nobody of its inspectors, by one who has left office, or about one's own claim.
    """
    entry = Check(id=event, round=visit, task_id=task, result=result, remark=remark, by=by, seen_at=seen_at)
    try:
        with transaction.atomic():
            campaign = Campaign.objects.raw(WHOLE if result == Check.Result.FAILS else SHARE, [visit.campaign_id])[0]
            visit = Round.objects.raw(STAYS_OPEN, [visit.pk])[0]
            # Nobody else changes the task until we are through, and of two at once the second sees the first.
            held = tasks_of(visit).for_list().select_for_update(of=("self",), no_key=True).filter(pk=task).first()
            if (earlier := _earlier(entry)) is not None:
                return Outcome(earlier, is_new=False)
            access.require(may_record(by, visit))
            if held is None:
                raise NotThere(_("There is no such task on this round."))
            entry.task, entry.was = held, held.state
            if (decided := _decided(entry)) is not None:
                return Outcome(decided, is_new=False)
            _refuse(entry, visit, campaign)
            entry.save(force_insert=True)
            if result == Check.Result.FAILS:
                _fails(entry, campaign)
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") != "checklists_check_pkey":
            raise
        raise used_before() from error  # at this very moment, about another task
    return Outcome(entry, is_new=True)


def _earlier(entry: Check) -> Check | None:
    """The same entry, if it was recorded before.

    Raises:
        Conflict: its number was used for something else.
    """
    found = Check.objects.select_related("by").filter(pk=entry.pk).first()
    sent = ("round_id", "task_id", "by_id", "result", "remark")
    if found is not None and any(getattr(found, name) != getattr(entry, name) for name in sent):
        raise used_before()
    return found


def _decided(entry: Check) -> Check | None:
    """What was recorded of this task on this round, if the entry says the same and nothing more.

    Raises:
        Conflict: it says something else. Only "could not be seen" can be followed by a decision.
    """
    said = Check.objects.filter(round=entry.round_id, task=entry.task_id).select_related("by").order_by("at", "id")
    for check in said:
        if check.result == entry.result and entry.remark in ("", check.remark):
            return check
        if check.result != Check.Result.UNSEEN or entry.result == Check.Result.UNSEEN:
            raise Conflict(
                _("%(who)s has already recorded “%(result)s” here. Yours was not saved; talk to each other.")
                % {"who": check.by.name, "result": check.get_result_display()}
            )
    return None


def _refuse(entry: Check, visit: Round, campaign: Campaign) -> None:
    """Raises whatever speaks against a new entry."""
    task, by = entry.task, entry.by
    if visit.is_over:
        raise Conflict(_("This round is finished and takes nothing more. Your entry was not saved."))
    refuse_replaced(visit)
    if not campaign.is_running:
        raise Conflict(_("This campaign takes no changes now. Your entry was not saved."))
    if task.retired_at is not None:
        raise Conflict(_("This task is no longer asked for. Your entry was not saved."))
    if _is_own(task, by):
        raise PermissionDenied(_("You claimed this task, or stand in for who did; another inspector looks at it."))
    if entry.result != Check.Result.HOLDS and not entry.remark:
        raise Unfit(_("Say what does not hold, or why it could not be seen."), "remark")


def _is_own(task: Task, by: Cadre) -> bool:
    """Whether the claim is the inspector's own, made in their place, or made by somebody whose place they take now."""
    claimants = task.claimants
    if by.pk in claimants:
        return True
    taken = Post.objects.current(timezone.localdate()).filter(cadre=by, stands_in_for__cadre__in=claimants)
    return bool(claimants) and taken.exists()


def _fails(check: Check, campaign: Campaign) -> None:
    """A claim goes back, with the remark as its reason; a finding is opened. Twin of ticks._write, under the lock."""
    task = check.task
    if task.state in (State.DONE, State.VERIFIED):
        Task.objects.filter(pk=task.pk).update(state=State.RETURNED, version=task.version + 1, **task.unclaimed)
        TaskEvent.objects.create(
            id=uuid.uuid5(check.pk, "returned"),
            task=task,
            by=check.by,
            from_state=task.state,
            to_state=State.RETURNED,
            note=check.remark,
        )
    severity = Finding.Severity.GRAVE if task.veto else Finding.Severity.MINOR
    open_finding(
        by=check.by,
        event=uuid.uuid5(check.pk, "finding"),
        campaign=campaign,
        unit=task.unit,
        source=Finding.Source.MOCK,
        what=check.remark,
        severity=Finding.Severity.SERIOUS if task.item.gate and not task.veto else severity,
        task=task,
        check=check,
        responsible=_responsible(campaign, task.unit),
    )


def _responsible(campaign: Campaign, unit: Unit) -> Cadre | None:
    """Who puts it right: who answers directly, else who answers first."""
    there = {one.kind: one.cadre for one in Responsibility.objects.of_unit(campaign, unit, on=timezone.localdate())}
    return there.get(Responsibility.Kind.DIRECT) or there.get(Responsibility.Kind.FIRST)


def used_before() -> Conflict:
    """An entry's number stands for something else already."""
    return Conflict(_("This entry's number was used before for something else. Open the page again."))


# ---- Finish -------------------------------------------------------------------------------------------------------


def finish(visit: Round, *, by: Cadre, left: int) -> Round:
    """Ends the round: it takes nothing more. Ended already, it is answered alike, whoever did it.

    Args:
        left: how many tasks nobody has looked at, as the sender was told.

    Raises:
        Conflict: it is another number by now, or another draw took the round's place.
        PermissionDenied: by somebody else than its inspectors and who plans rounds there.
    """
    with transaction.atomic():
        now = Round.objects.select_for_update(no_key=True).get(pk=visit.pk)
        access.require(may_finish(by, now))
        if now.is_over:
            return now
        refuse_replaced(now)
        if not_looked_at(now).count() != left:
            raise Conflict(_("What is not looked at has changed since you opened this page. Look again, then finish."))
        now.finished_by, now.finished_at = by, timezone.now()
        Round.objects.filter(pk=now.pk).update(finished_by=by, finished_at=now.finished_at)
        return now
