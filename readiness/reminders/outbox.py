"""The outbox: notices are rows first. The inbox is delivered by being a row; the sender takes the rest from here.

Planning and writing are one transaction under one lock, so that a second beat finds what the first has written. What
was told, News and steps of escalation, is noted beside the notice that tells it. The database itself keeps a notice
from being there twice, and what was not written is not noted as told.
"""

import gc
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone, translation
from psycopg2.extras import execute_values

from readiness.models import Channel, Notice
from readiness.models.channel import QUIET_FROM, QUIET_UNTIL
from readiness.reminders import figures, plan, unchanged, words
from readiness.reminders.calendars import first_sending, shifted
from readiness.reminders.known import Message, Plan
from readiness.reminders.ways import Way, Ways

LANGUAGE = "zh-hans"  # a notice is written once, in the office's language
LOCK = 0x5EAD1E55  # of the one who plans and writes
PAGE = 1000  # rows of one INSERT
LONGEST_BODY = 20_000  # bytes of UTF-8: no platform takes more

NOTICES = """
    INSERT INTO readiness_notice (cadre_id, campaign_id, rule, "on", channel, gateway_id, about, is_urgent, subject,
                                  body, path, status, due_at, sent_at, tries, platform_id, error, created_at)
    VALUES %s ON CONFLICT DO NOTHING RETURNING id, cadre_id, rule
"""
ROW = "(%s, NULL, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, '', '', now())"
WORDS = "(%s::bigint, %s::bigint, %s, %s, %s, %s::bigint[], %s::date)"
NEWS = "INSERT INTO readiness_news (cadre_id, about, notice_id, told_on) VALUES %s ON CONFLICT DO NOTHING"
STEPS = """
    INSERT INTO readiness_escalation (campaign_id, unit_id, due_on, step, cadre_id, "on") VALUES %s
    ON CONFLICT DO NOTHING
"""
# Whoever has just claimed one of these has moved it out of "pending": it is looked at again once its lock is free.
# What may have arrived is left to the sender, who repeats it in the same words or not at all.
SUPERSEDED = """
    UPDATE readiness_notice SET status = 'superseded'
    WHERE status = 'pending' AND sent_at IS NULL AND "on" <= %(until)s
    AND (rule = 'digest' AND cadre_id = ANY(%(cadres)s) OR rule = 'group' AND gateway_id = ANY(%(groups)s))
"""
REWORDED = """
    UPDATE readiness_notice n SET subject = w.subject, body = w.body, path = w.path, about = w.about, worded_at = now()
    FROM (VALUES %s) w (cadre, gateway, subject, body, path, about, until)
    WHERE n.status = 'pending' AND n.sent_at IS NULL AND n."on" <= w.until
    AND n.due_at < statement_timestamp() + interval '6 minutes' -- the others will be worded when their time has come
    AND (n.rule = 'digest' AND n.cadre_id = w.cadre OR n.rule = 'group' AND n.gateway_id = w.gateway)
"""


def planned(on: date, now: datetime | None = None) -> list[Message]:
    """What would be written now, unless it is there already. Reads only."""
    return _plan(on, now or timezone.now()).messages


def _plan(on: date, now: datetime) -> Plan:
    # A large plan makes a million small values and no cycles; to look for some takes as long as everything else.
    seeks_cycles = gc.isenabled()
    gc.disable()
    try:
        with translation.override(LANGUAGE):
            return plan.plan(figures.read(on, now))
    finally:
        if seeks_cycles:
            gc.enable()


@transaction.atomic
def write(on: date, now: datetime | None = None) -> int:
    """Writes what is due as of a day, and what waits as things stand now; how many notices are new.

    Again on the same day, however often and from wherever, adds only what is new since, and is cheap if nothing has
    changed. What waits and is no longer true is put aside.
    """
    now = now or timezone.now()
    _lock()
    seen = unchanged.look(on, timezone.localtime(now))
    if unchanged.same(seen, on):
        return 0
    found = _plan(on, now)
    with connection.cursor() as cursor:
        earlier = shifted(on, -1)
        cursor.execute(SUPERSEDED, {"until": earlier, "cadres": found.outdated, "groups": found.outdated_groups})
        if timezone.localdate(now) == on:  # else what has happened was left alone, and would be missing
            cursor.execute(SUPERSEDED, {"until": on, "cadres": found.idle, "groups": found.idle_groups})
            _execute(cursor, REWORDED, [_words(message, on) for message in found.reworded], WORDS)
    fresh = _insert(found.messages, on, now)
    unchanged.remember(seen)
    return fresh


@transaction.atomic
def write_news(now: datetime | None = None) -> int:
    """Writes only what has just happened to tasks; how many notices are new. Cheap: for every minute."""
    now = now or timezone.now()
    _lock()
    with translation.override(LANGUAGE):
        found = plan.news(figures.read_news(now))
    return _insert(found, timezone.localdate(now), now)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _insert(messages: list[Message], on: date, now: datetime) -> int:
    """In the inbox first; what is new there goes out by the other ways too."""
    is_another_day = timezone.localdate(now) != on  # asked for by hand: whoever asks chooses the hour
    rows = [_row(message, on, now) for message in messages]
    with connection.cursor() as cursor:
        written = _execute(cursor, NOTICES, rows, ROW)
        # Cadre and rule -> the notice in the inbox.
        new = {(cadre, rule): pk for pk, cadre, rule in written if cadre is not None}
        told = [message for message in messages if (message.cadre, message.rule) in new]
        ways = Ways.of_cadres({message.cadre for message in told if message.cadre and not message.inbox_only}, on)
        outside = []
        for message in told:
            if message.cadre and not message.inbox_only:
                due_at = now if is_another_day else ways.due_at(message.cadre, now, urgent=message.urgent)
                outside += [_row(message, on, now, way, due_at) for way in ways.of(message.cadre)]
        sent = _execute(cursor, NOTICES, outside, ROW)
        _execute(cursor, NEWS, [(m.cadre, key, new[m.cadre, m.rule], on) for m in told for key in m.news])
        _execute(cursor, STEPS, [(*step, m.cadre, on) for m in told for step in m.steps])
    return len(written) + len(sent)


def _row(
    message: Message, on: date, now: datetime, way: Way | None = None, due_at: datetime | None = None
) -> tuple[Any, ...]:
    """One row of the table: by a way, or into the inbox; to a group by its robot."""
    if message.robot:
        way = Way(message.robot.channel, message.robot.gateway)
        group = f"group-{message.robot.gateway}"
        due_at = first_sending(now, group, quiet_from=QUIET_FROM, quiet_until=QUIET_UNTIL)
    return (
        message.cadre,
        message.rule,
        on,
        str(way.channel if way else Channel.INBOX),
        way.gateway if way else None,
        list(message.about),
        message.urgent,
        message.subject,
        _body(message),
        message.path,
        str(Notice.Status.PENDING if way else Notice.Status.DELIVERED),
        due_at or now,
        None if way else now,
    )


def _words(message: Message, on: date) -> tuple[Any, ...]:
    """What those notices say now that wait for a cadre or a group, up to a day."""
    group = message.robot.gateway if message.robot else None
    return message.cadre, group, message.subject, _body(message), message.path, list(message.about), on


def _body(message: Message) -> str:
    return words.cut("\n".join(message.lines), LONGEST_BODY)


def _execute(cursor: Any, query: str, rows: list[tuple[Any, ...]], row: str | None = None) -> list[Any]:
    """One INSERT for so many rows at a time; what it returns, if it returns anything."""
    returning = "RETURNING" in query
    return execute_values(cursor.cursor, query, rows, row, PAGE, fetch=returning) or []
