"""What happened to tasks and units that somebody should hear of, and is still true. A fixed number of queries."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from checklists.models import Measure
from readiness.reminders import words
from readiness.reminders.known import OF_ROUNDS, Fact
from villages import access

# How long ago something may have happened: longer than any run is missed, and short enough to be news.
RECENT = timedelta(days=14)

# Each: key, what, campaign, unit, task, item, by, said, day, to.
RETURNED = """
    SELECT DISTINCT ON (t.id) 'returned:' || e.id, 'returned', t.campaign_id, t.unit_id, t.id, i.title, e.by_id, e.note,
           NULL::date, NULL
    FROM checklists_taskevent e JOIN checklists_task t ON t.id = e.task_id JOIN checklists_item i ON i.id = t.item_id
    WHERE e.at > %(since)s AND e.to_state = 'returned' AND e.from_state <> 'returned' AND t.state = 'returned'
          AND t.retired_at IS NULL AND t.campaign_id = ANY(%(campaigns)s)
    ORDER BY t.id, e.at DESC, e.id
"""
MORE_TIME = """
    SELECT CASE WHEN x.answered_at IS NULL THEN 'time:' ELSE 'time-said:' END || x.id,
           CASE WHEN x.answered_at IS NULL THEN 'asked_time' WHEN x.granted THEN 'given_time' ELSE 'refused_time' END,
           t.campaign_id, t.unit_id, t.id, i.title, coalesce(x.answered_by_id, x.asked_by_id),
           CASE WHEN x.answered_at IS NULL THEN x.reason ELSE x.answer END, x.until,
           CASE WHEN x.answered_at IS NOT NULL THEN x.asked_by_id END
    FROM checklists_extension x JOIN checklists_task t ON t.id = x.task_id JOIN checklists_item i ON i.id = t.item_id
    WHERE t.campaign_id = ANY(%(campaigns)s) AND t.retired_at IS NULL
          AND (x.answered_at > %(since)s OR (x.answered_at IS NULL AND t.state IN ('open', 'returned')))
    ORDER BY x.id
"""
# A call that nobody has answered by its day goes on to the leader, beside whom it went to first.
HELP = """
    SELECT k.key || h.id, k.what, t.campaign_id, t.unit_id, t.id, i.title,
           CASE WHEN h.answered_at IS NULL THEN h.asked_by_id ELSE h.answered_by_id END,
           CASE WHEN h.answered_at IS NULL THEN concat_ws(%(and)s, h.obstacle, h.need) ELSE h.answer END, h.reply_by,
           CASE WHEN h.answered_at IS NOT NULL THEN h.asked_by_id END
    FROM checklists_helprequest h JOIN checklists_task t ON t.id = h.task_id JOIN checklists_item i ON i.id = t.item_id,
         (VALUES ('help:', 'asked_help'), ('help-late:', 'help_late'), ('help-said:', 'answered_help')) k (key, what)
    WHERE t.campaign_id = ANY(%(campaigns)s) AND t.retired_at IS NULL AND CASE k.what
          WHEN 'answered_help' THEN h.answered_at > %(since)s
          WHEN 'help_late' THEN h.answered_at IS NULL AND t.state IN ('open', 'returned') AND h.reply_by < %(on)s
          ELSE h.answered_at IS NULL AND t.state IN ('open', 'returned') END
    ORDER BY h.id
"""
CHASED = """
    SELECT 'chase:' || c.id, 'chased', t.campaign_id, t.unit_id, t.id, i.title, c.by_id, c.reason, NULL::date, NULL
    FROM checklists_chase c JOIN checklists_task t ON t.id = c.task_id JOIN checklists_item i ON i.id = t.item_id
    WHERE c.at > %(since)s AND t.campaign_id = ANY(%(campaigns)s) AND t.state IN ('open', 'returned')
          AND t.retired_at IS NULL
    ORDER BY c.id
