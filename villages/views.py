"""Units in sight: browse down the tree, search, and who holds a post where."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from villages import access
from villages.forms import UnitFilter
from villages.http import CadreRequest
from villages.models import Post, Unit


@require_safe
def units(request: CadreRequest) -> HttpResponse:
    """The units my posts cover: the topmost first, then what lies below the one chosen; or a search over all."""
    form = UnitFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    seen = Unit.objects.visible_to(request.user)
    above = None
    if chosen.get("q"):
        found = seen.named(chosen["q"])
    elif chosen.get("under"):
        above = get_object_or_404(seen, pk=chosen["under"])
        found = seen.filter(parent=above)
    else:
        found = seen.filter(pk__in=access.scopes(request.user))
    return render(
        request,
        "villages/units.html",
        {
            "form": form,
            "above": above,
            "page": Paginator(found.order_by("code"), 100).get_page(request.GET.get("page")),
        },
    )


@require_safe
def unit(request: CadreRequest, code: str) -> HttpResponse:
    """One unit: where it belongs, and who holds which post."""
    found = get_object_or_404(Unit.objects.visible_to(request.user).select_related("parent"), pk=code)
    return render(
        request,
        "villages/unit.html",
        {
            "unit": found,
            "posts": Post.objects.filter(unit=found)
            .current(timezone.localdate())
            .select_related("cadre", "stands_in_for__cadre"),
            "may_call": access.may_call(request.user, found.code),
            "may_staff": access.may_staff(request.user, found.code),
            "may_load_boundaries": access.may_load_boundaries(request.user, found.code),
            "may_connect": access.may_connect(request.user, found.code),
            "may_see_above": found.parent_id and access.may_see(request.user, found.parent_id),
            "has_below": Unit.objects.filter(parent=found).exists(),
        },
    )
