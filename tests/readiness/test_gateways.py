"""Gateways and robots: who sets them up, secrets that never come out again, and tests that say what came of it."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from checklists.models import Campaign, Change
from readiness.models import Account, Channel, Gateway, Notice
from readiness.reminders import lease, memory, sealed
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, OTHER_COUNTY, WEST, WILLOW
from tests.platforms import Platform
from villages.access import Role
from villages.models import Cadre

As = Callable[[str], Client]
Cast = dict[str, Cadre]
TOKEN = "tokentokentoken0123456789abcdef4321"
SECRET = "SEC0123456789abcdef0123456789abcdef"
ROBOTS = {
    "dingtalk_robot": ("/robot/send?access_token=" + TOKEN, {"token": TOKEN}),
    "wecom_robot": ("/cgi-bin/webhook/send?key=" + TOKEN, {"key": TOKEN}),
    "feishu_robot": ("/open-apis/bot/v2/hook/" + TOKEN, {"token": TOKEN}),
}
APPS = {
    "dingtalk": {"app_key": "ding" + TOKEN, "app_secret": SECRET, "agent_id": "1234567890"},
    "wecom": {"corp_id": "ww" + TOKEN, "secret": SECRET, "agent_id": "1000002"},
    "feishu": {"app_id": "cli_" + TOKEN, "app_secret": SECRET},
}


@pytest.fixture(autouse=True)
def platform(settings: Any) -> Iterator[Platform]:
    with Platform() as server:
        settings.OUTGOING_HOSTS = [server.host, "https://oapi.dingtalk.com", "https://sms.example.gov.cn"]
        yield server


def complaints(response: HttpResponse) -> list[str]:
    assert response.status_code == 422
    return re.findall(r'<span id="error_[^>]*><strong>(.*?)</strong>', response.content.decode())


def new(client: Client, channel: str, **fields: Any) -> HttpResponse:
    return client.post(f"/gateways/new/?channel={channel}", {"name": "通道", "unit": COUNTY} | fields)


def robot(client: Client, campaign: Campaign, channel: str, host: str, **fields: Any) -> HttpResponse:
    given = {"name": "东镇群", "unit": EAST, "address": host + ROBOTS[channel][0]} | fields
    return client.post(f"/campaigns/{campaign.pk}/robots/?channel={channel}", given)


def secrets(gateway: Gateway) -> dict[str, str]:
    gateway.refresh_from_db()
    return sealed.unseal(gateway.sealed)


def hidden(*answers: HttpResponse) -> bool:
    """Whether no secret stands in them."""
    return not any(word in answer.content.decode() for answer in answers for word in (TOKEN, SECRET))


# --- setting up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", APPS)
def test_an_app_is_connected_and_its_secrets_never_come_back(as_: As, platform: Platform, channel: str) -> None:
    ada = as_("ada")
    page = ada.get(f"/gateways/new/?channel={channel}").content.decode()
    assert set(re.findall(r'name="(\w+)"', page)) >= {"name", "unit", "host", *APPS[channel]}
    assert "在哪里找" in page
    assert new(ada, channel, host=platform.host + "/somewhere", **APPS[channel]).status_code == 302
    made = Gateway.objects.get()
    assert (made.channel, made.unit_id, made.host, made.made_by) == (channel, COUNTY, platform.host, made.made_by)
    assert secrets(made) == APPS[channel]
    assert made.hint == TOKEN[-4:]
    assert TOKEN.encode() not in bytes(made.sealed)
    pages = ada.get("/gateways/"), ada.get(f"/gateways/{made.pk}/")
    assert hidden(*pages)
    assert all("••••4321" in page.content.decode() for page in pages)


@pytest.mark.parametrize("channel", ROBOTS)
def test_a_robots_pasted_address_is_taken_apart(as_: As, campaign: Campaign, platform: Platform, channel: str) -> None:
    ada = as_("ada")
    extra = {} if channel == "wecom_robot" else {"secret": SECRET}
    assert robot(ada, campaign, channel, platform.host, **extra).status_code == 302
    made = Gateway.objects.get()
    assert (made.host, made.campaign, made.unit_id) == (platform.host, campaign, EAST)
    assert secrets(made) == ROBOTS[channel][1] | extra
    assert hidden(ada.get(f"/campaigns/{campaign.pk}/robots/"), ada.get(f"/gateways/{made.pk}/"))
    change = Change.objects.latest("pk")
    assert (change.fields, change.unit_id, change.by.username) == ({"robot": ["", "东镇群 ••••4321"]}, EAST, "ada")
    assert "群机器人" in ada.get(f"/campaigns/{campaign.pk}/setup/launch/").content.decode()


def test_a_webhook_keeps_the_path_as_a_secret(as_: As) -> None:
    ada = as_("ada")
    address = "https://sms.example.gov.cn:443/send?k=" + TOKEN
    assert complaints(new(ada, "webhook", address=address, secret="short"))
    assert new(ada, "webhook", address=address, secret=SECRET).status_code == 302
    made = Gateway.objects.get()
    assert (made.host, secrets(made)) == ("https://sms.example.gov.cn", {"path": "/send?k=" + TOKEN, "secret": SECRET})


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://evil.example/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("https://oapi.dingtalk.com@evil.example/robot/send?access_token=" + TOKEN, "地址"),
        ("https://oapi.dingtalk.com:8443/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("http://oapi.dingtalk.com/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("https://oapi.dingtalk.com.evil.example/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("http://127.0.0.1:1/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("http://2130706433/robot/send?access_token=" + TOKEN, "OUTGOING_HOSTS"),
        ("http://169.254.169.254/latest/meta-data/", "OUTGOING_HOSTS"),
        ("file:///etc/passwd", "https://"),
        ("gopher://oapi.dingtalk.com/x", "https://"),
        ("oapi.dingtalk.com/robot/send?access_token=" + TOKEN, "https://"),
        ("https://oapi.dingtalk.com/robot/send", "access_token"),
        ("https://oapi.dingtalk.com/x?access_token=" + TOKEN, "access_token"),
        ("https://oapi.dingtalk.com/robot/send?access_token=" + TOKEN + "\r\nHost: evil", "地址"),
        ("https://oapi.dingtalk.com/robot/send?access_token=\0" + TOKEN, "空字符"),
        ("https://[::1", "地址"),
        ("9" * 30, "https://"),
        ("https://oapi.dingtalk.com/robot/send?access_token=" + TOKEN * 99, "500"),
    ],
)
def test_a_bad_address_is_refused_in_words_and_not_repeated(
    as_: As, campaign: Campaign, address: str, words: str
) -> None:
    response = robot(as_("ada"), campaign, "dingtalk_robot", "", address=address, secret=SECRET)
    (said,) = complaints(response)
    assert words in said
    assert hidden(response)
    assert 'value="东镇群"' in response.content.decode()  # what is no secret is kept
    assert not Gateway.objects.exists()


def test_what_is_missing_or_no_such_thing_is_named(as_: As, campaign: Campaign, platform: Platform) -> None:
    ada = as_("ada")
    assert len(complaints(new(ada, "dingtalk", name=""))) == 5
    wrong = APPS["dingtalk"] | {"agent_id": "abc", "app_key": "有空格", "host": platform.host}
    response = new(ada, "dingtalk", **wrong)
    assert len(complaints(response)) == 2
    assert hidden(response)
    for unit in (WILLOW, OTHER_COUNTY, "\0", "9" * 30, ""):
        assert complaints(new(ada, "dingtalk", **APPS["dingtalk"], host=platform.host, unit=unit))
    for unit in (WILLOW, COUNTY, BUREAU, OTHER_COUNTY, "0"):
        assert complaints(robot(ada, campaign, "wecom_robot", platform.host, unit=unit))
    for channel in ("", "inbox", "mail", "\0", "dingtalk_robot", "9" * 30):
        assert ada.get(f"/gateways/new/?channel={channel}").status_code == 200
    assert not Gateway.objects.exists()


def test_one_of_a_kind_for_each_unit(as_: As, campaign: Campaign, cast: Cast, platform: Platform) -> None:
    ada = as_("ada")
    for unit, status in ((COUNTY, 302), (EAST, 302), (COUNTY, 422)):
        assert new(ada, "feishu", host=platform.host, unit=unit, **APPS["feishu"]).status_code == status
    other = factories.campaign(on=timezone.localdate(), days=60)
    for where, unit, status in (
        (campaign, EAST, 302),
        (campaign, WEST, 302),
        (other, EAST, 302),
        (campaign, EAST, 422),
    ):
        assert robot(ada, where, "wecom_robot", platform.host, unit=unit).status_code == status
    twice = robot(ada, campaign, "wecom_robot", platform.host)
    assert "已有一个同类通道" in complaints(twice)[0]
    assert hidden(twice)
    gone = Gateway.objects.get(unit=EAST, campaign=campaign)
    ada.post(f"/gateways/{gone.pk}/remove/")
    assert robot(ada, campaign, "wecom_robot", platform.host).status_code == 302


# --- changing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(as_: As, platform: Platform, cast: Cast) -> Gateway:
    """The county's DingTalk app."""
    new(as_("ada"), "dingtalk", host=platform.host, **APPS["dingtalk"])
    return Gateway.objects.get()