"""
# A measure against a unit, for those who may object to it; the answer, for whoever did. And for each leader above, by
# the same right as access.may_decide: how many proposals wait, in one line and again only when there are new ones; and
# an objection that they may answer, as ladder.may_answer says: no pair of hands with whoever decided.
MEASURED = """
    WITH deciders AS (
        SELECT cadre_id, unit_id FROM villages_post
        WHERE role = ANY(%(deciding)s) AND since <= %(on)s AND (until IS NULL OR until > %(on)s)
    ), stood_in AS (
        SELECT s.cadre_id, o.cadre_id AS principal, s.until
        FROM villages_post s JOIN villages_post o ON o.id = s.stands_in_for_id WHERE s.since <= %(on)s
    ), above AS (
        SELECT m.*, p.unit_id AS at, p.cadre_id, (m.decided_at AT TIME ZONE %(zone)s)::date AS decided_on
        FROM checklists_measure m CROSS JOIN generate_series(0, length(m.unit_id) - 1) n
        JOIN deciders p ON p.unit_id = left(m.unit_id, n)
        WHERE m.campaign_id = ANY(%(campaigns)s)
              AND NOT EXISTS (SELECT FROM deciders own WHERE own.cadre_id = p.cadre_id AND own.unit_id = m.unit_id)
    )
    (SELECT CASE WHEN k.said THEN 'measure-said:' ELSE 'measure:' END || m.id,
           CASE WHEN NOT k.said THEN 'measured' WHEN m.state = 'lifted' THEN 'lifted' ELSE 'upheld' END,
           m.campaign_id, m.unit_id, 0, (%(rungs)s::text[])[m.rung + 1],
           CASE WHEN k.said THEN m.answered_by_id ELSE m.decided_by_id END,
           CASE WHEN k.said THEN m.answer ELSE m.reason END, NULL::date,
           CASE WHEN k.said THEN m.objected_by_id END
    FROM checklists_measure m, (VALUES (false), (true)) k (said)
    WHERE m.campaign_id = ANY(%(campaigns)s) AND CASE WHEN k.said THEN m.answered_at > %(since)s
          ELSE m.decided_at > %(since)s AND m.state = 'applied' END
    ORDER BY m.id, k.said)
    UNION ALL
    (SELECT concat_ws(':', 'proposed', campaign_id, at, max(id)), 'proposed', campaign_id, at, 0,
            (count(*) FILTER (WHERE state = 'proposed'))::text, 0, '', NULL, cadre_id
     FROM (SELECT DISTINCT id, campaign_id, at, cadre_id, state FROM above) a
     GROUP BY campaign_id, at, cadre_id HAVING count(*) FILTER (WHERE state = 'proposed') > 0
     ORDER BY campaign_id, at, cadre_id)
    UNION ALL
    (SELECT DISTINCT 'objection:' || a.id, 'objected', a.campaign_id, a.unit_id, 0, (%(rungs)s::text[])[a.rung + 1],
            a.objected_by_id, a.objection, NULL::date, a.cadre_id
     FROM above a
     WHERE a.state = 'applied' AND a.objection <> '' AND a.answer = '' AND NOT EXISTS (
         (SELECT a.cadre_id UNION SELECT principal FROM stood_in
                                  WHERE cadre_id = a.cadre_id AND (until IS NULL OR until > a.decided_on))
         INTERSECT
         (SELECT a.decided_by_id UNION SELECT principal FROM stood_in
                                       WHERE cadre_id = a.decided_by_id AND (until IS NULL OR until > a.decided_on)))
     ORDER BY 1, 10)
