"""Whether anything has changed since the last plan: with 30,000 villages planning takes many seconds, looking does not.

Looking is a sum of hashes over the rows that a plan is made of, so that nothing can be forgotten by whoever writes to
one of these tables, and no counter can be ahead of a commit. Tasks are looked at through the pulse of their tallies,
which goes up with every change of a state or a day. What the planner itself writes is left out: a second plan of the
same finds all of it told.
"""

import hashlib
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db import connection
from django.utils import timezone

from checklists.models import Campaign
from checklists.workdays import is_workday
from readiness.models import Planned, Rules
from readiness.reminders.told import rows

RUNNING = "(SELECT id FROM checklists_campaign WHERE status = 'active')"
ALL = "hashtextextended(x::text, 0)"
# Table -> which of its rows, and what of them: all, or the columns that matter where others change all day.
LOOKED_AT: dict[str, tuple[str, str]] = {
    "checklists_campaign": ("status = 'active'", ALL),
    "checklists_phase": (f"campaign_id IN {RUNNING}", ALL),
    "checklists_item": (f"campaign_id IN {RUNNING}", ALL),
    "checklists_responsibility": (f"campaign_id IN {RUNNING}", ALL),
    "checklists_pulse": (f"campaign_id IN {RUNNING}", ALL),
    # Values; an event is never changed, and its time is that of its transaction.
    "checklists_taskevent": ("at > %(since)s AND value IS NOT NULL", ALL),
    "checklists_extension": ("true", ALL),
    "checklists_helprequest": ("true", ALL),
    "checklists_chase": ("at > %(since)s", ALL),
    "checklists_finding": ("true", ALL),
    "checklists_findingevent": ("at > %(since)s", ALL),
    "checklists_findingstep": ("true", ALL),
    "checklists_measure": ("true", ALL),
    # Of a draw only that it was made, and instead of which: its list may be long.
    "checklists_draw": ("drawn_at IS NOT NULL", "hashtextextended(concat_ws(' ', id, instead_of_id), 0)"),
    "checklists_round": ("true", ALL),
    "checklists_round_inspectors": ("true", ALL),
    "checklists_relief": ("at > %(since)s", ALL),
    "checklists_check": ("at > %(since)s", ALL),
    "readiness_rules": ("true", ALL),
    "readiness_gateway": (
        "campaign_id IS NOT NULL",
        "hashtextextended(concat_ws(' ', id, campaign_id, unit_id, removed_at), 0)",
    ),
    "villages_unit": ("true", ALL),
    "villages_post": ("true", ALL),
    "villages_cadre": ("true", "hashtextextended(concat_ws(' ', id, is_active, name), 0)"),
}
QUESTION = " UNION ALL ".join(
    f"SELECT '{table}', count(*), sum({what}) FROM {table} x WHERE {which}"  # noqa: S608 - our own words
    for table, (which, what) in LOOKED_AT.items()
)


def look(on: date, now: datetime) -> str:
    """What a plan of this moment would be made of. Two queries, to be asked before it is made.

    Args:
        now: local.
    """
    since = timezone.make_aware(datetime.combine(on - timedelta(days=1), datetime.min.time()))
    hours = Campaign.objects.running().order_by("pk").values_list("pk", "rules__at")
    usual = Rules._meta.get_field("at").get_default()
    struck = [pk for pk, at in hours if (at or usual) <= now.time()] if now.date() == on else None
    values: dict[str, Any] = {"since": since}
    # Sorted: a parallel plan returns the branches of a UNION in any order.
    return hashlib.sha256(repr((on, struck, sorted(rows(QUESTION, values)))).encode()).hexdigest()


def same(seen: str, on: date) -> bool:
    """Whether the last plan was made of the same; what it worded, and is to go out soon, is then still true.

    A digest that waits and was not worded since, such as one that a person sends again, asks for a plan as well.
    """
    with connection.cursor() as cursor:
        cursor.execute(STILL_TRUE, {"seen": seen, "on": on})
        cursor.execute(SAME, {"seen": seen, "on": on})
        return bool(cursor.fetchone()[0])


def remember(seen: str) -> None:
    """Of what the plan was made whose notices this transaction writes."""
    Planned.objects.update_or_create(pk=1, defaults={"seen": seen, "at": TransactionNow()})


def is_stale() -> bool:
    """Whether a digest could go out now, and says how things stood long ago."""
    return is_workday(timezone.localdate()) and bool(rows(STALE, {"fresh": FRESH})[0][0])


FRESH = timedelta(minutes=6)  # the planner comes every five
SOON = """
    status = 'pending' AND rule IN ('digest', 'group') AND sent_at IS NULL AND "on" <= %(on)s
    AND due_at < statement_timestamp() + interval '6 minutes'
"""
STILL_TRUE = f"""
    UPDATE readiness_notice SET worded_at = now()
    WHERE {SOON} AND worded_at < statement_timestamp() - interval '1 minute'
          AND worded_at >= (SELECT at FROM readiness_planned WHERE seen = %(seen)s)
"""  # noqa: S608 - our own words
SAME = f"""
    SELECT EXISTS (SELECT FROM readiness_planned WHERE seen = %(seen)s)
           AND NOT EXISTS (SELECT FROM readiness_notice, readiness_planned WHERE {SOON} AND worded_at < at)
"""  # noqa: S608 - our own words
STALE = """
    SELECT EXISTS (SELECT FROM readiness_notice
                   WHERE status = 'pending' AND rule IN ('digest', 'group') AND sent_at IS NULL
                         AND due_at <= statement_timestamp()
                         AND worded_at < statement_timestamp() - %(fresh)s::interval)
"""
