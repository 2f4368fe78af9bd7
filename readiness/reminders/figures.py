"""What a plan needs to know, read with a fixed number of queries however many villages there are.

The database counts: what is owed comes as one row for each unit and day, with the numbers of its items. Queries that
the ORM would compose slowly, or not at all, are written out; they read and never write.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from checklists.measured import period
from checklists.models import Campaign, Item, Responsibility
from checklists.models.campaign import POSTS, where_held
from checklists.models.tally import COUNTY_PLACES
from readiness.boards.figures import BELOW, has_board, need
from readiness.boards.light import Counts
from readiness.models import Rules
from readiness.reminders import found, happened, plan, words
from readiness.reminders.calendars import shifted
from readiness.reminders.known import Asked, Board, Drive, Fact, Figures, Owed, Rule, Stretch, Told
from readiness.reminders.stages import asking_days, weekly_stage
from readiness.reminders.told import cadres, news, robots, rows, steps, unsaid
from villages import access
from villages.models import Post

WORST = 5  # units that a leader's board names
GATES_AHEAD = 14  # days before a phase ends from which its gates are looked at: more than any holiday lasts

# One row for each unit and day.
OWED = """
    SELECT campaign_id, unit_id, due_on, count(*), count(*) FILTER (WHERE veto),
           count(*) FILTER (WHERE value IS NULL AND item_id = ANY(%(measured)s)), string_agg(item_id::text, ' ')
    FROM checklists_task
    WHERE campaign_id = ANY(%(campaigns)s) AND state IN ('open', 'returned') AND retired_at IS NULL
          AND due_on <= %(until)s
    GROUP BY campaign_id, unit_id, due_on
"""
# Tasks that took no value yet since a day; one row for each unit and item. `since` and `by` go with `items`.
ASKED = """
    SELECT t.campaign_id, t.unit_id, i.by, i.every, count(*)
    FROM unnest(%(items)s::bigint[], %(since)s::date[], %(by)s::date[], %(every)s::text[]) i (id, since, by, every)
    JOIN checklists_task t ON t.item_id = i.id
    WHERE t.state NOT IN ('verified', 'waived') AND t.retired_at IS NULL AND NOT EXISTS (
        SELECT FROM checklists_taskevent e
        WHERE e.task_id = t.id AND e.value IS NOT NULL
              AND coalesce(e.as_of, (e.at AT TIME ZONE %(zone)s)::date) >= i.since)
    GROUP BY 1, 2, 3, 4
"""
GATES = """
    SELECT i.phase_id, t.unit_id, count(*)
    FROM checklists_task t JOIN checklists_item i ON i.id = t.item_id
    WHERE t.item_id = ANY(%(items)s) AND t.state IN ('open', 'returned') AND t.retired_at IS NULL
    GROUP BY 1, 2
"""
# Units whose tally counts something: those with tasks, and those above such.
UNITS = "SELECT DISTINCT campaign_id, unit_id FROM checklists_tally WHERE campaign_id = ANY(%(campaigns)s)"
# Of some of them, those that owe something themselves.
OWING = """
    SELECT p.campaign, p.unit FROM unnest(%(campaigns)s::bigint[], %(units)s::text[]) p (campaign, unit)
    WHERE EXISTS (SELECT FROM checklists_task t WHERE t.campaign_id = p.campaign AND t.unit_id = p.unit
                                                  AND t.state IN ('open', 'returned') AND t.retired_at IS NULL)
    ORDER BY 1, 2
"""
# Units with everything below them; in the order of Counts.
BOARDS = """
    SELECT campaign_id, unit_id, sum(open), sum(done), sum(verified), sum(returned), sum(waived),
           coalesce(sum(open + returned) FILTER (WHERE due_on < %(on)s), 0),
           coalesce(sum(vetoes_open) FILTER (WHERE due_on < %(on)s), 0) + sum(vetoes_returned)
    FROM checklists_tally WHERE campaign_id = ANY(%(campaigns)s) GROUP BY 1, 2
