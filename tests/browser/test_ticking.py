"""Changing a task by hand: undo, twice, wrong, too late, by two people, without a connection."""

import re
from decimal import Decimal

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from checklists.models import State, TaskEvent
from tests.browser.conftest import DESK, PHONE, Visit, World, says
from tests.factories import MAPLE, WILLOW


def test_undo(visit: Visit, world: World, js: bool) -> None:
    task = world.bring("v-1", WILLOW, "done", by="lan")
    page = visit("lan", "/tasks/?show=done", js=js)
    page.click(f"#task-{task.pk} .untick button")
    if js:
        expect(page.locator(f"#task-{task.pk} .btn-tick")).to_be_visible()
    else:
        expect(page.locator(".alert-success")).to_be_visible()
    assert world.task().state == State.OPEN


def test_a_double_click_is_one_event(visit: Visit, world: World, js: bool) -> None:
    task = world.task()
    page = visit("lan", "/tasks/", js=js)
    page.locator(f"#task-{task.pk} .btn-tick").dblclick()
    if js:
        expect(page.locator(f"#task-{task.pk}")).to_have_class(re.compile("state-done"))
        page.wait_for_load_state("networkidle")
        assert page.url.endswith("/tasks/"), "the second click opened nothing"
    else:
        expect(page.locator(f"#task-{task.pk}")).to_have_count(0)
    assert TaskEvent.objects.filter(task=task).count() == 1
    assert world.task().state == State.DONE


@pytest.mark.parametrize("typed", ["80", "九十"])
def test_a_wrong_value_stays_in_its_field_beside_the_message(visit: Visit, world: World, js: bool, typed: str) -> None:
    task = world.task("v-3")
    page = visit("lan", "/tasks/", js=js)
    page.fill(f"#task-{task.pk} [name=value]", typed)
    page.click(f"#task-{task.pk} .btn-tick")
    if js:
        field, complaint = page.locator(f"#task-{task.pk} [name=value]"), page.locator(f"#task-{task.pk} .complaint")
        button = page.locator(f"#task-{task.pk} .btn-tick")
    else:  # the task's page, where there is room
        field, complaint = page.locator("#value-done"), page.locator("#wrong-done-value")
        button = page.locator("#to-done button")
    expect(complaint).to_be_visible()
    expect(field).to_have_value(typed)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(complaint.inner_text())
    if js:
        expect(field).to_be_focused()
    assert world.task("v-3").state == State.OPEN
    field.fill("９５%")
    button.click()
    if js:
        expect(page.locator(f"#task-{task.pk}")).to_have_class(re.compile("state-done"))
    else:
        expect(page.locator(".alert-success")).to_be_visible()
    assert world.task("v-3").value == Decimal(95)


def test_the_second_of_two_people_is_told_what_happened(visit: Visit, world: World, js: bool) -> None:
    task = world.task()
    path = f"/campaigns/{world.campaign.pk}/tasks/"
    bao = visit("bao", path, width=DESK, js=js)
    lan = visit("lan", task.get_absolute_url(), js=js)
    lan.fill("#note-open", "还差两户")
    lan.click("#to-open button")
    expect(lan.locator(".history")).to_contain_text("还差两户")
    bao.click(f"#task-{task.pk} .btn-tick")
    conflict = says("Someone changed this task since you opened it. Look at what happened, then decide.")
    expect(bao.locator(f"#task-{task.pk}" if js else ".alert-warning")).to_contain_text(conflict)
    assert world.task().state == State.OPEN
    bao.click(f"#task-{task.pk} .btn-tick" if js else "#to-done button")  # having seen it, he decides
    expect(bao.locator(f"#task-{task.pk} .word" if js else ".alert-success")).to_be_visible()
    assert world.task().done_by == world.people["bao"]


def test_two_people_tick_the_same_and_it_counts_once(visit: Visit, world: World) -> None:
    task = world.task()
    bao, lan = visit("bao", f"/campaigns/{world.campaign.pk}/tasks/"), visit("lan", "/tasks/")
    for page in (lan, bao):
        page.click(f"#task-{task.pk} .btn-tick")
        expect(page.locator(f"#task-{task.pk} .word")).to_be_visible()
    expect(bao.locator(f"#task-{task.pk}")).to_contain_text("Lan")
    assert TaskEvent.objects.filter(task=task).count() == 1


def test_a_linked_cadre_verifies_one_and_returns_another_with_a_reason(
    visit: Visit, world: World, width: int, js: bool
) -> None:
    good = world.bring("v-1", MAPLE, "done", by="hong")
    poor = world.bring("v-2", MAPLE, "done", by="hong")
    lin = visit("lin", "/tasks/", width=width, js=js)
    lin.click(".to-check a")
    expect(lin.locator(".task")).to_have_count(2)
    expect(lin.locator(f"#task-{good.pk} .why")).to_contain_text("本单位首次核实")
    lin.click(f"#task-{good.pk} .btn-verify")
    expect(lin.locator(f"#task-{good.pk}")).to_have_count(0)
    lin.click(f"#task-{poor.pk} .act a.btn")
    lin.click("#to-returned button")
    expect(lin.locator("#wrong-returned-note")).to_be_visible()  # not without a reason
    lin.fill("#note-returned", "台账缺三户签字")
    lin.click("#to-returned button")
    expect(lin.locator(".alert-success")).to_be_visible()

    hong = visit("hong", "/tasks/", width=width, js=js)
    line = hong.locator(f"#task-{poor.pk}")
    expect(line).to_have_class(re.compile("state-returned"))
    line.locator(".what > a").click()
    reason = hong.get_by_text("台账缺三户签字").first
    expect(reason).to_be_in_viewport()
    expect(hong.locator("main")).to_contain_text("Lin")
    assert world.task("v-1", MAPLE).verified_by == world.people["lin"]
    assert world.task("v-2", MAPLE).done_by is None


