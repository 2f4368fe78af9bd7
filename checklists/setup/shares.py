"""Step 2, one item: the target of all together, split to townships and villages."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from checklists.models import Campaign, Item
from checklists.setup import page
from checklists.setup.seen import SeenForm
from checklists.shares import Level, Part, amount, give, level, read, said, split
from villages.http import CadreRequest
from villages.models import Unit
from villages.residents import Words


class TotalForm(SeenForm):
    """What is measured, and how much of it all units together owe."""

    metric = Words(label=gettext_lazy("What is counted"), max_length=80)
    operator = forms.ChoiceField(label=gettext_lazy("Is to be"), choices=Item.Operator.choices)
    total = forms.DecimalField(
        label=gettext_lazy("Target of all together"),
        min_value=0,
        max_digits=16,
        decimal_places=4,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )

    class Meta:
        model = Item
        fields = ["metric", "operator", "total", "measured_in"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="total", **kwargs)
        if self.instance.total is not None:
            self.initial["total"] = f"{self.instance.total.normalize():f}"
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            Row(Column("metric"), Column("operator"), Column("total"), Column("measured_in")),
        )

    def clean_measured_in(self) -> str:
        """Percentages make no sum."""
        measured_in: str = self.cleaned_data["measured_in"]
        if measured_in.startswith(("%", "％")):
            raise ValidationError(_("Percentages cannot be added up; count something."))
        return measured_in


class SplitForm(forms.Form):
    """One way to split one level."""

    WAYS = [
        ("hand", gettext_lazy("By hand")),
        ("evenly", gettext_lazy("Evenly")),
        ("proportion", gettext_lazy("In proportion")),
        ("paste", gettext_lazy("From Excel")),
    ]
    way = forms.ChoiceField(
        choices=WAYS,
        error_messages={
            "required": gettext_lazy("Say how to split."),
            "invalid_choice": gettext_lazy("Say how to split."),
        },
    )
    pasted = Words(
        required=False,
        max_length=200_000,
        strip=False,
        error_messages={"max_length": gettext_lazy("This is too much at once; paste one level only.")},
    )
    seen = forms.IntegerField(required=False, min_value=0)


@dataclass
class Line:
    """One unit's input, as the page shows it."""

    part: Part
    typed: str
    saw: str
    wrong: str = ""


@dataclass
class Sent:
    """What came back refused, to be shown with what was typed."""

    total: TotalForm | None = None
    split: SplitForm | None = None
    lines: list[Line] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@require_http_methods(["GET", "HEAD", "POST"])
def shares(request: CadreRequest, campaign_id: int, item_id: int) -> HttpResponse:
    """One level of the split, from the host down (`?at=`); POST sets the total or splits the level."""
    campaign = page.planned(request, campaign_id)
    item = get_object_or_404(campaign.items, pk=item_id)
    units = Unit.objects.visible_to(request.user).under(campaign.host_id)
    unit = get_object_or_404(units, pk=request.GET.get("at", campaign.host_id).replace("\0", "-"))
    if request.method != "POST":
        return _page(request, campaign, item, unit)
    if not item.may_be_split:
        return _page(request, campaign, item, unit, Sent())
    with transaction.atomic():
        item = campaign.items.select_for_update(no_key=True).get(pk=item.pk)
        save = _total if request.POST.get("way") == "total" else _split
        refused = save(request, campaign, item, unit)
        if refused is not None:
            return _page(request, campaign, item, unit, refused)
    messages.success(request, _("Saved."))
    return redirect(_address(campaign, item, unit) + "#split")


def _total(request: CadreRequest, campaign: Campaign, item: Item, unit: Unit) -> Sent | None:
    """Saves the target of all together; what is wrong, if anything is."""
    form = TotalForm(request.POST, instance=item)
    if not form.is_valid():
        return Sent(total=form)
    form.record(by=request.user, campaign=campaign)
    return None


def _split(request: CadreRequest, campaign: Campaign, item: Item, unit: Unit) -> Sent | None:
    """Splits one level; what is wrong, if anything is."""
    found = level(campaign, item, unit)
    form = SplitForm(request.POST)
    if not form.is_valid():
        return Sent(split=form, wrong=[str(message) for errors in form.errors.values() for message in errors])
    if item.total is None:
        return Sent(split=form, wrong=[_("Set the target of all together first.")])
    if form.cleaned_data["way"] == "hand":
        amounts, lines = _by_hand(request, campaign, item, found)
        if any(line.wrong for line in lines):
            return Sent(lines=lines, wrong=[_("Nothing is saved yet: look at the lines in red.")])
        give(campaign, item, found, amounts, by=request.user)
        return None
    number, who = _last(campaign, item)
    if form.cleaned_data["seen"] not in (None, number):
        return Sent(
            split=form, wrong=[_("%(who)s has meanwhile changed parts; look at them, then do it again.") % {"who": who}]
        )
    try:
        give(campaign, item, found, _divided(found, **form.cleaned_data), by=request.user)
    except ValidationError as error:
        return Sent(split=form, wrong=error.messages)
    return None


