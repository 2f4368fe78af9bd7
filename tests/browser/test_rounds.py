"""A round on the phone: with a poor line, with none, with a lost answer, without script, and for everyone."""

import re
import uuid
from itertools import groupby
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, Request, Route, expect

from checklists import rounds
from checklists.models import Check, EvidenceUse, Finding, Round, Task, Upload
from checklists.rounds import relief
from tests import factories, proofs
from tests.browser.conftest import HEIGHTS, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import MAPLE, WILLOW
from villages.access import Role
from villages.models import Cadre, Unit

NO_LINE = "internetdisconnected"
TEN = [f"r-{n}" for n in range(10)]


@pytest.fixture
def wang(world: World) -> Cadre:
    """Comes from the other township."""
    world.people["wang"] = factories.cadre("Wang", Role.TOWNSHIP_LEADER, factories.WEST)
    return world.people["wang"]


@pytest.fixture
def trip(world: World, wang: Cadre) -> Round:
    """Wang and Su go to Willow, where ten things are claimed."""
    many = factories.campaign(on=world.today, of=factories.template("ten", [factories.line(number) for number in TEN]))
    tasks = Task.objects.filter(campaign=many, unit=WILLOW)
    tasks.update(state="done", done_by=world.people["lan"], done_at=many.created_at)
    return go(world, wang, world.people["su"], campaign=many)


def go(world: World, *inspectors: Cadre, unit: str = WILLOW, campaign: Any = None, rhythm: str = "patrol") -> Round:
    place = Unit.objects.get(pk=unit)
    sent = {"unit": place, "rhythm": rhythm, "why": "很久没有去过", "inspectors": list(inspectors)}
    return rounds.plan(campaign or world.campaign, by=world.people["ada"], **sent)


def cards(page: Page) -> list[int]:
    return [int(it or 0) for it in page.locator(".check").evaluate_all("all => all.map(it => it.dataset.task)")]


def answer(page: Page, task: int, result: str, remark: str = "") -> None:
    card = page.locator(f".check[data-task='{task}']")
    if remark:
        card.locator("textarea").fill(remark)
    card.locator(f"button[value={result}]").click()


def kept(page: Page) -> int:
    """Entries on the device, whoever's."""
    return int(
        page.evaluate(
            """() => new Promise(done => { indexedDB.open("readiness-rounds", 1).onsuccess = event => {
              event.target.result.transaction("checks").objectStore("checks").count().onsuccess =
                found => done(found.target.result); }; })"""
        )
    )


def photos_kept(page: Page) -> int:
    """Photos on the device, whoever's."""
    return int(
        page.evaluate(
            """() => new Promise(done => { indexedDB.open("readiness-photos").onsuccess = event => {
              event.target.result.transaction("photos").objectStore("photos").count().onsuccess =
                found => done(found.target.result); }; })"""
        )
    )


def fill_up(page: Page, n: int) -> None:
    """So many photos of somebody else's wait on the device."""
    page.evaluate(
        """n => new Promise(done => { indexedDB.open("readiness-photos").onsuccess = event => {
          const change = event.target.result.transaction("photos", "readwrite");
          for (let at = 0; at < n; at += 1)
            change.objectStore("photos").put({ number: String(at), action: "", by: 0, file: new File(["x"], "x.jpg") });
          change.oncomplete = done; }; })""",
        n,
    )


def snap(page: Page, task: int, *names: str) -> None:
    """Adds photos to what was seen of a task."""
    card = page.locator(f".check[data-task='{task}']")
    if not card.locator("details.add-photo[open]").count():
        card.locator("details.add-photo summary").click()
    files: list[Any] = [{"name": name, "mimeType": "image/jpeg", "buffer": proofs.photo()} for name in names]
    card.locator("input[name=files]").set_input_files(files)


def offline(page: Page, *, is_so: bool) -> None:
    page.context.set_offline(is_so)


def accepted(page: Page) -> list[str]:
    """Dialogs that the page raises from now on; each is said yes to."""
    raised: list[str] = []

    def accept(dialog: Dialog) -> None:
        raised.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    return raised


