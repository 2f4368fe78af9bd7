"""The board in a browser: it follows by itself, says when it cannot, and says why under thumb and keyboard."""

from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Visit, World
from tests.factories import MAPLE, WILLOW

SOON = 11_000  # milliseconds: a board has asked once by then


def followed(visit: Visit, world: World, query: str = "") -> Page:
    """A board whose time is ours."""
    page = visit("mei", width=DESK)
    page.clock.install()
    page.goto(f"/campaigns/{world.campaign.pk}/{query}")
    for region in ("answer", "figures", "view"):
        page.evaluate("id => (document.getElementById(id).first = true)", region)
    return page


def untouched(page: Page, region: str) -> bool:
    return bool(page.evaluate("id => document.getElementById(id).first === true", region))


def test_a_tick_elsewhere_shows_without_a_reload_and_only_what_changed_is_swapped(visit: Visit, world: World) -> None:
    page = followed(visit, world, "?show=weak")
    expect(page.locator("#figures")).to_contain_text("未完成 12")
    with page.expect_response(lambda answer: answer.status == 304):
        page.clock.fast_forward(SOON)
    assert all(untouched(page, region) for region in ("answer", "figures", "view"))
    world.bring("v-1", MAPLE, "done", by="hong")
    with page.expect_response(lambda answer: answer.status == 200):
        page.clock.fast_forward(SOON)
    expect(page.locator("#figures")).to_contain_text("未完成 11")
    expect(page.locator("#answer")).to_contain_text("自报待核实8%")
    assert untouched(page, "view"), "nobody became weak by that"
    assert not untouched(page, "figures")
    with page.expect_response(lambda answer: answer.status == 304):
        page.clock.fast_forward(SOON)


def test_what_is_unfolded_and_what_has_the_focus_stay_so(visit: Visit, world: World) -> None:
    page = followed(visit, world)
    page.locator("#vacancies summary").click()
    page.locator(f".cell[href$='/units/{MAPLE}/']").focus()
    world.bring("v-1", WILLOW, "done", by="lan")
    with page.expect_response(lambda answer: answer.status == 200):
        page.clock.fast_forward(SOON)
    expect(page.locator(f".cell.light-green[href$='/units/{WILLOW}/']")).to_be_visible()
    expect(page.locator("#vacancies li").first).to_be_visible()
    expect(page.locator(f".cell[href$='/units/{MAPLE}/']")).to_be_focused()


def test_a_lost_line_is_said_and_heals(visit: Visit, world: World) -> None:
    page = followed(visit, world)
    page.context.set_offline(True)
    page.clock.fast_forward(SOON)
    expect(page.locator("#lost")).to_contain_text("网络不通")
    world.bring("v-1", WILLOW, "done", by="lan")
    page.context.set_offline(False)
    page.clock.fast_forward(SOON)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#figures")).to_contain_text("未完成 11")


def test_whoever_is_logged_out_is_told_and_shown_nothing_new(visit: Visit, world: World) -> None:
    page = followed(visit, world)
    Session.objects.all().delete()
    page.clock.fast_forward(SOON)
    expect(page.locator("#lost")).to_contain_text("登录已失效")
    world.bring("v-1", WILLOW, "done", by="lan")
    page.clock.fast_forward(SOON)
    expect(page.locator("#figures")).to_contain_text("未完成 12")


def test_under_a_thumb_the_first_tap_says_why_and_the_second_opens(visit: Visit, world: World) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/", width=PHONE)
    cell = page.locator(f".cell[href$='/units/{WILLOW}/']")
    cell.tap()
    expect(page.locator("#why")).to_contain_text("柳村 · 红灯：逾期1项")
    assert page.url.endswith(f"/campaigns/{world.campaign.pk}/")
    page.locator(f".cell[href$='/units/{MAPLE}/']").tap()
    expect(page.locator("#why")).to_contain_text("枫村")
    cell.tap()
    cell.tap()
    page.wait_for_url(f"**/units/{WILLOW}/")


def test_on_the_keyboard_the_cell_in_focus_says_why(visit: Visit, world: World) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/", width=DESK)
    page.locator(".heat a.late").first.focus()
    page.keyboard.press("Tab")
    expect(page.locator("#why")).to_contain_text("·")
    first = page.locator("#why").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#why")).not_to_have_text(first)
    page.keyboard.press("Enter")
    page.wait_for_url("**/units/**")


def test_without_javascript_every_view_is_there(visit: Visit, world: World) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/", width=PHONE, js=False)
    for view, said in (("挂图作战", "讲话章节"), ("进度曲线", "数据日期"), ("薄弱点", "红灯：逾期1项")):
        page.get_by_role("link", name=view, exact=True).click()
        expect(page.locator("#view")).to_contain_text(said)
    page.get_by_role("link", name="热力图", exact=True).click()
    page.locator(".board-filter summary").click()
    page.locator(".board-filter [name=light]").select_option("red")
    page.locator(".board-filter button").click()
    expect(page.locator(".heat .cell")).to_have_count(1)
