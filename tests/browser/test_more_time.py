"""More time is asked for and answered, and a target is split: with and without script, on a phone and on a desk."""

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from checklists.models import Extension, Item, Share
from tests.browser.conftest import DESK, Visit, World
from tests.factories import EAST, WEST


def test_asked_on_the_task_and_answered_in_my_tasks(visit: Visit, world: World, width: int, js: bool) -> None:
    task = world.due(3, "v-2")
    until = timezone.localdate() + timedelta(days=8)
    lan = visit("lan", f"/tasks/{task.pk}/", width=width, js=js)
    lan.click("#more-time summary")
    lan.fill("#until", until.isoformat())
    lan.fill("#time-note", "等水泥")
    lan.click("#more-time button")
    expect(lan.locator("#alerts")).to_contain_text("等水泥")
    expect(lan.locator("#waiting")).to_contain_text("等水泥")
    expect(lan.locator("#more-time")).to_have_count(0)

    lin = visit("lin", "/tasks/", width=width, js=js)
    expect(lin.locator("#asks li")).to_contain_text("等水泥")
    lin.click("#asks button[value=no]")  # without a reason: the task's page says what is missing
    expect(lin.locator("#wrong-answer-note")).to_be_visible()
    lin.click("#waiting button[value=yes]")
    expect(lin.locator("#waiting")).to_have_count(0)
    assert Extension.objects.get().granted
    assert world.task("v-2").due_on == until


def test_a_target_is_split_by_hand_and_from_excel(visit: Visit, world: World, width: int, js: bool) -> None:
    item = Item.objects.get(number="v-1")
    page = visit("ada", f"/campaigns/{world.campaign.pk}/setup/items/{item.pk}/shares/", width=width, js=js)
    page.fill("#id_total-metric", "公厕数")
    page.fill("#id_total-total", "1000")
    page.click("#shares button")
    page.fill(f"#part-{EAST}", "600")
    page.fill(f"#part-{WEST}", "380")
    page.press(f"#part-{WEST}", "Enter")
    expect(page.locator("#sum")).to_contain_text("980")
    page.click("form.way summary")
    page.fill("#pasted", "东镇\t620\n西镇\t380")
    page.click("button[value=paste]")
    expect(page.locator("#sum")).not_to_contain_text("980")
    page.click(f"li:has(#part-{EAST}) a")
    expect(page.locator("#sum")).to_contain_text("620")
    page.click("button[value=evenly]")
    expect(page.locator("#sum")).to_contain_text("620")
    assert sorted(Share.objects.filter(item=item).values_list("value", flat=True)) == [310, 310, 380, 620]
    assert page.evaluate("document.documentElement.scrollWidth") <= max(width, 390)
    assert width != DESK or page.locator(f"#part-{EAST}").count() == 0