def test_ten_answers_without_a_line_are_kept_and_arrive_once_each(visit: Visit, trip: Round) -> None:
    page = visit("wang", trip.get_absolute_url())
    expect(page.locator("#line")).to_have_text("已保存")
    tasks = cards(page)
    offline(page, is_so=True)
    for n, task in enumerate(tasks):
        result = ("holds", "fails", "unseen")[n % 3]
        answer(page, task, result, "" if result == "holds" else f"第{n}处没有签字")
        expect(page.locator(f".check[data-task='{task}'] .waits")).to_be_visible()
    expect(page.locator("#line")).to_contain_text("未上传 10 条")
    snap(page, tasks[1], "栏.jpg", "门.jpg")
    snap(page, tasks[3], "丢.jpg")
    expect(page.locator("#line")).to_contain_text("照片未上传 3 张")
    expect(page.locator(f".check[data-task='{tasks[1]}'] .sending")).to_contain_text("已存本机，等待上传")
    page.locator(f".check[data-task='{tasks[3]}'] .waits button").click()  # taken back, with its photo
    expect(page.locator("#line")).to_contain_text("照片未上传 2 张")
    answer(page, tasks[3], "holds")
    expect(page.locator("#looked")).to_have_text("10")
    assert (kept(page), photos_kept(page)) == (10, 2)
    fill_up(page, 18)
    snap(page, tasks[2], "满.jpg")
    expect(page.locator(f".check[data-task='{tasks[2]}'] .sending")).to_contain_text("本机最多存20张")
    assert not Check.objects.exists()
    page.click("#finish")  # stays: first what is here is sent
    assert page.url.endswith(trip.get_absolute_url())
    offline(page, is_so=False)
    expect(page.locator("#line")).to_have_text("已保存")
    assert Check.objects.count() == 10
    assert set(Check.objects.values_list("task", flat=True)) == set(tasks)
    assert kept(page) == 0
    expect(page.locator(f".check[data-task='{tasks[2]}'] .files li")).to_have_count(1)
    assert photos_kept(page) == 18  # somebody else's are left alone
    assert Finding.objects.count() == 3
    assert not Check.objects.filter(seen_at=None).exists()
    uses = EvidenceUse.objects.order_by("evidence__name").values_list("evidence__name", "check_seen__task")
    assert sorted(uses) == [("栏.jpg", tasks[1]), ("满.jpg", tasks[2]), ("门.jpg", tasks[1])]
    assert not Upload.objects.exists()
    expect(page.locator(f".check[data-task='{tasks[1]}'] .files li")).to_have_count(2)
    answer(page, tasks[2], "holds")  # what could not be seen can be decided
    expect(page.locator(f".check[data-task='{tasks[2]}'] form.look")).to_have_count(0)
    page.reload()
    expect(page.locator(f".check[data-task='{tasks[1]}'] .said-here")).to_contain_text("第1处没有签字")
    assert Check.objects.count() == 11
    assert Check.objects.values("task", "result").distinct().count() == 11


def test_an_answer_that_was_lost_is_sent_again_and_counts_once(visit: Visit, trip: Round) -> None:
    page = visit("wang", trip.get_absolute_url())
    lost: list[int] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # the server has it by now
        route.abort(NO_LINE)

    page.route("**/checks/", lose)
    first, second = cards(page)[:2]
    answer(page, first, "fails", "台账没有签字")
    expect(page.locator("#line")).to_contain_text("网络不通")
    assert Check.objects.count() == 1
    expect(page.locator(f".check[data-task='{first}'] .waits button")).to_have_count(0)  # it may have arrived
    answer(page, second, "holds")
    expect(page.locator("#line")).to_have_text("已保存")
    assert Check.objects.count() == 2
    assert Finding.objects.count() == 1


def test_leaving_warns_while_something_waits_and_it_is_still_there_afterwards(visit: Visit, trip: Round) -> None:
    page = visit("wang", trip.get_absolute_url())
    warned = accepted(page)
    offline(page, is_so=True)
    first, second, *_ = cards(page)
    answer(page, first, "holds")
    answer(page, second, "holds")
    page.locator(f".check[data-task='{second}'] .waits button").click()  # a wrong tap
    expect(page.locator("#line")).to_contain_text("未上传 1 条")
    snap(page, first, "门.jpg", "窗.jpg")
    expect(page.locator("#line")).to_contain_text("照片未上传 2 张")
    page.route("**/checks/", lambda route: route.abort(NO_LINE))
    offline(page, is_so=False)
    page.goto("/rounds/")
    assert warned == ["beforeunload"]
    expect(page.locator("#line")).to_contain_text("未上传 1 条；照片未上传 2 张")
    expect(page.locator(f"[data-round='{trip.pk}']")).to_contain_text("本机还有 1 条")
    numbers: list[str] = []

    def begun(request: Request) -> None:
        said = f"{request.url}?{request.post_data}" if "/proofs/" in request.url else request.url
        numbers.extend(re.findall(r"(?:upload=|/uploads/)([0-9a-f-]{36})", said))

    page.on("request", begun)
    lost: list[int] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # the server has all of the photo by now
        route.abort(NO_LINE)

    page.route("**/uploads/**", lose)
    page.unroute("**/checks/")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#line")).to_be_hidden()
    assert Check.objects.get().task_id == first
    assert lost == [200]
    assert photos_kept(page) == 0
    assert list(EvidenceUse.objects.values_list("check_seen", flat=True)) == [Check.objects.get().pk] * 2
    assert len([number for number, _ in groupby(numbers)]) == 2  # one photo after another: the line is weak


