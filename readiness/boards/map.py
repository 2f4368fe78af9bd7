"""The heat map as a map: shapes for the browser, and what each of them says. Only where boundaries were loaded."""

import hashlib
import json
from typing import TypedDict

from django.db.models import TextField
from django.db.models.functions import Cast, Length
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from checklists.models import Campaign
from readiness.boards import figures
from readiness.boards.figures import Board
from readiness.boards.words import why
from villages.access import Person
from villages.http import CadreRequest
from villages.models import Boundary, BoundaryQuerySet, Kind, Unit, code_of

DIVISIONS = (Kind.PROVINCE, Kind.CITY, Kind.COUNTY, Kind.TOWNSHIP, Kind.VILLAGE)


class Area(TypedDict):
    """What the map says of one unit."""

    code: str
    name: str
    light: str  # red, amber, green, none
    letter: str  # the light as a letter, for whoever does not tell colours apart
    why: str  # in words
    href: str  # its own board


def drawn(user: Person, code: str) -> BoundaryQuerySet:
    """Boundaries of the units right below one, of those that the reader sees; none where the grid stands alone."""
    below = Boundary.objects.visible_to(user).alias(places=Length("unit"))
    return below.filter(unit__code__startswith=code, places=figures.BELOW[len(code)][0], unit__kind__in=DIVISIONS)


def areas(campaign: Campaign, shown: Board) -> list[Area]:
    """The rows of a board as the map and its table show them."""
    board, units = reverse("board", args=[campaign.pk]), f"{reverse('board', args=[campaign.pk])}units/"
    return [
        Area(
            code=row.code,
            name=row.name,
            light=row.light.value,
            letter=row.light.letter,
            why=why(row.light, row.counts, vetoes=campaign.vetoes),
            href=f"{board}?unit={row.code}" if row.has_board else f"{units}{row.code}/",
        )
        for row in shown.rows
        if row.is_whole and row.code is not None
    ]


@require_safe
def shapes(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """GeoJSON of the children of `?unit=` (else of the campaign's host), as far as the reader sees them.

    A FeatureCollection whose features carry their unit's code; 304 while nothing was loaded or removed.
    """
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    code = code_of(request.GET.get("unit", campaign.host.written_code))
    if "\0" in code or not figures.has_board(code):
        raise Http404
    units = Unit.objects.visible_to(request.user).under(campaign.host_id)
    unit = get_object_or_404(units, pk=code)
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
