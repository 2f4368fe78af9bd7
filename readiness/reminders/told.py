"""What was told before: last digests, those that still wait, steps taken upwards, news. A fixed number of queries."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from django.db import connection

from readiness.reminders.known import Robot, Taken, Told

# The last digest before a day and whether there is one of it: two looks at the index that keeps notices unique.
# One of the day after is one as well: by a clock that was set back everybody would hear the same again.
TOLD = """
    SELECT c.id, (SELECT "on" FROM readiness_notice
                  WHERE cadre_id = c.id AND campaign_id IS NULL AND rule = 'digest' AND "on" < %(on)s
                  ORDER BY campaign_id DESC, "on" DESC LIMIT 1),
           EXISTS (SELECT FROM readiness_notice WHERE cadre_id = c.id AND campaign_id IS NULL AND rule = 'digest'
                                                      AND "on" BETWEEN %(on)s AND %(on)s + 1)
    FROM unnest(%(cadres)s::bigint[]) c (id)
"""
# Cadre or gateway, whether digests of an earlier day and of the day itself wait; of those that were not handed over yet
# the first day, and the last one before it.
WAITING = """
    SELECT w.*, (SELECT max("on") FROM readiness_notice
                 WHERE cadre_id = w.cadre AND campaign_id IS NULL AND rule = 'digest' AND "on" < w.unsaid)
    FROM (SELECT cadre_id AS cadre, CASE WHEN cadre_id IS NULL THEN gateway_id END AS gateway,
                 bool_or("on" < %(on)s), bool_or("on" = %(on)s), min("on") FILTER (WHERE sent_at IS NULL) AS unsaid
          FROM readiness_notice
          WHERE status = 'pending' AND rule IN ('digest', 'group') AND "on" <= %(on)s GROUP BY 1, 2) w
"""
# Of the robots that a group had one after the other, those that may have spoken count as one.
ROBOTS = """
    SELECT g.id, g.channel, g.campaign_id, g.unit_id, max(n."on") FILTER (WHERE n."on" < %(on)s),
           count(n.id) FILTER (WHERE n."on" >= %(on)s) > 0
    FROM readiness_gateway g
    JOIN readiness_gateway s ON (s.campaign_id, s.unit_id, s.channel) = (g.campaign_id, g.unit_id, g.channel)
    LEFT JOIN readiness_notice n ON n.gateway_id = s.id AND n.rule = 'group' AND n."on" <= %(on)s + 1
                                    AND (s.id = g.id OR n.status IN ('sending', 'accepted', 'delivered', 'unknown'))
    WHERE g.campaign_id = ANY(%(campaigns)s) AND g.removed_at IS NULL GROUP BY g.id ORDER BY g.id
"""
TAKEN = """
    SELECT campaign_id, unit_id, due_on, step, cadre_id, "on" FROM readiness_escalation
    WHERE campaign_id = ANY(%(campaigns)s)
"""
NEWS = "SELECT cadre_id, about FROM readiness_news WHERE about = ANY(%(keys)s)"
UNSAID = """
    SELECT w.cadre_id, w.about
    FROM unnest(%(cadres)s::bigint[], %(days)s::date[]) u (cadre, day)
    JOIN readiness_news w ON w.cadre_id = u.cadre
    JOIN readiness_notice n ON n.id = w.notice_id AND n.rule = 'digest' AND n."on" >= u.day
"""


def rows(query: str, values: dict[str, Any]) -> list[Any]:
    """The rows of one query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def cadres(on: date, asked: Collection[int]) -> dict[int, Told]:
    """Cadre -> what digests have told; those who never had one are left out. Two queries."""
    found = {
        cadre: Told(before, today)
        for cadre, before, today in rows(TOLD, {"on": on, "cadres": list(asked)})
        if before or today
    }
    for cadre, _gateway, earlier, today, first, last in rows(WAITING, {"on": on}):
        if cadre is not None:
            told = found.get(cadre, Told())
            found[cadre] = told._replace(waits=earlier, waits_today=today, unsaid=first, said=last)
    return found


def robots(on: date, campaigns: list[int]) -> list[Robot]:
    """The robots in use, with what their groups were told. Two queries."""
    waiting = {row[1]: row[2:5] for row in rows(WAITING, {"on": on}) if row[0] is None}
    return [
        Robot(gateway, channel, campaign, unit, Told(before, today, *waiting.get(gateway, ())))
        for gateway, channel, campaign, unit, before, today in rows(ROBOTS, {"on": on, "campaigns": campaigns})
    ]


def steps(campaigns: list[int]) -> dict[tuple[int, str, date], list[Taken]]:
    """Campaign, unit and day on which something was due -> steps taken."""
    taken: dict[tuple[int, str, date], list[Taken]] = {}
    for campaign, unit, due_on, step, cadre, told_on in rows(TAKEN, {"campaigns": campaigns}):
        taken.setdefault((campaign, unit, due_on), []).append(Taken(step, cadre, told_on))
    return taken


def news(keys: list[str]) -> set[tuple[int, str]]:
    """Cadre and key of what was told."""
    return set(rows(NEWS, {"keys": keys}))


def unsaid(told: Mapping[int, Told]) -> set[tuple[int, str]]:
    """Cadre and key of what was told by digests that still wait, beside those in the inbox."""
    waiting = {cadre: one.unsaid for cadre, one in told.items() if one.unsaid}
    return set(rows(UNSAID, {"cadres": list(waiting), "days": list(waiting.values())}))