"""


def read(on: date, now: datetime) -> Figures:
    """Everything as of a day.

    Args:
        now: aware. If it is a moment of that day, nothing is told before its campaign's hour.
    """
    local = timezone.localtime(now)
    campaigns = list(Campaign.objects.running().select_related("rules").prefetch_related("phases"))
    ids = [campaign.pk for campaign in campaigns]
    items = list(Item.objects.filter(campaign__in=ids).order_by("-veto", "position", "pk"))
    drives = _drives(campaigns, items, on)
    until = max((shifted(on, drive.rule.ahead) for drive in drives.values()), default=on)
    asked_of = {"campaigns": ids, "measured": [item.pk for item in items if item.is_measured], "until": until}
    owed = list(map(Owed._make, rows(OWED, asked_of)))
    posts = _posts(on)
    held = {(cadre, unit) for cadre, unit, _ in posts}
    answers = answering(campaigns, held)
    leaders = [(unit, cadre) for cadre, unit, role in posts if access.leads(role)]
    admins = [(unit, cadre) for cadre, unit, role in posts if access.lets(role, access.Action.RUN)]
    told = cadres(on, {*(c for kinds in answers.values() for c in kinds.values()), *(c for _, c in leaders + admins)})
    # What happened is told now; a digest of another day, asked for by hand, leaves it alone.
    facts: list[Fact] = []
    if local.date() == on:
        facts = happened.still_seen(happened.since(local, ids) + found.since(local, ids), held)
    boards = _boards(on, campaigns, drives, leaders, told)
    vacant = _vacant(ids, answers)
    taken = steps(ids)
    asked = _asked(on, campaigns, items)
    named = {unit for _, unit in vacant} | {unit for board in boards for unit, _ in board.worst}
    named |= {unit for drive in drives.values() for phase in drive.phases for unit in phase.gates}
    for several in (owed, asked, facts, boards):
        named |= {one.unit for one in several}
    units = {code: words.unit_name(name) for code, name in _names(named)}
    boards = [board._replace(worst=tuple((units[code], n) for code, n in board.worst)) for board in boards]
    groups = robots(on, ids)
    people = {one.cadre for each in taken.values() for one in each} | {fact.by for fact in facts}
    if groups:
        people |= {cadre for kinds in answers.values() for cadre in kinds.values()}
    keys = [key for fact in facts for key in (fact.key, plan.IN_DIGEST + fact.key)]
    keys += [f"vacant:{campaign}:{unit}" for campaign, unit in vacant]
    return Figures(
        on=on,
        now=local if local.date() == on else None,
        drives=drives,
        owed=owed,
        asked=asked,
        answers=answers,
        leaders=leaders,
        admins=admins,
        told=told,
        taken=taken,
        vacant=vacant,
        boards=boards,
        facts=facts,
        news=news(keys),
        unsaid=unsaid(told),
        robots=groups,
        units=units,
        items={item.pk: words.plain(item.title) for item in items},
        people=_people(people),
    )


def read_news(now: datetime) -> Figures:
    """Only what happened, and who hears of it."""
    local = timezone.localtime(now)
    campaigns = [*Campaign.objects.running(), *found.unsettled_after_closing()]
    ids = [campaign.pk for campaign in campaigns]
    facts = happened.since(local, [campaign.pk for campaign in campaigns if campaign.is_running])
    facts += found.since(local, ids)
    if not facts:
        return Figures(on=local.date(), now=local)
    places = {fact.unit for fact in facts}
    about = [campaign for campaign in campaigns if campaign.pk in {fact.campaign for fact in facts}]
    covering = {code for unit in (*places, *(campaign.host_id for campaign in about)) for code in access.above(unit)}
    posts = _posts(local.date(), covering)
    held = {(cadre, unit) for cadre, unit, _ in posts}
    return Figures(
        on=local.date(),
        now=local,
        drives={campaign.pk: Drive(campaign.pk, "", campaign.host_id, campaign.starts_on) for campaign in about},
        answers=answering(about, held, places),
        leaders=[(unit, cadre) for cadre, unit, role in posts if access.leads(role)],
        admins=[(unit, cadre) for cadre, unit, role in posts if access.lets(role, access.Action.RUN)],
        facts=happened.still_seen(facts, held),
        news=news([key for fact in facts for key in (fact.key, plan.IN_DIGEST + fact.key)]),
        units={code: words.unit_name(name) for code, name in _names(places)},
        people=_people({fact.by for fact in facts}),
    )


def _posts(on: date, units: Collection[str] | None = None) -> list[tuple[int, str, str]]:
    """Cadre, unit and role of current posts, those who answer first there before the others."""
    posts = Post.objects.current(on).order_by("-principal", "pk")
    if units is not None:
        posts = posts.filter(unit__in=list(units))
    return list(posts.values_list("cadre_id", "unit_id", "role"))


def answering(
    campaigns: Iterable[Campaign], held: set[tuple[int, str]], units: Collection[str] | None = None
) -> dict[tuple[int, str], dict[str, int]]:
    """Campaign and unit -> kind -> cadre, of those who are still in office. One query.

    Args:
        held: cadre and unit of each current post.
        units: only these; None: all.
    """
    looking_up = {
        campaign.pk: {kind for kind, posts in campaign.answers.items() if any(POSTS[post].above for post in posts)}
        for campaign in campaigns
    }
    answers = Responsibility.objects.filter(campaign__in=list(looking_up))
    if units is not None:
        answers = answers.filter(unit__in=list(units))
    found: dict[tuple[int, str], dict[str, int]] = {}
    columns = ("campaign_id", "unit_id", "kind", "cadre_id", "by_hand", "unit__parent_id")
    for campaign, unit, kind, cadre, by_hand, parent in answers.values_list(*columns):
        if (cadre, unit) not in held:
            places = where_held(unit, parent, by_hand=by_hand, looks_above=kind in looking_up[campaign])
            if not any((cadre, place) in held for place in places):
                continue
        found.setdefault((campaign, unit), {})[kind] = cadre
    return found


def rule_of(campaign: Campaign) -> Rule:
    """The campaign's rules, or the defaults."""
    kept = getattr(campaign, "rules", None) or Rules(campaign=campaign)
    return Rule(
        days_before=tuple(kept.days_before),
        overdue_every=kept.overdue_every,
        kinds=frozenset(kept.kinds),
        steps=tuple(kept.steps),
        weekly_on=kept.weekly_on,
        at=kept.at,
    )


