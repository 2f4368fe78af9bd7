"""Boundaries of units from a GeoJSON file: all of it or nothing, checked, simplified until a page can carry them.

Without boundaries everything stands but the map; nothing is fetched from anywhere.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import IO, Any

from django.db import transaction
from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Length
from django.utils import timezone
from django.utils.translation import gettext as _
from shapely import MultiPolygon

from villages.boundaries import geojson, simple
from villages.importing.cells import WELL_FORMED, parent_of, significant
from villages.importing.problems import shown
from villages.models import Boundary, Cadre, Unit

__all__ = ["LARGEST_FILE", "BadBoundaries", "Report", "load", "remove", "too_large"]

LARGEST_FILE = 10 * 2**20  # bytes
# What the children of one unit may take together: about 20,000 points, more than a wall screen can show.
LARGEST_MAP = 500_000  # bytes
PROBLEMS_KEPT = 20


@dataclass(frozen=True)
class Report:
    """What a load did.

    Attributes:
        added: units that had no boundary before.
        replaced: units that had one.
        points: positions in the file.
        kept: positions that were kept.
        detail: details smaller than about so many metres were left out; 0 = none.
    """

    added: int
    replaced: int
    points: int
    kept: int
    detail: int


class BadBoundaries(Exception):
    """The file was refused and nothing was written: the first problems, in the reader's language, and how many."""

    def __init__(self, problems: list[str], total: int | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.total = total or len(problems)


def load(file: IO[bytes], by: Cadre, *, under: Unit) -> Report:
    """Gives units below `under` the boundaries of a GeoJSON file; the others keep theirs.

    Codes may be padded with zeros to 6, 9 or 12 digits. Units of one level are simplified together, until the
    children of each unit fit into LARGEST_MAP together with those that they have already.

    Args:
        file: a FeatureCollection in UTF-8 of at most LARGEST_FILE bytes, coordinates in degrees.

    Raises:
        BadBoundaries: if anything in the file is not as it should be; then nothing has been written.
    """
    raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise BadBoundaries([too_large()])
    try:
        features = geojson.features(raw)
    except geojson.Unreadable as reason:
        raise BadBoundaries([str(reason)]) from None
    areas = _areas(features, under)
    kept = _fitted(areas, under)
    now = timezone.now()
    with transaction.atomic():
        had = Boundary.objects.filter(unit__in=areas).count()
        Boundary.objects.bulk_create(
            [
                Boundary(
                    unit_id=code, geometry=level.geometries[code], detail=level.detail, loaded_at=now, loaded_by=by
                )
                for level in kept
                for code in sorted(level.geometries)
            ],
            update_conflicts=True,
            unique_fields=["unit"],
            update_fields=["geometry", "detail", "loaded_at", "loaded_by"],
        )
    return Report(
        added=len(areas) - had,
        replaced=had,
        points=simple.points(areas.values()),
        kept=sum(level.points for level in kept),
        detail=max(level.detail for level in kept),
    )


def remove(under: Unit) -> int:
    """Takes the boundaries of everything below a unit away; says how many there were."""
    return Boundary.objects.below(under.code).delete()[0]


def too_large() -> str:
    """What is said of a larger file, whether or not it was read."""
    return _("The file is larger than %(most)s MB. Simplify it, or load it in parts.") % {"most": LARGEST_FILE // 2**20}


def _areas(features: list[Any], under: Unit) -> dict[str, MultiPolygon]:
    """The areas by the codes of their units."""
    raw = [geojson.code_of(feature) for feature in features]
    known = _known({code for one in raw for code in (one, significant(one)) if _is_below(code, under)})
    areas: dict[str, MultiPolygon] = {}
    first: dict[str, int] = {}
    problems = []
    for number, (feature, given) in enumerate(zip(features, raw, strict=True), start=1):
        # In the national list 350527000000 is a village; elsewhere these zeros only fill the county's twelve places.
        code = given if given in known else significant(given)
        try:
            _check_code(given, code, known, under)
            if code in first:
                raise ValueError(_("The same code stands in feature %(first)s.") % {"first": first[code]})
            first[code] = number
            areas[code] = simple.area_of(geojson.polygons_of(feature))
        except ValueError as error:
            problems.append((number, given, str(error)))
    if problems:
        raise BadBoundaries([_said(*problem) for problem in problems[:PROBLEMS_KEPT]], len(problems))
    return areas


def _check_code(given: str, code: str, known: set[str], under: Unit) -> None:
    """Raises ValueError unless it is the code of a unit below `under`; says nothing of units elsewhere."""
    if not given:
        raise ValueError(_("It has no code: properties.code, properties.adcode or id."))
    if not WELL_FORMED.fullmatch(code):
        raise ValueError(_("A code has 2, 4, 6, 9 or 12 digits, then D001 or S0001 at most once each."))
    if not _is_below(code, under):
        raise ValueError(_("This unit does not lie below %(name)s.") % {"name": under.name})
    if not code.isdecimal():
        raise ValueError(_("Departments and sites have no boundaries."))
    if code not in known:
        raise ValueError(_("There is no unit with this code."))


def _is_below(code: str, under: Unit) -> bool:
    return code != under.code and code.startswith(under.code)


def _known(codes: set[str]) -> set[str]:
    wanted = [code for code in codes if WELL_FORMED.fullmatch(code)]
    return set(Unit.objects.filter(pk__in=wanted).values_list("pk", flat=True))


def _said(number: int, code: str, reason: str) -> str:
    if not code:
        return _("Feature %(number)s: %(reason)s") % {"number": number, "reason": reason}
    return _("Feature %(number)s (%(code)s): %(reason)s") % {"number": number, "code": shown(code), "reason": reason}


def _fitted(areas: dict[str, MultiPolygon], under: Unit) -> list[simple.Fitted]:
    """The areas of each level, simplified together: villages meet across the borders of their townships too."""
    siblings: dict[str, list[str]] = defaultdict(list)
    for code in areas:
        siblings[parent_of(code)].append(code)
    taken = dict(
        Boundary.objects.filter(unit__parent__in=siblings)
        .exclude(unit__in=areas)
        .values_list("unit__parent")
        .annotate(bytes=Sum(Length(Cast("geometry", TextField()))))
    )
    kept = []
    for digits in sorted({len(code) for code in areas}):
        level = {code: area for code, area in areas.items() if len(code) == digits}
        maps = [(codes, LARGEST_MAP - taken.get(above, 0)) for above, codes in siblings.items() if codes[0] in level]
        found = simple.fitted(level, maps)
        if found is None:
            raise BadBoundaries(
                [
                    _("Below %(name)s there are too many areas for one map, however simple. Load fewer of them.")
                    % {"name": under.name}
                ]
            )
        kept.append(found)
    return kept
