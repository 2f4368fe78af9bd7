"""What happened to findings that somebody should hear of, and is still true. Two queries, however many there are.

Whom a fact is for comes with it; where that person does not see the unit any more, those who answer there hear of it.
What waits for a look is told to whoever may look, and from there upwards; never to who had a hand in it.

Findings of closed campaigns are among them: 整改 goes on after the inspection.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from checklists.findings.ledger import LOOK_WITHIN
from checklists.models import Campaign, Finding
from readiness.reminders import words
from readiness.reminders.calendars import worked
from readiness.reminders.known import Fact, Rule

RECENT = timedelta(days=14)
# What is past its day -> so many working days past it -> what is told. Whom: known.py.
STEPS = {
    "late": {1: "finding_late", 3: "finding_late_linked", 5: "finding_late_lead"},
    "step": {1: "finding_step_late", 3: "finding_step_late_linked", 5: "finding_step_late_lead"},
    "look": {0: "finding_look", 3: "finding_look_late", 5: "finding_look_late_up"},
    "wait": {LOOK_WITHIN: "finding_waits_up"},
}
# Of these the first is for one person: who is responsible, or who confirmed.
FOR_ONE = ("finding_late", "finding_step_late", "finding_look")
EVERY = Rule().overdue_every  # working days between two reminders of what waits for a look

# Who had a hand in how it stands, and so looks at nothing here. Twin of verbs.hands_of, but for stand-ins.
HANDS = """
    ARRAY[f.fixed_by_id, f.fixed_for_id, f.responsible_id] || ARRAY(
        SELECT s.done_by_id FROM checklists_findingstep s
        WHERE s.finding_id = f.id AND s.done_by_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM checklists_findingevent r
            WHERE r.finding_id = f.id AND r.what = 'reopened' AND r.at > s.done_at))
"""
# In these words of `FindingEvent.What`, in these of `words.FACTS`, while the finding still stands there. What was said
# before the last change of state is no longer news. Of what a round found happened.py tells, with what it sent back.
HAPPENED = f"""
    SELECT e.id, k.what, f.campaign_id, f.unit_id, f.id, f.number, f.what, e.by_id, e.note,
           CASE WHEN e.what IN ('opened', 'reopened') THEN f.due_on ELSE e.day END, e.to_id,
           CASE WHEN e.what = 'fixed' THEN {HANDS} ELSE '{{}}' END
    FROM checklists_findingevent e JOIN checklists_finding f ON f.id = e.finding_id
    JOIN (VALUES ('opened', 'finding_opened', 'open'), ('sent_back', 'finding_sent_back', 'open'),
                 ('reopened', 'finding_reopened', 'open'), ('handed_over', 'finding_handed_over', 'open'),
                 ('fixed', 'finding_fixed', 'fixed'), ('asked_time', 'finding_asked_time', 'open'),
                 ('gave_time', 'finding_gave_time', 'open'), ('refused_time', 'finding_refused_time', 'open'),
                 ('disputed', 'finding_disputed', 'open'), ('upheld', 'finding_upheld', 'open'),
                 ('dropped', 'finding_dropped', 'dropped'), ('answered', 'finding_answered', ''))
         k (verb, what, state) ON k.verb = e.what
    WHERE e.at > %(since)s AND f.campaign_id = ANY(%(campaigns)s) AND (k.state = f.state OR k.state = '')
          AND (k.state = '' OR NOT EXISTS (
               SELECT FROM checklists_findingevent l WHERE l.finding_id = f.id AND l.at > e.at
               AND l.what IN ('fixed', 'sent_back', 'confirmed', 'reopened', 'dropped')))
          AND (k.verb <> 'opened' OR f.check_seen_id IS NULL)
          AND (k.verb <> 'handed_over' OR e.to_id = f.responsible_id)
          AND (k.verb <> 'asked_time' OR f.asked_until IS NOT NULL)
          AND (k.verb <> 'disputed' OR f.disputed_by_id IS NOT NULL)
          AND (k.verb <> 'answered' OR e.to_id IS NOT NULL AND NOT EXISTS ( -- else happened.py tells of the call
               SELECT FROM checklists_helprequest h
               WHERE h.id = f.help_request_id AND (h.answered_by_id, h.answer) = (e.by_id, e.note)))
    ORDER BY e.at, e.id
