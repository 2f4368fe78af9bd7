"""The shapes of the map, who gets which of them, and what the map says of each unit."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.staticfiles.finders import get_finders
from django.test import Client
from django.utils import timezone, translation

from checklists.models import Campaign, Task
from readiness.boards import figures
from readiness.boards import map as maps
from tests import factories
from tests.factories import COUNTY, EAST, LAKE, MAPLE, WEST, WILLOW
from tests.villages.test_boundaries import collection, feature, square
from villages import boundaries
from villages.models import Boundary, Cadre, Unit

As = Callable[[str], Client]


@pytest.fixture
def shaped(cast: dict[str, Cadre], campaign: Campaign) -> Campaign:
    """Every township and village of the county has a boundary."""
    codes = (EAST, WEST, WILLOW, MAPLE, LAKE)
    raw = collection(*(feature(code, square(104 + n / 10)) for n, code in enumerate(codes)))
    boundaries.load(io.BytesIO(raw), cast["ada"], under=Unit.objects.get(pk=COUNTY))
    return campaign


def address(campaign: Campaign, unit: str = COUNTY) -> str:
    return f"/campaigns/{campaign.pk}/shapes/?unit={unit}"


def codes(response: Any) -> list[str]:
    assert response.status_code == 200
    return [one["properties"]["code"] for one in json.loads(response.content)["features"]]


def test_the_shapes_are_geojson_of_the_units_right_below(shaped: Campaign, as_: As) -> None:
    response = as_("mei").get(address(shaped))
    assert response.headers["Content-Type"] == "application/geo+json"
    assert json.loads(response.content) == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": code},
                "geometry": {"type": "Polygon", "coordinates": [square(x)]},
            }
            for code, x in ((EAST, 104), (WEST, 104.1))
        ],
    }


@pytest.mark.parametrize(
    ("who", "unit", "seen"),
    [
        ("mei", COUNTY, [EAST, WEST]),
        ("mei", EAST, [WILLOW, MAPLE]),
        ("bao", EAST, [WILLOW, MAPLE]),
    ],
)
def test_each_reader_gets_the_shapes_in_sight(who: str, unit: str, seen: list[str], shaped: Campaign, as_: As) -> None:
    assert codes(as_(who).get(address(shaped, unit))) == seen


@pytest.mark.parametrize(
    ("who", "unit"),
    [
        *(("bao", unit) for unit in (COUNTY, WEST, "5115")),
        ("lan", EAST),
        ("chen", COUNTY),
        *(("mei", unit) for unit in ("5115", "510502", "511504999", "", "0", "%00", "5" * 30, "东镇", "511504%25")),
    ],
)
def test_out_of_sight_there_is_nothing(who: str, unit: str, shaped: Campaign, as_: As) -> None:
    assert as_(who).get(address(shaped, unit)).status_code == 404


def test_without_a_unit_it_is_the_hosts_map(shaped: Campaign, as_: As) -> None:
    assert codes(as_("mei").get(f"/campaigns/{shaped.pk}/shapes/")) == [EAST, WEST]


def test_what_was_not_loaded_anew_is_not_sent_again(shaped: Campaign, as_: As, cast: dict[str, Cadre]) -> None:
    mei = as_("mei")
    first = mei.get(address(shaped))
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = mei.get(address(shaped), headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == "private, no-cache"
    assert mei.get(address(shaped, EAST), headers={"If-None-Match": tag}).status_code == 200
    raw = collection(feature(EAST, square(105)))
    boundaries.load(io.BytesIO(raw), cast["ada"], under=Unit.objects.get(pk=COUNTY))
    newer = mei.get(address(shaped), headers={"If-None-Match": tag})
    assert newer.status_code == 200
    Boundary.objects.filter(pk=WEST).delete()
    assert codes(mei.get(address(shaped), headers={"If-None-Match": newer.headers["ETag"]})) == [EAST]


def test_a_stranger_and_somebody_logged_out_get_nothing_with_the_right_tag(shaped: Campaign, as_: As) -> None:
    mei = as_("mei")
    tag = mei.get(address(shaped)).headers["ETag"]
    mei.logout()
    assert mei.get(address(shaped), headers={"If-None-Match": tag}).status_code == 302


def test_queries_do_not_grow_with_the_areas(shaped: Campaign, as_: As, django_assert_num_queries: Any) -> None:
    mei = as_("mei")
    mei.get(address(shaped))
    with django_assert_num_queries(7):  # session, person, posts, campaign, unit, versions, shapes
        mei.get(address(shaped))


def test_what_the_map_says_of_a_unit(shaped: Campaign, cast: dict[str, Cadre]) -> None:
    task = factories.task(shaped)
    Task.objects.filter(pk=task.pk).update(due_on=task.due_on - timedelta(days=90))
    with translation.override("en"):
        board = figures.board(shaped, cast["mei"], at=EAST, on=timezone.localdate())
        said = {area["code"]: area for area in maps.areas(shaped, board)}
    assert said[WILLOW] == {
        "code": WILLOW, "name": "柳村", "light": "red", "letter": "R", "why": "red: 1 overdue",
        "href": f"/campaigns/{shaped.pk}/units/{WILLOW}/",
    }  # fmt: skip
    assert EAST not in said, "its own tasks are no area"


def test_of_the_chart_library_one_script_is_published() -> None:
    ignored = apps.get_app_config("staticfiles").ignore_patterns
    published = [
        path
        for finder in get_finders()
        for path, store in finder.list(ignored)
        if getattr(store, "prefix", "") == "echarts"
    ]
    assert [path for path in published if path.endswith("js")] == ["echarts.min.js"]
    assert len(published) <= 2


def test_the_board_shows_a_map_only_where_there_are_boundaries(shaped: Campaign, as_: As) -> None:
    late = factories.task(shaped)
    Task.objects.filter(pk=late.pk).update(due_on=late.due_on - timedelta(days=90))
    board = f"/campaigns/{shaped.pk}/"
    mei = as_("mei")
    page = mei.get(board + "?show=map").content.decode()
    assert f'data-shapes="/campaigns/{shaped.pk}/shapes/?unit={COUNTY}"' in page
    said = json.loads(page.split('id="map-areas" type="application/json">')[1].split("</script>")[0])
    assert {one["code"]: one["light"] for one in said} == {EAST: "red", WEST: "green"} | {
        one["code"]: one["light"] for one in said if one["code"] == factories.BUREAU
    }
    assert "echarts" not in mei.get(board).content.decode()
    Boundary.objects.all().delete()
    assert 'id="map"' not in mei.get(board + "?show=map").content.decode()
