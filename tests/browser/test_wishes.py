"""How one is told, and through what an office sends: on a phone and on a desk, with and without JavaScript."""

import re

from icalendar import Calendar
from playwright.sync_api import expect

from readiness.models import Channel, Gateway, Wishes
from readiness.reminders import sealed
from tests.browser.conftest import HEIGHTS, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import COUNTY, EAST

CLOSED = {
    "app_key": "dingabcdef4321",
    "app_secret": "s",
    "agent_id": "1",
    "path": "/sms",
    "secret": "s" * 16,
    "key": "k",
}


def connect(world: World, channel: Channel, unit: str = COUNTY, **fields: object) -> Gateway:
    kept = {"name": "区政务钉钉", "host": "https://oapi.dingtalk.com", "hint": "4321", "made_by": world.people["ada"]}
    return Gateway.objects.create(channel=channel, unit_id=unit, sealed=sealed.seal(CLOSED), **kept | fields)


def test_one_says_how_one_is_told_and_gets_a_calendar(visit: Visit, world: World, js: bool, width: int) -> None:
    connect(world, Channel.DINGTALK)
    page = visit("lan", "/tasks/", width=width, js=js)
    page.click(".me-menu summary")
    page.click(".me-menu a[href='/me/notices/']")
    page.uncheck("[name=wanted][value=mail]")
    page.fill("[name=quiet_from]", "12:00")
    page.fill("[name=account_dingtalk]", "lan007")
    page.click("[name=save]")
    expect(page.locator("#id_quiet_until_error")).to_contain_text("19.5")
    expect(page.locator("[name=account_dingtalk]")).to_have_value("lan007")
    page.fill("[name=quiet_from]", "20:00")
    page.click("[name=save]")
    expect(page.locator(".alert-success")).to_be_visible()
    expect(page.locator("[name=quiet_from]")).to_have_value("20:00")
    assert Wishes.objects.get().unwanted == ["mail"]

    page.click("#calendar [value=make]")
    address = page.locator("#address").input_value()
    assert re.fullmatch(r"http://[\w.:]+/calendar/[\w-]{43}\.ics", address)
    stranger = visit(js=js)
    assert len(Calendar.from_ical(stranger.request.get(address).body()).walk("VEVENT")) == 3
    page.click("#calendar [value=end]")
    expect(page.locator(".alert-success")).to_be_visible()
    assert stranger.request.get(address).status == 404


def test_the_pages_are_for_everyone(visit: Visit, world: World) -> None:
    broken = {"failures": 6, "open_until": "2099-01-01T00:00Z", "last_error": "平台说：机器人的访问令牌不对"}
    one = connect(world, Channel.DINGTALK, **broken)
    connect(world, Channel.WEBHOOK, removed_at="2026-01-01T00:00Z")
    connect(world, Channel.WECOM)
    connect(world, Channel.WECOM_ROBOT, EAST, campaign=world.campaign, name="东镇工作群")
    paths = [
        "/me/notices/",
        "/gateways/",
        "/gateways/new/",
        "/gateways/new/?channel=webhook",
        f"/gateways/{one.pk}/",
        f"/campaigns/{world.campaign.pk}/robots/?channel=feishu_robot",
    ]
    wrong = []
    for language in ("zh-hans", "en"):
        page = visit("ada", language=language)
        for path in paths:
            page.goto(path)
            for width, height in HEIGHTS.items():
                page.set_viewport_size({"width": width, "height": height})
                wrong += [
                    f"{path} ({language}, {width} px): {fault}" for fault in [*faults(page), *layout(page, width)]
                ]
        page.click(".btn-primary")  # what is missing is said to everyone too
        wrong += faults(page)
    assert not wrong, "\n".join(["", *wrong])
