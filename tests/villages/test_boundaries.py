"""Boundaries of units: what a file must be, how it is refused, what is kept of it, and who loads it."""

import gzip
import io
import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import translation

from tests import factories
from tests.factories import COUNTY, EAST, LAKE, MAPLE, OTHER_TOWNSHIP, WEST, WILLOW
from villages import boundaries
from villages.boundaries import BadBoundaries, Report, geojson, simple
from villages.models import Boundary, Cadre, Unit

Cast = dict[str, Cadre]
ADDRESS = f"/units/{COUNTY}/boundaries/"


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """Messages are compared in the language of the source."""
    with translation.override("en"):
        yield


def square(x: float, y: float = 28.0, side: float = 0.1) -> list[list[float]]:
    """A closed ring."""
    x, y, to_x, to_y = (round(number, 5) for number in (x, y, x + side, y + side))
    return [[x, y], [to_x, y], [to_x, to_y], [x, to_y], [x, y]]


def feature(code: Any, ring: Any = None, **other: Any) -> dict[str, Any]:
    """One area, by default a square of its own."""
    ring = ring or square(104 + sum(map(ord, str(code))) % 100 / 100)
    return {
        "type": "Feature",
        "properties": {"code": code},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    } | other


def collection(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def load(raw: bytes, by: Cadre, under: str = COUNTY) -> Report:
    return boundaries.load(io.BytesIO(raw), by, under=Unit.objects.get(pk=under))


def loaded() -> set[str]:
    return set(Boundary.objects.values_list("unit_id", flat=True))


# ---- What is loaded -----------------------------------------------------------------------------------------------


def test_each_unit_gets_its_boundary(cast: Cast) -> None:
    report = load(collection(feature(EAST, square(104.5)), feature(WEST, square(104.6))), cast["ada"])
    assert report == Report(added=2, replaced=0, points=10, kept=10, detail=0)
    east = Boundary.objects.get(pk=EAST)
    assert east.geometry == {"type": "Polygon", "coordinates": [square(104.5)]}
    assert (east.loaded_by, east.detail) == (cast["ada"], 0)


def test_loading_again_replaces_and_the_others_keep_theirs(cast: Cast) -> None:
    load(collection(feature(EAST), feature(WEST)), cast["ada"])
    west = Boundary.objects.get(pk=WEST)
    report = load(collection(feature(EAST, square(105))), cast["su"])
    assert (report.added, report.replaced) == (0, 1)
    assert Boundary.objects.get(pk=EAST).geometry["coordinates"] == [square(105)]
    assert Boundary.objects.get(pk=EAST).loaded_by == cast["su"]
    assert Boundary.objects.get(pk=WEST).loaded_at == west.loaded_at


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (feature(EAST), EAST),
        (feature(int(EAST)), EAST),
        (feature(float(EAST)), EAST),
        (feature(f" {EAST} "), EAST),
        (feature(EAST + "000"), EAST),
        (feature(int(EAST + "000")), EAST),
        (feature(None, properties={"adcode": EAST}), EAST),
        (feature(None, properties={"code": "", "adcode": int(EAST)}), EAST),
        (feature(None, properties={"name": "东镇"}, id=EAST), EAST),
        (feature(None, properties=None, id=int(EAST)), EAST),
        (feature(WILLOW), WILLOW),
    ],
)
def test_where_a_code_may_stand_and_how_it_may_be_padded(one: Any, code: str, cast: Cast) -> None:
    load(collection(one), cast["ada"])
    assert loaded() == {code}


def test_codes_of_counties_are_padded_to_six_and_twelve_digits(cast: Cast) -> None:
    load(collection(feature("511500", square(104)), feature("511504000000", square(105))), cast["ada"], under="51")
    assert loaded() == {"5115", COUNTY}


def test_zeros_that_belong_to_a_code_stay(cast: Cast) -> None:
    """In the national list 350527, a county without townships, has the township …000 and the village …000000."""
    names = {"35": "福建省", "3505": "泉州市", "350527": "金门县", "350527000": "金门县", "350527000000": "金门县"}
    factories.units(names)
    load(collection(feature("350527000000")), cast["ada"], under="35")
    assert loaded() == {"350527000000"}


