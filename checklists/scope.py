"""Which item is owed by which unit: one text, read by the launch, by every preview and by bringing up to date."""

from typing import Any

from django.db import connection

from checklists.models import Campaign

# Items `i` with the units `u` that owe them.
OWES = """
    FROM checklists_item i
    JOIN villages_unit u ON u.kind = ANY (i.owed_by) AND u.code LIKE %(host)s || '%%'
    WHERE i.campaign_id = %(campaign)s AND NOT i.struck
      AND (u.kind <> 'department' OR cardinality(i.departments) = 0
           OR EXISTS (SELECT FROM unnest(i.departments) ending WHERE right(u.name, length(ending)) = ending))
      AND NOT EXISTS (SELECT FROM checklists_campaign_excluded e
                      WHERE e.campaign_id = i.campaign_id AND u.code LIKE e.unit_id || '%%')
"""


def params(campaign: Campaign) -> dict[str, Any]:
    """What OWES asks for."""
    return {"campaign": campaign.pk, "host": campaign.host_id}


def tasks_by_item(campaign: Campaign) -> dict[int, int]:
    """How many tasks each item asks for; items that no unit owes are missing."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.id, count(*) {OWES} GROUP BY i.id", params(campaign))
        return dict(cursor.fetchall())


def units_by_kind(campaign: Campaign) -> dict[str, int]:
    """How many units of each kind are asked for something."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT u.kind, count(DISTINCT u.code) {OWES} GROUP BY u.kind", params(campaign))
        return dict(cursor.fetchall())


def items_of(campaign: Campaign, code: str) -> list[int]:
    """The items that one unit owes."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.id {OWES} AND u.code = %(code)s", params(campaign) | {"code": code})
        return [item for (item,) in cursor.fetchall()]
