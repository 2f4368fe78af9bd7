"""The main job: a village ticks an overdue task, and the county's leader sees it."""

import re

from playwright.sync_api import Page, expect

from checklists.models import TaskEvent
from tests.browser.conftest import PHONE, Visit, World, says
from tests.factories import PASSWORD, WILLOW


def log_in(page: Page, name: str) -> None:
    page.goto("/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main [type=submit]")


def log_out(page: Page) -> None:
    page.click(".me-menu summary")
    page.click("form[action='/logout/'] button")
    expect(page).to_have_url(re.compile("/login/$"))


def test_a_village_ticks_and_the_leader_sees_its_cell_change(visit: Visit, world: World, width: int, js: bool) -> None:
    task = world.task()
    mei = visit(width=width, js=js)
    log_in(mei, "mei")
    expect(mei).to_have_url(re.compile(f"/campaigns/{world.campaign.pk}/$"))
    cell = mei.locator(f"a.cell[href$='/units/{WILLOW}/']")
    expect(cell).to_have_class(re.compile("light-red"))
    expect(cell.locator("b")).to_have_text("1")

    lan = visit(width=width, js=js)
    log_in(lan, "lan")
    expect(lan).to_have_url(re.compile("/tasks/$"))
    expect(lan.locator("main section h2").first).to_contain_text(says("Overdue"))
    line = lan.locator(f"#task-{task.pk}")
    expect(lan.locator(".task").first).to_have_id(f"task-{task.pk}")  # what is late stands first
    expect(line).to_have_class(re.compile("overdue"))
    tick = line.locator(".btn-tick").bounding_box()
    assert tick and tick["y"] + tick["height"] < 700, "in sight at once, above the places at the foot"
    if js:
        lan.evaluate("window.still = 'here'")
    line.locator(".btn-tick").click()
    if js:
        expect(line).to_have_class(re.compile("state-done"))
        expect(line).to_contain_text(says("Saved."))
        assert lan.evaluate("window.still") == "here", "the line changed, not the page"
        assert lan.evaluate("document.activeElement.id") == f"task-{task.pk}"
    else:
        expect(lan.locator(".alert-success")).to_contain_text(task.item.name)
        expect(lan).to_have_url(re.compile("/tasks/$"))
        expect(line).to_have_count(0)  # no longer owed
    log_out(lan)

    mei.reload()
    expect(cell).to_have_class(re.compile("light-green"))
    expect(cell.locator("b")).to_have_count(0)
    cell.click()
    if js and width == PHONE:  # under a thumb the first tap says why
        expect(mei.locator("#why")).to_contain_text("柳村")
        cell.click()
    expect(mei.locator(f"#task-{task.pk}")).to_have_class(re.compile("state-done"))
    expect(mei.locator(f"#task-{task.pk}")).to_contain_text("Lan")
    expect(mei.locator("h1 .light-green")).to_be_visible()
    expect(mei.locator(f"#task-{task.pk} button")).to_have_count(0)  # a leader looks and does not tick
    assert TaskEvent.objects.filter(task=task).count() == 1


def test_the_leader_sees_what_is_late_and_who_answers_without_scrolling(visit: Visit, world: World, width: int) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/units/{WILLOW}/", width=width)
    late, who = page.locator(".late li"), page.locator(".answers li").first
    expect(late).to_have_count(1)
    expect(late).to_contain_text(world.task().item.name)
    expect(who).to_contain_text("Lan")
    for found in (late, who):
        box = found.bounding_box()
        assert box and box["y"] + box["height"] < 700
    late.locator("a").click()
    expect(page.locator(f"#task-{world.task().pk}")).to_be_in_viewport()


def test_a_number_of_the_board_opens_its_tasks(visit: Visit, world: World, width: int, js: bool) -> None:
    page = visit("mei", f"/campaigns/{world.campaign.pk}/", width=width, js=js)
    page.locator(".figures .bad").click()  # anywhere on the card
    expect(page).to_have_url(re.compile("show=overdue"))
    expect(page.locator(".task")).to_have_count(1)
    page.go_back()
    page.click(".figures a.light-red")
    expect(page.locator("a.cell")).to_have_count(1)
    expect(page.locator("a.cell")).to_have_class(re.compile("light-red"))
