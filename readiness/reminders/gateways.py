"""An office's gateways and the robots of groups: who carries notices out of the house, set up by campaign admins."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checklists.models import Campaign, Change
from readiness.models import ROBOTS, Channel, Gateway
from readiness.reminders import sealed
from readiness.reminders.gateway_forms import FORMS, GatewayForm, form_of
from readiness.reminders.wishes import try_out
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Kind, Unit

OFFICE = [channel for channel in FORMS if channel not in ROBOTS]
# Whose gateway covers others below it. A village's is its township's.
KINDS = (Kind.TOWNSHIP, Kind.DEPARTMENT, Kind.COUNTY, Kind.CITY, Kind.PROVINCE, Kind.COUNTRY)


@require_safe
def gateways(request: CadreRequest) -> HttpResponse:
    """What my units send through, how each is doing, and what was removed."""
    access.require(access.may_run_some(request.user))
    seen = Gateway.objects.visible_to(request.user).office().select_related("unit", "made_by")
    context = {
        "rows": seen.in_use(),
        "removed": seen.filter(removed_at__isnull=False).order_by("-removed_at"),
        "kinds": [(channel, Channel(channel).label) for channel in OFFICE],
    }
    return render(request, "reminders/gateways.html", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: CadreRequest) -> HttpResponse:
    """Connects a unit to a platform (`?channel=`)."""
    access.require(access.may_run_some(request.user))
    units = list(Unit.objects.filter(access.runs_for(request.user), kind__in=KINDS).order_by("code"))
    form = _blank(request, OFFICE, units)
    if request.method == "POST" and form.is_valid() and (made := _added(form, None, by=request.user)):
        messages.success(request, _("Connected: %(name)s. Try it now.") % {"name": made})
        return redirect("gateways")
    return _form(request, form, OFFICE, back=reverse("gateways"))


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def robots(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The robots of a campaign's groups: one per township and platform; POST adds one (`?channel=`)."""
    seen = Campaign.objects.visible_to(request.user).select_related("host")
    campaign = get_object_or_404(seen, pk=campaign_id)
    access.require(access.may_run(request.user, campaign.host_id))
    units = Unit.objects.under(campaign.host_id).filter(kind=Kind.TOWNSHIP).order_by("code")
    form = _blank(request, list(ROBOTS), list(units))
    if request.method == "POST" and form.is_valid() and (made := _added(form, campaign, by=request.user)):
        messages.success(request, _("Connected: %(name)s. Try it now.") % {"name": made})
        return redirect("robots", campaign.pk)
    rows = Gateway.objects.visible_to(request.user).filter(campaign=campaign).select_related("unit", "made_by")
    known = {
        "campaign": campaign,
        "rows": rows.in_use(),
        "removed": rows.filter(removed_at__isnull=False).order_by("-removed_at"),
    }
    return _form(request, form, list(ROBOTS), back=reverse("board", args=[campaign.pk]), **known)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: CadreRequest, gateway_id: int) -> HttpResponse:
    """Another name, another host, other secrets; what stays empty stays as it is."""
    seen = Gateway.objects.visible_to(request.user).in_use().select_related("unit")
    gateway = get_object_or_404(seen, pk=gateway_id)
    try:
        old = sealed.unseal(gateway.sealed)
    except sealed.Unreadable:  # all of it is then asked for again
        old = {}
    form = form_of(gateway, request.POST if request.method == "POST" else None, old)
    if form.is_valid():
        alter(gateway, form, by=request.user)
        messages.success(request, _("Saved."))
        return redirect(_page_of(gateway))
    return _form(request, form, [], back=_page_of(gateway), gateway=gateway)


@require_POST
def remove(request: CadreRequest, gateway_id: int) -> HttpResponse:
    """Nothing more is sent through it; once more does no harm."""
    gateway = get_object_or_404(Gateway.objects.visible_to(request.user), pk=gateway_id)
    end(gateway, by=request.user)
    messages.success(request, _("Removed: %(name)s. Nothing more is sent through it.") % {"name": gateway})
    return redirect(_page_of(gateway))


