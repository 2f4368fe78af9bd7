"""Step 2: the checklist, line by line."""

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from checklists import launch, scope
from checklists.models import Campaign, Item
from checklists.setup import page
from checklists.setup.days import DayField
from checklists.setup.seen import SeenForm
from villages.http import CadreRequest
from villages.models import Kind

OWING_KINDS = [(kind.value, kind.label) for kind in Kind if kind is not Kind.PROVINCE]


class ItemForm(SeenForm):
    """One line of the checklist."""

    owed_by = forms.MultipleChoiceField(
        label=_("Owed by"), choices=OWING_KINDS, widget=forms.CheckboxSelectMultiple(), error_messages={
            "required": _("Say which kind of unit owes this item.")
        },
    )  # fmt: skip
    due_on = DayField(label=_("Due on"))

    class Meta:
        model = Item
        fields = ["title", "standard", "section", "owed_by", "due_on", "points", "responsible", "struck"]
        labels = {"struck": _("Strike this item"), "section": _("Section")}
        widgets = {"standard": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs["prefix"] = f"item-{kwargs['instance'].pk}" if kwargs.get("instance") else "item-new"
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            "title",
            "standard",
            Row(Column("section"), Column("due_on"), Column("points")),
            "responsible",
            "owed_by",
            *(["struck"] if self.instance.pk else []),
        )
        if not self.instance.pk:
            del self.fields["struck"]
            self.fields["due_on"].initial = campaign.inspects_on

    def clean_due_on(self) -> date:
        """Between the campaign's first day and the inspection, or the end of its last phase."""
        day: date = self.cleaned_data["due_on"]
        last = max([self.campaign.last_day, *self.campaign.phases.values_list("ends_on", flat=True)])
        if day < self.campaign.starts_on:
            raise ValidationError(_("This lies before the campaign's first day."))
        if day > last:
            raise ValidationError(_("This lies after the inspection."))
        return day


@require_http_methods(["GET", "HEAD", "POST"])
def items(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The whole list by sections; POST adds an item of one's own."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return _list(request, campaign)
    form = ItemForm(request.POST, instance=None, campaign=campaign)
    if not form.is_valid():
        return _list(request, campaign, wrong=form)
    added = launch.add_own_item(campaign, form.save(commit=False), by=request.user)
    return page.saved(request, campaign, "setup_items", at=f"item-{added.pk}")


@require_POST
def item(request: CadreRequest, campaign_id: int, item_id: int) -> HttpResponse:
    """Changes or strikes one item."""
    campaign = page.planned(request, campaign_id)
    with transaction.atomic():
        found = get_object_or_404(campaign.items.select_for_update(no_key=True), pk=item_id)
        form = ItemForm(request.POST, instance=found, campaign=campaign)
        if form.is_valid():
            form.record(by=request.user, campaign=campaign)
            return page.saved(request, campaign, "setup_items", at=f"item-{found.pk}")
    return _list(request, campaign, wrong=form)


def _list(request: CadreRequest, campaign: Campaign, *, wrong: ItemForm | None = None) -> HttpResponse:
    """Items by section of the speech; a form that does not fit stands in its place, with what was typed."""
    made = scope.tasks_by_item(campaign)
    sections: dict[str, list[tuple[Item, int, ItemForm]]] = {}
    for found in campaign.items.select_related("phase"):
        form = wrong if wrong and wrong.instance.pk == found.pk else ItemForm(instance=found, campaign=campaign)
        sections.setdefault(found.section, []).append((found, made.get(found.pk, 0), form))
    fresh = wrong if wrong and wrong.instance.pk is None else ItemForm(instance=None, campaign=campaign)
    body = campaign.template.body if campaign.template else {}
    return page.show(
        request,
        campaign,
        "setup_items",
        status=422 if wrong else 200,
        sections=sections,
        new_item=fresh,
        items=len(made),
        left_out=body.get("left_out", []),
    )