def _drives(campaigns: list[Campaign], items: list[Item], on: date) -> dict[int, Drive]:
    shown = {campaign.pk for campaign in campaigns if campaign.counts("gates", on)}
    ends = {phase.pk: phase.ends_on for campaign in campaigns for phase in campaign.phases.all()}
    soon = shifted(on, GATES_AHEAD)
    gates = [item.pk for item in items if item.gate and item.campaign_id in shown and ends[item.phase_id or 0] <= soon]
    owed: dict[int, dict[str, int]] = {}
    for phase, unit, count in rows(GATES, {"items": gates}):
        owed.setdefault(phase, {})[unit] = count
    return {
        campaign.pk: Drive(
            campaign.pk,
            words.plain(campaign.title),
            campaign.host_id,
            campaign.starts_on,
            rule_of(campaign),
            tuple(
                Stretch(words.plain(phase.title), phase.starts_on, phase.ends_on, owed.get(phase.pk, {}))
                for phase in campaign.phases.all()
            ),
        )
        for campaign in campaigns
    }


def _asked(on: date, campaigns: list[Campaign], items: list[Item]) -> list[Asked]:
    """Values that are asked for now. Twin for one task: `checklists.measured.Values.next_due`."""
    last_days = {campaign.pk: campaign.last_day for campaign in campaigns}
    asked: dict[str, list[Any]] = {"items": [], "since": [], "by": [], "every": []}
    for item in items:
        last_day = last_days[item.campaign_id]
        if not (item.every and item.is_measured and not item.struck and on <= last_day):
            continue
        first, end = period(item.every, on)
        by = min(end, last_day)
        if asking_days(item.every, by)[0] <= on:
            for name, value in zip(asked, (item.pk, min(first, last_day), by, item.every), strict=True):
                asked[name].append(value)
    found = rows(ASKED, asked | {"zone": timezone.get_default_timezone_name()})
    return [Asked(campaign, unit, by, every, count) for campaign, unit, by, every, count in found]