@require_POST
def test(request: CadreRequest, gateway_id: int) -> HttpResponse:
    """Sends one message now, to the group or to whoever asks, and shows what the platform answered."""
    seen = Gateway.objects.visible_to(request.user).in_use()
    gateway = get_object_or_404(seen, pk=gateway_id)
    messages.info(request, f"{gateway}: {try_out(request.user, gateway.channel, gateway)}")
    return redirect(_page_of(gateway))


def add(form: GatewayForm, campaign: Campaign | None, *, by: Cadre) -> Gateway:
    """A gateway of what a valid form says; the secrets are kept sealed.

    Raises:
        IntegrityError: the unit has one of this channel already.
    """
    with transaction.atomic():
        made = Gateway.objects.create(
            channel=form.channel,
            unit_id=form.cleaned_data["unit"],
            campaign=campaign,
            name=form.cleaned_data["name"],
            host=form.base,
            sealed=sealed.seal(form.secrets),
            hint=form.hint,
            made_by=by,
        )
        _note(made, ["", _known_as(made.name, made.hint)], by)
        return made


@transaction.atomic
def alter(gateway: Gateway, form: GatewayForm, *, by: Cadre) -> None:
    """The same gateway with what a valid form says; who entered it answers for it, and it is tried at once."""
    Gateway.objects.filter(pk=gateway.pk).update(
        name=form.cleaned_data["name"],
        host=form.base,
        sealed=sealed.seal(form.secrets),
        hint=form.hint,
        made_by=by,
        made_at=timezone.now(),
        failures=0,
        open_until=None,
        last_error="",
    )
    after = _known_as(form.cleaned_data["name"], form.hint)
    _note(gateway, [_known_as(gateway.name, gateway.hint), after], by)


@transaction.atomic
def end(gateway: Gateway, *, by: Cadre) -> None:
    """Removes a gateway, unless somebody has done so before. Its row stays, for what was sent through it."""
    if Gateway.objects.in_use().filter(pk=gateway.pk).update(removed_at=timezone.now()):
        _note(gateway, [_known_as(gateway.name, gateway.hint), ""], by)


def _known_as(name: str, hint: str) -> str:
    """Name and end of the secret: so that another secret under the old name is seen to be another."""
    return f"{name} ••••{hint}"


def _note(gateway: Gateway, pair: list[str], by: Cadre) -> None:
    """One line of the campaign's history, for a robot."""
    if gateway.campaign_id is not None:
        Change.objects.create(
            campaign_id=gateway.campaign_id,
            by=by,
            what=Change.What.EDITED,
            unit_id=gateway.unit_id,
            fields={"robot": pair},
        )


def _added(form: GatewayForm, campaign: Campaign | None, *, by: Cadre) -> Gateway | None:
    """None if there is one already, which the form then says."""
    try:
        return add(form, campaign, by=by)
    except IntegrityError:
        form.add_error("unit", _("This unit has one of this kind already: change that one, or remove it first."))
    return None


def _blank(request: CadreRequest, kinds: list[Any], units: list[Unit]) -> GatewayForm:
    """The form of the channel that was asked for; of the first one, if it was none of these."""
    asked = request.GET.get("channel", "")
    kind = FORMS[asked if asked in kinds else kinds[0]]
    return kind(request.POST if request.method == "POST" else None, units=units)


def _form(request: CadreRequest, form: GatewayForm, kinds: list[Any], **context: Any) -> HttpResponse:
    context |= {
        "form": form,
        "channel": form.channel,
        "label": form.channel.label,
        "where": form.where,
        "kinds": [(channel, Channel(channel).label) for channel in kinds],
        "allowed": settings.OUTGOING_HOSTS,
    }
    return render(request, "reminders/gateway.html", context, status=422 if form.is_bound else 200)


def _page_of(gateway: Gateway) -> str:
    """Where a gateway stands in a list."""
    return reverse("robots", args=[gateway.campaign_id]) if gateway.is_robot else reverse("gateways")
