"""措施: 底线预警 and the ladder 通报 → 降等次 → 一票否决, if a leader switched them on. Off they stay by themselves.

The software proposes with its grounds (readiness/boards/proposals.py finds them), a leader above the unit decides, the
unit may object, another leader answers. A measure is shown; it changes no count. A unit is called warned while it is
among the last places, and red for a veto item while that is behind, only where a leader has decided so. Each step is a
line of the campaign's own history.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists.models import Campaign, Change, Measure
from checklists.workdays import working_days
from villages import access, posts
from villages.models import Cadre

Rung, State = Measure.Rung, Measure.State
# Working days: red for so many before anything is proposed, again so many before the next rung, and before what was
# declined or lifted is proposed anew. A week, as the offices report; a holiday counts against nobody.
STILL = 5
OBJECTION = 5  # working days after the decision in which the unit may object


class Refused(Exception):
    """Why nothing was written, in the reader's language: somebody was faster, or it is too late."""


@dataclass(frozen=True)
class Proposal:
    """One rung for one unit, with the figures as they stand that speak for it."""

    unit: str
    rung: int
    grounds: dict[str, Any]


def proposes(campaign: Campaign, rule: str, on: date) -> bool:
    """Whether a rule is on: not before its day, only while the campaign runs, not after its last day.

    Args:
        rule: what the grounds say: `veto`, `place`, or one of the ladder's.
    """
    if not campaign.is_running or on > campaign.last_day:
        return False
    match rule:
        case "veto":
            return campaign.counts("vetoes", on)
        case "place":
            return campaign.last_places > 0 and campaign.counts("ranking", on)
    return campaign.ladder_from is not None and campaign.ladder_from <= on


@transaction.atomic
def propose(campaign: Campaign, found: Iterable[Proposal], *, on: date) -> int:
    """Writes down what is not proposed or applied already; how many were new. Twice is no harm."""
    held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    known = set(
        Measure.objects.filter(campaign=held, state__in=(State.PROPOSED, State.APPLIED)).values_list("unit", "rung")
    )
    new = [one for one in found if (one.unit, one.rung) not in known and proposes(held, one.grounds["rule"], on)]
    for one in new:
        made = Measure.objects.create(campaign=held, unit_id=one.unit, rung=one.rung, grounds=one.grounds)
        _note(made, None, before="", after=State.PROPOSED, words=" ".join(words(made)))
    return len(new)


@transaction.atomic
def decide(measure: Measure, *, by: Cadre, to: str, reason: str) -> bool:
    """Applies or declines what was proposed. False if this very person has said this very thing before.

    Args:
        to: `applied` or `declined`.

    Raises:
        Refused: somebody has decided already, the rung below does not stand, or the campaign is closed.
        PermissionDenied: by someone who is no leader above the unit, or answers for it.
    """
    now = _held(measure)
    access.require(access.may_decide(by, now.unit_id))
    if now.decided_by is not None:
        if (now.state, now.decided_by, now.reason) == (to, by, reason):
            return False
        raise Refused(_("%(who)s has decided already.") % {"who": now.decided_by.name})
    if now.campaign.is_closed:
        raise Refused(_("This campaign is closed and keeps its figures; reopen it first."))
    if to == State.APPLIED and not stands_on_the_lower(now):
        raise Refused(_("The measure before this one does not stand any more, so this one cannot be applied."))
    now.state, now.decided_by, now.decided_at, now.reason = to, by, timezone.now(), reason
    now.save(update_fields=["state", "decided_by", "decided_at", "reason"])
    _note(now, by, before=State.PROPOSED, after=to, words=reason)
    return True


@transaction.atomic
def object_to(measure: Measure, *, by: Cadre, objection: str, on: date) -> bool:
    """Objects, once, while there is time. False if this very person has said this very thing before.

    Raises:
        Refused: somebody has objected already, the time is over, or it is not applied.
        PermissionDenied: by someone who does not answer for the unit.
    """
    now = _held(measure)
    access.require(access.may_object(by, now.unit_id))
    if now.objected_by is not None:
        if (now.objected_by, now.objection) == (by, objection):
            return False
        raise Refused(_("%(who)s has objected already; there is one objection.") % {"who": now.objected_by.name})
    if now.state != State.APPLIED:
        raise Refused(_("Only a measure that is applied can be objected to."))
    if (last := objections_until(now)) < on:
        raise Refused(_("Objections were possible until %(day)s.") % {"day": date_format(last, "DATE_FORMAT")})
    now.objection, now.objected_by, now.objected_at = objection, by, timezone.now()
    now.save(update_fields=["objection", "objected_by", "objected_at"])
    _note(now, by, before=State.APPLIED, after=_("objection"), words=objection)
    return True


@transaction.atomic
def answer(measure: Measure, *, by: Cadre, upheld: bool, answer: str) -> bool:
    """Answers an objection: lifts the measure, or lets it stand. False if this person has answered so before.

    Raises:
        Refused: nobody has objected, or somebody has answered already.
        PermissionDenied: by someone who may not decide here, or who decided this measure, or objected to it.
    """
    now = _held(measure)
    access.require(may_answer(by, now, hands=hands_of(by, [now])))
    if now.answered_by is not None:
        if (now.answered_by, now.answer, now.state == State.LIFTED) == (by, answer, upheld):
            return False
        raise Refused(_("%(who)s has answered already.") % {"who": now.answered_by.name})
    if not now.objection:
        raise Refused(_("Nobody has objected to this measure."))
    now.answer, now.answered_by, now.answered_at = answer, by, timezone.now()
    now.state = State.LIFTED if upheld else State.APPLIED
    now.save(update_fields=["answer", "answered_by", "answered_at", "state"])
    _note(now, by, before=_("objection"), after=now.state, words=answer)
    return True


