"""Every page, on a phone and on a desk, in Chinese and in English: for everyone, and without anything sticking out."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from checklists.models import Campaign, Measure, State
from readiness.reminders import outbox
from tests import proofs
from tests.access.world import GROUNDS
from tests.browser.conftest import HEIGHTS, PHONE, Visit, World
from tests.factories import BUREAU, EAST, LAKE, MAPLE, MARKET, WILLOW

AXE = (settings.BASE_DIR / "node_modules" / "axe-core" / "axe.min.js").read_text()
FULL = os.environ.get("AXE") == "full"  # every page at both widths in both languages, by hand
RUN = "() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
WIDER = "() => [document.documentElement.scrollWidth].filter(it => it > window.innerWidth)"
# What a thumb aims at. Links inside text are not among them.
AIMS = ".btn, .places a, .me-menu summary, .form-control, .form-select, .cell, a[href^='tel:']"
SMALL = """aims => aims.filter(it => it.checkVisibility())
  .map(it => [it.textContent.trim(), it.getBoundingClientRect()])
  .filter(([words, box]) => box.height < 39.9 || box.width < 39.9)
  .map(([words, box]) => `${words} ${box.width}x${box.height}`)"""
# Text cut off by its own box: nothing here scrolls or hides its overflow on purpose, but for what only ears get.
CUT = """() => [...document.querySelectorAll("body *")].filter(it => it.checkVisibility() && it.textContent.trim()
    && !it.closest(".visually-hidden, .visually-hidden-focusable, progress, select, option")
    && !["visible", "auto"].includes(getComputedStyle(it).overflowX)  // what scrolls is reached by scrolling
    && (it.scrollWidth > it.clientWidth + 1 || it.scrollHeight > it.clientHeight + 1))
  .map(it => it.outerHTML.slice(0, 200))"""


@pytest.fixture
def full(world: World) -> World:
    """Something of everything: tasks in every state, notes, notices, a value."""
    world.bring("v-2", WILLOW, "open", by="lan", note="户主外出，回来就办，已经电话联系过三次")
    world.bring("v-1", MAPLE, "done", by="hong")
    world.bring("v-1", MAPLE, "verified", by="lin")
    world.bring("v-2", MAPLE, "done", by="hong")
    world.bring("v-2", MAPLE, "returned", by="lin", note="台账缺三户签字")
    world.bring("v-3", MAPLE, "done", by="hong", value=95)
    for number in ("v-2", "v-3"):  # the same file twice, so that the queue says so
        proofs.kept(world.task(number, MAPLE), world.people["hong"], at=timezone.now())
    world.bring("v-1", LAKE, "waived", by="ada", note="这个村没有这类场所")
    outbox.write(world.today)
    mei = world.people["mei"]
    Campaign.objects.update(ranking=True, vetoes=True, gates=True, last_places=1, decided_by=mei)
    Campaign.objects.update(ladder_from=world.today, ladder_by=mei)
    Measure.objects.create(campaign=world.campaign, unit_id=MAPLE, rung=1, grounds=GROUNDS)
    decided = {"state": "applied", "decided_by": mei, "decided_at": timezone.now(), "reason": "连续一周红灯"}
    Measure.objects.create(campaign=world.campaign, unit_id=WILLOW, rung=1, grounds=GROUNDS, **decided)
    return world


def pages(world: World) -> Iterator[tuple[str, str]]:
    """Who looks at what."""
    campaign = f"/campaigns/{world.campaign.pk}/"
    yield "", "/login/"
    for path in ("/password/", "/tasks/", "/tasks/?show=all", "/tasks/?q=nothing", "/campaigns/", "/inbox/"):
        yield "lan", path
    yield "lin", "/tasks/?show=check"
    yield "bao", "/verify/"
    for who in ("mei", "lan", "ada"):
        yield who, campaign
    yield "mei", f"{campaign}?light=red"
    yield "mei", f"{campaign}?by=sections&section=nothing"
    for show in ("weak", "ranking"):
        yield "mei", f"{campaign}?unit={EAST}&show={show}"
    for number, unit in (("v-1", WILLOW), ("v-1", MAPLE), ("v-2", MAPLE), ("v-3", MAPLE)):
        yield "bao", world.task(number, unit).get_absolute_url()
    yield "lan", world.task("v-3").get_absolute_url()
    yield "ada", world.task("v-1", LAKE).get_absolute_url()
    yield "bao", f"{campaign}tasks/?show=all"
    for unit in (WILLOW, EAST, BUREAU, MARKET):
        yield "mei", f"{campaign}units/{unit}/"
    yield "lan", f"{campaign}units/{WILLOW}/"
    yield "mei", f"{campaign}events/"
    yield "mei", f"{campaign}measures/"
    yield "ada", "/campaigns/new/"
    item = world.task("v-2").item_id
    steps = ("", "items/", "phases/", "units/", "units/?q=村", f"units/?at={EAST}", "answers/", "rules/", "launch/")
    for step in (*steps, f"items/{item}/", f"items/{item}/shares/", f"answers/{WILLOW}/", "template/", "newer/"):
        yield "ada", f"{campaign}setup/{step}"
    yield "ada", f"/templates/{world.campaign.template_id}/"
    yield "lan", f"{campaign}units/{WILLOW}/letter/"
    yield "ada", f"/units/{WILLOW}/people/"
    for what in ("end", "move", "stand-in"):
        yield "ada", f"/posts/{world.people['lan'].posts.get().pk}/{what}/"
    yield "ada", "/units/"
    yield "ada", f"/units/?under={EAST}"
    yield "ada", f"/units/{WILLOW}/"
    yield "lan", "/nothing/"


def faults(page: Page) -> list[str]:
    """What axe finds wrong, but for what it calls minor. Of a page in English nothing unless AXE=full: its marks are
    those of the Chinese one, which is looked at.
    """
    if not FULL and page.evaluate("document.documentElement.lang") == "en":
        return []
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [
        f"{violation['impact']} {violation['id']}: {node['html'][:200]} – {node['failureSummary']}"
        for violation in found
        if violation["impact"] != "minor"
        for node in violation["nodes"]
    ]


def layout(page: Page, width: int) -> list[str]:
    """What sticks out, is too small for a thumb, or is cut off when letters are twice as large."""
    found = [f"{wide} px wide" for wide in page.evaluate(WIDER)]
    if width == PHONE:
        found += [f"small: {aim}" for aim in page.locator(AIMS).evaluate_all(SMALL)]
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    found += [f"cut at 200 %: {html}" for html in page.evaluate(CUT)]
    found += [f"{wide} px wide at 200 %" for wide in page.evaluate(WIDER)]
    page.evaluate("document.documentElement.style.fontSize = ''")
    return found


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_axe_finds_nothing_and_nothing_sticks_out(visit: Visit, full: World, language: str) -> None:
    browsers = {who: visit(who, language=language) for who in {who for who, _path in pages(full)}}
    wrong = []
    on_desk: set[str] = set()  # whose frame of a page axe has seen there; below it only the layout is another
    for who, path in pages(full):
        page = browsers[who]
        page.goto(path)
        expect(page.locator("h1")).to_have_count(1)
        for width, height in HEIGHTS.items():
            if language == "en" and width != PHONE and not FULL:
                continue  # its longer words are short of room there
            page.set_viewport_size({"width": width, "height": height})
            found = layout(page, width)
            if FULL or width == PHONE or who not in on_desk:
                found += faults(page)
                on_desk |= {who} if width != PHONE else set()
            wrong += [f"{path} ({who}, {width} px): {fault}" for fault in found]
    assert not wrong, "\n".join(["", *wrong])


def test_the_answers_to_a_form_are_for_everyone_too(visit: Visit, full: World, width: int) -> None:
    """What is wrong, what somebody else did, what was refused, what came too late."""
    page = visit("lan", "/tasks/", width=width)
    page.click(f"#task-{full.task().pk} .btn-tick")
    expect(page.locator(".word")).to_be_visible()
    page.fill(f"#task-{full.task('v-3').pk} [name=value]", "8")
    page.click(f"#task-{full.task('v-3').pk} .btn-tick")
    expect(page.locator(".complaint")).to_be_visible()
    wrong = faults(page)

    page.goto(full.task("v-2").get_absolute_url())
    full.bring("v-2", WILLOW, "open", by="bao", note="明天去看")
    page.fill("#note-open", "还差一户")
    page.click("#to-open button")
    expect(page.locator(".alert-warning")).to_contain_text("还差一户")
    wrong += faults(page)
    Session.objects.all().delete()
    page.fill("#note-open", "还差一户")
    page.click("#to-open button")
    expect(page.locator("#typed-note")).to_have_value("还差一户")
    wrong += faults(page)

    page = visit("bao", "/verify/", width=width)
    page.locator(".pick input").first.check()
    page.click(".decide button[value=returned]")
    expect(page.locator(".task .complaint")).to_be_visible()
    wrong += [*faults(page), *layout(page, width)]

    page = visit("mei", f"/campaigns/{full.campaign.pk}/", width=width)  # 403: a leader closes nothing
    page.evaluate(
        """path => {
          const form = document.querySelector("form[action='/logout/']");
          form.action = path;
          form.submit();
        }""",
        f"/campaigns/{full.campaign.pk}/close/",
    )
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".me-menu")).to_have_count(0)
    wrong += faults(page)
    assert not wrong, "\n".join(["", *wrong])
    assert full.task("v-2").state == State.OPEN
