"""随机抽取: the verbs on a draw. It is announced, two people each add a number, and the second one draws."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from checklists.draws import recipe
from checklists.draws.recipe import Drawn, FrozenList
from checklists.models import Campaign, Check, Draw, Round
from checklists.models.campaign import CampaignQuerySet
from checklists.models.draw import RoundQuerySet
from villages import access, posts
from villages.models import Cadre, Unit

SECRET_BYTES = 32


class Refused(Exception):
    """Nothing was changed, and why."""

    def __init__(self, message: "str | Promise") -> None:
        super().__init__(message)
        self.message = message


class NeedsReason(Refused):
    """Another draw among the same units is not done: whoever draws beside it says why."""

    def __init__(self, draw: Draw, left: int) -> None:
        """`left`: at how many of the units drawn nobody has looked at anything; none if it is not made yet."""
        said = _("Draw %(n)d, “%(title)s”, among the same units still waits for its numbers. Say why another is drawn.")
        if draw.is_drawn:
            said = _(
                "Draw %(n)d, “%(title)s”, was among the same units, and nothing was looked at in %(left)d of those "
                "drawn. Say why you draw again."
            )
        super().__init__(said % {"n": draw.number, "title": draw.title, "left": left})
        self.draw = draw


def may_announce(user: Cadre, campaign: Campaign) -> access.Verdict:
    """Announce a draw in this campaign, somewhere."""
    if not (verdict := access.may_inspect_for(user, campaign.host_id)):
        return verdict
    if not campaign.is_running:
        return access.Verdict(False, _("Draws are made while the campaign is under way."))
    return access.YES


def numbered(campaigns: CampaignQuerySet) -> CampaignQuerySet:
    """With the number that each one's next draw gets, `next_draw`."""
    last = Draw.objects.filter(campaign=OuterRef("pk")).order_by("-number").values("number")[:1]
    return campaigns.annotate(next_draw=Coalesce(Subquery(last), 0) + 1)


def next_number(campaign: Campaign) -> int:
    """The number that the campaign's next draw gets."""
    found: Any = numbered(Campaign.objects.filter(pk=campaign.pk)).get()
    number: int = found.next_draw
    return number


def require_reason(campaign: Campaign, *, among: Unit, kind: str, reason: str) -> None:
    """A draw is not redone quietly: as long as one among some of the same units waits for its numbers, or for somebody
    to look at something where it sent them (also where they ended the round without), the next one says why. One query,
    or none if it does.

    Raises:
        NeedsReason: it does not.
    """
    if reason:
        return
    standing: Any = with_standing(Round.objects.filter(draw=OuterRef("pk")))
    nobody_came = standing.filter(begun=False)
    left = Coalesce(Subquery(nobody_came.order_by().values("draw").annotate(n=Count("pk")).values("n")), 0)
    shares = Q(among__in=access.above(among.code)) | access.under("among__code", among.code)
    earlier: Any = Draw.objects.filter(shares, campaign=campaign, recipe__kind=kind, replaced_by__isnull=True)
    earlier = earlier.annotate(left=left).filter(Q(drawn_at__isnull=True) | Q(left__gt=0))
    if (found := earlier.defer("frozen").order_by("-number").first()) is not None:
        raise NeedsReason(found, found.left)


