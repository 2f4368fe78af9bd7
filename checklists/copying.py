"""Campaigns as patterns for others: saved as a template of one's own, or copied with every date shifted."""

import uuid
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from checklists import catalog, launch
from checklists.models import Campaign, Change, Item, Phase, Template
from villages.access import Height
from villages.models import Cadre, Unit

SAVED_FROM = _("Saved from “%(title)s” of %(host)s, inspected on %(day)s.")
DAY_0 = _("Day 0 is the inspection day.")


def body_of(campaign: Campaign) -> dict[str, Any]:
    """The campaign as a template would have it, by schema.json: a draft made from that has its items and dates.

    Days count from the inspection day again. Struck items stay out; rules, problems and what was left out are those
    of the template that the campaign came from.
    """
    source = campaign.template.body if campaign.template else {}
    lines = {line["id"]: line for line in source.get("items", [])}
    told = {phase["key"]: phase for phase in source.get("phases", [])}
    phases = {phase.key: phase for phase in campaign.phases.all()}
    origin = {"title": campaign.title, "host": campaign.host.name, "day": campaign.inspects_on.isoformat()}
    note, note_en = _in_both(SAVED_FROM)
    day_0, day_0_en = _in_both(DAY_0)
    body = {
        "slug": f"own-{campaign.host_id}",
        "version": 1,
        "title": campaign.title,
        "title_en": campaign.title_en,
        "level": campaign.host.kind,
        "occasion": source.get("occasion") or campaign.title,
        "occasion_en": source.get("occasion_en") or campaign.title_en,
        "inspection": source.get("inspection") or day_0,
        "inspection_en": source.get("inspection_en") or day_0_en,
        "note": note % origin,
        "note_en": note_en % origin,
        "phases": [_phase_line(phase, campaign, told.get(phase.key, {})) for phase in phases.values()],
        "items": [
            _item_line(item, campaign, phases, lines.get(item.number, {}))
            for item in campaign.items.select_related("phase").filter(struck=False)
        ],
    }
    if campaign.topics:
        body["topics"] = [
            {"key": key, "title": title, "title_en": title_en} for key, (title, title_en) in campaign.topics.items()
        ]
    return body | {part: source.get(part, []) for part in ("roles", "rules", "problems", "left_out")}


def _in_both(words: Promise) -> tuple[str, str]:
    """The words in Chinese and in English."""
    said = []
    for language in ("zh-hans", "en"):
        with override(language):
            said.append(str(words))
    return said[0], said[1]


def _phase_line(phase: Phase, campaign: Campaign, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": phase.key,
        "title": phase.title,
        "title_en": phase.title_en,
        "section": told.get("section", ""),
        "starts": (phase.starts_on - campaign.inspects_on).days,
        "ends": (phase.ends_on - campaign.inspects_on).days,
        "says": told.get("says", ""),
        "inferred": told.get("inferred", False),
        "tasks": told.get("tasks", ""),
        "tasks_en": told.get("tasks_en", ""),
    }


def _item_line(item: Item, campaign: Campaign, phases: dict[str, Phase], told: dict[str, Any]) -> dict[str, Any]:
    """`told`: what the speech says of this item, of which the item itself keeps only a part."""
    named = "stated" if item.responsible else "not_stated"
    line: dict[str, Any] = {
        "id": item.number,
        "title": item.title,
        "title_en": item.title_en,
        "standard": item.standard,
        "standard_en": item.standard_en,
        "section": item.section,
        "kind": item.kind,
        "owed_by": list(item.owed_by),
        "responsible": item.responsible,
        "basis": told.get("basis", named) if told.get("responsible", "") == item.responsible else named,
        "certainty": told.get("certainty", "core"),
    }
    optional = {
        "topic": item.topic,
        "departments": list(item.departments) if "department" in item.owed_by else [],
        "phase": item.phase.key if item.phase else "",
        "gate": item.gate and item.phase is not None,
        "veto": item.veto,
        "looked_at_by": Height(item.looked_at_by).name.lower() if item.looked_at_by else "",
        "needs_proof": item.needs_proof,
    }
    line |= {key: value for key, value in optional.items() if value}
    if item.points != 1:
        line["points"] = item.points
    if item.proof:
        line |= {"proof": item.proof, "proof_en": item.proof_en}
    if item.every and item.every != told.get("due", {}).get("every"):
        line["every"] = item.every
    line |= _measure(item)
    line |= _due(item, campaign, phases, line, told)
    return line


