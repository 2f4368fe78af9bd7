"""A campaign's rounds for those who supervise: what came of them, who is due for the next, and sending inspectors."""

import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.db.models.functions import Length
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from checklists import draws, rounds
from checklists.models import Campaign, Draw, Round
from checklists.rounds import relief, rhythms
from checklists.rounds.forms import PlanForm, ReliefForm
from checklists.rounds.views import counted
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Post, Unit
from villages.models.unit import code_of

MOST_NAMED = 30  # people to choose from at a time; others are searched for


@require_http_methods(["GET", "HEAD", "POST"])
def campaign_rounds(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """All rounds and what is proposed; a form sends inspectors to one unit.

    Whom to send is chosen first and stands in the address, so that one tap at a proposal is enough.
    """
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user).select_related("host"), pk=campaign_id)
    access.require(access.may_see_rounds(request.user, campaign.host_id))
    if request.method != "POST":
        return _page(request, campaign)
    access.require(access.may_inspect_for(request.user, campaign.host_id))
    form = PlanForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, campaign, form=form, status=422)
    unit = Unit.objects.visible_to(request.user).filter(pk=form.cleaned_data["unit"]).first()
    if unit is None or not unit.code.startswith(campaign.host_id):
        form.add_error("unit", _("There is no such unit among those of this campaign."))
        return _page(request, campaign, form=form, status=422)
    access.require(access.may_inspect(request.user, unit.pk))
    try:
        made = _plan(campaign, unit, form, by=request.user)
    except rounds.Refused as refused:
        return _page(request, campaign, form=form, conflict=refused.message, status=refused.status)
    people = _named(made.inspectors.order_by("pk"))
    messages.success(request, _("%(people)s will go to %(unit)s.") % {"people": people, "unit": unit.name})
    chosen = [("inspector", person.pk) for person in form.cleaned_data["inspector"]]
    day = [("on", made.on.isoformat())] if made.on else []
    address = reverse("campaign_rounds", args=[campaign.pk])
    return HttpResponseRedirect(f"{address}?{urlencode([*chosen, *day])}#proposals")


@require_http_methods(["GET", "HEAD", "POST"])
def relieve(request: CadreRequest, round_id: int) -> HttpResponse:
    """Others go on a round that is not over: who they are stands in the address, the form asks why."""
    seen = Round.objects.visible_to(request.user).select_related("campaign__host", "unit", "draw")
    found = get_object_or_404(seen, pk=round_id)
    access.require(access.may_inspect(request.user, found.unit_id))
    sends = request.method == "POST"
    if found.is_over or (not sends and rounds.replaced_by(found)):
        return HttpResponseRedirect(found.get_absolute_url())
    form = ReliefForm(request.POST if sends else None, user=request.user, visit=found)
    conflict, status = "", 422 if sends else 200
    if form.is_valid():
        sent = form.cleaned_data
        people = list(sent["inspector"])
        try:
            relief.relieve(
                found, by=request.user, event=sent["event"], was=sent["was"], people=people, reason=sent["reason"]
            )
        except rounds.Unfit as unfit:
            form.add_error(unfit.field, unfit.message)
        except rounds.Refused as refused:
            conflict, status = refused.message, refused.status
        else:
            named = _named(sorted(people, key=lambda one: one.pk))
            messages.success(request, _("%(people)s will go to %(unit)s.") % {"people": named, "unit": found.unit.name})
            return HttpResponseRedirect(found.get_absolute_url())
    goes = list(found.inspectors.order_by("pk"))
    ids = {one.pk for one in goes}
    chosen = _ids((request.POST if sends else request.GET).getlist("inspector")) or ids
    words = _words(request)
    named_posts, others = _people(found.campaign, request.user, chosen, words, also=ids)
    wrong = [said[0] for name, said in form.errors.items() if name != "reason"]
    context = {
        "visit": found,
        "goes": goes,
        "was": ",".join(str(one.pk) for one in goes),
        "chosen": named_posts,
        "others": others,
        "q": words,
        "differ": {post.cadre_id for post in named_posts} not in (ids, set()),
        "form": form,
        "event": uuid.uuid4(),
        "conflict": conflict or next(iter(wrong), ""),
    }
    return render(request, "rounds/relieve.html", context, status=status)


def _plan(campaign: Campaign, unit: Unit, form: PlanForm, *, by: Cadre) -> Round:
    """As proposed, with what the proposal says to look at; or by hand, with all that the unit owes.

    Raises:
        Refused: see `rounds.plan`; also what was proposed and is due no longer.
    """
    sent = form.cleaned_data
    why, items = sent["why"], []
    if not sent["by_hand"]:
        today = timezone.localdate()
        waits = draws.in_force(Round.objects.open()).filter(campaign=campaign, unit=unit, rhythm=sent["rhythm"])
        found = rhythms.proposal(campaign, by, rhythm=sent["rhythm"], unit=unit, on=today)
        if found is not None:
            why, items = found.why, rhythms.items_for(campaign, found)
        elif not waits.exists():
            raise rounds.Conflict(
                _("%(unit)s is no longer due for this; look at the proposals again.") % {"unit": unit}
            )
        else:
            why = waits[0].why
    return rounds.plan(
        campaign,
        by=by,
        unit=unit,
        rhythm=sent["rhythm"],
        why=why,
        inspectors=list(sent["inspector"]),
        items=items,
        on=sent["on"],
    )