def change(client: Client, gateway: Gateway, **fields: Any) -> HttpResponse:
    return client.post(f"/gateways/{gateway.pk}/", {"name": gateway.name, "host": gateway.host} | fields)


def test_what_stays_empty_stays(as_: As, made: Gateway) -> None:
    Gateway.objects.update(failures=9, open_until="2099-01-01T00:00Z", last_error="坏了")
    assert change(as_("ada"), made, name="区钉钉", app_secret="new-secret", app_key="").status_code == 302
    assert secrets(made) == APPS["dingtalk"] | {"app_secret": "new-secret"}
    assert (made.name, made.hint) == ("区钉钉", TOKEN[-4:])
    assert (made.failures, made.open_until, made.last_error) == (0, None, "")  # tried again at once


def test_secrets_do_not_follow_to_another_host(as_: As, made: Gateway) -> None:
    """Else whoever may change a gateway could have its secrets sent to a machine of their own."""
    ada = as_("ada")
    response = change(ada, made, host="https://oapi.dingtalk.com", app_secret="x")
    assert len(complaints(response)) == 2
    assert secrets(made) == APPS["dingtalk"]
    assert change(ada, made, host="https://oapi.dingtalk.com", **APPS["dingtalk"]).status_code == 302
    made.refresh_from_db()
    assert made.host == "https://oapi.dingtalk.com"


