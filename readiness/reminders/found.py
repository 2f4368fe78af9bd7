"""What happened to findings that somebody should hear of, and is still true. Two queries, however many there are.

Whom a fact is for comes with it; where that person does not see the unit any more, those who answer there hear of it.

Findings of closed campaigns are among them: 整改 goes on after the inspection.
"""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from checklists.models import Campaign, Finding
from readiness.reminders import words
from readiness.reminders.calendars import worked
from readiness.reminders.known import Fact

RECENT = timedelta(days=14)
# Working days overdue -> who hears: whoever is responsible, the linked cadre, the leader in charge.
STEPS = {1: "finding_late", 3: "finding_late_linked", 5: "finding_late_lead"}

# In these words of `FindingEvent.What`, in these of `words.FACTS`, while the finding still stands there. What was said
# before the last change of state is no longer news. Of what a round found happened.py tells, with what it sent back.
HAPPENED = """
    SELECT e.id, k.what, f.campaign_id, f.unit_id, f.id, f.number, f.what, e.by_id, e.note, e.day,
           e.to_id
    FROM checklists_findingevent e JOIN checklists_finding f ON f.id = e.finding_id
    JOIN (VALUES ('opened', 'finding_opened', 'open'), ('sent_back', 'finding_sent_back', 'open'),
                 ('reopened', 'finding_reopened', 'open'), ('handed_over', 'finding_handed_over', 'open'),
                 ('fixed', 'finding_fixed', 'fixed'), ('asked_time', 'finding_asked_time', 'open'),
                 ('gave_time', 'finding_gave_time', 'open'), ('refused_time', 'finding_refused_time', 'open'),
                 ('disputed', 'finding_disputed', 'open'), ('upheld', 'finding_upheld', 'open'),
                 ('dropped', 'finding_dropped', 'dropped'), ('answered', 'finding_answered', ''))
         k (verb, what, state) ON k.verb = e.what
    WHERE e.at > %(since)s AND f.campaign_id = ANY(%(campaigns)s) AND (k.state = f.state OR k.state = '')
          AND (k.verb <> 'opened' OR f.check_seen_id IS NULL)
          AND (k.verb <> 'asked_time' OR f.asked_until IS NOT NULL)
          AND (k.verb <> 'disputed' OR f.disputed_by_id IS NOT NULL)
          AND (k.verb <> 'answered' OR e.to_id IS NOT NULL)
    ORDER BY e.at, e.id
"""
DUE = """
    SELECT f.id, f.campaign_id, f.unit_id, f.number, f.what, f.due_on, f.look_back_on,
           f.responsible_id, f.confirmed_by_id
    FROM checklists_finding f
    WHERE f.campaign_id = ANY(%(campaigns)s)
          AND (f.state = 'open' AND f.due_on < %(on)s OR f.look_back_on <= %(on)s)
    ORDER BY f.id
"""


def unsettled_after_closing() -> list[Campaign]:
    """Closed campaigns with findings that are not settled, or still to be looked at again. One query."""
    unsettled = Q(state__in=(Finding.State.OPEN, Finding.State.FIXED))
    waiting = Finding.objects.filter(unsettled | Q(look_back_on__isnull=False), campaign=OuterRef("pk"))
    return list(Campaign.objects.filter(Exists(waiting), status=Campaign.Status.CLOSED))


def since(now: datetime, campaigns: list[int]) -> list[Fact]:
    """What happened lately to findings of these campaigns, and what is overdue or to be looked at again.

    Args:
        now: local.
    """
    on = now.date()
    values: dict[str, Any] = {"since": now - RECENT, "on": on, "campaigns": campaigns}
    found = []
    with connection.cursor() as cursor:
        cursor.execute(HAPPENED, values)
        for event, what, campaign, unit, pk, number, words_of_it, by, said, day, to in cursor.fetchall():
            name = _name(number, words_of_it)
            said = "" if what == "finding_opened" else words.plain(said)
            found.append(Fact(f"finding:{event}", what, campaign, unit, 0, name, by, said, day, to, pk))
        cursor.execute(DUE, values)
        for pk, campaign, unit, number, words_of_it, due_on, look_on, responsible, confirmer in cursor.fetchall():
            name = _name(number, words_of_it)
            if look_on is not None:
                key = f"finding-look:{pk}:{look_on:%Y%m%d}"
                found.append(Fact(key, "finding_look", campaign, unit, 0, name, 0, "", look_on, confirmer, pk))
            else:
                found += _late(on, due_on, pk, campaign, unit, name, responsible)
    return found


def _late(on: date, due_on: date, pk: int, campaign: int, unit: str, name: str, responsible: int | None) -> list[Fact]:
    days = worked(due_on, on)
    return [
        Fact(
            f"finding-late:{pk}:{due_on:%Y%m%d}:{step}", what, campaign, unit, 0, name, 0, "", due_on,
            responsible if step == 1 else None, pk,
        )
        for step, what in STEPS.items()
        if days >= step
    ]  # fmt: skip


def _name(number: int, what: str) -> str:
    """As a line names it."""
    return _("No. %(n)d") % {"n": number} + " " + words.plain(what)
