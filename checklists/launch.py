"""Campaign → tasks. Launching again adds what is missing and touches nothing that people have changed."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import connection, transaction
from django.db.models import DateField, F, Max
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext as _

from checklists import answers, sync
from checklists.models import Campaign, Change, Item, Phase, Template
from villages.access import Height
from villages.models import Cadre, Unit

OWN_NUMBER = re.compile(r"own-([0-9]{1,9})")


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

    A campaign is known again by template (any version of it), host and inspection day. A draft gets phases and
    items, but no tasks yet. Costs one INSERT … SELECT for all tasks, one for all responsibilities.

    Args:
        on: the day of the launch; no deadline lies before it.

    Raises:
        CannotLaunch: the inspection day is past, or the campaign is closed.
    """
    # Two first launches at once wait for each other; once there is a campaign, its row is what is held.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('launch'), hashtext(%s))", [template.slug])
    found = Campaign.objects.filter(template__slug=template.slug, host=host, inspects_on=inspects_on)
    campaign = found.select_for_update(no_key=True, of=("self",)).first()
    if campaign is not None and campaign.is_closed:
        raise CannotLaunch(_("This campaign is closed; it keeps its figures and takes no more tasks."))
    if inspects_on < on and (campaign is None or campaign.is_draft):
        raise CannotLaunch(_("The inspection day %(day)s is already past.") % {"day": inspects_on})
    if campaign is None:
        campaign = draft(template, host, inspects_on=inspects_on, on=on, by=by)
        items = campaign.items.count()
    else:
        items = add_items(campaign, template.body)
    if status == Campaign.Status.ACTIVE or campaign.is_running:
        launched = go_live(campaign, on=on, by=by)
        return Launched(campaign, items, launched.tasks, launched.responsibilities)
    return Launched(campaign, items, 0, 0)


@transaction.atomic
def draft(
    template: Template | None,
    host: Unit,
    *,
    inspects_on: date,
    inspects_until: date | None = None,
    on: date,
    title: str = "",
    by: Cadre | None = None,
) -> Campaign:
    """A campaign to be set up: the template's phases and items, or none, and no tasks.

    Raises:
        CannotLaunch: the inspection day is past, or there is such a campaign already.
    """
    check_day(template, host, inspects_on=inspects_on, on=on)
    body = template.body if template else {"phases": [], "items": []}
    campaign = Campaign.objects.create(
        template=template,
        host=host,
        title=title or (template.title if template else _("New campaign")),
        title_en="" if title or not template else template.title_en,
        topics={topic["key"]: [topic["title"], topic["title_en"]] for topic in body.get("topics", [])},
        starts_on=on,
        inspects_on=inspects_on,
        inspects_until=inspects_until,
        created_by=by,
    )
    add_items(campaign, body)
    return campaign


def check_day(template: Template | None, host: Unit, *, inspects_on: date, on: date) -> None:
    """Whether a campaign can be drafted for that day.

    Raises:
        CannotLaunch: the inspection day is past, or there is such a campaign already.
    """
    if inspects_on < on:
        raise CannotLaunch(_("The inspection day %(day)s is already past.") % {"day": inspects_on})
    if template and Campaign.objects.filter(template__slug=template.slug, host=host, inspects_on=inspects_on).exists():
        raise CannotLaunch(_("This unit already runs a campaign from this template for that day."))


def go_live(campaign: Campaign, *, on: date, by: Cadre | None = None) -> Launched:
    """Makes the tasks and names who answers; again, adds what is missing. Makes what setup showed beforehand.

    Raises:
        CannotLaunch: the inspection day is past, or the campaign is closed.
    """
    with sync.still(campaign):
        campaign.refresh_from_db()
        if campaign.is_closed:
            raise CannotLaunch(_("This campaign is closed; it keeps its figures and takes no more tasks."))
        first = campaign.is_draft
        if first:
            if campaign.inspects_on < on:
                raise CannotLaunch(_("The inspection day %(day)s is already past.") % {"day": campaign.inspects_on})
            campaign.status = Campaign.Status.ACTIVE
            campaign.starts_on = on
            campaign.save(update_fields=["status", "starts_on"])
            campaign.items.filter(due_on__lt=on).update(due_on=on)
        tasks = sync.add_tasks(campaign)
        named = answers.fill(campaign, on=on)
        if first:
            Change.objects.create(campaign=campaign, by=by, what=Change.What.LAUNCHED, fields={"tasks": [0, tasks]})
    return Launched(campaign, 0, tasks, named)


