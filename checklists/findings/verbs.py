"""The verbs on a finding. One function writes: it holds the finding's row, looks at who may, where it stands and what
was seen of it, changes it and appends the event, all in one transaction.

The sender makes the event's id: a repeat is answered as the first time and changes nothing. Of two people at once one
is first; the other's page is out of date by its version, and is told so. A finding is settled in a paused or closed
campaign too: 整改 goes on after the inspection.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from checklists import help, ticks
from checklists.findings import USED_BEFORE, Conflict, Unfit, usual_due
from checklists.models import Finding, FindingEvent, FindingStep
from villages import access, posts
from villages.models import Cadre, Post

What, State = FindingEvent.What, Finding.State
LOOK_BACK = timedelta(days=30)
FURTHEST = timedelta(days=3653)
# What the doing side does, what whoever looks after the unit does, and what both do.
DOING = (What.PLANNED, What.STEPPED, What.FIXED, What.ASKED_TIME, What.DISPUTED)
BOTH = (What.HANDED_OVER, What.NOTED)
# What nobody says of their own doing, nor of what they are responsible for: it would move the deadline or the end.
LOOKING = (What.CONFIRMED, What.SENT_BACK, What.LOOKED_BACK)
JUDGING = (What.GAVE_TIME, What.REFUSED_TIME, What.UPHELD, What.DROPPED)
NEEDS_REASON = frozenset(
    {
        *(What.FIXED, What.SENT_BACK, What.REOPENED, What.ASKED_TIME, What.REFUSED_TIME, What.HANDED_OVER),
        *(What.DISPUTED, What.UPHELD, What.DROPPED, What.ANSWERED, What.NOTED),
    }
)


@dataclass(frozen=True)
class Sent:
    """What comes with a verb beside its note; each verb takes what is its own."""

    until: date | None = None  # the new deadline, or the day to look back
    to: Cadre | None = None  # whom it is handed over to
    fix_now: str = ""
    change_for_good: str = ""
    new_step: str = ""
    step: int | None = None  # which step is done


@dataclass(frozen=True)
class Outcome:
    """The finding as it is now, the event, and whether it was recorded before."""

    finding: Finding
    event: FindingEvent
    repeated: bool = False


def record(
    finding: Finding, what: str, *, by: Cadre, event: uuid.UUID, note: str = "", seen: int | None = None, **sent: Any
) -> Outcome:
    """Does one thing to a finding, or says why not.

    Args:
        finding: visible to `by`.
        what: one of FindingEvent.What, but not OPENED.
        seen: the version of the finding that the sender looked at; None skips this guard.
        sent: fields of `Sent`.

    Raises:
        Conflict: the finding has moved on or is not where this could be done, or the id stands for something else.
        Unfit: a reason is missing, or a day, a step or a person does not fit.
        PermissionDenied: with the reason.
    """
    given, today = Sent(**sent), timezone.localdate()
    try:
        with transaction.atomic():
            now = as_now(finding, held=True)
            line = FindingEvent(id=event, finding=now, by=by, what=what, note=note, day=given.until, to=given.to)
            earlier = FindingEvent.objects.filter(pk=event).first()
            if earlier is not None:
                return _repeat(earlier, line, now)
            access.require(may(by, now, what, hands=hands_of(by, now, on=today)))
            if seen is not None and seen != now.version:
                raise Conflict(_("Someone changed this finding since you opened it. Look, then decide."), now)
            if (why_not := unready(now, what, on=today)) is not None:
                raise Conflict(why_not, now)
            if what in NEEDS_REASON and not note:
                raise Unfit(_("Say in a line what or why: it stays in the history."), "note", now)
            changes = CHANGES[what](now, line, given, today)
            for name, value in (changes | {"version": now.version + 1}).items():
                setattr(now, name, value)
            now.save(update_fields=[*changes, "version"])
            line.save(force_insert=True)
            return Outcome(now, line)
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") != "checklists_findingevent_pkey":
            raise
        raise Conflict(USED_BEFORE, as_now(finding)) from error


def as_now(finding: Finding, *, held: bool = False) -> Finding:
    """The finding as it is now with what decides about it; `held` until the transaction ends."""
    rows = Finding.objects.select_related("campaign", "unit", "help_request")
    return (rows.select_for_update(of=("self",), no_key=True) if held else rows).get(pk=finding.pk)


def _repeat(earlier: FindingEvent, line: FindingEvent, now: Finding) -> Outcome:
    words_are_ours = line.what in (What.PLANNED, What.STEPPED)
    same = ("finding_id", "by_id", "what", *(() if words_are_ours else ("note",)))
    if any(getattr(earlier, name) != getattr(line, name) for name in same):
        raise Conflict(USED_BEFORE, now)
    return Outcome(now, earlier, repeated=True)


# ---- Who may ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hands:
    """Who had to do with a finding, and in whose place."""

    of: dict[int, set[int]]  # the user and the others -> whose hands they were since it was found
    fixers: set[int]  # who put it right, and who took a step since it was found or came back last


def hands_of(user: Cadre, finding: Finding, *, on: date) -> Hands:
    """The user's hands, and those of whoever else had to do with the finding. One query, and `step_takers`."""
    fixers = {*finding.step_takers, *({finding.fixed_by_id} if finding.fixed_by_id else ())}
    others = (finding.disputed_by_id, finding.asked_by_id, finding.responsible_id)
    return Hands(posts.hands({user.pk, *fixers, *filter(None, others)}, since=finding.found_on, on=on), fixers)