"""  # noqa: S608 - our own words
# What is past its day: a finding itself, else the first step of it that is not done; its second look; and what was put
# right, from that day on.
DUE = f"""
    SELECT 'late', f.id, f.campaign_id, f.unit_id, f.id, f.number, f.what, f.due_on, '', f.responsible_id,
           '{{}}'::bigint[]
    FROM checklists_finding f
    WHERE f.campaign_id = ANY(%(campaigns)s) AND f.state = 'open' AND f.due_on < %(on)s
    UNION ALL
    SELECT 'step', s.id, f.campaign_id, f.unit_id, f.id, f.number, f.what, s.due_on, s.what, f.responsible_id, '{{}}'
    FROM checklists_finding f CROSS JOIN LATERAL (
        SELECT s.id, s.what, s.due_on FROM checklists_findingstep s
        WHERE s.finding_id = f.id AND s.done_at IS NULL AND s.due_on < %(on)s ORDER BY s.due_on, s.id LIMIT 1) s
    WHERE f.campaign_id = ANY(%(campaigns)s) AND f.state = 'open' AND f.due_on >= %(on)s
    UNION ALL
    SELECT 'wait', f.id, f.campaign_id, f.unit_id, f.id, f.number, f.what, (f.fixed_at AT TIME ZONE %(zone)s)::date, '',
           NULL, {HANDS}
    FROM checklists_finding f WHERE f.campaign_id = ANY(%(campaigns)s) AND f.state = 'fixed'
    UNION ALL
    SELECT 'look', f.id, f.campaign_id, f.unit_id, f.id, f.number, f.what, f.look_back_on, '', f.confirmed_by_id,
           {HANDS} || f.confirmed_by_id
    FROM checklists_finding f WHERE f.campaign_id = ANY(%(campaigns)s) AND f.look_back_on <= %(on)s
    ORDER BY 5, 1
"""  # noqa: S608 - our own words


class Due(NamedTuple):
    """Something past its day. `pk` is of the finding, or of its step."""

    kind: str
    pk: int
    campaign: int
    unit: str
    finding: int
    number: int
    what: str
    day: date
    step: str
    to: int | None
    hands: list[int | None]


def unsettled_after_closing() -> list[Campaign]:
    """Closed campaigns with findings that are not settled, or still to be looked at again. One query."""
    unsettled = Q(state__in=(Finding.State.OPEN, Finding.State.FIXED))
    waiting = Finding.objects.filter(unsettled | Q(look_back_on__isnull=False), campaign=OuterRef("pk"))
    return list(Campaign.objects.filter(Exists(waiting), status=Campaign.Status.CLOSED))


def since(now: datetime, campaigns: list[int]) -> list[Fact]:
    """What happened lately to findings of these campaigns, and what is past its day or waits for a look.

    Args:
        now: local.
    """
    on = now.date()
    values: dict[str, Any] = {"since": now - RECENT, "on": on, "campaigns": campaigns}
    values["zone"] = timezone.get_default_timezone_name()
    found = []
    with connection.cursor() as cursor:
        cursor.execute(HAPPENED, values)
        for event, what, campaign, unit, pk, number, words_of_it, by, said, day, to, hands in cursor.fetchall():
            name = _name(number, words_of_it)
            said = "" if what == "finding_opened" else words.plain(said)
            not_to = frozenset(filter(None, hands))
            found.append(Fact(f"finding:{event}", what, campaign, unit, 0, name, by, said, day, to, pk, not_to))
        cursor.execute(DUE, values)
        for row in cursor.fetchall():
            found += _past(Due(*row), on)
    # Who was not told at once is asked to look in one line.
    waiting = {fact.finding for fact in found if fact.what == "finding_waits"}
    return [fact for fact in found if fact.what != "finding_fixed" or fact.finding not in waiting]


def _past(due: Due, on: date) -> list[Fact]:
    """What is told of it by now, each under its own key, so that nobody hears it twice."""
    days, key = worked(due.day, on), f"finding-{due.kind}:{due.pk}:{due.day:%Y%m%d}"
    told = [(f"{key}:{step}", what) for step, what in STEPS[due.kind].items() if days >= step]
    if due.kind == "wait" and days >= EVERY:
        told.append((f"{key}:every:{days // EVERY}", "finding_waits"))
    name, not_to = _name(due.number, due.what), frozenset(filter(None, due.hands))
    return [
        Fact(
            as_told, what, due.campaign, due.unit, 0, name, 0, words.plain(due.step), due.day,
            due.to if what in FOR_ONE else None, due.finding, not_to,
        )
        for as_told, what in told
    ]  # fmt: skip


def _name(number: int, what: str) -> str:
    """As a line names it."""
    return _("No. %(n)d “%(what)s”") % {"n": number, "what": words.shortened(words.plain(what), 20)}