def hands_of(user: Cadre, measures: Iterable[Measure]) -> dict[int, set[int]]:
    """The user and whoever decided these: whose hands they are, since the first decision. At most one query."""
    decided = {one.decided_by_id: one.decided_at for one in measures if one.decided_by_id and one.decided_at}
    if not decided:
        return {user.pk: {user.pk}}
    since = min(timezone.localdate(at) for at in decided.values())
    return posts.hands({user.pk, *decided}, since=since, on=timezone.localdate())


def may_answer(user: Cadre, measure: Measure, *, hands: dict[int, set[int]]) -> access.Verdict:
    """Whether the user may answer an objection to this measure: another leader than the one who decided it, and no
    pair of hands with them.

    Args:
        hands: as `hands_of` gives them.
    """
    if measure.decided_by_id is not None and hands[user.pk] & hands[measure.decided_by_id]:
        said = _("You or whom you stand in for decided this measure; another leader answers the objection.")
        return access.Verdict(False, said)
    return access.may_decide(user, measure.unit_id)


def objections_until(measure: Measure) -> date:
    """The last day on which the unit may object: so many working days after the one of the decision."""
    day = timezone.localdate(measure.decided_at)
    left = OBJECTION
    while left:
        day += timedelta(days=1)
        left -= len(working_days(day, day))
    return day


def stands_on_the_lower(measure: Measure) -> bool:
    """Whether the rung below is applied. A veto item is a rule of its own, which leads to the veto directly."""
    if measure.rung <= Rung.BULLETIN or measure.grounds["rule"] == "veto":
        return True
    beside = Measure.objects.filter(campaign=measure.campaign_id, unit=measure.unit_id)
    return beside.applied().filter(rung=measure.rung - 1).exists()


def rested(since: datetime, on: date) -> bool:
    """Whether as many working days as a rung takes lie wholly between the day of `since` and this one."""
    first = timezone.localdate(since) + timedelta(days=1)
    return len(working_days(first, on - timedelta(days=1))) >= STILL


def words(measure: Measure) -> list[str]:
    """The grounds as sentences, with the figures as they stood on the day of the proposal."""
    of = measure.grounds
    day = date_format(date.fromisoformat(of["on"]), "DATE_FORMAT")
    match of["rule"]:
        case "red":
            said = _("Red at the end of each of the last %(n)s working days, from %(day)s on, and still.")
            found = [said % {"n": of["days"], "day": date_format(date.fromisoformat(of["since"]), "DATE_FORMAT")}]
        case "still":
            said = _("Still red %(n)s working days and more after the measure before this one (%(day)s).")
            found = [said % {"n": of["days"], "day": date_format(date.fromisoformat(of["since"]), "DATE_FORMAT")}]
        case "last":
            said = _("Among the last places now (%(place)s of %(of)s) and a week before (%(was)s).")
            found = [said % {"place": of["place"], "of": of["of"], "was": of["was"]}]
        case "place":
            found = [_("Among the last places now (%(place)s of %(of)s).") % {"place": of["place"], "of": of["of"]}]
        case _:
            n = len(of["items"])
            said = ngettext("A veto item is overdue or returned: %(items)s.",
                            "%(n)s veto items are overdue or returned: %(items)s.", n)  # fmt: skip
            found = [said % {"n": n, "items": "; ".join(of["items"][:5]) + (" …" if n > 5 else "")}]
    figures = _("As of %(day)s: %(overdue)s overdue and %(returned)s returned of %(applying)s tasks that apply.")
    return [*found, figures % (of | {"day": day})]


def _held(measure: Measure) -> Measure:
    """The measure as it stands; with the others of the unit it waits for whoever changes one of them right now."""
    beside = Measure.objects.filter(campaign=measure.campaign_id, unit=measure.unit_id).order_by("pk")
    list(beside.select_for_update(no_key=True))
    known = beside.select_related("campaign", "decided_by", "objected_by", "answered_by")
    return known.get(pk=measure.pk)


def _note(measure: Measure, by: Cadre | None, *, before: str, after: str, words: str) -> None:
    """One line of the campaign's history."""
    pair = [str(State(one).label) if one in State.values else str(one) for one in (before, after)]
    Change.objects.create(
        campaign_id=measure.campaign_id,
        by=by,
        what=Change.What.EDITED,
        unit_id=measure.unit_id,
        fields={f"rung_{measure.rung}": pair},
        note=words,
    )


def standing(campaign: Campaign, user: access.Person, *, on: date) -> dict[str, set[int]]:
    """Unit -> the rungs that stood against it at the end of that day. One query, none while no rule is on."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    if campaign.has_measures:
        decided = Measure.objects.visible_to(user).filter(campaign=campaign, decided_at__date__lte=on)
        for unit, rung in decided.stood(on).values_list("unit", "rung"):
            found[unit].add(rung)
    return dict(found)


def vetoed(stands: Mapping[str, set[int]]) -> set[str]:
    """The units of which a leader has said that their veto items count."""
    return {unit for unit, rungs in stands.items() if Rung.VETO in rungs}


def named(stands: Mapping[str, set[int]]) -> dict[str, str]:
    """Unit -> its highest measure, as people call it. Of warnings the ranking tells, while they have a reason."""
    return {unit: str(Rung(max(rungs)).label) for unit, rungs in stands.items() if max(rungs) > Rung.WARNING}
