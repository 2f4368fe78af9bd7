"""Step 2: the checklist. Every change is made while the campaign is held still, and stands in its history."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from checklists import launch, sync
from checklists.days import Span
from checklists.models import Campaign, Item
from checklists.setup import checklist, page, pasting
from checklists.setup.itemform import NO_POINTS, ItemForm, is_weightless
from checklists.setup.order import GONE, OrderForm
from checklists.setup.pasting import Fault, Sheet
from checklists.setup.several import SeveralForm
from villages.http import CadreRequest


@require_http_methods(["GET", "HEAD", "POST"])
def items(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The whole list by sections; POST adds an item of one's own."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return checklist.show(request, campaign)
    with sync.still(campaign) as held:
        form = ItemForm(request.POST, instance=None, campaign=held)
        if not form.is_valid():
            return checklist.show(request, campaign, status=422, new_item=form)
        (added,) = launch.add_own_items(held, [form.save(commit=False)], by=request.user)
    return page.saved(request, campaign, "setup_items", at=f"item-{added.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
def item(request: CadreRequest, campaign_id: int, item_id: int) -> HttpResponse:
    """The form of one item, within its row or as a page of its own; POST changes it."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        found = get_object_or_404(campaign.items, pk=item_id)
        if request.htmx and "row" in request.GET:  # somebody thought better of it
            return checklist.show_row(request, campaign, found.pk)
        return _form(request, campaign, ItemForm(instance=found, campaign=campaign))
    with sync.still(campaign) as held:
        found = get_object_or_404(campaign.items.select_for_update(no_key=True), pk=item_id)
        form = ItemForm(request.POST, instance=found, campaign=held)
        if not form.is_valid():
            return _form(request, campaign, form, status=422)
        form.record(by=request.user, campaign=held)
    if not request.htmx:
        return page.saved(request, campaign, "setup_items", at=f"item-{found.pk}")
    answer = checklist.show_row(request, campaign, found.pk, saved=True)
    if form.before["section"] != found.section:
        answer["HX-Refresh"] = "true"  # it stands elsewhere now
    return answer


def _form(request: CadreRequest, campaign: Campaign, form: ItemForm, *, status: int = 200) -> HttpResponse:
    if request.htmx:
        return checklist.show_row(request, campaign, form.instance.pk, status=status, form=form)
    return page.show(request, campaign, "setup_items", status=status, part="item", form=form)


@require_POST
def strike(request: CadreRequest, campaign_id: int, item_id: int) -> HttpResponse:
    """Strikes one item or takes it back, as the button says."""
    campaign = page.planned(request, campaign_id)
    get_object_or_404(campaign.items, pk=item_id)
    with sync.still(campaign) as held:
        wanted = {"items": [str(item_id)], "struck": request.POST.get("struck", "")}
        form = SeveralForm(wanted, campaign=held, items=list(held.items.all()))
        if form.is_valid():
            form.record(by=request.user)
    status, complaints = (422, {item_id: form.complaints[0]}) if form.errors else (200, {})
    if request.htmx:
        return checklist.show_row(request, campaign, item_id, status=status, complaints=complaints)
    if form.errors:
        return checklist.show(request, campaign, status=status, complaints=complaints)
    return page.saved(request, campaign, "setup_items", at=f"item-{item_id}")


@require_POST
def several(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Changes all chosen items, or none of them."""
    campaign = page.planned(request, campaign_id)
    with sync.still(campaign) as held:
        form = SeveralForm(request.POST, campaign=held, items=list(held.items.all()))
        changed = form.record(by=request.user) if form.is_valid() else 0
    if form.errors:
        return checklist.show(request, campaign, status=422, several=form)
    said = ngettext("%(n)d item changed.", "%(n)d items changed.", changed) % {"n": changed}
    return page.saved(request, campaign, "setup_items", at="checklist", said=said)


@require_POST
def order(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Moves one item; the page's own script gets the words to be read out."""
    campaign = page.planned(request, campaign_id)
    with sync.still(campaign) as held:
        form = OrderForm(request.POST, items=list(held.items.all()))
        place = form.record(held, by=request.user) if form.is_valid() else None
    if place is None:
        return checklist.show(request, campaign, status=422, faults=[str(GONE)])
    if request.htmx:
        return HttpResponse(place.words, content_type="text/plain; charset=utf-8")
    return page.saved(request, campaign, "setup_items", at=f"item-{place.item.pk}", said=place.words)


@require_POST
def paste(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Shows what was understood of pasted rows; sent again with `confirm`, adds them all."""
    campaign = page.planned(request, campaign_id)
    text = request.POST.get("text", "")
    with sync.still(campaign) as held:
        numbers = set(held.items.values_list("number", flat=True))
        pasted = pasting.read(text, Sheet(Span.of(held), held.inspects_on, numbers))
        fresh = [Item(campaign=held, **line.fields) for line in pasted.lines]
        if not pasted.faults and is_weightless([*held.items.all(), *fresh]):
            pasted.faults.append(Fault(0, "", "", str(NO_POINTS)))
        if not pasted.faults and request.POST.get("confirm"):
            launch.add_own_items(held, fresh, by=request.user)
            said = ngettext("%(n)d item added.", "%(n)d items added.", len(fresh)) % {"n": len(fresh)}
            return page.saved(request, campaign, "setup_items", at=f"item-{fresh[0].pk}", said=said)
    return page.show(
        request,
        campaign,
        "setup_items",
        status=422 if pasted.faults else 200,
        part="paste",
        text=text,
        pasted=pasted,
    )
