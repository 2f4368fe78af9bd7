"""How one is told: what can be chosen, what is refused and in which words, and that a test says what came of it."""

import re
from collections.abc import Callable, Iterator
from datetime import time
from typing import Any

import pytest
from django.core import mail
from django.http import HttpResponse
from django.test import Client

from readiness.models import Account, Channel, Gateway, Wishes
from readiness.reminders import sealed, wishes
from tests import factories
from tests.factories import COUNTY, EAST, OTHER_COUNTY
from tests.platforms import Platform
from villages.access import Role
from villages.models import Cadre

As = Callable[[str], Client]
Cast = dict[str, Cadre]
PAGE = "/me/notices/"
SECRETS = {
    Channel.DINGTALK: {"app_key": "key", "app_secret": "secret", "agent_id": "7"},
    Channel.WECOM: {"corp_id": "corp", "secret": "secret", "agent_id": "7"},
    Channel.WEBHOOK: {"path": "/sms", "secret": "s" * 16},
}


@pytest.fixture
def platform(settings: Any) -> Iterator[Platform]:
    with Platform() as server:
        settings.OUTGOING_HOSTS = [server.host]
        yield server


def connect(channel: Channel, unit: str, by: Cadre, host: str = "https://example.gov.cn", **fields: Any) -> Gateway:
    """A gateway of a unit."""
    closed = sealed.seal(SECRETS.get(channel, {}))
    return Gateway.objects.create(
        channel=channel, unit_id=unit, name=f"{unit} {channel}", host=host, sealed=closed, made_by=by, **fields
    )


def save(client: Client, **fields: Any) -> HttpResponse:
    return client.post(PAGE, {"wanted": ["mail"], "quiet_from": "21:00", "quiet_until": "07:30", "email": ""} | fields)


def complaints(response: HttpResponse) -> list[str]:
    assert response.status_code == 422
    return re.findall(r'<(?:span|p) id="error_[^>]*><strong>(.*?)</strong></(?:span|p)>', response.content.decode())


def offered(client: Client) -> set[str]:
    boxes = re.findall(r'<input[^>]*name="wanted"[^>]*>', client.get(PAGE).content.decode())
    return {re.findall(r'value="(\w+)"', box)[0] for box in boxes}


# --- which ways there are ------------------------------------------------------------------------------------------


def test_the_ways_are_those_of_the_nearest_office(as_: As, cast: Cast) -> None:
    connect(Channel.DINGTALK, COUNTY, cast["ada"])
    near = connect(Channel.DINGTALK, EAST, cast["ada"])
    connect(Channel.WECOM, OTHER_COUNTY, cast["ada"])
    gone = connect(Channel.FEISHU, COUNTY, cast["ada"])
    Gateway.objects.filter(pk=gone.pk).update(removed_at="2026-06-10T08:00Z")
    assert wishes.ways(cast["lan"]) == {"mail": None, "dingtalk": near}
    assert wishes.ways(cast["mei"])["dingtalk"] != near
    assert wishes.ways(cast["chen"]).keys() == {"mail", "wecom"}
    assert wishes.ways(cast["nobody"]) == {"mail": None}
    assert offered(as_("lan")) == {"mail", "dingtalk"}


def test_a_robot_is_nobodys_own_way(cast: Cast, campaign: Any) -> None:
    connect(Channel.WECOM_ROBOT, EAST, cast["ada"], campaign=campaign)
    assert wishes.ways(cast["lan"]) == {"mail": None}


# --- saving --------------------------------------------------------------------------------------------------------


def test_it_starts_with_everything_and_quiet_nights_and_keeps_what_is_wished(as_: As, cast: Cast) -> None:
    connect(Channel.DINGTALK, COUNTY, cast["ada"])
    lan = as_("lan")
    page = lan.get(PAGE).content.decode()
    assert page.count("checked") == 2
    assert 'value="21:00"' in page
    assert not Wishes.objects.exists()  # a look writes nothing
    response = save(lan, wanted=["dingtalk"], quiet_from="22:15", email="lan@example.gov.cn", account_dingtalk="lan007")
    assert response.status_code == 302
    kept = Wishes.objects.get(cadre=cast["lan"])
    assert (kept.unwanted, kept.quiet_from, kept.quiet_until) == (["mail"], time(22, 15), time(7, 30))
    cast["lan"].refresh_from_db()
    assert cast["lan"].email == "lan@example.gov.cn"
    assert Account.objects.get().name == "lan007"
    page = lan.get(PAGE).content.decode()
    assert 'value="lan007"' in page
    assert page.count("checked") == 1
    save(lan, wanted=["dingtalk"])
    assert not Account.objects.exists()


def test_what_the_page_did_not_offer_stays_as_it_was(as_: As, cast: Cast) -> None:
    """No gateway for a while: the wish against its channel outlives that; so does the calendar."""
    Wishes.objects.create(cadre=cast["lan"], unwanted=["wecom"], feed_digest="d")
    Account.objects.create(cadre=cast["lan"], channel="wecom", name="lan")
    save(as_("lan"), wanted=[])
    kept = Wishes.objects.get()
    assert (kept.unwanted, kept.feed_digest, Account.objects.count()) == (["mail", "wecom"], "d", 1)


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        ("00:00", "24:00", "不能全天免打扰"),
        ("00:00", "23:59", "24 小时免打扰"),
        ("17:29", "07:30", "14.1 小时"),
        ("08:00", "07:00", "23 小时免打扰"),
        ("nachts", "07:30", "21:00"),
        ("", "07:30", "必填"),
        ("\0", "07:30", "21:00"),
        ("1" * 30, "07:30", "21:00"),
    ],
)
def test_too_much_quiet_is_refused_in_words(as_: As, begin: str, end: str, words: str) -> None:
    response = save(as_("lan"), quiet_from=begin, quiet_until=end, email="lan@example.gov.cn")
    said = complaints(response)
    assert len(said) == 1
    assert words in said[0]
    assert 'value="lan@example.gov.cn"' in response.content.decode()  # what was typed is kept
    assert not Wishes.objects.exists()


