"""The checklist's side of a board: filters by item, sections beside each other, gates, what nobody owes."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Left, Length

from checklists.models import Campaign, Item, ItemTally, Task
from checklists.models.tally import COUNTY_PLACES
from readiness.boards import figures
from readiness.boards.figures import Board, Cell
from readiness.boards.light import Counts
from villages import access

# Of which units the tallies by item make up the rows of a board; of a township and below the tasks are read.
ROW_LEVELS = {0: {0, 2, 4, 6, 8}, 2: {2, 4, 6, 8}, 4: {4, 6, 8}, 6: {6, 9}}


def of_campaign(campaign: Campaign) -> list[Any]:
    """The items in force, in their order, as far as a board asks about them. One query.

    Each with its phase, and `is_owed`: whether any unit owes it.
    """
    asked = ["campaign", "number", "title", "title_en", "section", "kind", "responsible", "gate", "position"]
    owed = ItemTally.objects.filter(item=OuterRef("pk")).exclude(open=0, done=0, verified=0, returned=0, waived=0)
    found = campaign.items.filter(struck=False).select_related("phase").annotate(is_owed=Exists(owed))
    return list(found.only(*asked, "phase__title", "phase__title_en").order_by("position", "pk"))


def by_section(
    campaign: Campaign,
    user: access.Person,
    shown: Board,
    items: Iterable[Item],
    *,
    on: date,
    chosen: list[int] | None = None,
) -> Board:
    """The board with sections of the checklist as cells. One query, two above a township with vetoes.

    `chosen`: count only these items, as the board does.
    """
    section_of = {item.pk: item.section for item in items}
    sections = list(dict.fromkeys(section_of.values()))
    found: defaultdict[tuple[str | None, bool], defaultdict[str, Counts]]
    found = defaultdict(lambda: defaultdict(Counts))
    where = [shown.at] if shown.at is not None else figures.tops(campaign, user)
    of_rows = shown.at is not None and len(shown.at) in ROW_LEVELS
    own = _own(campaign, user, shown.at, where, on=on)
    vetoes: Counter[tuple[str, int]] = Counter()
    if of_rows and shown.vetoed:
        codes = {code for code, _ in own}
        tasks = figures.veto_tasks(campaign, user, shown.vetoed, on=on)
        for unit, item, n in tasks.values_list("unit_id", "item_id").annotate(n=Count("pk")).order_by():
            vetoes[figures.holder(unit, codes) or "", item] += n
    for (code, item), counts in own.items():
        if counts.total and item in section_of and (chosen is None or item in chosen):
            row, _ = figures.row_and_cell(code, shown.at, where)
            own_vetoes = counts._replace(vetoes=vetoes[code, item])
            found[row][section_of[item]] += own_vetoes if of_rows else figures.decided(counts, code, shown.vetoed)
    rows = []
    for upper in shown.rows:
        parts = found[upper.code, upper.is_whole]
        cells = [
            Cell(section, section, parts[section], figures.light_of(campaign, parts[section], on))
            for section in sections
            if section in parts
        ]
        rows.append(replace(upper, cells=cells))
    return replace(shown, rows=rows)


def by_due_date(campaign: Campaign, user: access.Person, at: str | None, *, on: date) -> list[tuple[int, date, Counts]]:
    """How the tasks of each item stand at a unit with everything below it: (item, due date, counts). One query."""
    where = [at] if at is not None else figures.tops(campaign, user)
    rows: Any
    if at is None or not figures.has_board(at):
        rows = _tasks(campaign, user, where)
        adds = figures.task_sums(on)
    else:
        rows = ItemTally.objects.visible_to(user).filter(campaign=campaign)
        if lengths := figures.levels(where):
            rows = rows.filter(figures.within(where)).alias(places=Length("unit_id")).filter(places__in=lengths - {9})
        else:
            rows = rows.filter(unit=at)
        adds = figures.sums(on)
    found = rows.values_list("item_id", "due_on").annotate(**adds).order_by("due_on")
    return [(item, due_on, Counts(*numbers)) for item, due_on, *numbers in found if any(numbers)]


def gates(figures_by_due: Iterable[tuple[int, date, Counts]], items: Iterable[Item]) -> dict[int, int]:
    """Phase -> how many tasks of its gate items are still owed. No query."""
    phase_of = {item.pk: item.phase_id for item in items if item.gate and item.phase_id}
    owed: defaultdict[int, int] = defaultdict(int)
    for item, _, counts in figures_by_due:
        if phase := phase_of.get(item):
            owed[phase] += counts.owed
    return dict(owed)


def _tasks(campaign: Campaign, user: access.Person, where: list[str]) -> QuerySet[Any]:
    return Task.objects.visible_to(user).asked_for().filter(figures.within(where), campaign=campaign)


def _own(
    campaign: Campaign, user: access.Person, at: str | None, where: list[str], *, on: date
) -> dict[tuple[str, int], Counts]:
    """(unit, item) -> what it owes itself, or (above a board's rows) what its row owes. One query."""
    lengths = ROW_LEVELS.get(len(at)) if at is not None else None
    if lengths is None:
        rows = _tasks(campaign, user, where).values_list("unit_id", "item_id").annotate(**figures.task_sums(on))
        return {(code, item): Counts(*numbers) for code, item, *numbers in rows.order_by()}
    adds = figures.sums(on)
    tallies: Any = ItemTally.objects.visible_to(user)
    tallies = tallies.filter(figures.within(where), campaign=campaign).alias(places=Length("unit_id"))
    tallies = tallies.filter(places__in=lengths)
    bucket: Any = F("unit_id")
    if at is not None and len(at) < 4:
        bucket = Left("unit_id", figures.BELOW[len(at)][0])
    rows = tallies.annotate(bucket=bucket).values("bucket", "item_id").annotate(**adds)
    found = rows.values_list("bucket", "item_id", *adds).order_by()
    own = {(code, item): Counts(*numbers) for code, item, *numbers in found}
    if at is not None and len(at) == COUNTY_PLACES:  # less its townships: what is left is its own
        for (code, item), counts in list(own.items()):
            if code != at:
                own[at, item] -= counts
    return own
