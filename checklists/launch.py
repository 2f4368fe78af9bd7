"""Campaign → tasks. Launching again adds what is missing and touches nothing that people have changed."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from checklists.models import Campaign, Item, Phase, Template
from villages.access import Role
from villages.models import Cadre, Unit


class CannotLaunch(Exception):
    """Why a campaign is not launched, in the reader's language."""


@dataclass(frozen=True)
class Launched:
    """The campaign and how much was added to it."""

    campaign: Campaign
    items: int
    tasks: int
    responsibilities: int


@transaction.atomic
def launch(
    template: Template,
    host: Unit,
    *,
    inspects_on: date,
    on: date,
    status: str = Campaign.Status.ACTIVE,
    by: Cadre | None = None,
) -> Launched:
    """Makes a campaign from a template, or adds what is missing to the one that exists.

    A campaign is known again by template, host and inspection day. A draft gets phases and items, but no
    tasks yet. Costs one INSERT … SELECT for all tasks, one for all responsibilities.

    Args:
        on: the day of the launch; no deadline lies before it.

    Raises:
        CannotLaunch: the inspection day is past, or the campaign is closed.
    """
    # Two launches at once wait for each other, and a closing for them; ticks are not held up.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('launch'), %s)", [template.pk])
    known = Campaign.objects.raw(
        "SELECT * FROM checklists_campaign WHERE template_id = %s AND host_id = %s AND inspects_on = %s FOR SHARE",
        [template.pk, host.pk, inspects_on],
    )
    campaign = next(iter(known), None)
    if inspects_on < on and (campaign is None or campaign.status == Campaign.Status.DRAFT):
        raise CannotLaunch(_("The inspection day %(day)s is already past.") % {"day": inspects_on})
    if campaign is None:
        campaign = Campaign.objects.create(
            template=template,
            host=host,
            title=template.title,
            title_en=template.title_en,
            topics={topic["key"]: [topic["title"], topic["title_en"]] for topic in template.body.get("topics", [])},
            starts_on=on,
            inspects_on=inspects_on,
            created_by=by,
        )
    elif campaign.status == Campaign.Status.CLOSED:
        raise CannotLaunch(_("This campaign is closed; it keeps its figures and takes no more tasks."))
    items = add_items(campaign, template.body)
    if status == Campaign.Status.ACTIVE and campaign.status == Campaign.Status.DRAFT:
        campaign.status = Campaign.Status.ACTIVE
        campaign.starts_on = on
        campaign.save(update_fields=["status", "starts_on"])
        campaign.items.filter(due_on__lt=on).update(due_on=on)
    tasks = add_tasks(campaign) if campaign.is_running else 0
    responsibilities = add_responsibilities(campaign, on=on) if campaign.is_running else 0
    return Launched(campaign, items, tasks, responsibilities)


def add_items(campaign: Campaign, body: dict[str, Any]) -> int:
    """Copies the template's phases and items that the campaign does not have yet; how many items."""
    day = campaign.inspects_on
    Phase.objects.bulk_create(
        [
            Phase(
                campaign=campaign,
                key=phase["key"],
                title=phase["title"],
                title_en=phase["title_en"],
                starts_on=day + timedelta(days=phase["starts"]),
                ends_on=day + timedelta(days=phase["ends"]),
            )
            for phase in body["phases"]
        ],
        ignore_conflicts=True,
    )
    phases = {phase.key: phase for phase in campaign.phases.all()}
    known = set(campaign.items.values_list("number", flat=True))
    fresh = [
        _item(campaign, position, line, phases)
        for position, line in enumerate(body["items"], start=1)
        if line["id"] not in known
    ]
    return len(Item.objects.bulk_create(fresh))


def due_date(line: dict[str, Any], campaign: Campaign, phases: dict[str, Phase]) -> date:
    """When an item is due: its own deadline, else the end of its phase, else the inspection day.

    A vague word in the speech is no deadline. Nothing is due before the campaign began.
    """
    due = line.get("due", {})
    phase = phases.get(line.get("phase", ""))
    if "before" in due:
        day = campaign.inspects_on - timedelta(days=due["before"])
    elif "phase" in due:
        edge = phases[due["phase"]]
        day = edge.starts_on if due["edge"] == "start" else edge.ends_on
    else:
        day = phase.ends_on if phase else campaign.inspects_on
    return max(day, campaign.starts_on)


