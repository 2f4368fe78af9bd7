"""Who answers for which unit: by the posts held and the campaign's rule, or as somebody named by hand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from checklists.models import Campaign, Change, Responsibility
from checklists.models.campaign import POSTS
from checklists.scope import OWES, params
from villages import access
from villages.models import Cadre, Post, Unit

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

# Who is named by hand, and whether they still hold a post at the unit or above it.
BY_HAND = """
    SELECT h.unit_id, h.kind, h.cadre_id, EXISTS (
        SELECT FROM villages_post p JOIN villages_cadre c ON c.id = p.cadre_id AND c.is_active
        WHERE p.cadre_id = h.cadre_id AND h.unit_id LIKE p.unit_id || '%%'
          AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)) AS held
    FROM checklists_responsibility h
    WHERE h.campaign_id = %(campaign)s AND h.by_hand
"""

# Each unit asked for something, with who answers once everything is up to date: by hand, else by the rule.
# `filled` counts the needed kinds that somebody holds.
PREVIEW = f"""
    WITH hand AS MATERIALIZED ({BY_HAND}), who AS MATERIALIZED ({WHO}),
         named AS (SELECT unit_id, kind, cadre_id, true AS by_hand, held FROM hand
                   UNION ALL
                   SELECT unit_id, kind, cadre_id, false, true FROM who
                   WHERE NOT EXISTS (SELECT FROM hand WHERE (hand.unit_id, hand.kind) = (who.unit_id, who.kind)))
    SELECT u.code, u.name, count(*) FILTER (WHERE n.held AND n.kind = ANY (%(needed)s)) AS filled,
           coalesce(jsonb_object_agg(n.kind, jsonb_build_array(n.cadre_id, n.by_hand, n.held))
                    FILTER (WHERE n.kind IS NOT NULL), '{{}}') AS held
    FROM (SELECT DISTINCT u.code, u.name {OWES}) u
    LEFT JOIN named n ON n.unit_id = u.code
    WHERE (%(words)s = '' OR strpos(u.name, %(words)s) > 0 OR starts_with(u.code, %(words)s))
      AND (%(code)s = '' OR u.code = %(code)s)
    GROUP BY u.code, u.name
"""

# What `fill` would do: name somebody, pass on, or take back what the rule no longer gives. Never what is by hand.
DIFFERENCE = f"""
    SELECT coalesce(h.unit_id, w.unit_id) AS unit_id, coalesce(h.kind, w.kind) AS kind, w.cadre_id, h.id
    FROM ({WHO}) w
    FULL JOIN (SELECT * FROM checklists_responsibility WHERE campaign_id = %(campaign)s) h
      ON (h.unit_id, h.kind) = (w.unit_id, w.kind)
    WHERE NOT coalesce(h.by_hand, false) AND h.cadre_id IS DISTINCT FROM w.cadre_id
      AND (h.id IS NULL OR %(pass_on)s)
"""


def who_params(campaign: Campaign, on: date | None = None) -> dict[str, Any]:
    """What WHO asks for."""
    rules = [
        (kind, *POSTS[post][:3], rank) for kind, posts in campaign.answers.items() for rank, post in enumerate(posts)
    ]
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
        cursor.execute(f"SELECT count(*) FROM ({DIFFERENCE}) d", who_params(campaign, on) | {"pass_on": True})
        return int(cursor.fetchone()[0])


def fill(campaign: Campaign, *, on: date | None = None, pass_on: bool = False) -> int:
    """Names who answers for each unit that owes something, as the rule says; who is named by hand stays. How many.

    Args:
        pass_on: also put a successor in where the rule now gives somebody else, and take back what it no longer gives.
    """
    values = who_params(campaign, on) | {"pass_on": pass_on}
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


@dataclass(frozen=True)
class Named:
    """Who answers for a unit in one way."""

    cadre: Cadre
    by_hand: bool
    held: bool  # still in office; who is named by the rule always is


@dataclass(frozen=True)
class Row:
    """One unit, and who answers for it in each of the four ways, if anybody."""

    code: str
    name: str
    answers: dict[str, Named | None]

    @property
    def missing(self) -> list[str]:
        """The needed kinds that nobody holds."""
        held = {kind for kind, named in self.answers.items() if named and named.held}
        return [kind for kind in NEEDED if kind not in held]


class Preview(Sequence[Row]):
    """Who will answer for which unit, vacancies first: a list that a paginator can cut. Three queries a page."""

    def __init__(self, campaign: Campaign, *, words: str = "", code: str = "") -> None:
        self.values = who_params(campaign) | {"needed": list(NEEDED), "words": words, "code": code}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE filled < 2) FROM ({PREVIEW}) p", self.values)
            self.units, self.vacant = cursor.fetchone()

    def __len__(self) -> int:
        return int(self.units)

    def __getitem__(self, part: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT code, name, held FROM ({PREVIEW}) p"
                " ORDER BY filled >= 2, code LIMIT %(many)s OFFSET %(first)s",
                self.values | {"many": part.stop - part.start, "first": part.start},
            )
            found = [(code, name, json.loads(held)) for code, name, held in cursor.fetchall()]
        cadres = Cadre.objects.in_bulk({cadre for _, _, held in found for cadre, *_ in held.values()})
        return [
            Row(code, name, {kind: Named(cadres[held[kind][0]], *held[kind][1:]) if kind in held else None
                             for kind in Responsibility.Kind.values})
            for code, name, held in found
        ]  # fmt: skip


def of_unit(campaign: Campaign, code: str) -> Row | None:
    """Who will answer for one unit; None if it is not asked for anything."""
    return next(iter(Preview(campaign, code=code)[0:1]), None)


def vacancies(campaign: Campaign, *, on: date) -> list[tuple[Unit, list[str]]]:
    """Units asked for something where nobody answers first or directly, with what is missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT code, held FROM ({PREVIEW}) p WHERE filled < 2",
            who_params(campaign, on) | {"needed": list(NEEDED), "words": "", "code": ""},
        )
        found = {code: json.loads(held) for code, held in cursor.fetchall()}
    return [
        (unit, [kind for kind in NEEDED if not (kind in found[unit.code] and found[unit.code][kind][2])])
        for unit in Unit.objects.filter(code__in=found)
    ]