"""
# Each inspector of a round that waits, wherever their posts are: since it was made, or since they go instead of
# somebody; and who goes no longer. Not of one that another draw replaced before anybody had begun. Twin of
# checklists.draws.in_force.
SENT_OUT = """
    SELECT k.key, k.what, r.campaign_id, r.unit_id, 0, '', k.by, k.said, k.day, k.cadre_id
    FROM checklists_round r,
         LATERAL (SELECT 'round:' || r.id || coalesce(':' || v.id, '') AS key, 'sent_out' AS what,
                         coalesce(v.by_id, r.made_by_id) AS by, r.why AS said, r."on" AS day, x.cadre_id,
                         coalesce(v.at, r.made_at) AS at
                  FROM checklists_round_inspectors x
                  LEFT JOIN LATERAL (SELECT * FROM checklists_relief v
                                     WHERE v.round_id = r.id AND x.cadre_id = ANY(v.now) AND x.cadre_id <> ALL(v.was)
                                     ORDER BY v.at DESC LIMIT 1) v ON true
                  WHERE x.round_id = r.id
                  UNION ALL
                  (SELECT DISTINCT ON (gone) 'relieved:' || v.id, 'relieved', v.by_id, v.reason, NULL, gone, v.at
                   FROM checklists_relief v, unnest(v.was) gone
                   WHERE v.round_id = r.id AND gone <> ALL(v.now)
                         AND NOT EXISTS (SELECT FROM checklists_round_inspectors x
                                         WHERE x.round_id = r.id AND x.cadre_id = gone)
                   ORDER BY gone, v.at DESC)) k
    WHERE k.at > %(since)s AND r.finished_at IS NULL AND r.campaign_id = ANY(%(campaigns)s)
          AND (EXISTS (SELECT FROM checklists_check c WHERE c.round_id = r.id)
               OR NOT EXISTS (SELECT FROM checklists_draw d
                              WHERE d.instead_of_id = r.draw_id AND d.drawn_at IS NOT NULL))
          AND EXISTS (SELECT FROM villages_post p WHERE p.cadre_id = k.cadre_id AND p.since <= %(on)s
                      AND (p.until IS NULL OR p.until > %(on)s))
    ORDER BY r.id, k.cadre_id
"""
# What did not hold and sent no claim back, of which RETURNED tells.
FAILED = """
    SELECT 'failed:' || c.id, 'failed', t.campaign_id, t.unit_id, t.id, i.title, c.by_id, c.remark, NULL::date, NULL
    FROM checklists_check c JOIN checklists_task t ON t.id = c.task_id JOIN checklists_item i ON i.id = t.item_id
    WHERE c.at > %(since)s AND c.result = 'fails' AND c.was NOT IN ('done', 'verified')
          AND t.state IN ('open', 'returned') AND t.retired_at IS NULL AND t.campaign_id = ANY(%(campaigns)s)
    ORDER BY c.at, c.id
"""


def since(now: datetime, campaigns: list[int]) -> list[Fact]:
    """What happened lately in these campaigns, as far as it still matters. Seven queries.

    Args:
        now: local.
    """
    rungs = [str(label) for label in Measure.Rung.labels]
    values: dict[str, Any] = {"since": now - RECENT, "on": now.date(), "campaigns": campaigns, "rungs": rungs}
    values["and"] = _("; ")
    values["deciding"] = [role for role in access.Role if access.lets(role, access.Action.DECIDE)]
    values["zone"] = timezone.get_default_timezone_name()
    found = []
    with connection.cursor() as cursor:
        for query in (RETURNED, MORE_TIME, HELP, CHASED, MEASURED, SENT_OUT, FAILED):
            cursor.execute(query, values)
            for key, what, campaign, unit, task, item, by, said, day, to in cursor.fetchall():
                found.append(
                    Fact(key, what, campaign, unit, task, words.plain(item), by, words.plain(said or ""), day, to)
                )
    return found


def still_seen(facts: list[Fact], held: set[tuple[int, str]]) -> list[Fact]:
    """Without what is meant for somebody who has moved on and does not see the unit any more.

    What became of a finding is then for those who answer there. Inspectors may come from elsewhere: a round shows
    itself to them.
    """
    kept = []
    for fact in facts:
        if (
            fact.to is None
            or fact.what in OF_ROUNDS
            or any((fact.to, unit) in held for unit in access.above(fact.unit))
        ):
            kept.append(fact)
        elif fact.finding is not None:
            kept.append(fact._replace(to=None))
    return kept
