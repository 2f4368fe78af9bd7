"""The wall in a real browser: nothing scrolls, pages turn, it follows, says when it cannot, heals, and never grows."""

import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import CDPSession, Page, expect

from checklists.models import Campaign, Task
from readiness.boards import passes
from readiness.models import WallPass
from tests import factories
from tests.browser.conftest import DESK, Visit, World
from tests.browser.test_accessibility import faults
from tests.factories import COUNTY, WILLOW
from villages.models import Unit

HD, UHD = (1920, 1080), (3840, 2160)
TALL = "東南西北中上下前后左"
Open = Callable[..., Page]
# What is wider or higher than what holds it, and cells or places that stick out.
OUTSIDE = """() => {
  const root = document.documentElement, page = document.querySelector(".page[data-now]"), found = [];
  if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) found.push("the screen scrolls");
  const box = page.getBoundingClientRect();
  for (const it of page.querySelectorAll("h2, p, dl > div, dd, dt, li, .block, svg, .name")) {
    const its = it.getBoundingClientRect(), up = it.parentElement.getBoundingClientRect();
    if (its.right > box.right + 1 || its.bottom > box.bottom + 1 || its.left < box.left - 1 || its.top < box.top - 1)
      found.push(`outside: ${it.outerHTML.slice(0, 90)}`);
    const leaves = its.width < 4 || its.right > up.right + 1 || its.bottom > up.bottom + 1;
    if (leaves && it.matches(".block li, .name, dd, dt"))
      found.push(`cut: ${it.outerHTML.slice(0, 90)}`);
  }
  return found.slice(0, 5);
}"""


@pytest.fixture
def screen(visit: Visit, world: World) -> Open:
    """The wall of a new pass, on a screen of its own."""

    def open_(size: tuple[int, int] = HD, unit: str = COUNTY, query: str = "") -> Page:
        shown = Unit.objects.get(pk=unit)
        name = f"屏幕{WallPass.objects.count()}"
        _, token = passes.make(world.campaign, shown, name, until=None, by=world.people["ada"])
        page = visit(width=DESK)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"/campaigns/{world.campaign.pk}/wall/{token}/{query}")
        return page

    return open_


def quickly(page: Page, **seconds: float) -> None:
    for name, value in seconds.items():
        page.evaluate("([name, value]) => (document.documentElement.dataset[name] = value)", [name, str(value)])


def now(page: Page) -> str:
    return str(page.locator(".page[data-now]").get_attribute("id"))


def county(campaign: Campaign) -> None:
    """The county of the demo: 17 townships, 364 villages in all; a third of them late."""
    chance = random.Random(7)
    units = [Unit(code=f"{COUNTY}{n:03}", name=f"{TALL[n % 10]}溪街道", parent_id=COUNTY) for n in range(110, 125)]
    for n in range(361):
        upper = units[min(chance.randrange(15), chance.randrange(15))].code
        name = "".join(chance.choices(TALL, k=chance.choice((2, 2, 2, 3, 5)))) + chance.choice(("村", "社区"))
        units.append(Unit(code=f"{upper}{200 + n}", name=name, parent_id=upper))
    Unit.objects.bulk_create(units)
    factories.launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=timezone.localdate())
    late = Task.objects.filter(unit__code__regex=r"^\d{11}[147]$", item__number="v-1")
    late.update(due_on=timezone.localdate() - timedelta(days=2))


@pytest.mark.parametrize("size", [HD, UHD], ids=["hd", "4k"])
def test_nothing_scrolls_or_sticks_out_on_any_page_of_a_county(
    screen: Open, world: World, size: tuple[int, int]
) -> None:
    county(world.campaign)
    Campaign.objects.filter(pk=world.campaign.pk).update(
        ranking=True, vetoes=True, decided_by=world.people["mei"], last_places=3
    )
    page = screen(size, query="?theme=dark")
    quickly(page, turn=999)
    assert page.locator("#heat li").count() >= 380
    for name in ("sum", "heat", "weak", "curve", "ranking"):
        assert now(page) == f"page-{name}"
        assert page.evaluate(OUTSIDE) == []
        page.keyboard.press("ArrowRight")
    assert now(page) == "page-sum"
    smallest = "cells => Math.min(...cells.map(it => parseFloat(getComputedStyle(it).fontSize)))"
    assert page.locator("#heat ul").evaluate_all(smallest) >= 0.6 * size[0] / 100


def test_a_township_fills_the_screen(screen: Open, world: World) -> None:
    page = screen(unit=factories.EAST)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(OUTSIDE) == []
    boxes = [cell.bounding_box() for cell in page.locator("#heat li").all()]
    assert sum(box["width"] * box["height"] for box in boxes if box) > 0.5 * HD[0] * HD[1]


def test_nothing_sticks_out_in_english(screen: Open, world: World) -> None:
    page = screen()
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": "en", "url": page.url}])
    page.reload()
    quickly(page, turn=999)
    for _ in range(4):
        assert page.evaluate(OUTSIDE) == []
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everybody_can_read_it(screen: Open, world: World, theme: str) -> None:
    page = screen(query=f"?theme={theme}")
    quickly(page, turn=999)
    for _ in range(4):
        assert faults(page) == []
        page.keyboard.press("ArrowRight")
    page.locator("[data-do=theme]").click()
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") != theme


