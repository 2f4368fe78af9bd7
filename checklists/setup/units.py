"""Step 4: who takes part."""

import re
from dataclasses import dataclass
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from checklists import scope, taking_part
from checklists.models import Campaign, Item
from checklists.setup import page
from villages import access
from villages.http import CadreRequest
from villages.models import Kind, Unit, UnitQuerySet
from villages.residents import Words
from villages.units import CannotAdd, may_have

PER_PAGE = 100
CODE = re.compile(r"[0-9DS]{2,20}")


class NewUnitForm(forms.Form):
    """A site or a department under the unit that is looked at."""

    kind = forms.ChoiceField(label=_("Kind"))
    name = Words(
        label=pgettext_lazy("unit", "Name"),
        max_length=80,
        help_text=_("A market, a public toilet, a street, an office."),
    )

    def __init__(self, data: Any = None, *, parent: Unit) -> None:
        super().__init__(data, prefix="new")
        kind: Any = self.fields["kind"]
        kind.choices = [(kind.value, kind.label) for kind in may_have(parent)]
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(Row(Column("kind", css_class="col-md-3"), Column("name", css_class="col-md-9")))


@dataclass(frozen=True)
class Line:
    """A unit on the page."""

    unit: Unit
    is_out: bool
    out_with: str  # the unit above that was left out
    below: int
    part: int  # of those below, how many take part


@require_http_methods(["GET", "HEAD", "POST"])
def units(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """A unit's children, a search, or all that are left out; POST leaves out, takes back in, or adds a unit."""
    campaign = page.planned(request, campaign_id)
    reach = Unit.objects.visible_to(request.user).under(campaign.host_id)
    path = _path(reach, campaign, request.GET.get("at") or campaign.host_id)
    if request.method != "POST":
        return _tree(request, campaign, reach, path)
    if "new-name" in request.POST:
        return _add(request, campaign, reach, path)
    sent = set(request.POST.getlist("code"))
    if not sent:
        return _tree(request, campaign, reach, path, complaint=gettext("Choose at least one unit."))
    chosen = list(reach.exclude(pk=campaign.host_id).filter(pk__in=filter(CODE.fullmatch, sent)).order_by("code"))
    if len(chosen) < len(sent):
        raise Http404
    messages.success(request, _moved(request, campaign, chosen))
    return redirect(f"{request.get_full_path()}#units")


def _path(reach: UnitQuerySet, campaign: Campaign, code: str) -> list[Unit]:
    """The units from the host down to the one with this code.

    Raises:
        Http404: there is none within reach.
    """
    above = [code[:length] for length in range(2, len(code) + 1)] if CODE.fullmatch(code) else []
    path = list(reach.filter(pk__in=above).order_by("code"))
    if not path or path[-1].pk != code:
        raise Http404
    return path


def _moved(request: CadreRequest, campaign: Campaign, chosen: list[Unit]) -> str:
    """Does what the button said; tells how many it changed."""
    out, back = 0, 0
    if "only" in request.POST:
        out, back = taking_part.keep_only(campaign, chosen, by=request.user)
    elif "takes_part" in request.POST:
        back = taking_part.take_in(campaign, chosen, by=request.user)
    else:
        out = taking_part.leave_out(campaign, chosen, by=request.user)
    told = []
    if out:
        told.append(ngettext("%(n)d unit left out.", "%(n)d units left out.", out) % {"n": out})
    if back:
        told.append(ngettext("%(n)d unit taken back in.", "%(n)d units taken back in.", back) % {"n": back})
    return " ".join(told) or gettext("Nothing to change: it was so already.")


def _add(request: CadreRequest, campaign: Campaign, reach: UnitQuerySet, path: list[Unit]) -> HttpResponse:
    """Adds a site or a department under the unit looked at, and goes to the page on which it stands."""
    parent = path[-1]
    access.require(access.may_run(request.user, parent.pk))
    form = NewUnitForm(request.POST, parent=parent)
    if form.is_valid():
        kind, name = form.cleaned_data["kind"], form.cleaned_data["name"]
        try:
            added = taking_part.add_unit(campaign, kind, parent, name, by=request.user)
        except CannotAdd as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, gettext("Added: %(name)s, %(code)s.") % {"name": added.name, "code": added.pk})
            before = reach.filter(parent=parent, code__lt=added.pk).count()
            where = f"?at={parent.pk}&page={before // PER_PAGE + 1}#unit-{added.pk}"
            return redirect(reverse("setup_units", args=[campaign.pk]) + where)
    return _tree(request, campaign, reach, path, new=form)


def _tree(
    request: CadreRequest,
    campaign: Campaign,
    reach: UnitQuerySet,
    path: list[Unit],
    *,
    new: NewUnitForm | None = None,
    complaint: str = "",
) -> HttpResponse:
    at = path[-1]
    wanted = request.GET.get("q", "").replace("\0", "").strip()[:60]
    shows_left = "left" in request.GET
    excluded = dict(campaign.excluded.order_by("code").values_list("code", "name"))
    if wanted:
        found: QuerySet[Unit] = reach.exclude(pk=campaign.host_id).named(wanted).select_related("parent")
    elif shows_left:
        found = reach.filter(pk__in=excluded).select_related("parent")
    else:
        found = reach.filter(parent=at)
    listed = Paginator(found.order_by("code"), PER_PAGE).get_page(request.GET.get("page"))
    below = taking_part.counted_below(campaign, {at.pk, *(unit.pk for unit in listed)})
    by_kind, made = scope.units_by_kind(campaign), scope.tasks_by_item(campaign)
    if new is None and may_have(at):
        new = NewUnitForm(parent=at)
    return page.show(
        request,
        campaign,
        "setup_units",
        status=422 if complaint or (new and new.errors) else 200,
        made=made,
        path=path,
        at=Line(at, at.pk in excluded, _out_with(at, excluded), *below[at.pk]),
        q=wanted,
        shows_left=shows_left,
        is_tree=not (wanted or shows_left),
        page=listed,
        lines=[Line(unit, unit.pk in excluded, _out_with(unit, excluded), *below[unit.pk]) for unit in listed],
        left=len(excluded),
        by_kind=[(kind.label, by_kind[kind]) for kind in Kind if kind in by_kind],
        unowed=_unowed(campaign, by_kind, made),
        new_unit=new,
        complaint=complaint,
    )


def _out_with(unit: Unit, excluded: dict[str, str]) -> str:
    """The name of the topmost unit above that was left out, if any."""
    above = (unit.pk[:length] for length in range(2, len(unit.pk)))
    return next((excluded[code] for code in above if code in excluded), "")


def _unowed(campaign: Campaign, by_kind: dict[str, int], made: dict[int, int]) -> dict[str, list[Item]]:
    """Items owed by a kind of unit, or by departments of a name, of which none takes part; by kind."""
    found: dict[str, list[Item]] = {}
    for item in campaign.items.filter(struck=False):
        missing = [str(Kind(kind).label) for kind in item.owed_by if kind not in by_kind]
        if not missing and item.pk not in made:
            missing = ["、".join(item.departments)]
        for kind in missing:
            found.setdefault(kind, []).append(item)
    return found