def _divided(found: Level, *, way: str, pasted: str, **_seen: Any) -> dict[str, Decimal | None]:
    """The parts as a way says: pasted as they are, evenly, or in proportion to pasted figures.

    Raises:
        ValidationError: what is pasted does not fit, or there is nothing to split.
    """
    units = [part.unit for part in found.parts]
    if way == "paste":
        return {**read(pasted, units)}
    if found.whole is None:
        raise ValidationError(_("%(unit)s has no part yet that could be split.") % {"unit": found.unit.name})
    figures = {unit.code: Decimal(1) for unit in units} if way == "evenly" else read(pasted, units)
    lacking = [unit.short_name for unit in units if unit.code not in figures]
    if lacking:
        raise ValidationError(_("No figure for: %(units)s") % {"units": "、".join(lacking[:20])})
    try:
        values = split(found.whole, [figures[unit.code] for unit in units])
    except ValueError:
        raise ValidationError(_("The figures add up to 0, so nothing can be split by them.")) from None
    return dict(zip([unit.code for unit in units], values, strict=True))


def _by_hand(
    request: CadreRequest, campaign: Campaign, item: Item, found: Level
) -> tuple[dict[str, Decimal | None], list[Line]]:
    """What was typed for each unit. What the sender left alone keeps what another has saved meanwhile."""
    amounts: dict[str, Decimal | None] = {}
    lines = []
    for part in found.parts:
        code = part.unit.code
        typed, saw = request.POST.get(f"part-{code}", ""), request.POST.get(f"saw-{code}", "")
        line = Line(part, typed, saw)
        lines.append(line)
        if typed == saw and f"saw-{code}" in request.POST:
            line.typed = line.saw = said(part.value)
            continue
        try:
            value = amount(typed[:60])
        except ValidationError as error:
            line.wrong = error.messages[0]
            continue
        if f"saw-{code}" in request.POST and saw != said(part.value) and value != part.value:
            line.saw = said(part.value)
            line.wrong = _(
                "%(who)s has meanwhile changed this to “%(now)s”. Your entry stands here; save again to replace it."
            ) % {"who": _last(campaign, item)[1], "now": said(part.value)}
        amounts[code] = value
    return amounts, lines


def _last(campaign: Campaign, item: Item) -> tuple[int, str]:
    """The number of the last change to any part of the item, and whose it was."""
    change = campaign.changes.filter(item=item, fields__has_key="shares").select_related("by").first()
    return (change.pk, change.by.name if change.by else _("Somebody")) if change else (0, "")


def _page(
    request: CadreRequest, campaign: Campaign, item: Item, unit: Unit, refused: Sent | None = None
) -> HttpResponse:
    found = level(campaign, item, unit)
    sent = refused or Sent()
    if refused is not None:
        item.refresh_from_db()
    lines = sent.lines or [Line(part, said(part.value), said(part.value)) for part in found.parts]
    form = sent.split
    return page.show(
        request,
        campaign,
        "setup_items",
        part="shares",
        status=200 if refused is None else 422,
        item=item,
        level=found,
        whole=said(found.whole),
        given=said(found.given),
        difference=said(abs(found.difference)),
        lines=[(line, said(line.part.below), said(abs(line.part.difference))) for line in lines],
        above=_address(campaign, item, unit.parent) if unit.parent and unit.code != campaign.host_id else "",
        address=_address(campaign, item, unit),
        total_form=sent.total or TotalForm(instance=item),
        way=form.data.get("way", "") if form else "",
        pasted=form.data.get("pasted", "") if form else "",
        wrong=sent.wrong,
        seen=_last(campaign, item)[0],
    )


def _address(campaign: Campaign, item: Item, unit: Unit) -> str:
    """The page of one level."""
    start = reverse("setup_shares", args=[campaign.pk, item.pk])
    return start if unit.code == campaign.host_id else f"{start}?at={unit.code}"
