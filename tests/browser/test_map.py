"""The map in a real browser: drawn under the page's own policy, opened, saved as a picture, followed by its table."""

import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import COUNTY, EAST, WEST, units
from tests.villages.test_boundaries import collection, feature, square
from villages import boundaries
from villages.models import Boundary, Unit

NORTH = "511504103"


@pytest.fixture
def board(world: World) -> str:
    """The board of a county whose townships lie side by side, but for one that has no boundary."""
    units({NORTH: "北镇"})
    raw = collection(feature(EAST, square(104.1)), feature(WEST, square(104)))
    boundaries.load(io.BytesIO(raw), world.people["ada"], under=Unit.objects.get(pk=COUNTY))
    return f"/campaigns/{world.campaign.pk}/?show=map"


def drawn(page: Page) -> Page:
    page.locator("#map[data-drawn]").wait_for()
    return page


def colours(page: Page) -> list[list[int]]:
    """Of the picture, left and right of its middle, away from letters and borders."""
    row, width = page.evaluate(
        """() => {
          const canvas = document.querySelector("#map canvas");
          const { width, height } = canvas;
          const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          pen.drawImage(canvas, 0, 0);
          return [[...pen.getImageData(0, height * 0.4, width, 1).data], width];
        }"""
    )
    return [row[at : at + 3] for at in (int(width * 0.4) * 4, int(width * 0.6) * 4)]


def test_the_map_is_drawn_in_the_colours_of_the_lights(visit: Visit, board: str, width: int) -> None:
    page = drawn(visit("mei", board, width=width))
    west, east = colours(page)
    assert east == [180, 35, 24]  # red: the one village that is late
    assert west == [221, 242, 227]  # green
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def middle_of_east(page: Page) -> tuple[float, float]:
    canvas = page.locator("#map .canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    return box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.4


def test_a_click_opens_the_units_board(visit: Visit, board: str, world: World) -> None:
    page = drawn(visit("mei", board, width=DESK))
    page.mouse.move(*middle_of_east(page))  # the tooltip breaks no policy
    page.mouse.click(*middle_of_east(page))
    page.wait_for_url(f"**/campaigns/{world.campaign.pk}/**{EAST}**")


def test_on_a_phone_the_first_tap_says_why_and_the_second_opens(visit: Visit, board: str, world: World) -> None:
    page = drawn(visit("mei", board))
    page.touchscreen.tap(*middle_of_east(page))
    page.wait_for_timeout(500)
    assert page.url.endswith(board)
    page.touchscreen.tap(*middle_of_east(page))
    page.wait_for_url(f"**/campaigns/{world.campaign.pk}/**{EAST}**")


def test_the_table_says_the_same_and_has_what_no_boundary_shows(visit: Visit, board: str) -> None:
    Boundary.objects.filter(unit=WEST).delete()
    page = drawn(visit("mei", board, width=DESK, language="en"))
    expect(page.locator("#map [data-unmapped]")).to_contain_text("西镇")
    page.locator("#map summary").press("Enter")
    expect(page.locator("#map tbody tr", has_text="东镇")).to_contain_text("R")
    expect(page.locator("#map tbody tr", has_text="西镇")).to_contain_text("G")


def test_the_map_is_saved_as_a_picture(visit: Visit, board: str, tmp_path: Path) -> None:
    page = drawn(visit("mei", board, width=DESK))
    with page.expect_download() as download:
        page.locator("#map [data-png]").click()
    assert download.value.suggested_filename == "小活动 叙州区.png"
    download.value.save_as(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_map_follows_its_figures_and_its_window(visit: Visit, board: str) -> None:
    page = drawn(visit("mei", board, width=DESK))
    newer = json.loads(page.locator("#map-areas").text_content() or "")
    for area in newer:
        area["light"] = "green"
    page.evaluate(
        """(text) => {
          const node = document.createElement("div");
          const areas = document.createElement("script");
          Object.assign(areas, { type: "application/json", id: "map-areas", textContent: text });
          node.append(areas);
          document.getElementById("map-figures").replaceWith(node);
        }""",
        json.dumps(newer),
    )
    assert colours(page) == [[221, 242, 227]] * 2
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.wait_for_function("document.querySelector('#map canvas').getBoundingClientRect().width < 390")
    assert colours(page) == [[221, 242, 227]] * 2


def test_without_javascript_the_table_says_it(visit: Visit, board: str) -> None:
    page = visit("mei", board, js=False)
    page.locator("#map summary").click()
    expect(page.locator("#map tbody tr")).to_have_count(2)
    expect(page.locator("#map [data-png]")).to_be_hidden()


def test_the_pages_are_for_everyone(visit: Visit, board: str, width: int) -> None:
    page = drawn(visit("mei", board, width=width, language="en"))
    page.locator("#map summary").click()
    wrong = [*faults(page), *layout(page, width)]
    page = visit("ada", f"/units/{COUNTY}/boundaries/", width=width, language="en")
    bad = {"name": "bad.json", "mimeType": "application/json", "buffer": collection(feature("511504999"), feature(7))}
    page.locator("[type=file]").set_input_files(bad)  # type: ignore[arg-type]
    page.locator("main form [type=submit]").first.click()
    page.locator("#refused").wait_for()
    page.locator("details.danger summary").click()
    wrong += [*faults(page), *layout(page, width)]
    assert not wrong, "\n".join(["", *wrong])


def test_an_admin_loads_boundaries_and_removes_them(visit: Visit, world: World, js: bool) -> None:
    page = visit("ada", f"/units/{COUNTY}/", language="en", js=js)
    page.get_by_role("link", name="Boundaries for the map").click()
    bad = {"name": "bad.json", "mimeType": "application/json", "buffer": collection(feature("511504999"))}
    page.get_by_label("GeoJSON file").set_input_files(bad)  # type: ignore[arg-type]
    page.get_by_role("button", name="Check and load").click()
    expect(page.locator("#refused")).to_contain_text("Feature 1 (511504999): There is no unit with this code.")
    good = {"name": "a.json", "mimeType": "application/json", "buffer": collection(feature(EAST), feature(WEST))}
    page.get_by_label("GeoJSON file").set_input_files(good)  # type: ignore[arg-type]
    page.get_by_role("button", name="Check and load").click()
    expect(page.locator("#alerts")).to_contain_text("Loaded: 2 new, 0 replaced.")
    expect(page.locator("#loaded")).to_contain_text(re.compile(r"township\s*2 / 2"))
    page.get_by_text("Remove the boundaries").click()
    page.get_by_role("button", name="Remove all boundaries below this unit").click()
    expect(page.locator("#loaded")).to_contain_text(re.compile(r"township\s*0 / 2"))


def test_two_hundred_megabytes_are_read_past_and_answered_in_words(visit: Visit, tmp_path: Path) -> None:
    large = tmp_path / "large.geojson"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    page = visit("ada", f"/units/{COUNTY}/boundaries/", language="en")
    page.get_by_label("GeoJSON file").set_input_files(large)
    page.get_by_role("button", name="Check and load").click()
    expect(page.get_by_role("alert")).to_contain_text("The file is larger than 10 MB.", timeout=30_000)
