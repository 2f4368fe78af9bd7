"""A GeoJSON file as it comes: bytes in, areas with their codes out, and what is wrong with each feature.

Pure: no database, no geometry beyond what one ring shows by itself. Source of the format: RFC 7946. Where a code may
stand follows the files that offices have: `properties.code`, `properties.adcode` (public map data), `id`.
"""

import json
import math
from typing import Any

from django.utils.translation import gettext as _

from villages.importing.problems import shown

# Longitude and latitude in degrees. A ring is closed: its last position is its first.
Position = tuple[float, float]
Ring = list[Position]
Polygon = list[Ring]

# Brackets in the file, and with them positions: what a position costs in memory once it is read is known by then.
MOST_BRACKETS = 400_000
COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04")
CODE_KEYS = ("code", "adcode")


class Unreadable(Exception):
    """Why the file as a whole is none of ours, in the reader's language."""


def features(raw: bytes) -> list[Any]:
    """The features of a collection, whatever they are.

    Raises:
        Unreadable: not UTF-8, compressed, no JSON, nested too deeply, too many points, no collection or an empty one.
    """
    if raw.startswith(COMPRESSED):
        raise Unreadable(_("The file is compressed. Unpack it and choose the GeoJSON file itself."))
    if raw.count(b"[") + raw.count(b"{") > MOST_BRACKETS:
        raise Unreadable(
            _("The file has more than %(most)s points. Simplify it, or load it in parts.") % {"most": MOST_BRACKETS}
        )
    try:
        read = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable(_("The file is not encoded as UTF-8. Save it as GeoJSON in UTF-8.")) from None
    except json.JSONDecodeError as error:
        raise Unreadable(
            _("The file is not JSON: line %(line)s, column %(column)s.") % {"line": error.lineno, "column": error.colno}
        ) from None
    except RecursionError:
        raise Unreadable(_("The file is nested too deeply to be GeoJSON.")) from None
    except ValueError:  # a whole number of thousands of digits
        raise Unreadable(_("The file contains a number that is too long.")) from None
    found = read.get("features") if isinstance(read, dict) and read.get("type") == "FeatureCollection" else None
    if not isinstance(found, list):
        raise Unreadable(_("The file is JSON, but no GeoJSON FeatureCollection."))
    if not found:
        raise Unreadable(_("The file has no features."))
    return found


def code_of(feature: Any) -> str:
    """The code as it stands in a feature, without blanks; empty if there is none."""
    if not isinstance(feature, dict):
        return ""
    about = feature.get("properties")
    values = [about.get(key) for key in CODE_KEYS] if isinstance(about, dict) else []
    for value in [*values, feature.get("id")]:
        if isinstance(value, str) and value.strip():
            return value.strip()
        if type(value) is int or (isinstance(value, float) and value.is_integer()):
            return str(int(value)) if abs(value) < 10**15 else "…"
    return ""


def polygons_of(feature: Any) -> list[Polygon]:
    """The polygons of a feature, positions without their height.

    Raises:
        ValueError: its text says what is wrong.
    """
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise ValueError(_("This is not a GeoJSON feature."))
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict) or not geometry.get("type"):
        raise ValueError(_("It has no geometry."))
    kind, coordinates = geometry["type"], geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        said = _("Its geometry is a %(kind)s; a boundary is a Polygon or a MultiPolygon.")
        raise ValueError(said % {"kind": shown(kind) if isinstance(kind, str) else "…"})
    if not coordinates:
        raise ValueError(_("Its geometry is empty."))
    found = [coordinates] if kind == "Polygon" else coordinates
    return [[_ring(ring) for ring in _list(polygon)] for polygon in _list(found)]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(_("Its coordinates are not rings of positions."))
    return value


def _ring(positions: Any) -> Ring:
    ring = [_position(position) for position in _list(positions)]
    if ring[0] != ring[-1]:
        raise ValueError(
            _("A ring is not closed: it begins at %(first)s and ends at %(last)s.")
            % {"first": place(*ring[0]), "last": place(*ring[-1])}
        )
    if len(ring) < 4:
        raise ValueError(_("A ring needs at least four positions, the last the same as the first."))
    return ring


def _position(position: Any) -> Position:
    if not isinstance(position, list) or len(position) < 2 or any(isinstance(n, list | dict) for n in position):
        raise ValueError(_("Its coordinates are not rings of positions."))
    for number in position[:2]:
        # True is a number to Python.
        if type(number) not in (int, float) or (type(number) is float and not math.isfinite(number)):
            raise ValueError(_("“%(value)s” is not a coordinate.") % {"value": shown(str(number))})
    longitude, latitude = position[:2]
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        where = shown(f"{longitude}, {latitude}")
        said = _("%(where)s is not on the earth. Coordinates are degrees: longitude, latitude.")
        raise ValueError(said % {"where": where})
    return float(longitude), float(latitude)


def place(longitude: float, latitude: float) -> str:
    """A position as people read it."""
    return f"{longitude:.5f}, {latitude:.5f}"
