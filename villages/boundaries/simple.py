"""Areas that share their borders: whether each is one, and all of them with as few points as fit.

Borders are simplified together (GEOS, coverage simplification after Visvalingam and Whyatt, GEOS 3.12 and newer), so
that neighbours that met before meet after, without gaps. Pure: no database.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import shapely
from django.utils.translation import gettext as _

from villages.boundaries.geojson import Polygon, place

DECIMALS = 5  # of a degree: about a metre
METRES_PER_DEGREE = 111_320  # along a meridian
# In degrees. The first leaves out less than the eye sees on a map of a county; past the last no shape is left.
FINEST, COARSEST = 0.00005, 1.0


def area_of(polygons: list[Polygon]) -> shapely.MultiPolygon:
    """The area that rings enclose.

    Raises:
        ValueError: its text says where they cross, overlap or enclose nothing.
    """
    area = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])
    if shapely.is_valid(area):
        return area
    said = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(area))
    where = place(float(said[1]), float(said[2])) if said else place(*polygons[0][0][0])
    raise ValueError(_("The rings of its border cross, overlap or enclose nothing near %(where)s.") % {"where": where})


@dataclass(frozen=True)
class Fitted:
    """Areas as they are kept: GeoJSON geometries by unit code, and details of how many metres were left out."""

    geometries: dict[str, Any]
    points: int
    detail: int


def fitted(areas: Mapping[str, shapely.MultiPolygon], maps: Iterable[tuple[Iterable[str], int]]) -> Fitted | None:
    """The areas, simplified together until they fit; None if they do not however coarse.

    Args:
        areas: by unit code.
        maps: codes that are shown together, and how many bytes they may take.
    """
    codes, shapes = list(areas), list(areas.values())
    rooms = [(list(together), room) for together, room in maps]
    tolerance = 0.0
    while tolerance <= COARSEST:
        found = {code: _geometry(shape) for code, shape in zip(codes, shapes, strict=True)}
        sizes = {code: len(json.dumps(geometry)) for code, geometry in found.items()}
        if all(sum(sizes[code] for code in together) <= room for together, room in rooms):
            return Fitted(found, points(shapes), math.ceil(tolerance * METRES_PER_DEGREE))
        tolerance = tolerance * 2 or FINEST
        # From what is already simpler: it is twice as coarse each time, so that the last step decides.
        shapes = [_without_specks(shape, tolerance) for shape in shapely.coverage_simplify(shapes, tolerance)]
    return None


def _without_specks(shape: shapely.Polygon | shapely.MultiPolygon, tolerance: float) -> shapely.MultiPolygon:
    """Without islands too small to be seen; the largest part stays, whatever its size."""
    parts = sorted(shapely.get_parts(shape), key=shapely.area, reverse=True)
    return shapely.MultiPolygon(parts[:1] + [part for part in parts[1:] if part.area >= tolerance**2])


def points(shapes: Iterable[shapely.MultiPolygon]) -> int:
    """How many positions they have together."""
    return int(shapely.get_num_coordinates(list(shapes)).sum())


def _geometry(shape: shapely.MultiPolygon) -> dict[str, Any]:
    parts = shapely.get_parts(shape)
    polygons = [[_rounded(ring) for ring in (part.exterior, *part.interiors)] for part in parts if not part.is_empty]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _rounded(ring: shapely.LinearRing) -> list[list[float]]:
    found: list[list[float]] = shapely.get_coordinates(ring).round(DECIMALS).tolist()
    return found
