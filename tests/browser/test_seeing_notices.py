"""What was sent, the rules, the state, the red bar, the inbox: for everyone, on a phone and on a desk."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from readiness.models import Channel, Gateway, Notice, Sender
from tests.browser.conftest import HEIGHTS, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import EAST
from tests.readiness.test_sent import notice, one_of_each, told

Status = Notice.Status


@pytest.fixture
def told_all(world: World) -> World:
    """Notices in every state, a robot that fails, a sender that is held back, an inbox with something in it."""
    campaign, lan = world.campaign, world.people["lan"]
    one_of_each(campaign, lan)
    gateway = Gateway.objects.create(
        channel=Channel.WECOM_ROBOT,
        unit_id=EAST,
        campaign=campaign,
        name="东镇迎检工作群",
        host="https://x",
        made_by=world.people["ada"],
        failures=6,
        open_until=timezone.now() + timedelta(minutes=9),
        last_error="没有响应",
    )
    fields = {"gateway": gateway, "channel": gateway.channel, "rule": "group", "status": Status.FAILED}
    notice(
        campaign, None, error="invalid webhook url, more info at https://open.work.weixin.qq.com/x?e=93000", **fields
    )
    told(lan, is_urgent=True, body="柳村\n公示栏更新，6月3日到期\n\n枫村\n环境整治，6月12日到期")
    told(lan, 1, read_at=timezone.now())
    Sender.objects.create(paused_at=timezone.now(), paused_because="数据库像是从备份恢复的")
    return world


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_axe_finds_nothing_and_nothing_sticks_out(visit: Visit, told_all: World, language: str) -> None:
    campaign = f"/campaigns/{told_all.campaign.pk}/"
    pages = {
        "ada": [f"{campaign}notices/", f"{campaign}notices/?state=failed", f"{campaign}reminders/?next=1", "/state/"],
        "mei": [f"{campaign}notices/"],
        "lan": ["/inbox/"],
    }
    wrong = []
    for who, paths in pages.items():
        page = visit(who, language=language)
        for path in paths:
            page.goto(path)
            expect(page.locator("h1")).to_have_count(1)
            page.evaluate("document.querySelectorAll('main details').forEach(it => it.open = true)")
            for width, height in HEIGHTS.items():
                page.set_viewport_size({"width": width, "height": height})
                wrong += [f"{path} ({who}, {width} px): {fault}" for fault in [*faults(page), *layout(page, width)]]
    assert not wrong, "\n".join(["", *wrong])


def test_one_and_several_are_sent_again(visit: Visit, told_all: World, width: int, js: bool) -> None:
    page = visit("ada", f"/campaigns/{told_all.campaign.pk}/notices/?name=Lan", width=width, js=js)
    page.click(".chips .is-unknown a")
    page.click("button[name=only]")
    expect(page.locator("#alerts")).to_contain_text("1")
    expect(page.locator("button[name=only]")).to_have_count(0)  # still the list of what is unknown
    page.click(".chips li:first-child a")
    for state in ("failed", "refused"):
        page.check(f".is-{state} [name=notice]")
    page.click("button[form=resend].btn-primary")
    expect(page.locator("#alerts")).to_contain_text("2")
    again = Notice.objects.filter(status=Status.PENDING, cadre=told_all.people["lan"])
    assert set(again.values_list("rule", flat=True)) == {"r-pending", "r-unknown", "r-failed", "r-refused"}


def test_rules_are_changed_and_what_is_wrong_stays_to_be_mended(
    visit: Visit, world: World, width: int, js: bool
) -> None:
    page = visit("ada", f"/campaigns/{world.campaign.pk}/reminders/", width=width, js=js)
    page.fill("#step-2", "1")
    page.check("[name=days_before][value='14']")
    page.click("form.plain button")
    expect(page.locator(".complaint")).to_have_count(1)
    expect(page.locator("#step-2")).to_have_value("1")
    expect(page.locator("[name=days_before][value='14']")).to_be_checked()
    assert not js or faults(page) == []  # axe is a script
    page.fill("#step-2", "2")
    page.click("form.plain button")
    expect(page.locator("#changes")).to_contain_text("1、2、5")
    expect(page.locator("#changes")).to_contain_text("1、3、5")


def test_a_notice_is_opened_from_the_inbox(visit: Visit, world: World, width: int, js: bool) -> None:
    told(world.people["lan"], path=world.task().get_absolute_url())
    told(world.people["lan"], 1)
    page = visit("lan", "/inbox/", width=width, js=js)
    expect(page.locator(".places .badge")).to_contain_text("2")
    page.locator("button[name=open]").first.click()
    page.wait_for_url(f"**{world.task().get_absolute_url()}")
    expect(page.locator(".places .badge")).to_contain_text("1")


def test_an_open_board_shows_the_red_bar_by_itself(visit: Visit, world: World) -> None:
    page: Page = visit("mei", f"/campaigns/{world.campaign.pk}/")
    said = '<div id="alarm" data-live><div class="alarm" role="alert"><p>提醒暂停发出</p></div></div>'

    def later(route: Route) -> None:
        if "readiness-follows" not in route.request.headers:
            route.continue_()
            return
        html = f"<!doctype html><body>{said}</body>"
        route.fulfill(status=200, content_type="text/html", headers={"ETag": '"new"'}, body=html)

    page.route("**/campaigns/**", later)
    page.evaluate("document.querySelector('#alarm').replaceChildren()")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#alarm .alarm")).to_contain_text("提醒暂停发出")
