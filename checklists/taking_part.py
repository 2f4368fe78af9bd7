"""Which units take part in a campaign: left out and taken back in, each with everything below it."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from checklists.models import Campaign, Change
from villages import units
from villages.models import Cadre, Kind, Unit


@transaction.atomic
def leave_out(campaign: Campaign, chosen: Iterable[Unit], *, by: Cadre) -> int:
    """Leaves units out; how many took part."""
    left = _excluded(campaign)
    fresh = [unit for unit in chosen if unit.pk not in left]
    campaign.excluded.add(*fresh)
    _note(campaign, fresh, by, takes_part=False)
    return len(fresh)


@transaction.atomic
def take_in(campaign: Campaign, chosen: Iterable[Unit], *, by: Cadre) -> int:
    """Takes units back in; how many were left out."""
    left = _excluded(campaign)
    back = [unit for unit in chosen if unit.pk in left]
    campaign.excluded.remove(*back)
    _note(campaign, back, by, takes_part=True)
    return len(back)


@transaction.atomic
def keep_only(campaign: Campaign, chosen: Iterable[Unit], *, by: Cadre) -> tuple[int, int]:
    """Leaves out all others of the same kind beside the chosen units; how many left, how many came back."""
    chosen = list(chosen)
    beside = reduce(or_, (Q(parent=unit.parent_id, kind=unit.kind) for unit in chosen), Q(pk__in=[]))
    others = Unit.objects.under(campaign.host_id).filter(beside).exclude(pk__in=[unit.pk for unit in chosen])
    return leave_out(campaign, others.order_by("code"), by=by), take_in(campaign, chosen, by=by)


@transaction.atomic
def add_unit(campaign: Campaign, kind: str, parent: Unit, name: str, *, by: Cadre) -> Unit:
    """Adds a site or a department on the way.

    Raises:
        units.CannotAdd
    """
    added = (units.add_site if kind == Kind.SITE else units.add_department)(parent, name)
    Change.objects.create(
        campaign=campaign, by=by, what=Change.What.EDITED, unit=added, fields={"name": ["", added.name]}
    )
    return added


def counted_below(campaign: Campaign, codes: Iterable[str]) -> dict[str, tuple[int, int]]:
    """For each unit, how many units lie below it and how many of those take part."""
    with connection.cursor() as cursor:
        cursor.execute(_BELOW, {"campaign": campaign.pk, "codes": list(codes)})
        return {code: (below, below - out) for code, below, out in cursor.fetchall()}


# Ranges of codes instead of LIKE, which finds no index for a pattern that is not known beforehand. `tops` are the units
# left out under none that was left out itself, so nothing is counted twice.
_BELOW = """
    WITH tops AS MATERIALIZED (
        SELECT e.unit_id AS code FROM checklists_campaign_excluded e
        WHERE e.campaign_id = %(campaign)s AND NOT EXISTS (
            SELECT FROM checklists_campaign_excluded a
            WHERE a.campaign_id = e.campaign_id AND a.unit_id <> e.unit_id AND a.unit_id = ANY (ARRAY[
                left(e.unit_id, 2), left(e.unit_id, 4), left(e.unit_id, 6), left(e.unit_id, 9), left(e.unit_id, 12),
                split_part(e.unit_id, 'S', 1)])))
    SELECT p.code, every.n,
           CASE WHEN EXISTS (SELECT FROM tops WHERE starts_with(p.code, tops.code)) THEN every.n ELSE out.n END
    FROM unnest(%(codes)s::text[]) p (code)
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM villages_unit u WHERE u.code > p.code AND u.code < p.code || 'Z') every
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM tops JOIN villages_unit u ON u.code >= tops.code AND u.code < tops.code || 'Z'
        WHERE tops.code > p.code AND tops.code < p.code || 'Z') out
"""


def _excluded(campaign: Campaign) -> set[str]:
    """Codes of the units left out, which nobody else changes until the transaction ends."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    return set(campaign.excluded.values_list("pk", flat=True))


def _note(campaign: Campaign, changed: list[Unit], by: Cadre, *, takes_part: bool) -> None:
    words = [str(_("takes no part")), str(_("takes part"))]
    fields = {"excluded": words if takes_part else words[::-1]}
    Change.objects.bulk_create(
        [Change(campaign=campaign, by=by, what=Change.What.EDITED, unit=unit, fields=fields) for unit in changed]
    )