def _boards(
    on: date,
    campaigns: list[Campaign],
    drives: dict[int, Drive],
    leaders: list[tuple[str, int]],
    told: dict[int, Told],
) -> list[Board]:
    """The boards of those leaders who have not been told this week's. One query."""
    wanted: dict[int, set[str]] = {}
    for drive in drives.values():
        stage = weekly_stage(drive.rule, on)
        if stage is None or stage < drive.starts_on:
            continue
        for unit, cadre in leaders:
            last = told.get(cadre, Told())
            if (last.last is None or last.last < stage) and (last.waits_today or not last.today):
                wanted.setdefault(drive.pk, set()).add(unit)
    counted: dict[int, dict[str, Counts]] = {}
    for campaign, unit, *numbers in rows(BOARDS, {"on": on, "campaigns": list(wanted)}):
        counted.setdefault(campaign, {})[unit] = Counts(*numbers)
    return [
        board
        for campaign in campaigns
        for unit in sorted(wanted.get(campaign.pk, ()))
        if (board := _board(campaign, unit, counted.get(campaign.pk, {}), on))
    ]


def _board(campaign: Campaign, unit: str, counted: dict[str, Counts], on: date) -> Board | None:
    """A unit's board in small; None if it has no tasks. Above a county it is the sum of counties."""
    if not has_board(unit):
        return None
    row = BELOW[len(unit)][0]
    if len(unit) >= COUNTY_PLACES:
        total = counted.get(unit, Counts())
        below = {code: counts for code, counts in counted.items() if len(code) == row and code.startswith(unit)}
    else:
        total, below = Counts(), {}
        for code, counts in counted.items():
            # A county's tally holds all below it; what lies above one counts for itself.
            if code.startswith(unit) and (len(code) <= COUNTY_PLACES or (len(code) < 10 and not code.isdigit())):
                total += counts
                if len(code) >= row and code[:row].isdigit():
                    below[code[:row]] = below.get(code[:row], Counts()) + counts
    if not total.applying:
        return None
    percent, vetoes = campaign.red_percent, campaign.counts("vetoes", on)
    needs = {
        code: need(counts.light(red_percent=percent, vetoes=vetoes), counts, code)
        for code, counts in below.items()
        if counts.overdue or counts.returned
    }
    return Board(campaign.pk, unit, total, tuple((code, below[code]) for code in sorted(needs, key=needs.get)[:WORST]))  # type: ignore[arg-type]


def _vacant(campaigns: list[int], answers: dict[tuple[int, str], dict[str, int]]) -> list[tuple[int, str]]:
    """Campaign and unit, where something is owed and nobody answers first or directly. Two queries."""
    alone = [key for key in rows(UNITS, {"campaigns": campaigns}) if not _is_answered(answers.get(key, {}))]
    return rows(OWING, {"campaigns": [campaign for campaign, _ in alone], "units": [unit for _, unit in alone]})


def _is_answered(kinds: dict[str, int]) -> bool:
    return "first" in kinds or "direct" in kinds


def _names(codes: Collection[str]) -> list[tuple[str, str]]:
    return rows("SELECT code, name FROM villages_unit WHERE code = ANY(%(codes)s)", {"codes": list(codes)})


def _people(cadres: Collection[int]) -> dict[int, str]:
    found = rows("SELECT id, name FROM villages_cadre WHERE id = ANY(%(ids)s)", {"ids": list(cadres)})
    return {cadre: words.plain(name) for cadre, name in found}