def test_many_claims_are_decided_on_a_phone_in_one_go(visit: Visit, world: World, width: int, js: bool) -> None:
    tasks = [world.bring(number, unit, "done", by=by) for number in ("v-1", "v-2")
             for unit, by in ((MAPLE, "hong"), (WILLOW, "lan"))]  # fmt: skip
    lin = visit("lin", "/verify/", width=width, js=js)
    lin.click(".decide button[value=verified]")
    expect(lin.locator(".complaint")).to_be_visible()  # nothing is chosen
    for task in tasks[:2]:
        lin.click(f"#task-{task.pk} .pick")
    if js:
        expect(lin.locator("[data-chosen]")).to_have_text("2")
    expect(lin.locator(".decide button[value=verified]")).to_be_in_viewport()
    lin.click(".decide button[value=returned]")
    expect(lin.locator(".task .complaint")).to_have_count(2)  # not without a reason
    expect(lin.locator(".pick input:checked")).to_have_count(2)
    expect(lin.locator(".own input:visible")).to_have_count(2)
    lin.fill(".decide [name=note]", "照片对不上")
    own = f"[name=why-{tasks[0].pk}]"
    lin.fill(own, "牌子没挂")
    lin.press(own, "Enter")  # returns what is chosen, and does nothing with the first line
    expect(lin.locator(".alert-success")).to_contain_text("已退回2项")
    expect(lin.locator(".task")).to_have_count(2)
    if js:
        lin.click(".everything")
    else:
        for task in tasks[2:]:
            lin.click(f"#task-{task.pk} .pick")
    lin.click(".decide button[value=verified]")
    expect(lin.locator(".alert-success")).to_contain_text("已核实2项")
    expect(lin.locator(".empty")).to_be_visible()
    notes = dict(TaskEvent.objects.filter(to_state="returned").values_list("task", "note"))
    assert notes == {tasks[0].pk: "牌子没挂", tasks[1].pk: "照片对不上"}


def test_a_claimed_task_can_still_take_a_note(visit: Visit, world: World, js: bool) -> None:
    task = world.bring("v-1", WILLOW, "done", by="lan")
    page = visit("lan", task.get_absolute_url(), js=js)
    page.fill("#note-done", "材料在村委会二楼")
    page.click("#to-done button")
    expect(page.locator(".history li").last).to_contain_text("材料在村委会二楼")
    assert world.task().state == State.DONE


def test_a_form_that_outlived_its_session_gives_the_note_back(visit: Visit, world: World, js: bool) -> None:
    task = world.task()
    page = visit("lan", task.get_absolute_url(), js=js)
    page.fill("#note-open", "写了半天的话")
    Session.objects.all().delete()
    page.click("#to-open button")
    expect(page.locator("#typed-note")).to_have_value("写了半天的话")
    page.click("main a.btn")
    expect(page).to_have_url(re.compile(rf"/login/\?next={task.get_absolute_url()}"))
    assert not TaskEvent.objects.exists()


def test_a_tap_that_outlived_its_session_shows_the_page_and_the_value(visit: Visit, world: World) -> None:
    task = world.task("v-3")
    page = visit("lan", "/tasks/")
    page.fill(f"#task-{task.pk} [name=value]", "93.5")
    Session.objects.all().delete()
    page.click(f"#task-{task.pk} .btn-tick")
    expect(page.locator("#typed-value")).to_have_value("93.5")
    expect(page.locator("main")).to_have_count(1)  # the page itself, not a page inside a line
    expect(page).to_have_title(re.compile(says("Please log in again")))
    page.click("main a.btn")
    expect(page).to_have_url(re.compile(r"/login/\?next=/tasks/"))


def test_a_refusal_is_brought_into_view(visit: Visit, world: World) -> None:
    world.due(-2, "v-2")
    page = visit("lan", "/tasks/", width=PHONE)
    world.people["lan"].posts.update(until=world.today)
    page.locator(".task .btn-tick").nth(1).click()
    expect(page.locator("#alerts .alert-warning")).to_be_in_viewport()


def test_without_a_connection_the_line_says_so_and_the_next_tap_counts_once(visit: Visit, world: World) -> None:
    task = world.task()
    page = visit("lan", "/tasks/")
    page.context.set_offline(True)
    page.click(f"#task-{task.pk} .btn-tick")
    expect(page.locator(f"#task-{task.pk} .complaint")).to_be_visible()
    expect(page.locator(f"#task-{task.pk} .btn-tick")).to_be_enabled()
    page.context.set_offline(False)
    page.click(f"#task-{task.pk} .btn-tick")
    expect(page.locator(f"#task-{task.pk} .word")).to_be_visible()
    expect(page.locator(f"#task-{task.pk} .complaint")).to_have_count(0)
    assert TaskEvent.objects.filter(task=task).count() == 1
