"""Which item is owed by which unit: one text, read by the launch, by every preview and by bringing up to date."""

from typing import Any

from django.db import connection

from checklists.models import Campaign

# Whether unit `u` lies under the host and takes part.
_IN_SCOPE = """
    u.code LIKE %(host)s || '%%'
    AND NOT EXISTS (SELECT FROM checklists_campaign_excluded e
                    WHERE e.campaign_id = %(campaign)s AND u.code LIKE e.unit_id || '%%')
"""
# Whether item `i` is owed by unit `u`: by its kind, and by its name if it is a department.
_FITS = """
    NOT i.struck AND u.kind = ANY (i.owed_by)
    AND (u.kind <> 'department' OR cardinality(i.departments) = 0
         OR EXISTS (SELECT FROM unnest(i.departments) ending WHERE right(u.name, length(ending)) = ending))
"""
# Items `i` with the units `u` that owe them.
OWES = f"""
    FROM checklists_item i JOIN villages_unit u ON {_FITS}
    WHERE i.campaign_id = %(campaign)s AND {_IN_SCOPE}
"""
# How many units `u` of each sort take part: all that _FITS looks at. A few rows instead of one for each task.
_SORTS = f"""
    (SELECT u.kind, CASE u.kind WHEN 'department' THEN u.name ELSE '' END AS name, count(*) AS units
     FROM villages_unit u WHERE {_IN_SCOPE} GROUP BY 1, 2)
"""


def params(campaign: Campaign) -> dict[str, Any]:
    """What OWES asks for."""
    return {"campaign": campaign.pk, "host": campaign.host_id}


def tasks_by_item(campaign: Campaign) -> dict[int, int]:
    """How many tasks each item asks for; items that no unit owes are missing."""
    return _counts(
        campaign,
        f"""
        SELECT i.id, sum(u.units)::int FROM checklists_item i JOIN {_SORTS} u ON {_FITS}
        WHERE i.campaign_id = %(campaign)s GROUP BY i.id
        """,
    )


def units_by_kind(campaign: Campaign) -> dict[str, int]:
    """How many units of each kind are asked for something."""
    return _counts(
        campaign,
        f"""
        SELECT u.kind, sum(u.units)::int FROM {_SORTS} u
        WHERE EXISTS (SELECT FROM checklists_item i WHERE i.campaign_id = %(campaign)s AND {_FITS}) GROUP BY u.kind
        """,
    )


def _counts(campaign: Campaign, query: str) -> dict[Any, int]:
    with connection.cursor() as cursor:
        cursor.execute(query, params(campaign))
        return dict(cursor.fetchall())


def items_of(campaign: Campaign, code: str) -> list[int]:
    """The items that one unit owes."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.id {OWES} AND u.code = %(code)s", params(campaign) | {"code": code})
        return [item for (item,) in cursor.fetchall()]