def _item(campaign: Campaign, position: int, line: dict[str, Any], phases: dict[str, Phase]) -> Item:
    target = line.get("target", {})
    if target.get("share"):  # a sum over all units that owe it: no single unit can reach or miss it
        target = {}
    return Item(
        campaign=campaign,
        number=line["id"],
        position=position,
        section=line["section"],
        topic=line.get("topic", ""),
        title=line["title"],
        title_en=line["title_en"],
        standard=line["standard"],
        standard_en=line["standard_en"],
        kind=line["kind"],
        owed_by=line["owed_by"],
        departments=line.get("departments", []),
        responsible=line.get("responsible", ""),
        phase=phases.get(line.get("phase", "")),
        due_on=due_date(line, campaign, phases),
        due_says=line.get("due", {}).get("says", "") or line.get("vague", ""),
        metric=target.get("metric", ""),
        metric_en=target.get("metric_en", ""),
        operator=target.get("operator", ""),
        target=target.get("value"),
        measured_in=target.get("unit", ""),
        measured_in_en=target.get("unit_en", ""),
        target_is_stated=target.get("basis") == "stated",
        gate=line.get("gate", False),
        veto=line.get("veto", False),
        proof=line.get("proof", ""),
        proof_en=line.get("proof_en", ""),
    )


def add_tasks(campaign: Campaign) -> int:
    """One task for every item at every unit of its kinds under the host that has none yet; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)
            SELECT i.campaign_id, i.id, u.code, i.due_on, i.points
            FROM checklists_item i
            JOIN villages_unit u ON u.kind = ANY (i.owed_by) AND u.code LIKE %(host)s || '%%'
            WHERE i.campaign_id = %(campaign)s
              AND (u.kind <> 'department' OR cardinality(i.departments) = 0
                   OR EXISTS (SELECT FROM unnest(i.departments) ending WHERE right(u.name, length(ending)) = ending))
            ON CONFLICT (item_id, unit_id) DO NOTHING
            """,
            {"campaign": campaign.pk, "host": campaign.host_id},
        )
        return int(cursor.rowcount)


# Who answers, by the posts held: kind of responsibility, role, at the unit above?, the principal first?
# Source: 主要负责人为第一责任人, 分管负责人为直接责任人 (d7c, section 一(二)).
ANSWERS: list[tuple[str, str, bool, bool]] = [
    ("first", Role.VILLAGE_CADRE, False, True),
    ("first", Role.TOWNSHIP_LEADER, False, True),
    ("first", Role.DEPARTMENT_CADRE, False, True),
    ("direct", Role.VILLAGE_CADRE, False, False),
    ("direct", Role.TOWNSHIP_STAFF, False, False),
    ("direct", Role.DEPARTMENT_CADRE, False, False),
    ("linked", Role.LINKED, False, False),
    ("lead", Role.TOWNSHIP_LEADER, True, False),
]


def add_responsibilities(campaign: Campaign, *, on: date) -> int:
    """Names who answers for each unit with tasks, where nobody is named yet and a post is held; how many."""
    kinds, roles, above, principal = zip(*ANSWERS, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO checklists_responsibility (campaign_id, unit_id, kind, cadre_id)
            SELECT DISTINCT ON (u.code, r.kind) %(campaign)s, u.code, r.kind, p.cadre_id
            FROM villages_unit u
            CROSS JOIN unnest(%(kinds)s::text[], %(roles)s::text[], %(above)s::bool[], %(principal)s::bool[])
                AS r (kind, role, above, principal)
            JOIN villages_post p
              ON p.unit_id = CASE WHEN r.above THEN u.parent_id ELSE u.code END AND p.role = r.role
             AND p.since <= %(on)s AND (p.until IS NULL OR p.until > %(on)s)
            JOIN villages_cadre c ON c.id = p.cadre_id AND c.is_active
            WHERE u.code IN (SELECT unit_id FROM checklists_task WHERE campaign_id = %(campaign)s)
            ORDER BY u.code, r.kind, (p.principal = r.principal) DESC, p.id
            ON CONFLICT (campaign_id, unit_id, kind) DO NOTHING
            """,
            {
                "campaign": campaign.pk,
                "on": on,
                "kinds": list(kinds),
                "roles": list(roles),
                "above": list(above),
                "principal": list(principal),
            },
        )
        return int(cursor.rowcount)