def announce(
    campaign: Campaign,
    frozen: FrozenList,
    *,
    number: int,
    title: str,
    among: Unit,
    wishes: dict[str, Any],
    by: Cadre,
    instead_of: Draw | None = None,
    reason: str = "",
) -> Draw:
    """Freezes the list and hides a fresh secret behind its hash, under the number that the announcer's page showed.

    Sent twice by the same person it is one draw.

    Args:
        wishes: what the list was made by, and the rhythm and day of the rounds.

    Raises:
        Refused: another draw has this number, the one to be replaced has been replaced, or the campaign does not run.
        NeedsReason: another draw among the same units is not done, and nobody says why it is drawn again.
        recipe.Unfit: nothing can be drawn from this list.
    """
    recipe.check(frozen)
    with _running(campaign):
        earlier = Draw.objects.filter(campaign=campaign, number=number).select_related("announced_by").first()
        if earlier and (earlier.announced_by_id, earlier.title, earlier.among_id) == (by.pk, title, among.pk):
            return earlier
        if earlier or number != next_number(campaign):
            raise Refused(
                _("Another draw was announced meanwhile. Look at it, and at the list below, before you go on.")
            )
        if instead_of and Draw.objects.filter(instead_of=instead_of).exists():
            raise Refused(_("This draw has been replaced already."))
        require_reason(campaign, among=among, kind=wishes["kind"], reason=reason)
        secret = secrets.token_hex(SECRET_BYTES)
        return Draw.objects.create(
            campaign=campaign,
            number=number,
            title=title,
            among=among,
            recipe=wishes,
            frozen=frozen.write(),
            secret=secret,
            commitment=recipe.hashed(secret),
            announced_by=by,
            announced_at=timezone.now(),
            instead_of=instead_of,
            reason=reason,
        )


def give_number(draw: Draw, number: str, *, by: Cadre) -> Draw:
    """Adds a number. The second one draws, in the same transaction, and makes a round for each unit drawn.

    The same number by the same person once more changes nothing.

    Raises:
        Refused: it is drawn or replaced, the campaign does not run, or it would not be two people's numbers.
    """
    with _running(draw.campaign):
        held = Draw.objects.select_for_update(of=("self",), no_key=True).select_related("campaign", "number_one_by")
        draw = held.get(pk=draw.pk)
        if (by.pk, number) in ((draw.number_one_by_id, draw.number_one), (draw.number_two_by_id, draw.number_two)):
            return draw
        if draw.is_drawn:
            raise Refused(_("Both numbers were given already, and the draw is made."))
        if Draw.objects.filter(instead_of=draw).exists():
            raise Refused(_("This draw was replaced by another one before it was made."))
        if draw.number_one_by is None:
            draw.number_one, draw.number_one_by = number, by
            draw.save(update_fields=["number_one", "number_one_by"])
            return draw
        if draw.number_one_by == by:
            raise Refused(_("You gave the first number. Somebody else has to give the second one."))
        if _one_pair_of_hands(draw, draw.number_one_by, by):
            raise Refused(
                _(
                    "You and %(name)s stand in for each other or for the same person. "
                    "Somebody else has to give a number."
                )
                % {"name": draw.number_one_by.name}
            )
        draw.number_two, draw.number_two_by, draw.drawn_at = number, by, timezone.now()
        draw.save(update_fields=["number_two", "number_two_by", "drawn_at"])
        _make_rounds(draw, by=by)
        return draw


def result(draw: Draw) -> Drawn:
    """What a draw that is made chose, computed anew from what the database keeps of it."""
    return recipe.draw(recipe.read(draw.frozen), draw.secret, draw.number_one, draw.number_two)


def with_standing(rounds: RoundQuerySet) -> RoundQuerySet:
    """With whether anybody has `begun`, and whether it `is_replaced`: not begun when another draw took its place."""
    checks = Check.objects.filter(round=OuterRef("pk"))
    replaced = Q(draw__replaced_by__drawn_at__isnull=False, finished_at__isnull=True) & ~Exists(checks)
    return rounds.annotate(begun=Exists(checks), is_replaced=ExpressionWrapper(replaced, BooleanField()))


def in_force(rounds: RoundQuerySet) -> RoundQuerySet:
    """Those that are work, or were: without the ones that another draw replaced before anybody had begun."""
    found: Any = with_standing(rounds)
    standing: RoundQuerySet = found.filter(is_replaced=False)
    return standing


def waiting(rounds: RoundQuerySet) -> RoundQuerySet:
    """Those that somebody has still to go on, or to finish."""
    return in_force(rounds).open().exclude(campaign__status=Campaign.Status.CLOSED)


def held_back(rounds: RoundQuerySet, user: access.Person) -> RoundQuerySet:
    """Those that wait and do not show themselves to the user (四不两直)."""
    return waiting(rounds).exclude(pk__in=Round.objects.visible_to(user).values("pk"))