def test_no_photo_outlives_its_answer_without_saying_so(visit: Visit, trip: Round, world: World) -> None:
    page = visit("wang", trip.get_absolute_url())
    warned = accepted(page)
    first, second, third, *_ = cards(page)
    offline(page, is_so=True)
    answer(page, first, "fails", "没有签字")
    snap(page, first, "栏.jpg", "门.jpg")
    expect(page.locator("#line")).to_contain_text("照片未上传 2 张")
    page.locator(f".check[data-task='{first}'] .waits button").click()
    expect(page.locator("#line")).to_have_text("已保存")
    assert photos_kept(page) == 0
    for task in (second, third):
        answer(page, task, "holds")
        snap(page, task, "窗.jpg")
    expect(page.locator("#line")).to_contain_text("照片未上传 2 张")
    rounds.record(trip, by=world.people["su"], event=uuid.uuid4(), task=second, result="holds")
    page.route("**/uploads/**", lambda route: route.abort(NO_LINE))
    offline(page, is_so=False)
    expect(page.locator("#line")).to_have_text("照片未上传 1 张；1 张照片未收下，请看下面")
    page.reload()
    assert not warned  # all is kept
    orphan = page.locator("#photos li")
    expect(orphan).to_contain_text("另一位检查人员")
    session = page.context.cookies()
    page.context.clear_cookies()  # the log-in has ended
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#line")).to_have_text("2 张照片未收下，请看下面")
    page.click("#finish")  # stays: whoever logs in again can still send it, unless the round is over
    expect(page.locator("#line")).to_be_in_viewport()
    page.context.add_cookies(session)  # type: ignore[arg-type]
    page.reload()
    expect(page.locator("#line")).to_contain_text("照片未上传 1 张")
    page.unroute("**/uploads/**")
    page.click("#finish")  # waits for the one, not for the other
    page.wait_for_url("**/finish/")
    assert EvidenceUse.objects.get().check_seen.task_id == third  # type: ignore[union-attr]
    page.go_back()
    orphan.locator("button").click()
    expect(page.locator("#line")).to_have_text("已保存")
    assert photos_kept(page) == 0


def test_what_a_relieved_inspector_recorded_is_read_and_discarded_and_holds_up_no_other_round(
    visit: Visit, trip: Round, world: World
) -> None:
    wang, su = world.people["wang"], world.people["su"]
    other = go(world, wang, unit=MAPLE)
    page = visit("wang", trip.get_absolute_url())
    first = cards(page)[0]
    offline(page, is_so=True)
    answer(page, first, "fails", "没有签字")
    snap(page, first, "栏.jpg")
    expect(page.locator("#line")).to_contain_text("照片未上传 1 张")
    sent = {"was": [wang.pk, su.pk], "people": [su], "reason": "病了"}
    relief.relieve(trip, by=world.people["ada"], event=uuid.uuid4(), **sent)  # type: ignore[arg-type]
    offline(page, is_so=False)
    expect(page.locator("#line")).to_contain_text("1 条未收下")
    page.goto(other.get_absolute_url())
    expect(page.locator("#kept li")).to_contain_text("没有签字")
    page.click("#finish")
    page.wait_for_url("**/finish/")
    page.goto("/rounds/")
    refused = page.locator("#kept li")
    expect(refused).to_contain_text("r-0")
    expect(refused).to_contain_text("没有签字")
    expect(refused.locator(".complaint")).to_contain_text("已不在您的范围内")
    expect(page.locator("#line")).to_have_text("1 条未收下，请看下面；1 张照片未收下，请看下面")
    expect(page.locator("#photos li")).to_contain_text("没有被收下")
    refused.locator("button").click()
    expect(page.locator("#line")).to_be_hidden()
    assert (kept(page), photos_kept(page)) == (0, 0)


def test_whoever_logs_in_next_on_the_device_sends_none_of_it(visit: Visit, trip: Round, world: World) -> None:
    wang = visit("wang", trip.get_absolute_url())
    wang.route("**/checks/", lambda route: route.abort(NO_LINE))
    first = cards(wang)[0]
    answer(wang, first, "fails", "台账没有签字")
    expect(wang.locator("#line")).to_contain_text("未上传 1 条")
    session = wang.context.cookies()
    other = visit("su")
    wang.context.add_cookies(other.context.cookies())  # type: ignore[arg-type]
    su = wang.context.new_page()
    su.goto(trip.get_absolute_url())
    expect(su.locator("#line")).to_have_text("已保存")
    expect(su.locator(".waits")).to_have_count(0)
    wang.unroute("**/checks/")  # his page is still open, and now under her log-in
    wang.evaluate("dispatchEvent(new Event('online'))")
    expect(wang.locator(".waits")).to_contain_text("现在登录的是别人")
    assert not Check.objects.exists()
    assert kept(su) == 1
    su.close()
    wang.context.add_cookies(session)  # type: ignore[arg-type]
    wang.on("dialog", lambda dialog: dialog.accept())
    wang.goto(trip.get_absolute_url())
    expect(wang.locator("#line")).to_have_text("已保存")
    assert Check.objects.get().by == world.people["wang"]