def may(user: Cadre, finding: Finding, what: str, *, hands: Hands) -> access.Verdict:
    """Whether the user may do this, wherever the finding stands; nobody passes a judgement on their own doing.

    Who stands in for somebody, or for whom somebody stands in, is one pair of hands with them.

    Args:
        hands: as `hands_of` gives them.
    """
    puts_right = access.may_put_right(user, finding.unit_id, finding.responsible_id)
    finds = access.may_find(user, finding.unit_id)
    if what in DOING:
        return puts_right
    if what in BOTH:
        return puts_right if puts_right else finds
    if not finds:
        return finds
    mine = hands.of[user.pk]
    if what in LOOKING and (finding.fixed_for_id in mine or any(_meet(mine, hands, one) for one in hands.fixers)):
        return access.Verdict(
            False, _("You or whom you stand in for put it right or took a step of it; someone else has to look.")
        )
    if what in LOOKING and finding.responsible_id in mine:
        return access.Verdict(False, _("You are responsible for this yourself; someone else has to look."))
    if what in JUDGING and finding.responsible_id in mine:
        return access.Verdict(False, _("You are responsible for this yourself; someone else decides."))
    asked = finding.asked_by_id if what in (What.GAVE_TIME, What.REFUSED_TIME) else None
    if _meet(mine, hands, asked):
        return access.Verdict(False, _("You asked for more time yourself; someone else answers."))
    if what in (What.UPHELD, What.DROPPED):
        if _meet(mine, hands, finding.disputed_by_id):
            return access.Verdict(False, _("You disputed this yourself; someone else decides."))
        if what == What.DROPPED and not _as_high(user, finding):
            return access.Verdict(False, _("It is dropped only by whoever found it, or by someone who sits as high."))
    return access.YES


def _meet(mine: set[int], hands: Hands, other: int | None) -> bool:
    return other is not None and bool(mine & hands.of.get(other, {other}))


def _as_high(user: Cadre, finding: Finding) -> bool:
    """Whether the user found it, or looks after the unit from as high as whoever found it does today."""
    if finding.found_by_id == user.pk:
        return True
    own, finders = access.sits(user, finding.unit_id), access.sits(finding.found_by, finding.unit_id)
    return finders is None or (own is not None and own <= finders)


def choices(user: Cadre, finding: Finding, *, on: date) -> list[str]:
    """What the user can do with the finding now, in the order of the verbs; decides which forms a page shows."""
    hands = hands_of(user, finding, on=on)
    ready = [what for what in CHANGES if unready(finding, what, on=on) is None]
    return [what for what in ready if may(user, finding, what, hands=hands)]


# ---- Where it has to stand ----------------------------------------------------------------------------------------

OPEN_ONLY = (What.PLANNED, What.STEPPED, What.FIXED, What.ASKED_TIME, What.GAVE_TIME, What.HANDED_OVER, What.DISPUTED)


ANSWER_FIRST = _("Whoever asked or complained has not been told what came of it: answer first, then it can end.")


