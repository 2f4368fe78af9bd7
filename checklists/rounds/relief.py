"""换督查人员: others go on a round that is not over, because who was sent cannot; on the record, with the reason."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from checklists import rounds
from checklists.draws import ties
from checklists.models import Campaign, Relief, Round
from villages import access
from villages.models import Cadre


@dataclass(frozen=True)
class Told:
    """A relief with the names of who went until then, and of who goes."""

    relief: Relief
    was: list[str]
    now: list[str]


def relieve(
    visit: Round, *, by: Cadre, event: uuid.UUID, was: Iterable[int], people: list[Cadre], reason: str
) -> Relief:
    """From now on these people go on the round, and nobody else; what was recorded so far stays.

    The round is held meanwhile: an answer of somebody who goes no longer comes before or is refused.

    Args:
        event: the sender's own number of this change; the same one twice is answered alike.
        was: ids of who goes now, as the sender was told.

    Raises:
        rounds.Conflict: it is over, replaced, or relieved meanwhile, or the campaign does not run.
        rounds.Unfit: no reason, nobody, the same people, or somebody who works there or (where it was drawn) has a tie.
        PermissionDenied: `by` plans no rounds there.
    """
    access.require(access.may_inspect(by, visit.unit_id))
    ids = sorted(person.pk for person in people)
    with transaction.atomic():
        campaign = Campaign.objects.raw(rounds.SHARE, [visit.campaign_id])[0]
        visit = Round.objects.select_for_update(no_key=True).get(pk=visit.pk)
        earlier = Relief.objects.filter(pk=event).first()
        if earlier is not None:
            if (earlier.round_id, earlier.by_id, earlier.now, earlier.reason) == (visit.pk, by.pk, ids, reason):
                return earlier
            raise rounds.used_before()
        goes = list(visit.inspectors.order_by("pk").values_list("pk", flat=True))
        if visit.is_over:
            raise rounds.Conflict(_("This round is finished; nobody goes on it any more."))
        rounds.refuse_replaced(visit)
        if not campaign.is_running:
            raise rounds.Conflict(_("This campaign does not run, so nobody is sent on rounds."))
        if goes != sorted(was):
            raise rounds.Conflict(_("Who goes on this round has changed since you opened this page. Look again."))
        _refuse(campaign, visit, people, ids, goes, reason)
        visit.inspectors.set(people)
        return Relief.objects.create(id=event, round=visit, was=goes, now=ids, reason=reason, by=by, at=timezone.now())


def told(reliefs: "QuerySet[Relief]") -> dict[int, list[Told]]:
    """Of each round those it had, the earliest first. One query, and one more if there are any."""
    found = list(reliefs.select_related("by").order_by("at"))
    named = Cadre.objects.in_bulk({pk for one in found for pk in (*one.was, *one.now)}) if found else {}
    by_round: defaultdict[int, list[Told]] = defaultdict(list)
    for one in found:
        names = [[named[pk].name for pk in ids if pk in named] for ids in (one.was, one.now)]
        by_round[one.round_id].append(Told(one, *names))
    return dict(by_round)


def _refuse(
    campaign: Campaign, visit: Round, people: list[Cadre], ids: list[int], goes: list[int], reason: str
) -> None:
    """Raises whatever speaks against these people or for saying more."""
    if not reason:
        raise rounds.Unfit(_("Say why others go: it stays with the round."), "reason")
    if not people:
        raise rounds.Unfit(_("Choose at least one inspector first."), "inspector")
    if ids == goes:
        raise rounds.Unfit(_("These people go already. Choose somebody else."), "inspector")
    today = timezone.localdate()
    for why in rounds.cannot_go(people, visit.unit_id, on=today).values():
        raise rounds.Unfit(why, "inspector")
    if visit.draw_id is None:
        return
    for one in ties.inspectors(campaign, {*ids} - {*goes}, today):
        if not one.may_go_to(visit.unit_id):
            said = _("%(who)s holds a post in this township, held one within a year, or answers for this unit.")
            raise rounds.Unfit(said % {"who": one.name}, "inspector")