def test_pages_turn_by_themselves_unless_they_are_held(screen: Open) -> None:
    page = screen()
    quickly(page, turn=0.5)
    for name in ("heat", "weak", "curve", "sum"):
        page.wait_for_selector(f"#page-{name}[data-now]", timeout=4000)
    page.locator("[data-do=pause]").click()
    held = now(page)
    page.wait_for_timeout(900)
    assert now(page) == held
    page.keyboard.press("ArrowLeft")
    assert now(page) != held


def test_what_happens_elsewhere_is_seen_without_a_reload(screen: Open, world: World) -> None:
    page = screen()
    page.evaluate("document.documentElement.dataset.mark = 'old'")
    assert page.evaluate("seconds('every') + PATIENCE / 2 + BEAT") < 15_000
    quickly(page, every=1)
    world.bring("v-1", WILLOW, "done", by="lan")
    expect(page.locator("#news li").first).to_contain_text("柳村")
    expect(page.locator("#sum .claimed dt")).to_contain_text("1")
    expect(page.locator("html[data-mark]")).to_have_count(1)


def test_no_network_is_said_and_heals(screen: Open, world: World) -> None:
    page = screen()
    quickly(page, every=0.5)
    page.context.set_offline(True)
    expect(page.locator("#lost")).to_contain_text("起连接中断")
    world.bring("v-1", WILLOW, "done", by="lan")
    page.context.set_offline(False)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#news li").first).to_contain_text("柳村")


def test_a_revoked_pass_is_said_and_heals(screen: Open, world: World) -> None:
    page = screen()
    quickly(page, every=0.5, slow=1)
    passes.end(WallPass.objects.get(), by=world.people["ada"])
    expect(page.locator("#refused")).to_contain_text("已停止显示")
    assert "grayscale" in page.locator("#wall").evaluate("it => getComputedStyle(it).filter")
    WallPass.objects.update(revoked_at=None, revoked_by=None)
    expect(page.locator("#refused")).to_be_hidden()
    assert page.locator("#wall").evaluate("it => getComputedStyle(it).filter") == "none"


def nodes(session: CDPSession) -> tuple[int, int]:
    """Nodes that the browser keeps, in the page and out of it, and listeners."""
    session.send("HeapProfiler.collectGarbage")
    found = session.send("Memory.getDOMCounters")
    return found["nodes"], found["jsEventListeners"]


SWAP = """async n => {
  const html = await (await fetch(location.href)).text();
  for (let at = 0; at < n; at++) {
    put(html.replaceAll("</b>", ` ${at}</b>`));
    await new Promise(requestAnimationFrame);
  }
  put(html);
}"""


def test_it_does_not_grow(screen: Open, world: World) -> None:
    page = screen()
    quickly(page, every=999, turn=999)
    session = page.context.new_cdp_session(page)
    page.evaluate(SWAP, 2)
    elements = page.locator("*").count()
    before = nodes(session)
    page.evaluate(SWAP, 200)
    page.wait_for_timeout(300)
    assert page.locator("*").count() == elements
    after = nodes(session)
    assert after[0] <= before[0] * 1.1
    assert after[1] <= before[1]
    script = (settings.BASE_DIR / "static" / "wall.js").read_text("utf-8")
    assert script.count("setInterval(") == 1  # the beat, once, and nothing else that could pile up
    assert "setTimeout(" not in script


def test_once_a_night_the_page_is_loaded_anew_if_the_server_answers(screen: Open, visit: Visit) -> None:
    page = screen()
    address, at = page.url, timezone.localtime()
    if at.second > 52:
        time.sleep(61 - at.second)
        at = timezone.localtime()
    page.add_init_script(
        f"Math.random = () => ({at.hour * 60 + at.minute} - 180 + .5) / 60;"
        "{ const was = performance.now.bind(performance); let jump = 0;"
        "  performance.now = () => was() + jump; window.morrow = () => (jump = 4 * 3600_000); }"
    )
    page.goto(address)
    quickly(page, every=0.5)
    page.evaluate("document.documentElement.dataset.mark = 'old'")
    page.context.set_offline(True)
    page.wait_for_timeout(1500)  # an answer that was on its way would let it load anew, without a line
    page.evaluate("morrow()")
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("html[data-mark]")).to_have_count(1)
    page.context.set_offline(False)
    expect(page.locator("html[data-mark]")).to_have_count(0)
    expect(page.locator("#wall")).to_be_visible()


def test_without_script_everything_stands_below_each_other(visit: Visit, world: World) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/wall/", width=DESK, js=False)
    for name in ("sum", "heat", "weak", "curve", "news"):
        expect(page.locator(f"#{name}")).to_be_visible()
    assert page.locator("noscript meta[http-equiv=refresh]").count() or "refresh" in page.content()


def test_a_pass_is_made_copied_and_revoked(visit: Visit, world: World, width: int) -> None:
    page = visit("ada", f"/campaigns/{world.campaign.pk}/passes/", width=width)
    page.fill("[name=name]", "三楼大厅")
    page.click("form.sheet [type=submit]")
    address = page.locator("#address").input_value()
    assert faults(page) == []
    page.click("[data-copy]")
    assert page.evaluate("document.getSelection().toString()") == address
    wall = visit("", address, width=width)
    expect(wall.locator("#sum")).to_be_visible()
    assert wall.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("#passes [type=submit]")
    expect(page.locator("#passes")).to_contain_text("停用")
    assert wall.goto(address).status == 404  # type: ignore[union-attr]