def test_holes_islands_heights_and_a_mark_at_the_beginning(cast: Cast) -> None:
    hole = square(104.02, 28.02, 0.02)
    islands = [[square(104), hole], [square(106)]]
    high = [[*position, 312.5] for position in square(105)]
    geometry = {"type": "MultiPolygon", "coordinates": islands}
    load(b"\xef\xbb\xbf" + collection(feature(EAST, geometry=geometry), feature(WEST, high)), cast["ada"])
    assert Boundary.objects.get(pk=EAST).geometry == {
        "type": "MultiPolygon",
        "coordinates": islands,
    }
    assert Boundary.objects.get(pk=WEST).geometry["coordinates"] == [square(105)]


# ---- What is refused ----------------------------------------------------------------------------------------------

BOW_TIE = [[104, 28], [105, 29], [105, 28], [104, 29], [104, 28]]


def of(kind: str, coordinates: Any) -> dict[str, Any]:
    return feature(EAST, geometry={"type": kind, "coordinates": coordinates})


def ring_with(position: Any) -> dict[str, Any]:
    return feature(EAST, [[104, 28], [105, 28], position, [104, 28]])


REFUSED: dict[str, tuple[Any, str]] = {
    "an unknown unit": (feature("511504999"), "There is no unit with this code."),
    "a village unknown": (feature("511504101299"), "There is no unit with this code."),
    "no code": (feature(None), "It has no code"),
    "a code that is none": (feature("东镇"), "A code has 2, 4, 6, 9 or 12 digits"),
    "a code with nothing in it": (feature("511504\0"), "A code has 2, 4, 6, 9 or 12 digits"),
    "a code of thirty digits": (feature("5" * 30), "A code has 2, 4, 6, 9 or 12 digits"),
    "a code of thirty digits, a number": (feature(int("5" * 30)), "A code has 2, 4, 6, 9 or 12 digits"),
    "half a letter": (feature("\ud83d"), "A code has 2, 4, 6, 9 or 12 digits"),
    "yes as a code": (feature(True), "It has no code"),
    "elsewhere": (feature(OTHER_TOWNSHIP), "This unit does not lie below 叙州区."),
    "nowhere": (feature("999999"), "This unit does not lie below 叙州区."),
    "the unit itself": (feature(COUNTY), "This unit does not lie below 叙州区."),
    "above it": (feature("511500"), "This unit does not lie below 叙州区."),
    "a department": (feature(factories.BUREAU), "Departments and sites have no boundaries."),
    "crossing rings": (feature(EAST, BOW_TIE), "cross, overlap or enclose nothing near 104.50000, 28.50000."),
    "a hole outside": (of("Polygon", [square(104), square(110)]), "cross, overlap or enclose nothing near"),
    "parts that overlap": (of("MultiPolygon", [[square(104)], [square(104.05)]]), "cross, overlap"),
    "nothing enclosed": (feature(EAST, [[104, 28]] * 4), "cross, overlap or enclose nothing near"),
    "an unclosed ring": (feature(EAST, square(104)[:-1]), "A ring is not closed: it begins at 104.00000, 28.00000"),
    "a ring of three": (feature(EAST, [[104, 28], [105, 28], [104, 28]]), "A ring needs at least four positions"),
    "longitude 181": (ring_with([181, 28]), "181, 28 is not on the earth."),
    "latitude -91": (ring_with([104, -91]), "104, -91 is not on the earth."),
    "metres": (ring_with([35500000.5, 3180000]), "35500000.5, 3180000 is not on the earth."),
    "a number of a thousand digits": (ring_with([10**1000, 28]), "is not on the earth."),
    "not a number": (ring_with([math.nan, 28]), "“nan” is not a coordinate."),
    "infinite": (ring_with([104, math.inf]), "“inf” is not a coordinate."),
    "words": (ring_with(["104", 28]), "“104” is not a coordinate."),
    "yes and no": (ring_with([True, False]), "“True” is not a coordinate."),
    "nothing": (ring_with([None, 28]), "“None” is not a coordinate."),
    "a list": (ring_with([[104], 28]), "Its coordinates are not rings of positions."),
    "half a position": (ring_with([104]), "Its coordinates are not rings of positions."),
    "one level too few": (of("Polygon", square(104)), "Its coordinates are not rings of positions."),
    "one level too many": (of("Polygon", [[square(104)]]), "Its coordinates are not rings of positions."),
    "an object": (of("Polygon", {"a": 1}), "Its coordinates are not rings of positions."),
    "an empty polygon": (of("Polygon", []), "Its geometry is empty."),
    "an empty ring": (of("Polygon", [[]]), "Its coordinates are not rings of positions."),
    "no coordinates": (feature(EAST, geometry={"type": "Polygon"}), "Its geometry is empty."),
    "no geometry": (feature(EAST, geometry=None), "It has no geometry."),
    "a point": (of("Point", [104, 28]), "Its geometry is a Point;"),
    "a line": (of("LineString", square(104)), "Its geometry is a LineString;"),
    "a kind that is a list": (of(["Polygon"], square(104)), "Its geometry is a …;"),  # type: ignore[arg-type]
    "several kinds": (feature(EAST, geometry={"type": "GeometryCollection", "geometries": []}), "GeometryCollection;"),
    "no feature": ({"type": "Polygon", "properties": {"code": EAST}}, "This is not a GeoJSON feature."),
    "a number": (7, "It has no code"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_feature_refuses_the_whole_file(what: str, cast: Cast) -> None:
    bad, reason = REFUSED[what]
    with pytest.raises(BadBoundaries) as refusal:
        load(collection(feature(WEST), bad), cast["ada"])
    (problem,) = refusal.value.problems
    assert problem.startswith("Feature 2") and reason in problem
    problem.encode()  # can be shown
    assert loaded() == set()


def test_a_unit_twice_is_refused_also_under_another_spelling(cast: Cast) -> None:
    with pytest.raises(BadBoundaries) as refusal:
        load(collection(feature(EAST), feature(WEST), feature(EAST + "000")), cast["ada"])
    assert refusal.value.problems == [f"Feature 3 ({EAST}000): The same code stands in feature 1."]


def test_all_problems_are_counted_and_the_first_are_told(cast: Cast) -> None:
    with pytest.raises(BadBoundaries) as refusal:
        load(collection(feature(EAST), *(feature(f"511504{n}") for n in range(300, 350))), cast["ada"])
    assert (len(refusal.value.problems), refusal.value.total) == (20, 50)


FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The file is not JSON: line 1, column 1."),
    "no JSON": (b"PK? no\n{", "The file is not JSON: line 1, column 1."),
    "cut short": (collection(feature(EAST))[:-2], "The file is not JSON: line 1, column"),
    "a table": ("代码,名称\n511504101,东镇".encode(), "The file is not JSON"),
    "another encoding": ('{"name": "东镇"}'.encode("gb18030"), "not encoded as UTF-8"),
    "UTF-16": (collection(feature(EAST)).decode().encode("utf-16"), "not encoded as UTF-8"),
    "JSON, not GeoJSON": (b'{"511504101": [1, 2]}', "no GeoJSON FeatureCollection"),
    "a list": (b"[1, 2]", "no GeoJSON FeatureCollection"),
    "a number": (b"7", "no GeoJSON FeatureCollection"),
    "one feature alone": (json.dumps(feature(EAST)).encode(), "no GeoJSON FeatureCollection"),
    "features that are none": (b'{"type": "FeatureCollection", "features": {"a": 1}}', "no GeoJSON FeatureCollection"),
    "no features": (b'{"type": "FeatureCollection", "features": []}', "The file has no features."),
    "nested deeply": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "objects nested deeply": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    "a number of 9,000 digits": (b"[" + b"9" * 9_000 + b"]", "a number that is too long"),
    "too many points": (b"[" + b"[1,2]," * geojson.MOST_BRACKETS + b"1]", "more than 400000 points"),
    "gzip": (gzip.compress(collection(feature(EAST))), "The file is compressed."),
    "a bomb": (gzip.compress(b" " * 50_000_000), "The file is compressed."),
    "zip": (b"PK\x03\x04" + b"\0" * 100, "The file is compressed."),
    "too large": (b" " * (boundaries.LARGEST_FILE + 1), "The file is larger than 10 MB."),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_geojson_says_why(what: str, cast: Cast) -> None:
    raw, reason = FILES[what]
    with pytest.raises(BadBoundaries, match=reason):
        load(raw, cast["ada"])


# ---- What is simplified -------------------------------------------------------------------------------------------


def wavy(start: tuple[float, float], end: tuple[float, float], steps: int) -> list[list[float]]:
    """A winding line, its last position left out."""
    (x, y), (to_x, to_y) = start, end
    across, along = (to_y - y), (to_x - x)
    line = []
    for n in range(steps):
        t, wave = n / steps, 0.02 * math.sin(n * 40 * math.pi / steps) * math.sin(n * math.pi / steps)
        line.append([round(x + along * t - across * wave, 7), round(y + across * t + along * wave, 7)])
    return line


def block(corner: tuple[float, float], steps: int) -> list[list[float]]:
    """A square with winding sides; the side that two blocks share is the same line in both."""
    x, y = corner
    corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]
    ring: list[list[float]] = []
    for one, other in pairwise(corners):
        if one < other:
            ring += wavy(one, other, steps)
        else:
            ring += [list(one), *reversed(wavy(other, one, steps)[1:])]
    return [*ring, ring[0]]


def test_a_large_file_is_simplified_until_it_fits_and_neighbours_still_meet(cast: Cast) -> None:
    raw = collection(feature(EAST, block((104, 28), 8000)), feature(WEST, block((105, 28), 8000)))
    assert len(raw) > 2 * boundaries.LARGEST_MAP
    report = load(raw, cast["ada"])
    assert report.points > 60_000 > 25_000 > report.kept > 100
    assert 0 < report.detail < 1000
    east, west = (simple.area_of([Boundary.objects.get(pk=code).geometry["coordinates"]]) for code in (EAST, WEST))
    assert sum(len(json.dumps(one.geometry)) for one in Boundary.objects.all()) <= boundaries.LARGEST_MAP
    # No gap and no overlap: together they are one area without holes, as large as both.
    both = east.union(west)
    assert both.geom_type == "Polygon" and not both.interiors
    assert both.area == pytest.approx(east.area + west.area)
    assert both.area == pytest.approx(2, rel=0.01)


def test_islands_too_small_to_be_seen_are_left_out(cast: Cast) -> None:
    """An islet has three points at least, so that thousands of them would never fit."""
    islets = [[square(104 + n % 100 / 100, 28 + n // 100 / 100, 0.004)] for n in range(6000)]
    one = feature(EAST, geometry={"type": "MultiPolygon", "coordinates": [[square(106, side=1)], *islets]})
    report = load(collection(one), cast["ada"])
    assert report.detail > 100
    assert Boundary.objects.get(pk=EAST).geometry == {"type": "Polygon", "coordinates": [square(106, side=1)]}


def test_what_is_there_already_takes_its_room(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "LARGEST_MAP", 20_000)
    load(collection(feature(EAST, block((104, 28), 2000))), cast["ada"])
    load(collection(feature(WEST, block((105, 28), 2000))), cast["ada"])
    sizes = [len(json.dumps(one.geometry)) for one in Boundary.objects.all()]
    assert sum(sizes) <= 20_000
    assert min(sizes) < max(sizes) / 2


def test_villages_of_two_townships_are_two_maps(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    areas = [feature(code, block((104 + n, 28), 500)) for n, code in enumerate((WILLOW, MAPLE, LAKE))]
    monkeypatch.setattr(boundaries, "LARGEST_MAP", 100_000)  # two fit, three would not
    assert load(collection(*areas), cast["ada"]).detail == 0


def test_too_many_areas_for_one_map_are_refused(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "LARGEST_MAP", 150)
    with pytest.raises(BadBoundaries, match="too many areas for one map"):
        load(collection(feature(EAST, square(104)), feature(WEST, square(105))), cast["ada"])
    assert loaded() == set()


# ---- The page -----------------------------------------------------------------------------------------------------


def send(client: Client, raw: bytes, address: str = ADDRESS) -> HttpResponse:
    client.cookies["django_language"] = "en"
    return client.post(address, {"file": SimpleUploadedFile("east.geojson", raw)})  # type: ignore[return-value]


def test_the_admin_loads_sees_and_removes(as_: Callable[[str], Client]) -> None:
    ada = as_("ada")
    response = send(ada, collection(feature(EAST), feature(WILLOW)))
    assert (response.status_code, response.headers["Location"]) == (302, ADDRESS)
    page = ada.get(ADDRESS).content.decode()
    assert "Loaded: 2 new, 0 replaced." in page
    assert "1 / 2" in page and "1 / 3" in page  # townships, villages
    assert "Still without a boundary: 西镇" in page
    assert ada.post(ADDRESS + "remove/").status_code == 302
    page = ada.get(ADDRESS).content.decode()
    assert "2 boundaries removed." in page and "0 / 2" in page
    assert loaded() == set()


def test_removing_leaves_what_lies_elsewhere(cast: Cast, as_: Callable[[str], Client]) -> None:
    load(collection(feature(COUNTY), feature(EAST), feature(WILLOW), feature(LAKE)), cast["ada"], under="5115")
    as_("ada").post(f"/units/{EAST}/boundaries/remove/")
    assert loaded() == {COUNTY, EAST, LAKE}


def test_a_refused_file_answers_422_with_its_problems(as_: Callable[[str], Client]) -> None:
    response = send(as_("ada"), collection(*(feature(f"511504{n}") for n in range(300, 330))))
    page = response.content.decode()
    assert response.status_code == 422
    assert "The file was refused; nothing was changed." in page
    assert page.count("There is no unit with this code.") == 20
    assert "… and 10 more problems." in page


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose a file."),
        ({"file": "no file"}, "Choose a file."),
        ({"file": SimpleUploadedFile("east.geojson", b"")}, "The file is empty."),
        ({"file": SimpleUploadedFile("东\0镇", b"{")}, "not JSON"),
        ({"file": SimpleUploadedFile("x", b" " * (10 * 2**20 + 1))}, "The file is larger than 10 MB."),
        ({"file": SimpleUploadedFile("x", b" " * (30 * 2**20))}, "The file is larger than 10 MB."),
    ],
    ids=["nothing", "words", "empty", "a name with nothing in it", "over 10 MB", "30 MB"],
)
def test_a_form_without_a_good_file_says_so(sent: Any, said: str, as_: Callable[[str], Client]) -> None:
    ada = as_("ada")
    ada.cookies["django_language"] = "en"
    response = ada.post(ADDRESS, sent)
    assert response.status_code == 422
    assert said in response.content.decode()


def test_a_body_that_is_too_large_is_kept_nowhere(as_: Callable[[str], Client]) -> None:
    """Neither in memory nor on disk, whatever the address."""
    for address in (ADDRESS, "/inbox/read/"):
        response = as_("ada").post(address, {"file": SimpleUploadedFile("x", b" " * (30 * 2**20))})
        assert not response.wsgi_request.FILES  # type: ignore[attr-defined]


def test_who_does_not_staff_the_unit_is_told_who_does(as_: Callable[[str], Client]) -> None:
    for who, want in {"mei": 403, "bao": 404, "chen": 404}.items():
        assert send(as_(who), collection(feature(EAST))).status_code == want
    assert b"boundaries/" not in as_("mei").get(f"/units/{COUNTY}/").content
    assert f'href="{ADDRESS}"'.encode() in as_("ada").get(f"/units/{COUNTY}/").content
    assert loaded() == set()