def test_what_an_older_key_sealed_is_asked_for_again(as_: As, made: Gateway) -> None:
    Gateway.objects.update(sealed=b"sealed elsewhere")
    ada = as_("ada")
    assert ada.get(f"/gateways/{made.pk}/").status_code == 200
    assert len(complaints(change(ada, made))) == 3
    assert change(ada, made, **APPS["dingtalk"]).status_code == 302
    assert secrets(made) == APPS["dingtalk"]


def test_a_robot_changes_its_address_or_only_its_name(as_: As, campaign: Campaign, platform: Platform) -> None:
    ada = as_("ada")
    robot(ada, campaign, "dingtalk_robot", platform.host, secret=SECRET)
    one = Gateway.objects.get()
    assert change(ada, one, name="东镇迎检群").url == f"/campaigns/{campaign.pk}/robots/"  # type: ignore[attr-defined]
    assert secrets(one) == {"token": TOKEN, "secret": SECRET}
    assert Change.objects.latest("pk").fields == {"robot": ["东镇群 ••••4321", "东镇迎检群 ••••4321"]}
    address = platform.host + "/robot/send?access_token=another-one-987654"
    assert change(ada, one, address=address).status_code == 302
    assert secrets(one) == {"token": "another-one-987654", "secret": SECRET}
    assert one.hint == "7654"


@pytest.mark.parametrize("channel", ["dingtalk_robot", "feishu_robot"])
def test_a_signing_secret_can_be_taken_away(as_: As, campaign: Campaign, platform: Platform, channel: str) -> None:
    """Empty means: as it was. What has none offers nothing to take away."""
    ada = as_("ada")
    robot(ada, campaign, channel, platform.host, secret=SECRET)
    one = Gateway.objects.get()
    assert 'name="no_secret"' in ada.get(f"/gateways/{one.pk}/").content.decode()
    assert change(ada, one, no_secret="on", secret="SEC-another-0123456789").status_code == 302
    assert secrets(one) == ROBOTS[channel][1] | {"secret": "SEC-another-0123456789"}  # what is entered counts
    assert change(ada, one, no_secret="on").status_code == 302
    assert secrets(one) == ROBOTS[channel][1]
    assert 'name="no_secret"' not in ada.get(f"/gateways/{one.pk}/").content.decode()


def test_what_is_removed_stays_in_history_and_is_changed_no_more(as_: As, made: Gateway) -> None:
    ada = as_("ada")
    for _ in range(2):
        assert ada.post(f"/gateways/{made.pk}/remove/").status_code == 302
    assert ada.get(f"/gateways/{made.pk}/").status_code == 404
    assert ada.post(f"/gateways/{made.pk}/test/").status_code == 404
    page = ada.get("/gateways/").content.decode()
    assert f"gateway-{made.pk}" not in page
    assert "已移除" in page


