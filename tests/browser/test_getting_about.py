"""Getting about: language, filter, keyboard, Back."""

import re

import pytest
from playwright.sync_api import Page, expect

from checklists.models import State
from tests.browser.conftest import DESK, PHONE, Visit, World, says
from tests.factories import WILLOW

# What has the focus: its outline or ring, and whether something lies over it.
FOCUS = """() => {
  const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {
    what: it.id || it.textContent.trim().replace(/\\s+/g, " ") || it.name || it.tagName,
    tag: it.tagName,
    seen: (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none",
    covered: !(top && (it.contains(top) || top.contains(it))),
    y: box.y,
  };
}"""
FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary"


def tab_through(page: Page) -> list[dict[str, object]]:
    """Every stop of the Tab key on the page."""
    stops: list[dict[str, object]] = []
    for _step in range(100):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop["tag"] == "BODY" or (stops and stop["what"] == stops[0]["what"]):
            break
        stops.append(stop)
    return stops


def test_the_language_changes_on_the_spot_and_stays(visit: Visit, world: World, width: int, js: bool) -> None:
    page = visit("lan", "/tasks/?show=all", width=width, js=js)
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.locator("h1")).to_have_text(says("My tasks"))
    page.click(".me-menu summary")
    page.click(".menu button[value=en]")
    expect(page).to_have_url(re.compile(r"/tasks/\?show=all$"))
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h1")).to_have_text("My tasks")
    expect(page.locator(f"#task-{world.task().pk}")).to_contain_text("Item v-1")
    page.goto("/campaigns/")
    expect(page.locator("h1")).to_have_text("Campaigns")


def test_the_log_in_page_speaks_english_too(visit: Visit, js: bool) -> None:
    page = visit(path="/login/?next=/units/", js=js)
    page.click("button[value=en]")
    expect(page).to_have_url(re.compile(r"next=/units/$"))
    expect(page.locator("h1")).to_have_text("Log in")


def test_filter(visit: Visit, world: World, width: int, js: bool) -> None:
    page = visit("lan", "/tasks/", width=width, js=js)
    expect(page.locator(".task")).to_have_count(3)
    page.select_option("[name=show]", "overdue")
    if not js:
        page.click(".filter button")
    expect(page).to_have_url(re.compile("show=overdue"))  # with JavaScript at once
    expect(page.locator(".task")).to_have_count(1)
    page.wait_for_load_state()  # quicker than any hand: the script that listens may not have run yet
    page.select_option("[name=show]", "all")
    if not js:
        page.click(".filter button")
    expect(page.locator(".task")).to_have_count(3)
    page.fill("[name=q]", "v-2")
    page.press("[name=q]", "Enter")
    expect(page.locator(".task")).to_have_count(1)
    expect(page.locator("[name=show]")).to_have_value("all")
    expect(page.locator("[name=q]")).to_have_value("v-2")
    page.fill("[name=q]", "没有的")
    page.press("[name=q]", "Enter")
    expect(page.locator(".empty")).to_be_visible()


def test_the_skip_link_comes_first_and_leads_to_the_content(visit: Visit, js: bool) -> None:
    page = visit("lan", "/tasks/", js=js)
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("main select").first).to_be_focused()


@pytest.mark.parametrize(
    "path", ["/tasks/", "/campaigns/{campaign}/", "/tasks/{task}/", "/campaigns/{campaign}/units/" + WILLOW + "/"]
)
def test_tab_reaches_everything_in_reading_order_and_one_always_sees_where(
    visit: Visit, world: World, width: int, path: str
) -> None:
    page = visit("lan", path.format(campaign=world.campaign.pk, task=world.task().pk), width=width)
    stops = tab_through(page)
    there = page.locator(FOCUSABLE)
    shown = sum(there.nth(n).is_visible() for n in range(there.count()))
    assert len(stops) == shown
    assert [stop["what"] for stop in stops if not stop["seen"]] == []
    assert [stop["what"] for stop in stops if stop["covered"]] == []


def test_ticking_with_the_keyboard(visit: Visit, world: World) -> None:
    task = world.task()
    page = visit("lan", "/tasks/", width=DESK)
    page.focus(f"#task-{task.pk} .btn-tick")
    page.keyboard.press("Enter")
    line = page.locator(f"#task-{task.pk}")
    expect(line).to_have_class(re.compile("state-done"))
    expect(line).to_be_focused()
    assert page.evaluate(FOCUS)["seen"]
    page.keyboard.press("Enter")  # a key held too long neither opens nor undoes anything
    page.keyboard.press("Tab")
    expect(line.locator(".what > a")).to_be_focused()
    page.keyboard.press("Tab")
    expect(line.locator(".untick button")).to_be_focused()
    page.keyboard.press("Space")
    expect(line.locator(".btn-tick")).to_be_visible()
    assert world.task().state == State.OPEN


def test_the_menu_closes_with_escape_and_with_a_click_elsewhere(visit: Visit) -> None:
    page = visit("lan", "/tasks/")
    summary, menu = page.locator(".me-menu summary"), page.locator(".me-menu .menu")
    summary.focus()
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    expect(menu).to_be_visible()
    page.mouse.click(200, 600)
    expect(menu).to_be_hidden()


def test_back_after_log_out_shows_nothing_of_the_account(visit: Visit, world: World, js: bool) -> None:
    page = visit("lan", "/tasks/", width=PHONE, js=js)
    seen = ("/campaigns/", f"/campaigns/{world.campaign.pk}/", world.task().get_absolute_url(), "/inbox/", "/password/")
    for path in seen:
        page.goto(path)
    page.click(".me-menu summary")
    page.click("form[action='/logout/'] button")
    expect(page).to_have_url(re.compile("/login/$"))
    for _path in seen:
        page.go_back()
        expect(page).to_have_url(re.compile(r"/login/\?next="))
        expect(page.locator("body")).not_to_contain_text("Lan")
        expect(page.locator(".places, .me-menu")).to_have_count(0)