def unready(finding: Finding, what: str, *, on: date) -> Any:
    """Why the finding does not stand where this can be done on this day; None if it does."""
    if finding.campaign.is_draft:
        return _("This campaign has not been launched.")
    if what in OPEN_ONLY and finding.state != State.OPEN:
        return _("This is no longer to be put right. Look at what happened.")
    if what == What.FIXED and finding.disputed_by_id:
        return _("It is disputed; the dispute is decided first.")
    if what == What.DISPUTED and finding.disputed_by_id:
        return _("It is disputed already; the decision is still to come.")
    if what in (What.UPHELD, What.DROPPED) and not finding.disputed_by_id:
        return _("Nobody disputes this, or it has been decided.")
    if what == What.ASKED_TIME and finding.asked_until:
        return _("More time was asked for already; the answer is still to come.")
    if what == What.REFUSED_TIME and not finding.asked_until:
        return _("Nobody asks for more time, or it has been answered.")
    if what in (What.CONFIRMED, What.SENT_BACK) and finding.state != State.FIXED:
        return _("It has not been put right, or somebody was faster.")
    if what in (What.CONFIRMED, What.DROPPED) and finding.waits_for_an_answer:
        return ANSWER_FIRST
    # It ended before this rule was there: the database lets it be answered or reopened, and nothing else.
    if what in (What.LOOKED_BACK, What.NOTED) and finding.state == State.CLOSED and finding.waits_for_an_answer:
        return ANSWER_FIRST
    if what == What.LOOKED_BACK and finding.look_back_on is None:
        return _("No second look is planned, or it has been taken.")
    if what == What.LOOKED_BACK and finding.look_back_on and finding.look_back_on > on:
        day = date_format(finding.look_back_on, "MONTH_DAY_FORMAT")
        return gettext("The second look is set for %(day)s: look then.") % {"day": day}
    if what == What.REOPENED and finding.state != State.CLOSED:
        return _("It is not closed.")
    if what == What.ANSWERED and finding.source not in Finding.ANSWERED_SOURCES:
        return _("Nobody waits for an answer to this.")
    return None


# ---- What changes -------------------------------------------------------------------------------------------------