def _page(
    request: CadreRequest, campaign: Campaign, *, form: PlanForm | None = None, conflict: str = "", status: int = 200
) -> HttpResponse:
    user, today = request.user, timezone.localdate()
    sent = request.POST if form is not None else request.GET
    visits = draws.in_force(Round.objects.visible_to(user)).filter(campaign=campaign)
    draw = _draw(campaign, user, request.GET.get("draw", ""))
    under = _under(campaign, user, request.GET.get("under", ""))
    if draw is not None:
        visits = visits.filter(draw=draw)
    if under is not None:
        visits = visits.under(under.code)
    visits = counted(visits).select_related("unit").prefetch_related("inspectors")
    context: dict[str, Any] = {
        "campaign": campaign,
        "draw": draw,
        "under": under,
        "page": Paginator(visits.order_by("-made_at", "-pk"), 30).get_page(request.GET.get("page")),
        "plans": draw is None
        and under is None
        and campaign.is_running
        and bool(access.may_inspect_for(user, campaign.host_id)),
        "form": form,
        "conflict": conflict or (form.complaint if form is not None else ""),
    }
    if context["plans"]:
        chosen, words = _ids(sent.getlist("inspector")), _words(request)
        named, others = _people(campaign, user, chosen, words)
        at = _unit(campaign, user, (sent.get("unit") if sent.get("by_hand") else request.GET.get("at")) or "")
        context |= {
            "chosen": named,
            "others": others,
            "q": words,
            "on": sent.get("on", "")[:10],
            "due": rhythms.due(campaign, user, on=today),
            "too_high": rhythms.is_too_high(campaign, user),
            "at": at,
            "rhythms": Round.Rhythm.choices,
        }
    return render(request, "rounds/campaign.html", context, status=status)


def _named(people: Iterable[Cadre]) -> str:
    return pgettext("between things of a list", ", ").join(one.name for one in people)


def _ids(written: list[str]) -> set[int]:
    return {int(pk) for pk in written if pk.isdecimal() and len(pk) < 10}


def _words(request: CadreRequest) -> str:
    """What people are searched for by."""
    return request.GET.get("q", "").replace("\0", "").strip()[:40]


def _unit(campaign: Campaign, user: Cadre, written: str) -> Unit | None:
    """The unit that a round is planned at by hand, if any."""
    code = code_of(written[:20])
    if not code.isalnum() or not code.startswith(campaign.host_id) or not access.may_inspect(user, code):
        return None
    return Unit.objects.visible_to(user).filter(pk=code).first()


def _draw(campaign: Campaign, user: Cadre, number: str) -> Draw | None:
    """The draw of this number, if the list is narrowed to its rounds."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    return Draw.objects.visible_to(user).filter(campaign=campaign, number=number).first()


def _under(campaign: Campaign, user: Cadre, written: str) -> Unit | None:
    """The unit, if the list is narrowed to it and all below."""
    code = code_of(written[:20])
    if not written or "\0" in code:
        return None
    return Unit.objects.visible_to(user).under(campaign.host_id).filter(pk=code).first()


def _people(
    campaign: Campaign, user: Cadre, chosen: set[int], words: str, *, also: Iterable[int] = ()
) -> tuple[list[Post], list[Post]]:
    """A post of each who is chosen, and of others to choose: those who look and do not do, or who fit the words.

    Args:
        also: who goes already, and may be chosen wherever they work.
    """
    held = Post.objects.current(timezone.localdate()).select_related("cadre", "unit")
    posts = held.visible_to(user)
    choosable = held.filter(access.within("unit__code", user) | Q(cadre__in=also))
    named = {post.cadre_id: post for post in choosable.filter(cadre__in=chosen).order_by("-pk")}
    others = posts.filter(access.under("unit__code", campaign.host_id)).exclude(cadre__in=chosen)
    if words:
        others = others.filter(Q(cadre__name__contains=words) | Q(cadre__phone=words) | Q(unit__name__contains=words))
    else:
        others = others.filter(role__in=access.onlookers())
    found: dict[int, Post] = {}
    for post in others.order_by(Length("unit_id"), "unit_id", "-principal", "pk")[: 2 * MOST_NAMED]:
        found.setdefault(post.cadre_id, post)
    return list(named.values()), list(found.values())[:MOST_NAMED]
