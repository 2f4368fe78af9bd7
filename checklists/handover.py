"""What becomes of the work of somebody who leaves a post: tasks stay with the unit, answers go to a successor."""

from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.db.models import Case, Count, Q, When
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from checklists import answers
from checklists.models import Campaign, Change, Responsibility, Task
from checklists.models.campaign import ResponsibilityQuerySet
from villages import access
from villages.models import Cadre, Post

# Who takes over, beside a person of one's choice.
RULE, NOBODY = "rule", "nobody"


@dataclass
class Work:
    """What one campaign asks of the unit, and what its leaver answers for there."""

    campaign: Campaign
    open: int = 0
    overdue: int = 0
    answers: dict[str, int] = field(default_factory=dict)  # kind, as people call it -> at how many units


def leaves(post: Post, *, user: Cadre, on: date, goes_to: str = "") -> ResponsibilityQuerySet:
    """The answers that rest on this post: without it, nobody in office would hold them.

    Those of closed campaigns stay: they are history. Who moves keeps what was given by hand below the new unit.
    """
    theirs = Responsibility.objects.visible_to(user).filter(
        cadre=post.cadre, unit__code__startswith=post.unit_id, campaign__in=Campaign.objects.visible_to(user)
    )
    others = Post.objects.current(on).exclude(pk=post.pk)
    resting = theirs.exclude(campaign__status=Campaign.Status.CLOSED).exclude(pk__in=theirs.held_by(others))
    return resting.exclude(by_hand=True, unit__code__startswith=goes_to) if goes_to else resting


def work(post: Post, resting: ResponsibilityQuerySet, *, user: Cadre, on: date) -> list[Work]:
    """Campaign by campaign: the unit's open tasks, which stay with it, and the answers to be passed on."""
    found: dict[int, Work] = {}
    for answer in resting.in_order().select_related("campaign"):
        one = found.setdefault(answer.campaign_id, Work(answer.campaign))
        kind = str(answer.get_kind_display())
        one.answers[kind] = one.answers.get(kind, 0) + 1
    under_way = Campaign.objects.visible_to(user).filter(status__in=(Campaign.Status.ACTIVE, Campaign.Status.PAUSED))
    owed = Task.objects.visible_to(user).still_owed().filter(unit=post.unit_id, campaign__in=under_way)
    counts = owed.values("campaign").annotate(open=Count("pk"), overdue=Count("pk", filter=Q(due_on__lt=on))).order_by()
    campaigns = under_way.in_bulk([count["campaign"] for count in counts])
    for count in counts:
        one = found.setdefault(count["campaign"], Work(campaigns[count["campaign"]]))
        one.open, one.overdue = count["open"], count["overdue"]
    return sorted(found.values(), key=lambda one: (one.campaign.inspects_on, one.campaign.pk))


def successors(post: Post, *, user: Cadre, on: date, beside: bool = False) -> list[tuple[Cadre, Post]]:
    """Who can take over: everybody else with a current post at the unit or above it, the nearest first.

    Args:
        beside: those of the units beside it too.
    """
    near = Q(unit__in=access.above(post.unit_id))
    if beside and post.unit.parent_id:
        near |= Q(unit__parent=post.unit.parent_id)
    near_by = Post.objects.visible_to(user).current(on).filter(near)
    found: dict[int, tuple[Cadre, Post]] = {}
    for held in (
        near_by.exclude(cadre=post.cadre_id)
        .select_related("cadre", "unit")
        .order_by(Case(When(unit=post.unit_id, then=0), default=1), Length("unit").desc(), "unit", "-principal", "pk")
    ):
        found.setdefault(held.cadre_id, (held.cadre, held))
    return list(found.values())


@transaction.atomic
def pass_on(post: Post, resting: list[int], to: Cadre | str, *, by: Cadre) -> int:
    """Gives these answers to a successor, to whom the rule names, or to nobody; how many. The history says so."""
    rows = Responsibility.objects.filter(pk__in=resting, cadre=post.cadre)
    done = 0
    for held in Campaign.objects.select_for_update(no_key=True).filter(pk__in=rows.values("campaign")).order_by("pk"):
        mine = list(rows.filter(campaign=held).select_related("cadre"))
        taken: dict[tuple[str, str], Cadre] = {}
        if isinstance(to, Cadre):
            taken = {(row.unit_id, row.kind): to for row in mine}
            rows.filter(campaign=held).update(cadre=to, by_hand=True)
        else:
            rows.filter(pk__in=[row.pk for row in mine]).delete()
        if to == RULE and not held.is_draft:
            named = answers.by_rule(held, [row.unit_id for row in mine])
            cadres = Cadre.objects.in_bulk(named.values())
            taken = {(row.unit_id, row.kind): cadres[named[row.unit_id, row.kind]]
                     for row in mine if (row.unit_id, row.kind) in named}  # fmt: skip
            Responsibility.objects.bulk_create(
                [
                    Responsibility(campaign=held, unit_id=unit, kind=kind, cadre=cadre)
                    for (unit, kind), cadre in taken.items()
                ]
            )
        changes: dict[str, dict[str, list[str]]] = {}
        for row in mine:
            after = taken.get((row.unit_id, row.kind))
            changes.setdefault(row.unit_id, {})[row.kind] = [
                row.cadre.name, after.name if after else _("nobody")
            ]  # fmt: skip
        Change.objects.bulk_create(
            [Change(campaign=held, by=by, what=Change.What.EDITED, unit_id=unit, fields=fields)
             for unit, fields in changes.items()]
        )  # fmt: skip
        done += len(mine)
    return done
