"""From what somebody wishes to the list that is frozen. A fixed number of queries, whatever the number of units."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q

from checklists import draws, ladder
from checklists.draws import recipe, ties
from checklists.draws.recipe import ALL, FrozenList, Inspector
from checklists.draws.ties import township_of
from checklists.models import Campaign, Draw, Item, Round, Tally, Task
from readiness.boards import figures
from readiness.boards.light import Counts, Light
from villages import access
from villages.access import Action
from villages.models import Post, Unit, short_name

# What a unit has one more lot for, each told by its tallies.
RISKS: dict[str, Callable[[Counts], bool]] = {
    "overdue": lambda counts: counts.overdue > 0,
    "returned": lambda counts: counts.returned > 0,
    "veto": lambda counts: counts.vetoes > 0,
    "unchecked": lambda counts: not counts.verified and not counts.returned,
}


def gather(
    campaign: Campaign,
    user: access.Person,
    wishes: dict[str, Any],
    items: Iterable[Item],
    *,
    number: int,
    among: Unit,
    on: date,
    instead_of: Draw | None = None,
) -> FrozenList:
    """The list that a draw would freeze now.

    Args:
        wishes: as `DrawForm.wishes` has them.
        items: as `asked_items` reads them.
        number: of the draw in its campaign.
        on: the day that decides what is overdue and which posts are held.
    """
    kind = wishes["kind"]
    looked_at = chosen(items, kind, wishes["items"])
    asked = Task.objects.asked_for().filter(campaign=campaign, unit=OuterRef("pk"))
    if wishes["items"] != ALL:
        asked = asked.filter(item__in=looked_at)
    its = ExpressionWrapper(OuterRef("code"), CharField())
    apart = Campaign.excluded.through.objects.filter(campaign=campaign).alias(its_code=its)
    apart = apart.filter(its_code__startswith=F("unit_id"))  # type: ignore[misc]  # the alias
    units = Unit.objects.visible_to(user).under(among.code).filter(Exists(asked), ~Exists(apart), kind=kind)
    named = list(units.order_by("code").values_list("code", "name"))
    before = drawn_before(campaign, number, wishes["repeat"], wishes["last"], instead_of)
    counts = counts_of(campaign, user, among, kind, on)
    vetoed = ladder.vetoed(ladder.standing(campaign, user, on=on)) if wishes["groups"] == "light" else ()
    vetoes = figures.counting(campaign, user, vetoed, on=on)
    light_of = {
        code: figures.light_of(campaign, figures.decided_below(one, code, vetoes), on) for code, one in counts.items()
    }
    by_risk = wishes["chances"] == "risk"
    can_be_drawn = []
    for code, name in named:
        if code in before:
            continue
        group = {"township": township_of(code) or recipe.NONE, "light": str(light_of.get(code, Light.NONE))}.get(
            wishes["groups"], ALL
        )
        risks = tuple(risk for risk, holds in RISKS.items() if by_risk and holds(counts.get(code, Counts())))
        can_be_drawn.append(recipe.Unit(code, group, 1 + len(risks), risks, short_name(name)))
    groups = names_of({unit.group for unit in can_be_drawn}, wishes["groups"])
    by_group = wishes["counted"] == "group"
    return FrozenList(
        of=f"{campaign.pk}/{number}",
        take=wishes["take"] * len(groups) if by_group else wishes["take"],
        least=wishes["take"] if by_group else wishes["least"],
        take_items=wishes["take_items"] or 0,
        seats=wishes["seats"],
        groups=groups,
        units=tuple(can_be_drawn),
        items=tuple(recipe.Item(item.pk, item.number, item.title) for item in looked_at),
        inspectors=inspectors(campaign, among, wishes["roles"], on),
        left_out=tuple((code, short_name(name)) for code, name in named if code in before),
    )


def asked_items(campaign: Campaign) -> list[Item]:
    """Items that somebody owes. One query."""
    asked = Task.objects.asked_for().filter(item=OuterRef("pk"))
    return list(campaign.items.filter(Exists(asked), struck=False))


def chosen(items: Iterable[Item], kind: str, which: str) -> list[Item]:
    """Items that units of this kind owe: all, those of a section or a kind, or the vetoes."""
    what, _, name = which.partition(":")
    fits: dict[str, Callable[[Item], bool]] = {
        ALL: lambda _: True,
        "section": lambda item: item.section == name,
        "kind": lambda item: item.kind == name,
        "veto": lambda item: item.veto,
    }
    return [item for item in items if kind in item.owed_by and fits[what](item)]


def drawn_before(campaign: Campaign, number: int, repeat: str, last: int | None, instead_of: Draw | None) -> set[str]:
    """Units drawn earlier in this campaign, or in the latest so many draws of it that were made.

    A draw that was replaced, or is to be by this one, counts only where somebody has begun: elsewhere nobody came.
    """
    rounds = draws.with_standing(Round.objects.filter(draw__campaign=campaign, draw__number__lt=number))
    stands = Q(draw__replaced_by__isnull=True) & ~Q(draw=instead_of and instead_of.pk)
    stands |= Q(begun=True) | Q(finished_at__isnull=False)
    found = set(rounds.filter(stands).values_list("draw__number", "unit_id"))
    latest = sorted({number for number, _ in found}, reverse=True)
    count = {"all": len(latest), "last": last or 0}.get(repeat, 0)
    return {code for number, code in found if number in latest[:count]}


def counts_of(campaign: Campaign, user: access.Person, among: Unit, kind: str, on: date) -> dict[str, Counts]:
    """How each unit stands, with all below it."""
    tallies = Tally.objects.visible_to(user).filter(access.under("unit__code", among.code), campaign=campaign)
    sums = figures.sums(on)
    rows = tallies.filter(unit__kind=kind).values("unit_id").annotate(**sums).values_list("unit_id", *sums).order_by()
    return {code: Counts(*numbers) for code, *numbers in rows}


def inspectors(campaign: Campaign, among: Unit, roles: Iterable[str], on: date) -> tuple[Inspector, ...]:
    """Who may check here, beside it (townships look at each other) or from above, with what each is tied to."""
    around = among.code if among.code == campaign.host_id else among.parent_id or campaign.host_id
    reach = access.under("unit__code", around) | Q(unit__in=access.above(around))
    held = Post.objects.current(on).filter(reach, role__in=[role for role in roles if access.lets(role, Action.CHECK)])
    able = held.order_by("cadre").values("cadre").distinct()[: recipe.MOST_INSPECTORS + 1]
    return ties.inspectors(campaign, able, on)


def names_of(groups: set[str], by: str) -> dict[str, str]:
    """The groups that have units, in order, with their names."""
    match by:
        case "township":
            named = dict(Unit.objects.filter(code__in=groups).order_by("code").values_list("code", "name"))
            return {code: named.get(code, recipe.NONE) for code in sorted(groups)}
        case "light":
            return {str(light): str(light) for light in Light if light in groups}  # named as the reader says it
    return dict.fromkeys(sorted(groups), recipe.NONE)