def is_open_to(user: access.Person, draw: Draw) -> bool:
    """Whether the user may know all that was drawn, and by which secret and numbers. Once nobody has to go any more,
    everybody may; until then those to whom each round shows itself.
    """
    return not held_back(Round.objects.filter(draw=draw), user).exists()


def may_read_list(user: access.Person, draw: Draw) -> access.Verdict:
    """Read what is drawn from; not while it leaves out units that were drawn before and that somebody has still to
    visit: it would name them.
    """
    left_out = [code for code, _name in recipe.read(draw.frozen).left_out]
    before = Round.objects.filter(campaign=draw.campaign_id, unit__in=left_out, draw__drawn_at__lt=draw.announced_at)
    if not left_out or not held_back(before, user).exists():
        return access.YES
    return access.Verdict(
        False, _("This list leaves out what was drawn before. It is shown once the rounds there are over.")
    )


def differences(draw: Draw) -> list[str]:
    """Where the rounds that the database keeps are not what secret, numbers and list say; empty: nothing is amiss.

    That others go since, on the record, is none.
    """
    found = []
    if recipe.hashed(draw.secret) != draw.commitment:
        found.append("the secret is not the one whose hash was shown")
    drawn = result(draw)
    rounds = {one.unit_id: one for one in draw.rounds.prefetch_related("items", "inspectors", "reliefs")}
    codes = [unit.code for unit in drawn.units]
    found += [f"{code} was drawn and has no round" for code in codes if code not in rounds]
    found += [f"{code} has a round and was not drawn" for code in sorted({*rounds} - {*codes})]
    items = {item.id for item in drawn.items} if _names_items(draw) else set()
    for code in codes:
        if code not in rounds:
            continue
        if {item.pk for item in rounds[code].items.all()} != items:
            found.append(f"{code} has other items")
        goes = {one.id for one in drawn.sent[code]}
        for relief in sorted(rounds[code].reliefs.all(), key=lambda relief: relief.at):
            if {*relief.was} != goes:
                found.append(f"{code} had other inspectors before {relief.at:%Y-%m-%d %H:%M}")
            goes = {*relief.now}
        if {one.pk for one in rounds[code].inspectors.all()} != goes:
            found.append(f"{code} has other inspectors")
    return found


@contextmanager
def _running(campaign: Campaign) -> Iterator[None]:
    """One transaction, in which the campaign stays under way and gets no other draw."""
    with transaction.atomic():
        if not Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk).is_running:
            raise Refused(_("Draws are made while the campaign is under way."))
        yield


def _one_pair_of_hands(draw: Draw, one: Cadre, two: Cadre) -> bool:
    """Whether one of them, since the draw was announced, stood in for the other, or both for the same person."""
    since, today = timezone.localdate(draw.announced_at), timezone.localdate()
    hands = posts.hands({one.pk, two.pk}, since=since, on=today)
    return bool(hands[one.pk] & hands[two.pk])


def _names_items(draw: Draw) -> bool:
    """Whether rounds name their items; else they are about all that the unit owes."""
    return draw.recipe["items"] != "all" or recipe.read(draw.frozen).take_items > 0


def _make_rounds(draw: Draw, *, by: Cadre) -> None:
    """One for each unit drawn, with the items and who is sent there."""
    drawn = result(draw)
    rounds = Round.objects.bulk_create(
        Round(
            campaign_id=draw.campaign_id,
            unit_id=unit.code,
            draw=draw,
            rhythm=draw.recipe["rhythm"],
            why=draw.title,
            on=draw.recipe["on"],
            made_by=by,
        )
        for unit in drawn.units
    )
    sent, looked_at = Round.inspectors.through, Round.items.through
    sent.objects.bulk_create(
        sent(round_id=one.pk, cadre_id=inspector.id) for one in rounds for inspector in drawn.sent[one.unit_id]
    )
    if _names_items(draw):
        looked_at.objects.bulk_create(
            looked_at(round_id=one.pk, item_id=item.id) for one in rounds for item in drawn.items
        )
