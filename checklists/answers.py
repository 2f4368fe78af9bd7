"""Who answers for which unit: by the posts held and the campaign's rule, or as somebody named by hand."""

from datetime import date
from typing import Any

from django.db import connection
from django.utils import timezone

from checklists.models import Campaign
from checklists.models.campaign import POSTS
from checklists.scope import OWES, params
from villages.models import Unit

NEEDED = ("first", "direct")

# Who would answer for which unit: the first post that fits, in the order of the campaign's rule.
WHO = f"""
    SELECT DISTINCT ON (owing.code, r.kind) owing.code AS unit_id, r.kind, p.cadre_id
    FROM (SELECT DISTINCT u.code, u.parent_id {OWES}) owing
    CROSS JOIN unnest(%(kinds)s::text[], %(roles)s::text[], %(above)s::bool[], %(principal)s::bool[], %(ranks)s::int[])
        AS r (kind, role, above, principal, rank)
    JOIN villages_post p
      ON p.unit_id = CASE WHEN r.above THEN owing.parent_id ELSE owing.code END AND p.role = r.role
     AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)
    JOIN villages_cadre c ON c.id = p.cadre_id AND c.is_active
    ORDER BY owing.code, r.kind, (r.principal IS NULL OR p.principal = r.principal) DESC, r.rank, p.id
"""

# What `fill` would do: name somebody, pass on, or take back what the rule no longer gives. Never what is by hand.
DIFFERENCE = f"""
    SELECT coalesce(h.unit_id, w.unit_id) AS unit_id, coalesce(h.kind, w.kind) AS kind, w.cadre_id, h.id
    FROM ({WHO}) w
    FULL JOIN (SELECT * FROM checklists_responsibility WHERE campaign_id = %(campaign)s) h
      ON (h.unit_id, h.kind) = (w.unit_id, w.kind)
    WHERE NOT coalesce(h.by_hand, false) AND h.cadre_id IS DISTINCT FROM w.cadre_id
"""


def who_params(campaign: Campaign, on: date | None = None) -> dict[str, Any]:
    """What WHO asks for."""
    rules = [(kind, *POSTS[post][:3], rank) for kind, posts in campaign.answers.items() for rank, post in enumerate(posts)]
    kinds, roles, above, principal, ranks = (list(column) for column in zip(*rules, strict=True)) if rules else [[]] * 5
    return params(campaign) | {
        "on": on or timezone.localdate(),
        "kinds": kinds,
        "roles": roles,
        "above": above,
        "principal": principal,
        "ranks": ranks,
    }


def missing(campaign: Campaign, *, on: date | None = None) -> int:
    """How many responsibilities `fill` would name, pass on or take back."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({DIFFERENCE}) d", who_params(campaign, on))
        return int(cursor.fetchone()[0])


def fill(campaign: Campaign, *, on: date | None = None) -> int:
    """Names who answers for each unit that owes something, as the rule says; who is named by hand stays. How many."""
    values = who_params(campaign, on)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH d AS MATERIALIZED ({DIFFERENCE}),
                 gone AS (DELETE FROM checklists_responsibility
                          WHERE id IN (SELECT id FROM d WHERE cadre_id IS NULL) RETURNING 1),
                 named AS (INSERT INTO checklists_responsibility (campaign_id, unit_id, kind, cadre_id, by_hand)
                           SELECT %(campaign)s, unit_id, kind, cadre_id, false FROM d WHERE cadre_id IS NOT NULL
                           ON CONFLICT (campaign_id, unit_id, kind) DO UPDATE SET cadre_id = excluded.cadre_id
                           RETURNING 1)
            SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM named)
            """,
            values,
        )
        return int(cursor.fetchone()[0])


def vacancies(campaign: Campaign, *, on: date) -> list[tuple[Unit, list[str]]]:
    """Units asked for something where nobody answers first or directly, with what is missing.

    Who is named by hand counts while holding a post at that very unit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT u.code, array_agg(n.kind)
            FROM (SELECT DISTINCT u.code {OWES}) u
            CROSS JOIN unnest(%(needed)s::text[]) AS n (kind)
            WHERE NOT EXISTS (SELECT FROM ({WHO}) who WHERE (who.unit_id, who.kind) = (u.code, n.kind))
              AND NOT EXISTS (
                SELECT FROM checklists_responsibility h
                JOIN villages_post p ON (p.cadre_id, p.unit_id) = (h.cadre_id, h.unit_id)
                 AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)
                WHERE h.campaign_id = %(campaign)s AND h.by_hand AND (h.unit_id, h.kind) = (u.code, n.kind))
            GROUP BY u.code
            """,
            who_params(campaign, on) | {"needed": list(NEEDED)},
        )
        found = dict(cursor.fetchall())
    return [(unit, found[unit.code]) for unit in Unit.objects.filter(code__in=found)]