def finds(campaign: Campaign) -> dict[str, int]:
    """For each post that a rule can follow: at how many units of the campaign somebody holds it."""
    roles, above, principal = (list(column) for column in zip(*(post[:3] for post in POSTS.values()), strict=True))
    values = {"names": list(POSTS), "roles": roles, "above": above, "principal": principal}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.name, count(DISTINCT owing.code)
            FROM (SELECT DISTINCT u.code, u.parent_id {OWES}) owing
            CROSS JOIN unnest(%(names)s::text[], %(roles)s::text[], %(above)s::bool[], %(principal)s::bool[])
                AS r (name, role, above, principal)
            JOIN villages_post p
              ON p.unit_id = CASE WHEN r.above THEN owing.parent_id ELSE owing.code END AND p.role = r.role
             AND p.principal = coalesce(r.principal, p.principal)
             AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)
            JOIN villages_cadre c ON c.id = p.cadre_id AND c.is_active
            GROUP BY r.name
            """,
            params(campaign) | values | {"on": timezone.localdate()},
        )
        found = dict(cursor.fetchall())
    return {post: found.get(post, 0) for post in POSTS}


def by_rule(campaign: Campaign, codes: list[str]) -> dict[tuple[str, str], int]:
    """Unit and kind -> the cadre whom the rule names there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT unit_id, kind, cadre_id FROM ({WHO}) who WHERE unit_id = ANY (%(codes)s)",
            who_params(campaign) | {"codes": codes},
        )
        return {(unit, kind): cadre for unit, kind, cadre in cursor.fetchall()}


@transaction.atomic
def name(campaign: Campaign, unit: Unit, kind: str, cadre: Cadre, *, by: Cadre) -> None:
    """Names by hand who answers for a unit, also in a draft. Stays until somebody names another.

    Raises:
        ValidationError: this person holds no post at the unit or above it.
    """
    held = _still(campaign)
    posts = Post.objects.current(timezone.localdate()).filter(cadre=cadre, unit__in=access.above(unit.code))
    if not posts.exists():
        raise ValidationError(
            _("%(name)s holds no post at %(unit)s or above it.") % {"name": cadre.name, "unit": unit.name}
        )
    before = held.responsibilities.filter(unit=unit, kind=kind).select_related("cadre").first()
    if before and before.by_hand and before.cadre_id == cadre.pk:
        return
    held.responsibilities.update_or_create(unit=unit, kind=kind, defaults={"cadre": cadre, "by_hand": True})
    _note(held, unit, kind, [before.cadre.name if before else "", _("%(name)s, by hand") % {"name": cadre.name}], by)


@transaction.atomic
def follow_rule(campaign: Campaign, unit: Unit, kind: str, *, by: Cadre) -> None:
    """Undoes what was named by hand: the rule decides again; in a draft it does so at the launch."""
    held = _still(campaign)
    before = held.responsibilities.filter(unit=unit, kind=kind, by_hand=True).select_related("cadre").first()
    if before is None:
        return
    before.delete()
    cadre = Cadre.objects.filter(pk=by_rule(held, [unit.code]).get((unit.code, kind), 0)).first()
    if cadre and not held.is_draft:
        held.responsibilities.create(unit=unit, kind=kind, cadre=cadre)
    after = _("%(name)s, by the rule") % {"name": cadre.name if cadre else _("nobody")}
    _note(held, unit, kind, [before.cadre.name, after], by)


def _still(campaign: Campaign) -> Campaign:
    """The campaign as it is now, with launches, closings and syncs waiting."""
    return Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)


def _note(campaign: Campaign, unit: Unit, kind: str, pair: list[str], by: Cadre) -> None:
    """One line of the campaign's history."""
    Change.objects.create(campaign=campaign, by=by, what=Change.What.EDITED, unit=unit, fields={kind: pair})
