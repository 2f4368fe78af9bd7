"""Charts in a real browser: legible at every width, saved as a picture, walked by arrow keys.

The page is made here and given to the browser under an address of the real server, whose policy and files it has.
"""

import base64
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.template import engines
from django.test import Client
from django.utils import translation
from playwright.sync_api import Page, Route, expect

from readiness.boards import battle, curve
from readiness.boards.forecast import forecast
from readiness.boards.light import Counts
from tests.browser.conftest import DESK, PHONE, Visit, World
from tests.browser.test_accessibility import faults, layout

PLACE = "/charts-for-a-test/"
PAGE = """{% extends "base.html" %}{% comment %}Context: curve, battle.{% endcomment %}{% load static %}
{% block main %}<h1>图</h1>{% include "boards/_curve.html" %}{% include "boards/_battle.html" %}
<script type="module" src="{% static 'charts.js' %}"></script>{% endblock %}"""
START = date(2026, 5, 11)
ON, INSPECTED = START + timedelta(days=16), START + timedelta(days=60)


def markup(language: str) -> str:
    """The curve and the battle map of a campaign of nine weeks."""
    due = {START + timedelta(days=7 * n): 30 for n in range(1, 9)} | {INSPECTED: 60}
    claimed = [(START + timedelta(days=n), 6 * n) for n in range(17)]
    verified = [(day, n // 3) for day, n in claimed]
    fields = [
        (f"第{n % 5}部分 台账与宣传", day, Counts(verified=12, done=8, open=7 + n, overdue=(7 + n) * (day < ON)))
        for n, day in enumerate(due)
    ]
    phases = [battle.Stage("宣传动员", START, ON, 3, "/tasks/"), battle.Stage("整改", ON, INSPECTED)]
    with translation.override(language):
        chart = curve.draw(
            claimed, verified, due, forecast(claimed, due, until=INSPECTED), on=ON, inspects_on=INSPECTED
        )
        field = battle.draw(
            fields,
            phases,
            starts_on=START,
            inspects=(INSPECTED, INSPECTED),
            on=ON,
            link=lambda section, first, last: f"/tasks/?first={first}&last={last}",
        )
        context = {"curve": chart, "battle": field, "name": "徐州区-进度", "csv_url": "/x.csv"}
        return str(engines["django"].from_string(PAGE).render(context))


@pytest.fixture
def charts(visit: Visit, world: World) -> Callable[..., Page]:
    policy = Client().get("/login/")["Content-Security-Policy"]

    def open_(width: int, language: str = "zh-hans", js: bool = True) -> Page:
        def give(route: Route) -> None:
            headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy}
            route.fulfill(body=markup(language), headers=headers)

        page = visit(width=width, language=language, js=js)
        page.route(f"**{PLACE}", give)
        page.goto(PLACE)
        return page

    return open_


# Width, height, and how much of a picture is white, of some colour, and dark, in thousandths.
LOOK = """async data => {
  const image = new Image();
  image.src = "data:image/png;base64," + data;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const dots = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const found = {width: image.width, height: image.height, white: 0, dark: 0, red: 0, green: 0, blue: 0, clear: 0};
  for (let at = 0; at < dots.length; at += 4) {
    const [r, g, b, a] = dots.slice(at, at + 4);
    found.clear += a < 255;
    found.white += r > 250 && g > 250 && b > 250;
    found.dark += r < 90 && g < 90 && b < 90;
    found.red += r > 140 && g < 90 && b < 90;
    found.green += g > 80 && r < 60 && b < 90;
    found.blue += b > 120 && r < 70;
  }
  return found;
}"""


def saved(page: Page, figure: str) -> tuple[str, dict[str, Any]]:
    """The name of the file, and what it shows."""
    with page.expect_download() as download:
        page.click(f"#{figure} [data-png]")
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\x89PNG")
    return download.value.suggested_filename, page.evaluate(LOOK, base64.b64encode(data).decode())


def test_each_chart_is_saved_as_a_picture_of_what_is_seen(charts: Callable[..., Page], width: int) -> None:
    page = charts(width)
    for figure in ("curve", "battle"):
        name, seen = saved(page, figure)
        assert re.fullmatch(r"徐州区-进度-\d{4}-\d\d-\d\d\.png", name)
        box = page.locator(f"#{figure}").bounding_box()
        assert box
        dots = seen["width"] * seen["height"]
        assert seen["clear"] == 0
        assert dots * 0.5 < seen["white"] < dots * 0.97
        assert min(seen["dark"], seen["red"], seen["green"], seen["blue"]) > 300
        reach = page.locator(f"#{figure} table.battle, #{figure} .drawings").first.bounding_box()
        assert reach
        assert seen["width"] >= 2 * max(box["width"], reach["width"])
        assert seen["height"] == pytest.approx(2 * (box["height"] + 32), abs=80)


def test_what_is_scrolled_away_is_in_the_picture_and_stays_where_it_was(charts: Callable[..., Page]) -> None:
    page = charts(PHONE)
    place = page.locator("#battle .wide")
    before = place.evaluate("it => it.scrollLeft")
    assert before > 0  # today is in sight
    _name, seen = saved(page, "battle")
    assert seen["width"] >= 2 * place.evaluate("it => it.scrollWidth")
    assert place.evaluate("it => it.scrollLeft") == before


def test_words_in_the_picture_are_there(charts: Callable[..., Page]) -> None:
    """The same chart without its words has less ink."""
    page = charts(DESK)
    _name, full = saved(page, "battle")
    page.locator(".battle tbody th a").evaluate_all("all => all.forEach(it => it.textContent = '')")
    page.locator("#battle h2").evaluate("it => it.style.color = 'white'")
    _name, less = saved(page, "battle")
    assert full["dark"] - less["dark"] > 200


def test_one_drawing_fits_and_its_letters_can_be_read(charts: Callable[..., Page], width: int) -> None:
    page = charts(width)
    shown = page.locator(".drawings svg:visible")
    expect(shown).to_have_count(1)
    heights = shown.locator("text").evaluate_all("all => all.map(it => it.getBoundingClientRect().height)")
    assert min(heights) >= 10
    expect(page.locator("#curve [role=img]:visible")).to_have_count(1)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_charts_are_for_everyone(charts: Callable[..., Page], width: int, language: str) -> None:
    page = charts(width, language)
    page.locator("#curve summary").click()
    wrong = [*faults(page), *layout(page, width)]
    assert not wrong, "\n".join(["", *wrong])


def test_without_javascript_there_are_links_and_the_table_and_no_idle_button(charts: Callable[..., Page]) -> None:
    page = charts(DESK, js=False)
    expect(page.locator("[data-png]:visible")).to_have_count(0)
    expect(page.locator(".save a")).to_have_count(2)
    assert page.locator(".battle a.cell").evaluate_all("all => all.every(it => it.tabIndex === 0)")


def focused(page: Page) -> tuple[int, int]:
    """Row and column of the field that has the focus."""
    return tuple(
        page.evaluate("""() => {
          const cell = document.activeElement.closest("td, th");
          return [cell.parentElement.sectionRowIndex + 100 * (cell.closest("tfoot") ? 1 : 0), cell.cellIndex];
        }""")
    )


def test_the_keyboard_walks_the_fields(charts: Callable[..., Page]) -> None:
    page = charts(DESK)
    assert page.locator('.battle a.cell[tabindex="0"]').count() == 1
    page.locator("#battle .wide").focus()
    page.keyboard.press("Tab")
    if "gate" in page.evaluate("document.activeElement.className"):
        page.keyboard.press("Tab")
    assert focused(page) == (0, 0)
    page.keyboard.press("ArrowRight")
    row, column = focused(page)
    assert row == 0 and column > 0
    page.keyboard.press("End")
    assert focused(page)[1] > column
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert focused(page) == (2, 0)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert focused(page)[0] == 0
    page.keyboard.press("Control+End")
    assert focused(page)[0] == 100
    page.keyboard.press("ArrowRight")  # there is nothing beyond
    assert focused(page)[0] == 100
    page.keyboard.press("Control+Home")
    assert focused(page) == (0, 0)
    # The grid is one stop on the way of the Tab key, where one was last.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert focused(page) == (1, 0)


def test_what_comes_later_can_be_saved_and_walked_too(charts: Callable[..., Page]) -> None:
    """A region that a following page has swapped."""
    page = charts(DESK)
    page.evaluate("""() => {
      const figure = document.getElementById("battle");
      const fresh = figure.cloneNode(true);
      fresh.querySelector("[data-png]").hidden = true;
      fresh.querySelectorAll("a.cell").forEach((cell) => cell.removeAttribute("tabindex"));
      figure.replaceWith(fresh);
    }""")
    expect(page.locator("#battle [data-png]")).to_be_visible()
    assert page.locator('#battle a.cell[tabindex="0"]').count() == 1
    assert saved(page, "battle")[1]["red"] > 300