def test_what_is_refused_says_why_and_stays_until_it_is_discarded(visit: Visit, trip: Round, world: World) -> None:
    page = visit("wang", trip.get_absolute_url())
    first, second, *_ = cards(page)
    offline(page, is_so=True)
    answer(page, first, "holds")
    answer(page, second, "holds")
    su = world.people["su"]
    rounds.record(trip, by=su, event=uuid.uuid4(), task=first, result="fails", remark="没有签字")
    offline(page, is_so=False)
    refused = page.locator(f".check[data-task='{first}'] .waits")
    expect(refused).to_contain_text("Su 已经在这里记为“不属实”")
    expect(page.locator(f".check[data-task='{second}'] .said-here")).to_contain_text("已保存")  # the other is fine
    refused.locator("button").click()
    expect(refused).to_have_count(0)
    assert kept(page) == 0
    assert Check.objects.count() == 2


def test_a_remark_is_asked_for_and_the_round_ends(visit: Visit, trip: Round, js: bool) -> None:
    page = visit("wang", trip.get_absolute_url(), js=js)
    first = cards(page)[0]
    answer(page, first, "fails")
    expect(page.locator(f".check[data-task='{first}'] .complaint")).to_be_visible()
    assert not Check.objects.exists()
    answer(page, first, "fails", "台账没有签字")
    expect(page.locator(f".check[data-task='{first}'] .said-here")).to_contain_text("台账没有签字")
    page.click("#finish")
    expect(page.locator("main .lines li")).to_have_count(9)
    page.click("main form button")
    expect(page.locator("#alerts")).to_contain_text("检查已结束")
    expect(page.locator("form.look")).to_have_count(0)
    assert Check.objects.count() == 1
    assert Round.objects.get().is_over


def test_inspectors_are_chosen_once_and_sent_with_one_tap_each(
    visit: Visit, world: World, wang: Cadre, js: bool
) -> None:
    page = visit("su", f"/campaigns/{world.campaign.pk}/rounds/", js=js)
    page.check(f"input[name=inspector][value='{wang.pk}']")
    page.click("#people button")
    page.click(f"button[name=unit][value='{MAPLE}']")
    expect(page.locator("#alerts")).to_contain_text("枫村")
    expect(page.locator(f"button[name=unit][value='{MAPLE}']")).to_have_count(0)
    assert Round.objects.get().unit_id == MAPLE
    page.click(f"button[name=unit][value='{WILLOW}']")
    expect(page.locator("#alerts")).to_contain_text("柳村")
    assert set(Round.objects.values_list("inspectors", flat=True)) == {wang.pk}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_are_for_everyone(visit: Visit, trip: Round, world: World, language: str) -> None:
    wrong: list[str] = []

    def look(page: Page) -> None:
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            wrong.extend(f"{page.url}, {width} px: {fault}" for fault in [*faults(page), *layout(page, width)])

    over = go(world, world.people["su"], unit=MAPLE)
    su = world.people["su"]
    seen = {"event": uuid.uuid4(), "task": world.task("v-1", MAPLE).pk, "result": "fails", "remark": "长" * 300}
    rounds.record(over, by=su, **seen)
    rounds.finish(over, by=su, left=2)
    page = visit("wang", trip.get_absolute_url(), language=language)
    first, second, *_ = cards(page)
    answer(page, first, "fails")
    look(page)
    answer(page, first, "holds")
    expect(page.locator(f".check[data-task='{first}'] form.look")).to_have_count(0)
    page.route("**/checks/", lambda route: route.abort(NO_LINE))
    answer(page, second, "unseen", "锁着" * 150)
    expect(page.locator(".waits")).to_be_visible()
    look(page)
    page.unroute("**/checks/")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator(".waits")).to_have_count(0)
    for path in ("/rounds/", f"/rounds/{trip.pk}/finish/"):
        page.goto(path)
        look(page)
    desk = visit("su", language=language)
    campaign = f"/campaigns/{world.campaign.pk}/"
    for path in (
        f"{campaign}rounds/",
        f"{campaign}rounds/?at={WILLOW}&inspector={su.pk}",
        over.get_absolute_url(),
        f"{campaign}units/{MAPLE}/",
        world.task("v-1", MAPLE).get_absolute_url(),
    ):
        desk.goto(path)
        look(desk)
    assert not wrong, "\n".join(["", *wrong])
