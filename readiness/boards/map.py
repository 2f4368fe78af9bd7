"""The heat map as a map: shapes for the browser, and what each of them says. Only where boundaries were loaded."""

import hashlib
import json
from typing import Any, TypedDict

from django.db.models import TextField
from django.db.models.functions import Cast
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from checklists.models import Campaign
from readiness.boards import queries
from readiness.boards.light import Counts, Light
from villages.access import Person
from villages.http import CadreRequest
from villages.models import Boundary, BoundaryQuerySet, Cadre, Unit

COUNTRY = "0"  # how an address writes the unit whose code is empty


class Area(TypedDict):
    """What the map says of one unit."""

    code: str
    name: str
    light: str  # red, amber, green, none
    letter: str  # the light as a letter, for whoever does not tell colours apart
    why: str  # in words
    href: str  # its own board


def area(unit: Unit, light: Light, *, why: str, href: str) -> Area:
    """One unit as the map and its table show it."""
    return Area(code=unit.code, name=unit.short_name, light=light.value, letter=letter(light), why=why, href=href)


def letter(light: Light) -> str:
    """红, 黄, 绿; R, A, G."""
    return {
        Light.RED: pgettext("letter of a light", "R"),
        Light.AMBER: pgettext("letter of a light", "A"),
        Light.GREEN: pgettext("letter of a light", "G"),
        Light.NONE: "–",
    }[light]


def drawn(user: Person, code: str) -> BoundaryQuerySet:
    """Boundaries of the children of a unit, of those that the reader sees; none where the grid stands alone."""
    return Boundary.objects.visible_to(user).filter(unit__parent=code)


def seen(campaign: Campaign, user: Cadre, figures: dict[str, tuple[Unit, Counts]]) -> dict[str, Any]:
    """What templates/boards/_map.html is given: nothing if no child of the host has a boundary. One query."""
    code = campaign.host_id
    if not drawn(user, code).exists():
        return {}
    areas = []
    for unit, counts in figures.values():
        if unit.parent_id == code:
            why = f"{_('Overdue')} {counts.overdue} · {_('Returned')} {counts.returned}"
            href = reverse("unit_tasks", args=[campaign.pk, unit.code])
            areas.append(area(unit, queries.light_of(campaign, counts), why=why, href=href))
    return {"areas": areas, "shapes_url": f"{reverse('shapes', args=[campaign.pk])}?unit={code or COUNTRY}"}


@require_safe
def shapes(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """GeoJSON of the children of `?unit=` (else of the campaign's host), as far as the reader sees them.

    A FeatureCollection whose features carry their unit's code; 304 while nothing was loaded or removed.
    """
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    code = request.GET.get("unit", campaign.host_id)
    if "\0" in code:
        raise Http404
    units = Unit.objects.visible_to(request.user).under(campaign.host_id)
    unit = get_object_or_404(units, pk="" if code == COUNTRY else code)
    found = drawn(request.user, unit.code).order_by("unit")
    # Who sees other units, or whoever looks after a load, has another one.
    versions = list(found.values_list("unit", "loaded_at"))
    etag = quote_etag(hashlib.sha256(repr(versions).encode()).hexdigest()[:32])
    response = get_conditional_response(request, etag=etag)
    if response is None:
        features = (
            f'{{"type":"Feature","properties":{{"code":{json.dumps(code)}}},"geometry":{geometry}}}'
            for code, geometry in found.values_list("unit", Cast("geometry", TextField()))
        )
        response = HttpResponse(
            f'{{"type":"FeatureCollection","features":[{",".join(features)}]}}', content_type="application/geo+json"
        )
        response.headers["ETag"] = etag
    # Kept by this browser alone, and asked for each time: whoever is logged out gets nothing.
    response.headers["Cache-Control"] = "private, no-cache"
    return response