def test_a_campaigns_robots_are_its_hosts(as_: As, campaign: Campaign, cast: Cast, platform: Platform) -> None:
    """Also where somebody runs other campaigns of the same township."""
    robot(as_("ada"), campaign, "wecom_robot", platform.host)
    one = Gateway.objects.get()
    own = Client()
    own.force_login(factories.cadre("Eve", Role.CAMPAIGN_ADMIN, EAST))
    assert own.get("/gateways/").status_code == 200
    assert own.get(f"/campaigns/{campaign.pk}/robots/").status_code == 403
    assert own.get(f"/gateways/{one.pk}/").status_code == 404
    assert own.post(f"/gateways/{one.pk}/remove/").status_code == 404
    assert f"gateway-{one.pk}" not in as_("ada").get("/gateways/").content.decode()


# --- trying --------------------------------------------------------------------------------------------------------


def test_the_test_says_what_the_platform_said(
    as_: As, campaign: Campaign, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.secret = SECRET
    ada = as_("ada")
    robot(ada, campaign, "dingtalk_robot", platform.host, secret=SECRET)
    one = Gateway.objects.get()
    pages = []

    def said() -> str:
        pages.append(ada.post(f"/gateways/{one.pk}/test/", follow=True))
        one.refresh_from_db()
        return str(re.findall(r'<p class="alert[^>]*>(.*?)</p>', pages[-1].content.decode())[-1])

    with caplog.at_level(logging.DEBUG):
        assert "平台已受理" in said()
        assert (one.last_error, one.failures) == ("", 0)
        assert one.last_accepted_at
        platform.secret, platform.echoes = "another", f"sign of {TOKEN} {SECRET}"
        assert "310000" in said()
        assert "310000" in one.last_error
        platform.mood = "html"
        for failures in range(1, 6):
            assert "网页" in said()
            assert one.failures == failures
    assert one.is_open()
    assert "多次失败" in pages[-1].content.decode()
    assert hidden(*pages)
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text
    platform.secret, platform.mood = SECRET, "ok"
    said()
    assert not one.is_open()
    assert len(platform.arrivals) == 2


def test_a_test_counts_as_every_message_does(
    as_: As, campaign: Campaign, platform: Platform, settings: Any, cast: Cast
) -> None:
    """Else a few presses of the button would make the platform shut the notices out."""
    settings.NOTICE_LIMITS = {"dingtalk_robot": "2/minute"}
    memory.shared().client.flushdb()  # where other tests were counted
    ada = as_("ada")
    robot(ada, campaign, "dingtalk_robot", platform.host)
    one = Gateway.objects.get()
    pages = [ada.post(f"/gateways/{one.pk}/test/", follow=True).content.decode() for _ in range(3)]
    assert ["平台已受理" in page for page in pages] == [True, True, False]
    assert "秒后再试" in pages[2]
    assert len(platform.arrivals) == 2
    notice = Notice.objects.create(gateway=one, rule="group", on=timezone.localdate(), channel=one.channel)
    assert isinstance(lease.claim(notice.pk), lease.Rest)


def test_the_test_of_an_app_goes_to_oneself(as_: As, made: Gateway, cast: Cast, platform: Platform) -> None:
    ada = as_("ada")
    ada.post(f"/gateways/{made.pk}/test/")
    assert platform.arrivals == []  # no account of Ada's is known
    Account.objects.create(cadre=cast["ada"], channel=Channel.DINGTALK, name="ada")
    ada.post(f"/gateways/{made.pk}/test/")
    assert [one.to for one in platform.arrivals] == ["ada"]


# --- who may -------------------------------------------------------------------------------------------------------


def test_links_lead_there_for_those_who_may(as_: As, campaign: Campaign) -> None:
    assert 'href="/gateways/"' in as_("ada").get(f"/units/{COUNTY}/").content.decode()
    assert 'href="/gateways/"' not in as_("mei").get(f"/units/{COUNTY}/").content.decode()
    assert "/robots/" in as_("ada").get(f"/campaigns/{campaign.pk}/").content.decode()
    assert "/robots/" not in as_("mei").get(f"/campaigns/{campaign.pk}/").content.decode()


def test_the_whole_country_can_have_a_gateway(as_: As, cast: Cast, platform: Platform) -> None:
    factories.units({"": "全国"})
    client = Client()
    client.force_login(factories.cadre("Guo", Role.CAMPAIGN_ADMIN, ""))
    assert new(client, "wecom", unit="0", host=platform.host, **APPS["wecom"]).status_code == 302
    assert Gateway.objects.get().unit_id == ""
    assert Gateway.objects.serving(cast["lan"]).count() == 1