@pytest.mark.parametrize(
    ("begin", "end"), [("17:30", "07:30"), ("08:00", "08:00"), ("01:00", "05:00"), ("00:00", "00:00")]
)
def test_as_much_quiet_as_anybody_needs(as_: As, begin: str, end: str) -> None:
    assert save(as_("lan"), quiet_from=begin, quiet_until=end).status_code == 302


@pytest.mark.parametrize(
    "address",
    [
        "lan@example.gov.cn, mei@example.gov.cn",
        "lan@example.gov.cn;mei@example.gov.cn",
        "lan@example.gov.cn\r\nBcc: mei@example.gov.cn",
        "lan@example.gov.cn\0",
        "Lan <lan@example.gov.cn>",
        "兰@example.gov.cn",
        "lan",
        "l" * 300 + "@example.gov.cn",
    ],
)
def test_one_address_and_nothing_beside_it(as_: As, cast: Cast, address: str) -> None:
    assert complaints(save(as_("lan"), email=address))
    cast["lan"].refresh_from_db()
    assert cast["lan"].email == ""


def test_a_chinese_domain_is_an_address(as_: As, cast: Cast) -> None:
    save(as_("lan"), email="lan@例子.cn")
    as_("lan").post(f"{PAGE}test/", {"channel": "mail"})
    assert mail.outbox[0].message()["To"] == "lan@xn--fsqu00a.cn"


@pytest.mark.parametrize("name", ["@all", "a|b", "a,b", "兰", "a b", "a\nb", "\0", "x" * 65])
def test_an_account_is_one_persons(as_: As, cast: Cast, name: str) -> None:
    connect(Channel.WECOM, COUNTY, cast["ada"])
    assert complaints(save(as_("lan"), account_wecom=name))
    assert not Account.objects.exists()


def test_a_way_that_is_none_is_refused(as_: As) -> None:
    assert complaints(save(as_("lan"), wanted=["mail", "wecom"]))
    assert complaints(save(as_("lan"), wanted=["\0"]))


# --- trying it -----------------------------------------------------------------------------------------------------


def tried(client: Client, way: str) -> str:
    """What the next page says."""
    response = client.post(f"{PAGE}test/", {"channel": way}, follow=True)
    return str(re.findall(r'<p class="alert[^>]*>(.*?)</p>', response.content.decode())[-1])


def test_a_test_goes_to_oneself_and_says_what_the_platform_said(as_: As, cast: Cast, platform: Platform) -> None:
    gateway = connect(
        Channel.WECOM, COUNTY, cast["ada"], host=platform.host, failures=6, open_until="2099-01-01T00:00Z"
    )
    lan = as_("lan")
    assert "账号" in tried(lan, "wecom")  # which is not entered yet
    assert platform.arrivals == []
    save(lan, account_wecom="lan")
    assert "已受理" in tried(lan, "wecom")
    assert [one.to for one in platform.arrivals] == ["lan"]
    gateway.refresh_from_db()
    assert (gateway.failures, gateway.open_until, gateway.last_error) == (0, None, "")
    assert gateway.last_accepted_at
    platform.mood = "error:60020"
    assert "IP" in tried(lan, "wecom")
    gateway.refresh_from_db()
    assert "IP" in gateway.last_error


def test_a_test_by_mail(as_: As, cast: Cast) -> None:
    lan = as_("lan")
    assert tried(lan, "mail")
    assert mail.outbox == []
    save(lan, email="lan@example.gov.cn")
    assert "受理" in tried(lan, "mail")
    assert [one.to for one in mail.outbox] == [["lan@example.gov.cn"]]


def test_a_test_to_the_telephone_goes_to_ones_own(as_: As, cast: Cast, platform: Platform) -> None:
    connect(Channel.WEBHOOK, COUNTY, cast["ada"], host=platform.host)
    assert "受理" in tried(as_("lan"), "webhook")
    assert [one.to for one in platform.arrivals] == [cast["lan"].phone]


@pytest.mark.parametrize("way", ["", "inbox", "wecom", "\0", "9" * 30])
def test_a_test_by_no_way(as_: As, way: str) -> None:
    response = as_("lan").post(f"{PAGE}test/", {"channel": way})
    assert response.status_code == 422
    assert "按钮" in response.content.decode()


def test_menu_and_page_lead_there(as_: As) -> None:
    assert f'href="{PAGE}"' in as_("lan").get("/tasks/").content.decode()


def test_two_posts_two_offices(cast: Cast) -> None:
    """The nearest of all of one's posts."""
    factories.appoint(cast["lan"], Role.SUPERVISOR, COUNTY)
    near = connect(Channel.WEBHOOK, EAST, cast["ada"])
    connect(Channel.WEBHOOK, COUNTY, cast["ada"])
    assert wishes.ways(Cadre.objects.get(username="lan"))["webhook"] == near
