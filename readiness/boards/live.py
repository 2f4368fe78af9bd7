"""Whether anything on a board has changed since it was last sent: asked for in one query, before any figure is read."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.translation import get_language

from checklists.findings.ledger import LOOK_WITHIN
from checklists.models import Campaign
from checklists.models.tally import COUNTY_PLACES
from checklists.workdays import workday_back
from villages import access

# Who answers where changes with posts and their dates, which no tally counts: looked at anew this often.
MINUTES = 5


def with_pulse(campaigns: Any, units: list[str], *, on: date) -> Any:
    """Campaigns with what tells whether a board of these units has changed.

    `pulse` grows with every change to one of their tasks, `changed` is the last edit, `calls` names the item
    of each call for help without an answer, `unsettled`, `late` and `unlooked` count findings: no task changes with
    them, nor with `draws_made` and `rounds_over`, by which claims are believed. Written out: composed by the ORM it was
    half of what "nothing has changed" took (docs/decisions.md).
    """
    here = "campaign_id = checklists_campaign.id"
    at, codes = _any_of(("unit_id LIKE %s", f"{code}%") for code in units)
    beating, beats = _any_of(
        ("unit_id = %s", _beats_for(code))
        if len(code) >= COUNTY_PLACES
        else ("unit_id LIKE %s AND length(unit_id) <= 8", f"{code}%")
        for code in units
    )
    found = f"(SELECT count(*) FROM checklists_finding WHERE {here} AND ({at}) AND state"
    calling = f"""SELECT item_id FROM checklists_task WHERE {here} AND ({at}) AND retired_at IS NULL
        AND state IN ('open', 'returned')
        AND id = ANY (ARRAY(SELECT task_id FROM checklists_helprequest WHERE answered_at IS NULL)) ORDER BY item_id"""
    asked = {
        "pulse": (
            f"(SELECT coalesce(sum(version), 0)::bigint FROM checklists_pulse WHERE {here} AND ({beating}))",
            beats,
        ),
        "changed": (f"(SELECT coalesce(max(id), 0) FROM checklists_change WHERE {here})", []),
        "calls": (f"ARRAY({calling})", codes),
        "unsettled": (f"{found} IN ('open', 'fixed'))", codes),
        "late": (f"{found} = 'open' AND due_on < %s)", [*codes, on]),
        "unlooked": (
            f"{found} = 'fixed' AND (fixed_at AT TIME ZONE 'Asia/Shanghai')::date < %s)",
            [*codes, workday_back(on, LOOK_WITHIN)],
        ),
        "draws_made": (f"(SELECT count(*) FROM checklists_draw WHERE {here} AND drawn_at IS NOT NULL)", []),
        "rounds_over": (f"(SELECT count(*) FROM checklists_round WHERE {here} AND finished_at IS NOT NULL)", []),
    }
    return campaigns.annotate(**{name: RawSQL(*each) for name, each in asked.items()})  # noqa: S611 - our own words


def _any_of(conditions: Iterable[tuple[str, str]]) -> tuple[str, list[Any]]:
    """The conditions as one, and what it is asked with; none at all is false."""
    found = list(conditions)
    return " OR ".join(condition for condition, _ in found) or "false", [asked for _, asked in found]


def _beats_for(code: str) -> str:
    """The unit with whose pulse this one's changes come: a village's is its township, a site's whom it belongs to."""
    unit = code.partition("S")[0]
    return unit if "D" in unit else unit[:9]


def tag(
    request: HttpRequest, reader: access.Person, campaign: Campaign, now: datetime, today: date, *, frame: object = None
) -> str:
    """What all that this reader sees at this address depends on, in short; the same for all who see the same.

    Args:
        frame: what the page around the board says that an open page has to hear of.
    """
    seen = (
        request.get_full_path(),
        sorted(access.grants(reader)),
        get_language(),
        campaign.pulse,  # type: ignore[attr-defined]
        campaign.changed,  # type: ignore[attr-defined]
        campaign.calls,  # type: ignore[attr-defined]
        (campaign.unsettled, campaign.late, campaign.unlooked),  # type: ignore[attr-defined]
        (campaign.draws_made, campaign.rounds_over),  # type: ignore[attr-defined]
        campaign.status,
        today,
        int(now.timestamp()) // (60 * MINUTES),
        frame,
    )
    return '"' + hashlib.sha256(repr(seen).encode()).hexdigest()[:32] + '"'


def unchanged(request: HttpRequest, tag: str) -> HttpResponse | None:
    """304 if the reader has this already."""
    if tag not in [known.strip() for known in request.headers.get("If-None-Match", "").split(",")]:
        return None
    answer = HttpResponseNotModified()
    answer["ETag"] = tag
    return answer