def _planned(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    if sent.new_step:
        if sent.until is None or sent.until < today:
            raise Unfit(_("Say by which day the step is done, from today on."), "until", finding)
        FindingStep.objects.create(finding=finding, what=sent.new_step, due_on=sent.until)
    plan = {"fix_now": sent.fix_now, "change_for_good": sent.change_for_good}
    if not sent.new_step and plan == {"fix_now": finding.fix_now, "change_for_good": finding.change_for_good}:
        raise Unfit(_("Nothing of the plan has changed."), "fix_now", finding)
    said = (_("To do now"), sent.fix_now), (_("To change for good"), sent.change_for_good), (_("Step"), sent.new_step)
    line.note = "; ".join(f"{name}: {words}" for name, words in said if words)
    return plan


def _stepped(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    step = finding.steps.filter(pk=sent.step or 0).first()
    if step is None:
        raise Unfit(_("There is no such step."), "step", finding)
    if step.done_by_id is not None:
        raise Conflict(_("This step is done already."), finding)
    FindingStep.objects.filter(pk=step.pk).update(done_by=line.by, done_at=timezone.now())
    line.note = step.what
    return {}


def _fixed(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    stood = posts.stands_for(line.by, finding.unit_id, access.Action.TICK, on=today)
    done = {"state": State.FIXED, "fixed_by": line.by, "fixed_for": stood, "fixed_at": timezone.now()}
    return done | {"asked_until": None, "asked_by": None}


NOT_FIXED = dict.fromkeys(
    ("fixed_by", "fixed_for", "fixed_at", "confirmed_by", "confirmed_for", "confirmed_at", "look_back_on")
)


def _sent_back(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.to = finding.responsible
    due = _later(finding, sent.until, today, "until") if sent.until else finding.due_on
    return NOT_FIXED | {"state": State.OPEN, "due_on": due}


def _confirmed(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.day = sent.until or look_back_on(finding, today)
    if line.day <= today:
        raise Unfit(_("The second look comes on a later day than today."), "until", finding)
    _near(line.day, today, finding)
    stood = posts.stands_for(line.by, finding.unit_id, access.Action.FIND, on=today)
    seen = {"confirmed_by": line.by, "confirmed_for": stood, "confirmed_at": timezone.now()}
    return seen | {"state": State.CLOSED, "look_back_on": line.day}


def look_back_on(finding: Finding, today: date) -> date:
    """When it is looked at again: in 30 days, or before the inspection if that comes sooner."""
    last = finding.campaign.inspects_on - timedelta(days=1)
    return min(today + LOOK_BACK, last) if last > today else today + LOOK_BACK


def _looked_back(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    return {"look_back_on": None}


def _reopened(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.day = _later(finding, sent.until or usual_due(finding.severity, today), today, "until")
    line.to = finding.responsible
    again = {"state": State.OPEN, "due_on": line.day, "came_back": finding.came_back + 1}
    return NOT_FIXED | again


def _asked_time(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    if sent.until is None or sent.until <= finding.due_on:
        raise Unfit(_("Ask for a day after the one it is due on."), "until", finding)
    return {"asked_until": _later(finding, sent.until, today, "until"), "asked_by": line.by}


def _gave_time(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.day = sent.until or finding.asked_until
    if line.day is None or line.day <= finding.due_on:
        raise Unfit(_("Give a day after the one it is due on."), "until", finding)
    line.to_id = finding.asked_by_id or finding.responsible_id
    day = _later(finding, line.day, today, "until")
    return {"due_on": day, "asked_until": None, "asked_by": None}


def _refused_time(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.to_id, line.day = finding.asked_by_id, finding.due_on
    return {"asked_until": None, "asked_by": None}


def _handed_over(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    if sent.to is None or sent.to.pk == finding.responsible_id:
        raise Unfit(_("Say who takes it over, somebody else than who has it."), "to", finding)
    there = Post.objects.current(today).filter(cadre=sent.to, unit__in=access.above(finding.unit_id))
    if not there.exists():
        raise Unfit(_("This person holds no post at the unit or above it."), "to", finding)
    return {"responsible": sent.to}


def _disputed(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    return {"disputed_by": line.by, "disputed_at": timezone.now()}


def _upheld(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    line.to_id = finding.disputed_by_id
    return {"disputed_by": None, "disputed_at": None}


def _dropped(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    return _upheld(finding, line, sent, today) | {"state": State.DROPPED, "asked_until": None, "asked_by": None}


def _answered(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    """The call for help that it came from is answered in the same words, if it still waits and this person may."""
    call = finding.help_request
    if call is not None:
        line.to_id = call.asked_by_id
        call.task.campaign = finding.campaign
        if call.answered_at is None and help.answers(line.by, call, call.task):
            with suppress(ticks.Conflict):  # somebody else has answered the call at this very moment
                help.answer(call, by=line.by, event=line.pk, answer=line.note)
    return {"answer": line.note, "answered_by": line.by, "answered_at": timezone.now()}


def _noted(finding: Finding, line: FindingEvent, sent: Sent, today: date) -> dict[str, Any]:
    return {}


def _later(finding: Finding, day: date, today: date, field: str) -> date:
    """A day on which it can be due."""
    if day < today:
        raise Unfit(_("This day is already past."), field, finding)
    _near(day, today, finding)
    return day


def _near(day: date, today: date, finding: Finding) -> None:
    if day > today + FURTHEST:
        raise Unfit(_("This lies more than ten years ahead. Look at the year."), "until", finding)


# Every verb there is, in the order in which a page offers them.
CHANGES: dict[str, Callable[[Finding, FindingEvent, Sent, date], dict[str, Any]]] = {
    What.FIXED: _fixed,
    What.CONFIRMED: _confirmed,
    What.SENT_BACK: _sent_back,
    What.LOOKED_BACK: _looked_back,
    What.REOPENED: _reopened,
    What.ANSWERED: _answered,
    What.GAVE_TIME: _gave_time,
    What.REFUSED_TIME: _refused_time,
    What.UPHELD: _upheld,
    What.DROPPED: _dropped,
    What.PLANNED: _planned,
    What.STEPPED: _stepped,
    What.ASKED_TIME: _asked_time,
    What.HANDED_OVER: _handed_over,
    What.DISPUTED: _disputed,
    What.NOTED: _noted,
}
