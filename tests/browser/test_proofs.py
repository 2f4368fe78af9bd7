"""Proof from a phone: chosen and there, over a line that is cut, without JavaScript, and for everyone."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from checklists.models import Evidence, Item
from tests import proofs
from tests.browser.conftest import DESK, PHONE, Visit, World, says
from tests.browser.test_accessibility import AIMS, AXE, CUT, RUN, SMALL, WIDER
from tests.factories import MAPLE


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Two, the first of several parts."""
    (tmp_path / "村委会.jpg").write_bytes(proofs.photo(900, 700) + bytes(600_000))
    (tmp_path / "公示栏.png").write_bytes(proofs.photo(300, 200, "PNG"))
    return [str(tmp_path / "村委会.jpg"), str(tmp_path / "公示栏.png")]


def there(page: Page, n: int) -> None:
    expect(page.locator(".proofs > .files > li")).to_have_count(n, timeout=60_000)


def test_what_is_chosen_is_there_and_what_was_being_written_stays(
    world: World, visit: Visit, photos: list[str]
) -> None:
    Item.objects.filter(number="v-1").update(needs_proof=True)
    page = visit("lan", world.task().get_absolute_url())
    expect(page.locator(".facts .unproven")).to_be_visible()
    page.get_by_label(says("What blocks it, or how far it is")).fill("还差一户")
    page.get_by_label(says("Choose files")).set_input_files(photos)
    there(page, 2)
    expect(page.locator(".proofs .look img").first).to_have_js_property("complete", True)
    expect(page.locator(".facts .unproven")).to_have_count(0)
    expect(page.get_by_label(says("What blocks it, or how far it is"))).to_have_value("还差一户")
    expect(page.locator(".sending li")).to_have_count(2)
    assert sorted(Evidence.objects.values_list("name", "from_camera")) == [("公示栏.png", False), ("村委会.jpg", False)]
    page.get_by_label(says("Take a photo now")).set_input_files(photos[:1])
    there(page, 3)
    assert Evidence.objects.filter(from_camera=True).count() == 1


def test_after_a_cut_line_the_rest_follows(world: World, visit: Visit, photos: list[str]) -> None:
    page = visit("lan", world.task().get_absolute_url())
    parts: list[str] = []

    def cut(route: Route) -> None:
        parts.append(re.sub(r".*start=", "", route.request.url))
        if len(parts) == 2:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route("**/uploads/**", cut)
    page.get_by_label(says("Choose files")).set_input_files(photos[:1])
    there(page, 1)
    assert parts[0] == "0"
    assert parts[1] == parts[2] == str(1 << 18)  # the part that was cut, again; the first not
    assert Evidence.objects.count() == 1


def test_what_is_refused_says_why_and_the_next_file_goes_on(
    world: World, visit: Visit, photos: list[str], tmp_path: Path
) -> None:
    page = visit("lan", world.task().get_absolute_url())
    (tmp_path / "IMG_1.jpg").write_bytes(b"\0\0\0\x24ftypheic" + bytes(50))
    page.get_by_label(says("Choose files")).set_input_files([str(tmp_path / "IMG_1.jpg"), photos[1]])
    expect(page.locator(".sending .complaint")).to_contain_text("兼容性最佳", timeout=60_000)
    there(page, 1)


def test_without_javascript_the_form_sends_them(world: World, visit: Visit, photos: list[str]) -> None:
    page = visit("lan", world.task().get_absolute_url(), js=False)
    page.get_by_label(says("Choose files")).set_input_files(photos)
    page.get_by_role("button", name=says("Send"), exact=True).click()
    there(page, 2)
    page.get_by_role("button", name=re.compile("撤回")).first.click()
    there(page, 1)
    other = visit("lan", world.task("v-2").get_absolute_url(), js=False)
    other.get_by_text(says("Use what is already uploaded here")).click()
    other.locator(".attach input[type=checkbox]").first.check()
    other.get_by_role("button", name=says("Use these here")).click()
    there(other, 1)


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_is_for_everyone(world: World, visit: Visit, photos: list[str], width: int, language: str) -> None:
    lan, task = world.people["lan"], world.task()
    page = visit("lan", task.get_absolute_url())
    page.get_by_label(says("Choose files")).set_input_files(photos)
    there(page, 2)
    long = {"kind": "pdf", "name": "关于做好迎接上级检查各项准备工作的通知" * 6 + ".pdf", "found_wrong": "missing"}
    proofs.kept(task, lan, **long)
    proofs.kept(world.task("v-2", MAPLE), lan, sent_sha256=Evidence.objects.filter(kind="photo")[0].sent_sha256)
    proofs.kept(world.task("v-2"), lan, name="另一张.jpg")
    looked = visit("bao", task.get_absolute_url(), width=width, language=language)
    for summary in looked.locator(".proofs summary").all():
        summary.click()
    looked.evaluate(AXE)
    found: Any = looked.evaluate(RUN)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert looked.evaluate(WIDER) == []
    assert looked.evaluate(CUT) == []
    assert looked.locator(AIMS).evaluate_all(SMALL) == []
