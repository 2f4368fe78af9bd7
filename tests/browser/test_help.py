"""Calling for help on the phone, answering it, chasing: with and without script, and for everyone."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from checklists.models import Chase, HelpRequest, TaskEvent
from tests.browser.conftest import DESK, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import WILLOW


def opened(page: Page) -> None:
    """The form to call for help. Browsers of today open it by themselves, a moment after the page has come."""
    for _ in range(5):
        if page.locator("#obstacle").is_visible():
            return
        page.click("#help summary")
        page.wait_for_timeout(300)
    expect(page.locator("#obstacle")).to_be_visible()


def test_called_on_the_task_and_answered_in_my_tasks(visit: Visit, world: World, js: bool) -> None:
    task = world.due(-3)
    lan = visit("lan", "/tasks/", js=js)
    lan.click(f"#task-{task.pk} a[href$='#obstacle']")
    expect(lan.locator("h1")).to_have_text(task.item.title)
    opened(lan)
    lan.fill("#obstacle", "路不通")
    lan.fill("#need", " ")
    lan.click("#help button")
    expect(lan.locator("#wrong-help-need")).to_be_visible()
    expect(lan.locator("#obstacle")).to_have_value("路不通")
    lan.fill("#need", "一台挖机")
    lan.fill("#reply-by", (timezone.localdate() + timedelta(days=1)).isoformat())
    lan.click("#help button")
    expect(lan.locator("#call")).to_contain_text("一台挖机")
    expect(lan.locator("#help")).to_have_count(0)

    lin = visit("lin", "/tasks/", js=js)
    expect(lin.locator("#calls li")).to_contain_text("一台挖机")
    lin.fill("#calls input[name=answer]", "明早到")
    lin.click("#calls button")
    expect(lin.locator("#alerts")).to_contain_text("明早到")
    expect(lin.locator("#calls")).to_have_count(0)
    assert HelpRequest.objects.get().answer == "明早到"
    lan.reload()
    expect(lan.locator(".history")).to_contain_text("明早到")


def test_all_that_is_late_is_chased_in_one_go(visit: Visit, world: World, width: int, js: bool) -> None:
    world.due(-1, "v-2")
    page = f"/campaigns/{world.campaign.pk}/units/{WILLOW}/"
    tang = visit("tang", page, width=width, js=js)
    tang.click("#chase summary")
    tang.fill("#reason", "明天就检查")
    tang.click("#chase button")
    expect(tang.locator("#alerts")).to_contain_text("2")
    expect(tang.locator("#chase")).to_have_count(0)
    expect(tang.locator(".late li").first).to_contain_text("Tang")
    assert Chase.objects.count() == TaskEvent.objects.count() == 2
    lan = visit("lan", world.task().get_absolute_url(), width=width, js=js)
    expect(lan.locator("#chased")).to_contain_text("明天就检查")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_are_for_everyone(visit: Visit, world: World, width: int, language: str) -> None:
    wrong: list[str] = []

    def look(page: Page) -> None:
        wrong.extend(f"{page.url}: {fault}" for fault in [*faults(page), *layout(page, width)])

    address = world.task().get_absolute_url()
    lan = visit("lan", address, width=width, language=language)
    lan.click("#help summary")
    look(lan)
    lan.fill("#obstacle", "很长的困难" * 60)
    lan.fill("#need", "挖机" * 150)
    lan.click("#help button")
    expect(lan.locator("#call")).to_be_visible()
    look(lan)
    lin = visit("lin", address, width=width, language=language)
    lin.click("#chase summary")
    look(lin)
    unit, board = f"/campaigns/{world.campaign.pk}/units/{WILLOW}/", f"/campaigns/{world.campaign.pk}/"
    for path in ("/tasks/", unit, f"{board}tasks/?show=help", board):
        lin.goto(path)
        if path == unit:
            lin.click("#chase summary")
        look(lin)
    assert not wrong, "\n".join(["", *wrong])


def test_the_wall_holds_every_tile(visit: Visit, world: World) -> None:
    type(world.campaign).objects.update(vetoes=True, decided_by=world.people["mei"])
    HelpRequest.objects.create(
        task=world.task(), asked_by=world.people["lan"], obstacle="a", need="b", reply_by=world.today
    )
    for language in ("zh-hans", "en"):
        wall = visit("mei", f"/campaigns/{world.campaign.pk}/wall/", width=DESK, language=language)
        expect(wall.locator(".tiles > div")).to_have_count(9)
        assert wall.eval_on_selector(".tiles", "it => it.scrollWidth - it.clientWidth") <= 0