def move_deadlines(campaign: Campaign, *, by: timedelta) -> None:
    """Moves every phase and deadline along with the inspection day; none before the start.

    In a running campaign the tasks follow when they are brought up to date.
    """
    campaign.phases.update(starts_on=F("starts_on") + by, ends_on=F("ends_on") + by)
    campaign.items.update(due_on=Greatest(F("due_on") + by, campaign.starts_on, output_field=DateField()))


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
        item_of(campaign, position, line, phases)
        for position, line in enumerate(body["items"], start=1)
        if line["id"] not in known
    ]
    return len(Item.objects.bulk_create(fresh))


@transaction.atomic
def add_own_items(campaign: Campaign, items: list[Item], *, by: Cadre) -> list[Item]:
    """Adds items that no speech names at the end of the list; whichever has no number gets `own-1`, `own-2`, …"""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    known = [*campaign.items.values_list("number", flat=True), *(item.number for item in items)]
    last = max([0, *(int(own[1]) for own in map(OWN_NUMBER.fullmatch, known) if own)])
    numbers = (f"own-{n}" for n in count(last + 1))
    end = campaign.items.aggregate(last=Coalesce(Max("position"), 0))["last"]
    for position, item in enumerate(items, start=end + 1):
        item.campaign, item.position, item.number = campaign, position, item.number or next(numbers)
    added = Item.objects.bulk_create(items)
    Change.objects.bulk_create(
        [
            Change(campaign=campaign, by=by, what=Change.What.EDITED, item=item, fields={"title": ["", item.title]})
            for item in added
        ]
    )
    return added


def due_date(line: dict[str, Any], campaign: Campaign, phases: dict[str, Phase]) -> date:
    """When an item is due: its own deadline, else the end of its phase, else the inspection day.

    A vague word in the speech is no deadline. Nothing is due before the campaign began.
    """
    due = line.get("due", {})
    phase = phases.get(line.get("phase", ""))
    if "before" in due:
        day = campaign.inspects_on - timedelta(days=due["before"])
    elif "after" in due:
        day = campaign.inspects_on + timedelta(days=due["after"])
    elif "phase" in due:
        edge = phases[due["phase"]]
        day = edge.starts_on if due["edge"] == "start" else edge.ends_on
    else:
        day = phase.ends_on if phase else campaign.inspects_on
    return max(day, campaign.starts_on)


def item_of(campaign: Campaign, position: int, line: dict[str, Any], phases: dict[str, Phase]) -> Item:
    """One line of a template as an item of the campaign, not saved. Its way back: copying.body_of."""
    target = line.get("target", {})
    measure = target or line.get("measure", {})
    due = line.get("due", {})
    value = Decimal(str(target["value"])) if target else None
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
        due_says=due.get("says", "") or line.get("vague", ""),
        points=line.get("points", 1),
        metric=measure.get("metric", ""),
        metric_en=measure.get("metric_en", ""),
        operator=target.get("operator", ""),
        # A share is a part of the sum over all units that owe it: no single unit can reach or miss that.
        target=None if target.get("share") else value,
        total=value if target.get("share") else None,
        measured_in=measure.get("unit", ""),
        measured_in_en=measure.get("unit_en", ""),
        statistic=line.get("statistic", False),
        every=line.get("every", "") or due.get("every", ""),
        target_is_stated=target.get("basis") == "stated",
        gate=line.get("gate", False),
        veto=line.get("veto", False),
        looked_at_by=Height[line["looked_at_by"].upper()] if "looked_at_by" in line else None,
        proof=line.get("proof", ""),
        proof_en=line.get("proof_en", ""),
        needs_proof=line.get("needs_proof", False),
    )
