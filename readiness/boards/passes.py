"""Passes for walls: made and revoked by whoever runs the campaign. The address is shown once."""

import secrets
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Length
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from checklists.models import Campaign, Change
from readiness.boards import figures
from readiness.models import WallPass
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Unit, code_of
from villages.residents import Words

TOKEN_BYTES = 32


class PassForm(forms.Form):
    """Where the screen hangs, what it shows, how long."""

    name = Words(
        label=gettext_lazy("Where the screen hangs"),
        max_length=40,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Say where the screen hangs, to tell this pass from others.")},
    )
    unit = forms.TypedChoiceField(
        label=gettext_lazy("What it shows"), coerce=code_of, widget=forms.Select(attrs={"class": "form-select"})
    )
    until = forms.DateField(
        label=gettext_lazy("Valid until (may stay empty)"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, units: list[Unit], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit: Any = self.fields["unit"]
        unit.choices = [(unit.written_code, unit.short_name) for unit in units]
        self.fields["until"].widget.attrs["min"] = timezone.localdate().isoformat()

    def clean_until(self) -> date | None:
        """A day that is still to come, or today."""
        until: date | None = self.cleaned_data["until"]
        if until and until < timezone.localdate():
            raise ValidationError(_("This day is past."))
        return until


@require_http_methods(["GET", "HEAD", "POST"])
def passes(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The passes of a campaign; POST makes one and shows its address this once."""
    seen = Campaign.objects.visible_to(request.user).select_related("host")
    campaign = get_object_or_404(seen, pk=campaign_id)
    access.require(access.may_run(request.user, campaign.host_id))
    asked = request.GET.get("unit", "")
    units = _units(campaign, request.user, also=code_of(asked.replace("\0", "")))
    data = request.POST if request.method == "POST" else None
    form = PassForm(data, units=units, initial={"unit": asked or campaign.host.written_code})
    made: WallPass | None = None
    address = ""
    if form.is_valid():
        unit = next(unit for unit in units if unit.code == form.cleaned_data["unit"])
        try:
            made, token = make(
                campaign, unit, form.cleaned_data["name"], until=form.cleaned_data["until"], by=request.user
            )
        except IntegrityError:
            form.add_error("name", _("There is a pass of this name. Revoke it first, or choose another name."))
        else:
            address = request.build_absolute_uri(reverse("wall_pass", args=[campaign.pk, token]))
            form = PassForm(units=units, initial={"unit": unit.written_code})
    known = WallPass.objects.visible_to(request.user).filter(campaign=campaign)
    in_force = set(known.in_force(timezone.now()).values_list("pk", flat=True))
    return render(
        request,
        "boards/passes.html",
        {
            "campaign": campaign,
            "form": form,
            "made": made,
            "address": address,
            "rows": [(one, one.pk in in_force) for one in known.select_related("unit", "made_by", "revoked_by")],
            "days": WallPass.SHOWN_AFTER_CLOSING.days,
        },
        status=422 if form.is_bound else 200,
    )


@require_POST
def revoke(request: CadreRequest, campaign_id: int, pass_id: int) -> HttpResponse:
    """Ends a pass at once; once more does no harm."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    access.require(access.may_run(request.user, campaign.host_id))
    seen = WallPass.objects.visible_to(request.user).filter(campaign=campaign)
    found = get_object_or_404(seen, pk=pass_id)
    end(found, by=request.user)
    messages.success(request, _("The pass “%(name)s” is revoked; its screen shows nothing any more.") % vars(found))
    return redirect("passes", campaign.pk)


@transaction.atomic
def make(campaign: Campaign, unit: Unit, name: str, *, until: date | None, by: Cadre) -> tuple[WallPass, str]:
    """A pass, and the secret part of its address, which nobody can find out later.

    Raises:
        IntegrityError: the campaign has a pass of this name that is not revoked.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = WallPass.objects.create(
        campaign=campaign, unit=unit, name=name, digest=WallPass.digest_of(token), until=until, made_by=by
    )
    _note(made, ["", name], by)
    return made, token


@transaction.atomic
def end(given: WallPass, *, by: Cadre) -> None:
    """Revokes a pass, unless somebody has done so before."""
    still = WallPass.objects.filter(pk=given.pk, revoked_at__isnull=True)
    if still.update(revoked_at=timezone.now(), revoked_by=by):
        _note(given, [given.name, ""], by)


def _note(given: WallPass, pair: list[str], by: Cadre) -> None:
    """One line of the campaign's history."""
    Change.objects.create(
        campaign_id=given.campaign_id, by=by, what=Change.What.EDITED, unit_id=given.unit_id, fields={"wall_pass": pair}
    )


def _units(campaign: Campaign, user: Cadre, *, also: str) -> list[Unit]:
    """What a wall can show: the host, the units right below it, and the one whose board one comes from. One query."""
    places = figures.BELOW.get(len(campaign.host_id), (0, 0))[0]
    under = Unit.objects.visible_to(user).under(campaign.host_id).alias(places=Length("code"))
    below = under.filter(places=places) if places else under.none()
    found = (below | under.filter(code__in=[campaign.host_id, also])).order_by("code")
    return [unit for unit in found if figures.has_board(unit.code)]
