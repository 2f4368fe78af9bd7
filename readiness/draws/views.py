"""Draws of a campaign: announce one, give a number, look at it, take its list along."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models.functions import Length
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checklists import draws
from checklists.draws import recipe, shell
from checklists.models import Campaign, Draw, Relief, Round
from checklists.rounds import relief
from checklists.rounds.views import counted
from readiness.draws import lists, words
from readiness.draws.forms import DrawForm, NumberForm
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Kind, Unit

PER_PAGE = 30
MOST_PLACES = 200  # to choose among, the highest first
HOLDS_UNITS = (Kind.COUNTRY, Kind.PROVINCE, Kind.CITY, Kind.COUNTY, Kind.TOWNSHIP)


@require_safe
def of_campaign(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The draws of a campaign, newest first."""
    seen = Campaign.objects.visible_to(request.user).select_related("host")
    campaign = get_object_or_404(seen, pk=campaign_id)
    found = Draw.objects.visible_to(request.user).filter(campaign=campaign).order_by("-number")
    found = found.select_related("among", "announced_by", "instead_of", "replaced_by")
    return render(
        request,
        "draws/draws.html",
        {
            "campaign": campaign,
            "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
            "may_announce": draws.may_announce(request.user, campaign),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """What to draw from and how; POST shows the list that this leads to, and then announces it."""
    seen = draws.numbered(Campaign.objects.visible_to(request.user).select_related("host"))
    campaign = get_object_or_404(seen, pk=campaign_id)
    access.require(draws.may_announce(request.user, campaign))
    instead_of: Draw | None = None
    if asked := (request.POST or request.GET).get("instead_of", ""):
        known = Draw.objects.visible_to(request.user).filter(campaign=campaign).select_related("among")
        instead_of = get_object_or_404(
            known, pk=int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else 0
        )
        access.require(access.may_inspect(request.user, instead_of.among_id))
    places = [instead_of.among] if instead_of else _places(campaign, request.user)
    number: int = campaign.next_draw  # type: ignore[attr-defined]  # as `numbered` counts
    items = lists.asked_items(campaign)
    form = DrawForm(
        request.POST if request.method == "POST" else None,
        campaign=campaign,
        units=places,
        items=items,
        again=instead_of is not None,
        initial=_usual(instead_of),
    )
    frozen = beside = None
    if form.is_valid():
        among = next(unit for unit in places if unit.code == form.cleaned_data["among"])
        on = timezone.localdate()
        frozen = lists.gather(
            campaign, request.user, form.wishes, items, number=number, among=among, on=on, instead_of=instead_of
        )
        try:
            recipe.check(frozen)
            reason = form.cleaned_data["reason"]
            if "announce" in request.POST:
                draw = draws.announce(
                    campaign,
                    frozen,
                    number=form.cleaned_data["number"],
                    title=form.cleaned_data["title"],
                    among=among,
                    wishes=form.wishes,
                    by=request.user,
                    instead_of=instead_of,
                    reason=reason,
                )
                messages.success(request, _("The draw is announced. Now two people each give a number."))
                return redirect("draw", draw.pk)
            draws.require_reason(campaign, among=among, kind=form.wishes["kind"], reason=reason)
        except recipe.Unfit as unfit:
            form.refuse(unfit)
        except draws.NeedsReason as refused:
            form.add_error("reason", str(refused.message))
            beside = refused.draw
        except draws.Refused as refused:
            form.add_error(None, str(refused.message))
    context: dict[str, Any] = {"campaign": campaign, "form": form, "number": number, "instead_of": instead_of}
    context["beside"] = beside
    if frozen and not form.errors:
        context |= {"frozen": frozen, "sizes": _sizes(frozen), "lots": _lots(frozen)}
    return render(request, "draws/new.html", context, status=422 if form.errors else 200)


@require_safe
def draw(request: CadreRequest, draw_id: int) -> HttpResponse:
    """How a draw stands: announced, waiting for its second number, or drawn."""
    seen = _whole(Draw.objects.visible_to(request.user))
    return _page(request, get_object_or_404(seen, pk=draw_id))


@require_POST
def give_number(request: CadreRequest, draw_id: int) -> HttpResponse:
    """Adds a number; the second one draws."""
    seen = _whole(Draw.objects.visible_to(request.user))
    found = get_object_or_404(seen, pk=draw_id)
    access.require(access.may_give_number(request.user, found.among_id))
    form = NumberForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form=form, status=422)
    try:
        after = draws.give_number(found, form.cleaned_data["number"], by=request.user)
    except draws.Refused as refused:
        form.add_error("number", str(refused.message))
        return _page(request, seen.get(pk=draw_id), form=form, status=409)
    messages.success(request, _("The draw is made.") if after.is_drawn else _("Your number is kept."))
    return redirect("draw", draw_id)


@require_safe
def list_file(request: CadreRequest, draw_id: int) -> HttpResponse:
    """The frozen list, byte for byte as it is hashed."""
    found = get_object_or_404(Draw.objects.visible_to(request.user), pk=draw_id)
    access.require(draws.may_read_list(request.user, found))
    response = HttpResponse(found.frozen, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="list.txt"'
    return response


def _page(request: CadreRequest, draw: Draw, *, form: NumberForm | None = None, status: int = 200) -> HttpResponse:
    frozen = recipe.read(draw.frozen)
    reads = draws.may_read_list(request.user, draw)
    gives = access.may_give_number(request.user, draw.among_id)
    replaced_by = getattr(draw, "replaced_by", None)
    unmade = not draw.is_drawn and replaced_by is None
    waits = unmade and draw.campaign.is_running
    context: dict[str, Any] = {
        "draw": draw,
        "campaign": draw.campaign,
        "said": words.recipe_of(draw, frozen),
        "listed": recipe.hashed(draw.frozen),
        "reads": reads,
        "sizes": _sizes(frozen) if reads else [],
        "take": frozen.take,
        "replaced_by": replaced_by,
        "waits": waits,
        "is_stopped": unmade and not draw.campaign.is_running,
        "form": form or (NumberForm() if waits and gives and draw.number_one_by != request.user else None),
        "gives": gives,
        "gave_first": draw.number_one_by == request.user,
        "may_again": replaced_by is None
        and bool(access.may_inspect(request.user, draw.among_id) and draws.may_announce(request.user, draw.campaign)),
    }
    if draw.is_drawn:
        context |= _outcome(request.user, draw, frozen)
    return render(request, "draws/draw.html", context, status=status)


def _outcome(user: Cadre, draw: Draw, frozen: recipe.FrozenList) -> dict[str, Any]:
    """What came of a draw, as far as the user may know by now: all of it, or the lines of rounds that they see."""
    drawn = recipe.draw(frozen, draw.secret, draw.number_one, draw.number_two)
    rounds = {one.unit_id: one for one in draws.with_standing(draw.rounds.all())}
    visits = {one.unit_id: one for one in counted(Round.objects.visible_to(user).filter(draw=draw))}
    reliefs = relief.told(Relief.objects.filter(round__draw=draw))
    is_open = draws.is_open_to(user, draw)
    found: dict[str, Any] = {
        "is_open": is_open,
        "lines": [
            (
                unit,
                words.group(frozen.groups[unit.group]),
                words.why(unit.risks),
                drawn.sent[unit.code],
                rounds.get(unit.code),
                visits.get(unit.code),
                reliefs.get(rounds[unit.code].pk if unit.code in rounds else 0, ()),
            )
            for unit in drawn.units
            if is_open or unit.code in visits
        ],
    }
    if is_open:
        found |= {
            "items": drawn.items if frozen.take_items else (),
            "secret": draw.secret,
            "numbers": [(draw.number_one, draw.number_one_by), (draw.number_two, draw.number_two_by)],
            "script": shell.script(frozen, draw.secret, draw.number_one, draw.number_two),
        }
    return found


def _whole(seen: Any) -> Any:
    """With all that a draw's page names."""
    return seen.select_related(
        *("campaign", "among", "announced_by", "number_one_by", "number_two_by", "instead_of", "replaced_by")
    )


def _places(campaign: Campaign, user: Cadre) -> list[Unit]:
    """Units among which the user may draw, the highest first."""
    units = Unit.objects.visible_to(user).under(campaign.host_id).filter(kind__in=HOLDS_UNITS)
    return list(
        units.filter(access.reached("code", user, access.Action.INSPECT)).order_by(Length("code"), "code")[:MOST_PLACES]
    )


def _usual(instead_of: Draw | None) -> dict[str, Any]:
    """What a new draw starts with: what the one it replaces was made by, else the usual."""
    usual = {
        "kind": Kind.VILLAGE,
        "take": 10,
        "least": 0,
        "repeat": "all",
        "seats": 2,
        "roles": [role for role in access.Role if access.lets(role, access.Action.CHECK)],
        "rhythm": Round.Rhythm.PATROL,
    }
    kept = {"title": instead_of.title, **instead_of.recipe} if instead_of else {}
    return usual | kept


def _sizes(frozen: recipe.FrozenList) -> list[tuple[str, int]]:
    """How many units each group has, by name; nothing where there are no groups."""
    if list(frozen.groups) == [recipe.ALL]:
        return []
    sizes = frozen.sizes
    return [(words.group(name), sizes[key]) for key, name in frozen.groups.items()]


def _lots(frozen: recipe.FrozenList) -> list[tuple[int, int]]:
    """How many units hold how many lots, the most first; nothing where all hold one."""
    found = Counter(unit.lots for unit in frozen.units)
    return sorted(found.items(), reverse=True) if set(found) != {1} else []