def _measure(item: Item) -> dict[str, Any]:
    if not item.metric:
        return {}
    measure: dict[str, Any] = {
        "metric": item.metric,
        "metric_en": item.metric_en,
        "unit": item.measured_in,
        "unit_en": item.measured_in_en,
    }
    value = item.total if item.total is not None else item.target
    if value is None:
        return {"measure": measure} | ({"statistic": True} if item.statistic else {})
    measure |= {
        "operator": item.operator,
        "value": int(value) if value == int(value) else float(value),
        "basis": "stated" if item.target_is_stated else "implied",
    }
    return {"target": measure | ({"share": True} if item.total is not None else {})}


def _due(
    item: Item, campaign: Campaign, phases: dict[str, Phase], line: dict[str, Any], told: dict[str, Any]
) -> dict[str, Any]:
    """The deadline in the speech's own way while that still gives the item's day; else in days."""
    own_way: dict[str, Any] = {key: told[key] for key in ("due", "vague") if key in told}
    if "due" in own_way:
        own_way["due"] = own_way["due"] | {"says": item.due_says}
    edge_of = own_way.get("due", {}).get("phase")
    if edge_of is None or edge_of in phases:
        known = launch.item_of(campaign, item.position, line | own_way, phases)
        if (known.due_on, known.due_says, known.every) == (item.due_on, item.due_says, item.every):
            return own_way
    days = (campaign.inspects_on - item.due_on).days
    return {"due": {**({"before": days} if days >= 0 else {"after": -days}), "says": item.due_says}}


@transaction.atomic
def save_as(campaign: Campaign, *, title: str, newer_of: Template | None = None, by: Cadre) -> Template:
    """Saves the campaign as a template of its host: a new one, or the next version of one that the host has.

    Raises:
        BadTemplate: something in the campaign that a template cannot hold.
    """
    slug = newer_of.slug if newer_of else f"own-{campaign.host_id}-{uuid.uuid4().hex[:12]}".lower()
    title_en = campaign.title_en if title == campaign.title else ""
    body = body_of(campaign) | {"slug": slug, "title": title, "title_en": title_en}
    catalog.check(body, title)
    template = catalog.save(body, owner=campaign.host, by=by)
    if campaign.template and campaign.template.slug == slug and not campaign.is_closed:
        follow(campaign, template, by=by)
    return template


def follow(campaign: Campaign, template: Template, *, by: Cadre) -> None:
    """From now on the campaign follows this version of its template."""
    was = campaign.template.version if campaign.template else ""
    campaign.template = template
    campaign.save(update_fields=["template"])
    Change.objects.create(
        campaign=campaign, by=by, what=Change.What.EDITED, fields={"template": [str(was), str(template.version)]}
    )


@transaction.atomic
def copy(
    old: Campaign,
    host: Unit,
    *,
    inspects_on: date,
    inspects_until: date | None = None,
    on: date,
    title: str = "",
    by: Cadre | None = None,
) -> Campaign:
    """A draft like an old campaign: its phases and items shifted to the new inspection day, who takes no part, and
    its rules. Not veto, gates and ranking, which are decided anew, nor answers that were named by hand.

    Raises:
        CannotLaunch: the inspection day is past, or there is such a campaign already.
    """
    launch.check_day(old.template, host, inspects_on=inspects_on, on=on)
    campaign = Campaign.objects.create(
        template=old.template,
        host=host,
        title=title or old.title,
        title_en="" if title else old.title_en,
        topics=old.topics,
        starts_on=on,
        inspects_on=inspects_on,
        inspects_until=inspects_until,
        inspected_by=old.inspected_by,
        red_percent=old.red_percent,
        looked_at_by=old.looked_at_by,
        answers=old.answers,
        created_by=by,
    )
    shift = inspects_on - old.inspects_on
    phases: dict[int | None, Phase] = {}
    for phase in old.phases.all():
        phases[phase.pk] = phase
        phase.pk, phase.campaign = None, campaign
        phase.starts_on, phase.ends_on = phase.starts_on + shift, phase.ends_on + shift
    Phase.objects.bulk_create(phases.values())
    items = list(old.items.all())
    for item in items:
        item.pk, item.campaign, item.phase = None, campaign, phases.get(item.phase_id)
        item.due_on = max(item.due_on + shift, on)
    Item.objects.bulk_create(items)
    campaign.excluded.set(old.excluded.filter(code__startswith=host.pk).exclude(code=host.pk))
    return campaign
