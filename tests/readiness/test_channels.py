"""The channels, against a stand-in for the platforms that checks signatures and tells lies on demand."""

import json
import logging
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation
from pytest_django import Settings

from checklists.models import Campaign
from readiness.models import Account, Channel, Gateway, Notice
from readiness.models.channel import ROBOTS
from readiness.reminders import channels, sealed
from readiness.reminders.channels import CONFIRMS, LONGEST, SENDERS, codes, http
from readiness.reminders.channels.answers import Accepted, Later, NotSent, Refused, Unclear
from tests.factories import COUNTY, EAST, TODAY
from tests.platforms import Platform
from villages.models import Cadre

SECRET = "SEC4f1c9d0b7e"
TOKEN = "tok/en+4f1c"  # must be quoted in an address
SECRETS: dict[str, dict[str, str]] = {
    "dingtalk_robot": {"token": TOKEN, "secret": SECRET},
    "wecom_robot": {"key": TOKEN},
    "feishu_robot": {"token": TOKEN, "secret": SECRET},
    "dingtalk": {"app_key": "ding-key", "app_secret": SECRET, "agent_id": "1000002"},
    "wecom": {"corp_id": "ww-corp", "secret": SECRET, "agent_id": "1000002"},
    "feishu": {"app_id": "cli-app", "app_secret": SECRET},
    "webhook": {"path": "/sms/" + "path4f1c9d", "secret": SECRET},
}
OUTSIDE = sorted(SECRETS)
# Whom each of them reaches.
TO = {"dingtalk": "lan.ding", "wecom": "lan.wecom", "feishu": "ou_lan", "webhook": "phone"} | dict.fromkeys(
    ROBOTS, TOKEN
)
WHEN = datetime(2026, 6, 10, 0, 5, tzinfo=UTC)

Made = Callable[..., Notice]


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    settings.SITE_URL = "https://ready.example.gov.cn"
    codes._tokens.clear()
    with Platform(secret=SECRET) as platform:
        settings.OUTGOING_HOSTS = [platform.host]
        yield platform


@pytest.fixture
def made(platform: Platform, cast: dict[str, Cadre], campaign: Campaign) -> Made:
    """A notice to Lan, or to the group of East, that is about to be sent."""

    def make(channel: str, body: str = "逾期3项。", **secrets: str) -> Notice:
        lan, is_robot = cast["lan"], channel in ROBOTS
        if channel in ("dingtalk", "wecom", "feishu"):
            Account.objects.get_or_create(cadre=lan, channel=channel, defaults={"name": TO[channel]})
        gateway, _ = Gateway.objects.get_or_create(
            channel=channel,
            unit_id=EAST if is_robot else COUNTY,
            campaign=campaign if is_robot else None,
            defaults={
                "name": "群" if is_robot else "应用",
                "host": platform.host,
                "sealed": sealed.seal(SECRETS[channel] | secrets),
                "made_by": cast["ada"],
            },
        )
        notice = Notice.objects.create(
            channel=channel,
            gateway=gateway,
            cadre=None if is_robot else lan,
            rule=f"digest-{Notice.objects.count()}",
            on=TODAY,
            subject="迎检准备：3项任务逾期",
            body=body,
            path="/tasks/7/",
        )
        Notice.objects.filter(pk=notice.pk).update(worded_at=WHEN)
        return Notice.objects.select_related("gateway", "cadre").get(pk=notice.pk)

    return make


@pytest.fixture(autouse=True)
def _in_chinese() -> Iterator[None]:
    with translation.override("zh-hans"):
        yield


def wrong(notice: Notice) -> NotSent:
    with pytest.raises(NotSent) as problem:
        channels.send(notice)
    return problem.value


# --- what is sent ------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", OUTSIDE)
def test_a_notice_says_what_where_and_as_of_when(platform: Platform, made: Made, channel: str) -> None:
    """The platform checks signature and credentials; the token survives being part of an address."""
    notice = made(channel)
    accepted = channels.send(notice)
    (arrival,) = platform.arrivals
    assert arrival.channel == channel
    assert arrival.to == (notice.cadre.phone if channel == "webhook" and notice.cadre else TO[channel])
    assert arrival.text == (
        "迎检准备：3项任务逾期\n逾期3项。\nhttps://ready.example.gov.cn/tasks/7/\n06-10 08:05"  # in Shanghai
    )
    ids = {"dingtalk": "1", "wecom": "msg-1", "feishu": "om_1", "webhook": "sms-1"}
    assert accepted == Accepted(platform_id=ids.get(channel, ""))


def test_every_channel_can_be_sent_by() -> None:
    assert set(SENDERS) == set(LONGEST) == set(Channel) - {Channel.INBOX}
    assert set(OUTSIDE) == set(SENDERS) - {Channel.MAIL}


def test_a_robot_without_a_signing_secret(platform: Platform, made: Made) -> None:
    platform.secret = ""
    for channel in ("dingtalk_robot", "feishu_robot"):
        channels.send(made(channel, secret=""))
    assert "sign=" not in platform.requests[0]
    assert len(platform.shown) == 2


@pytest.mark.parametrize("channel", OUTSIDE)
def test_a_long_text_is_cut_and_keeps_its_link(platform: Platform, made: Made, channel: str) -> None:
    for body in ("柳村欠3项，" * 9000, "😀" * 9000, "x" * LONGEST[channel]):
        notice = made(channel, body=body)
        channels.send(notice)
        text = platform.arrivals[-1].text
        assert LONGEST[channel] - 3 <= len(text.encode()) <= LONGEST[channel]
        assert text.endswith("…\nhttps://ready.example.gov.cn/tasks/7/\n06-10 08:05")
        assert "\ufffd" not in text


@pytest.mark.parametrize("body", ["{0.__class__} {{ settings }} %(x)s", '"}\\u0000\n\r\t', "𠮷😀\u2028\u202e"])
@pytest.mark.parametrize("channel", OUTSIDE)
def test_words_arrive_as_they_are(platform: Platform, made: Made, channel: str, body: str) -> None:
    channels.send(made(channel, body=body))
    assert body in platform.shown[0]


def test_without_an_address_of_our_own_there_is_no_link(platform: Platform, made: Made, settings: Settings) -> None:
    settings.SITE_URL = ""
    channels.send(made("wecom_robot"))
    assert platform.shown == ["迎检准备：3项任务逾期\n逾期3项。\n06-10 08:05"]


@pytest.mark.parametrize("channel", ["wecom", "feishu"])
def test_a_repeat_is_shown_once_where_the_platform_can_tell(platform: Platform, made: Made, channel: str) -> None:
    notice, other = made(channel), made(channel, body="到期1项。")
    platform.mood = "cut"
    for _ in range(3):
        assert isinstance(wrong(notice), Unclear)
    platform.mood = "ok"
    channels.send(notice)
    channels.send(other)
    assert len(platform.arrivals) == 5
    assert [text.splitlines()[1] for text in platform.shown] == ["逾期3项。", "到期1项。"]
    assert channel in channels.DEDUPLICATES


# --- to whom -----------------------------------------------------------------------------------------


def test_who_has_no_account_any_more(platform: Platform, made: Made, cast: dict[str, Cadre]) -> None:
    for channel in ("dingtalk", "wecom", "feishu"):
        notice = made(channel)
        Account.objects.all().delete()
        assert isinstance(wrong(notice), Refused)
    notice = made("webhook")
    assert notice.cadre
    notice.cadre.phone = None
    assert "没有（或已删除）此人的账号" in str(wrong(notice))
    assert platform.requests == []


@pytest.mark.parametrize("to", ["", "@all", "lan,lin", "lan|lin", "lan;lin", "lan lin", "lan\n", "\u3000"])
@pytest.mark.parametrize("channel", ["dingtalk", "wecom", "feishu"])
def test_a_message_to_one_is_not_to_many(platform: Platform, made: Made, channel: str, to: str) -> None:
    gateway = made(channel).gateway
    assert channels.test(gateway, to) == "这不是一个人的账号：请更正。"
    assert platform.requests == []


def test_a_gateway_that_was_removed(platform: Platform, made: Made) -> None:
    notice = made("dingtalk_robot")
    assert notice.gateway
    notice.gateway.removed_at = WHEN
    assert str(wrong(notice)) == "该通道已删除。"
    notice.gateway = None
    assert str(wrong(notice)) == "该通道已删除。"
    assert platform.requests == []


def test_a_gateway_sealed_with_a_lost_key(platform: Platform, made: Made, settings: Settings) -> None:
    notice = made("dingtalk_robot")
    settings.SECRET_KEY = "another"
    assert "请重新填写" in str(wrong(notice))
    settings.SECRET_KEY_FALLBACKS = ["laptop-only-key-never-used-when-DEBUG-is-off"]
    channels.send(notice)


def test_a_host_no_longer_on_the_list(platform: Platform, made: Made, settings: Settings) -> None:
    for channel in OUTSIDE:
        notice = made(channel)
        settings.OUTGOING_HOSTS = []
        problem = wrong(notice)
        assert isinstance(problem, Refused)
        assert "OUTGOING_HOSTS" in str(problem)
        settings.OUTGOING_HOSTS = [platform.host]
    assert platform.requests == []


# --- what the platforms answer -------------------------------------------------------------------------


@pytest.mark.parametrize("channel", OUTSIDE)
@pytest.mark.parametrize(
    ("mood", "outcome"),
    [
        ("500", Later),
        ("html", Later),
        ("redirect", Refused),
        ("cut", Unclear),
        ("bomb", Unclear),
        ("huge", Unclear),
    ],
)
def test_a_platform_in_a_mood(platform: Platform, made: Made, channel: str, mood: str, outcome: type[NotSent]) -> None:
    platform.mood = mood
    notice = made(channel)
    if channel == "webhook" and mood in ("bomb", "huge"):
        channels.send(notice)  # it need not say more than 200
    else:
        assert type(wrong(notice)) is outcome


@pytest.mark.parametrize("channel", OUTSIDE)
def test_too_fast_is_for_later_and_no_fault_of_the_platforms(platform: Platform, made: Made, channel: str) -> None:
    platform.mood = "limited"
    problem = wrong(made(channel))
    assert isinstance(problem, Later)
    assert problem.limited
    assert problem.seconds == {"dingtalk": 60, "dingtalk_robot": 600, "webhook": None}.get(channel, 60)


@pytest.mark.parametrize(
    ("channel", "code", "words"),
    [
        ("dingtalk_robot", 310000, "机器人的安全设置不符"),
        ("dingtalk_robot", 300001, "access_token 不对"),
        ("dingtalk_robot", 400102, "到群里启用"),
        ("dingtalk", 33012, "没有此人的账号"),
        ("dingtalk", 60020, "IP 不在应用的名单里"),
        ("wecom_robot", 93000, "机器人的 key 不对"),
        ("wecom", 60020, "IP 不在应用的名单里"),
        ("wecom", 301002, "AgentId 不对"),
        ("feishu_robot", 19021, "签名密钥不对"),
        ("feishu_robot", 19024, "没有机器人的关键词"),
        ("feishu_robot", 9499, "看不懂请求"),
        ("feishu", 230013, "可见范围"),
        ("feishu", 99992351, "没有此人的账号"),
    ],
)
def test_an_error_in_a_body_that_came_with_200_is_a_refusal(
    platform: Platform, made: Made, channel: str, code: int, words: str
) -> None:
    platform.mood = f"error:{code}"
    platform.echoes = "said the platform"
    problem = wrong(made(channel))
    assert type(problem) is Refused
    assert words in str(problem)
    assert f"代码{code}：no said the platform" in str(problem)
    assert platform.arrivals == []


@pytest.mark.parametrize("channel", OUTSIDE)
def test_a_code_nobody_knows_shows_the_platforms_own_text_cut(platform: Platform, made: Made, channel: str) -> None:
    platform.mood = "error:418"
    platform.echoes = "茶壶\r\n" * 200 + "\x07"
    problem = wrong(made(channel))
    assert type(problem) is Refused
    assert "418" in str(problem)
    assert "茶壶 茶壶" in str(problem)
    assert len(str(problem)) < 200
    assert str(problem).isprintable()


@pytest.mark.parametrize(("channel", "code"), [("dingtalk_robot", -1), ("dingtalk", -1), ("wecom", -1)])
def test_a_platform_that_is_busy(platform: Platform, made: Made, channel: str, code: int) -> None:
    platform.mood = f"error:{code}"
    problem = wrong(made(channel))
    assert isinstance(problem, Later)
    assert not problem.limited


def test_a_wrong_signing_secret_and_a_missing_keyword(platform: Platform, made: Made) -> None:
    for channel, words in (("dingtalk_robot", "安全设置不符"), ("feishu_robot", "签名密钥不对")):
        notice = made(channel, secret="SEC-another")
        assert words in str(wrong(notice))
        assert notice.gateway
        assert words in channels.test(notice.gateway)
    platform.secret, platform.keyword = "", "人口"
    assert "keywords not in content" in str(wrong(Notice.objects.get(channel="dingtalk_robot")))
    assert "请把关键词设成" in str(wrong(Notice.objects.get(channel="feishu_robot")))
    platform.keyword = "迎检准备"
    channels.send(Notice.objects.get(channel="feishu_robot"))


@pytest.mark.parametrize("channel", ["dingtalk", "wecom", "feishu"])
def test_wrong_credentials_of_an_app(platform: Platform, made: Made, channel: str) -> None:
    name = {"wecom": "secret"}.get(channel, "app_secret")
    assert "请到" in str(wrong(made(channel, **{name: "another-secret"})))
    assert platform.arrivals == []


ODD: list[object] = [
    None, 0, "", [], {}, [[]], "x", {"errcode": None}, {"errcode": "0"}, {"code": {}}, {"errcode": [], "code": []},
    {"errcode": True, "code": True}, {"errcode": 1e400, "code": 1e400},
    {"errcode": 0, "code": 0, "access_token": 5, "tenant_access_token": None},
    {"errcode": 0, "code": 0, "access_token": "a\r\nb", "tenant_access_token": "a\r\nX-Evil: b", "expires_in": 7200},
    {"errcode": 0, "code": 0, "access_token": "a", "tenant_access_token": "a", "expires_in": "x", "expire": []},
    {"errcode": 0, "code": 0, "access_token": "a", "tenant_access_token": "a", "expires_in": -5, "data": [],
     "task_id": {}, "msgid": [], "invaliduser": 0, "send_result": []},
    {"errcode": 88, "sub_code": {}, "code": 7, "errmsg": {}, "msg": [], "error": {}},
    {"errcode": 88, "sub_code": "9" * 5000, "code": 10**400, "errmsg": None},
]  # fmt: skip
RAW = [b"", b"ok", b"{", b"[" * 60_000, b"\xff\xfe", b"9" * 60_000, b'{"errcode": 0', b"\x00", b"null"]


@pytest.mark.parametrize("channel", OUTSIDE)
def test_odd_answers_have_one_of_the_four_outcomes(
    platform: Platform, made: Made, channel: str, settings: Settings
) -> None:
    """Whatever a platform says, sending and testing and asking never end in anything but words."""
    with Oracle() as oracle:
        settings.OUTGOING_HOSTS = [f"http://127.0.0.1:{oracle.server_address[1]}"]
        notice = made(channel)
        assert notice.gateway
        notice.gateway.host, notice.platform_id = settings.OUTGOING_HOSTS[0], "1"
        for answer in [*RAW, *(json.dumps(one).encode() for one in ODD)]:
            for status in (200, 400):
                oracle.answer = status, answer
                codes._tokens.clear()
                assert channels.test(notice.gateway, "x")
                for ask in (channels.send, channels.confirm):
                    try:
                        ask(notice)
                    except NotSent as problem:
                        assert 0 < len(str(problem)) <= 300


class Oracle(socketserver.ThreadingTCPServer):
    """Says the same to everything."""

    allow_reuse_address = daemon_threads = True
    answer = 200, b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Voice)

    def __enter__(self) -> "Oracle":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Voice(socketserver.StreamRequestHandler):
    server: Oracle

    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.rfile.read(length)
        status, body = self.server.answer
        self.wfile.write(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


# --- access tokens -----------------------------------------------------------------------------------


def fetched(platform: Platform) -> int:
    return sum("oken" in request.partition("?")[0] for request in platform.requests)


@pytest.mark.parametrize("channel", ["dingtalk", "wecom", "feishu"])
def test_an_access_token_is_kept_and_fetched_again_when_it_is_no_longer_valid(
    platform: Platform, made: Made, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(3):
        channels.send(made(channel, body=str(day)))
    assert fetched(platform) == 1
    platform.tokens.clear()  # the platform forgot them before their time
    channels.send(made(channel, body="4"))
    assert fetched(platform) == 2
    assert len(platform.shown) == 4
    # Two hours later it is fetched before it ends.
    now = time.monotonic()
    monkeypatch.setattr(codes, "monotonic", lambda: now + 7200 - 299)
    channels.send(made(channel, body="5"))
    assert fetched(platform) == 3


@pytest.mark.parametrize("channel", ["dingtalk", "wecom", "feishu"])
def test_a_token_that_is_never_valid_ends(platform: Platform, made: Made, channel: str) -> None:
    platform.mood = "error:99991663" if channel == "feishu" else "error:42001"
    problem = wrong(made(channel))
    assert isinstance(problem, Later)
    problem = wrong(made(channel))
    assert isinstance(problem, Later)
    assert fetched(platform) == 2
    assert platform.arrivals == []


def test_dingtalk_hides_the_real_code(platform: Platform, made: Made) -> None:
    with pytest.raises(codes.Stale):
        codes.understood(
            http.Reply(200, b'{"errcode": 88, "sub_code": "40014", "errmsg": "ding talk error"}'),
            channels.dingtalk.APP,
        )


@pytest.mark.parametrize("mood", ["cut", "500", "html", "bomb", "redirect"])
@pytest.mark.parametrize("channel", ["dingtalk", "wecom", "feishu"])
def test_without_a_token_nothing_was_sent(platform: Platform, made: Made, channel: str, mood: str) -> None:
    """So it is never unclear whether the message arrived."""
    platform.moods["oken"] = mood
    problem = wrong(made(channel))
    assert isinstance(problem, Refused if mood == "redirect" else Later)
    platform.moods.clear()
    channels.send(made(channel))
    assert len(platform.shown) == 1


# --- asking what became of it ------------------------------------------------------------------------


def sent(notice: Notice, to: str, body: str = "") -> Notice:
    Account.objects.update(name=to)
    notice.body = body or to
    notice.platform_id = channels.send(notice).platform_id
    return notice


def test_dingtalk_can_be_asked_what_became_of_a_work_notice(platform: Platform, made: Made) -> None:
    notice = made("dingtalk")
    assert channels.confirm(notice) is None  # not sent yet
    assert channels.confirm(sent(notice, "lan")) is True
    assert channels.confirm(sent(notice, "slow")) is None
    with pytest.raises(Refused, match="没有此人的账号"):
        channels.confirm(sent(notice, "nobody"))
    # The same words twice on a day: taken, and dropped in silence.
    sent(notice, "lan", "again")
    assert channels.confirm(notice) is True
    sent(notice, "lan", "again")
    with pytest.raises(Refused, match="已收到过相同内容"):
        channels.confirm(notice)
    platform.mood = "500"
    with pytest.raises(Later):
        channels.confirm(notice)


def test_the_others_cannot_be_asked(platform: Platform, made: Made) -> None:
    assert frozenset({Channel.DINGTALK}) == CONFIRMS
    notice = made("wecom")
    notice.platform_id = "msg-1"
    assert channels.confirm(notice) is None
    assert platform.requests == []


# --- the test button ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", OUTSIDE)
def test_the_test_button_says_what_the_platform_says(platform: Platform, made: Made, channel: str) -> None:
    gateway = made(channel).gateway
    assert gateway
    before = Notice.objects.count()
    to = "" if channel in ROBOTS else "x"
    with translation.override("en"):
        assert channels.test(gateway, to).startswith("The platform took the message")
    assert channels.test(gateway, to).startswith("平台已受理这条消息")
    assert "迎检准备：测试\n这是一条测试消息" in platform.shown[0]
    for mood in ("500", "html", "redirect", "cut", "limited", "error:1", "bomb"):
        platform.mood = mood
        assert channels.test(gateway, to)
    assert Notice.objects.count() == before


@pytest.mark.parametrize(
    ("channel", "path", "secrets"),
    [
        ("dingtalk_robot", "/robot/send?access_token=4f%2F1", {"token": "4f/1"}),
        ("wecom_robot", "/cgi-bin/webhook/send?key=4f1", {"key": "4f1"}),
        ("feishu_robot", "/open-apis/bot/v2/hook/4f1", {"token": "4f1"}),
        ("webhook", "/sms?a=b", {"path": "/sms?a=b"}),
    ],
)
def test_an_address_is_pasted_whole(settings: Settings, channel: str, path: str, secrets: dict[str, str]) -> None:
    settings.OUTGOING_HOSTS = ["platform.gov.cn:8443"]
    assert channels.pasted(channel, f" https://platform.gov.cn:8443{path}\n") == (
        "https://platform.gov.cn:8443",
        secrets,
    )
    for other in ("/", "/robot/send", "/robot/send?access_token=", "/cgi-bin/webhook/send?x=4f1", "/open-apis/bot/v2/"):
        if channel != "webhook":
            with pytest.raises(ValueError, match="结尾"):
                channels.pasted(channel, f"https://platform.gov.cn:8443{other}")
    with pytest.raises(ValueError, match="完整"):
        channels.pasted(channel, "4f1c9d0b7e")


# --- secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", OUTSIDE)
def test_no_secret_gets_into_words_or_logs(
    platform: Platform,
    made: Made,
    channel: str,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the platform repeats what it was sent."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(http, "SECONDS", 0.3)
    notice = made(channel)
    assert notice.gateway
    secrets = [word for name, word in SECRETS[channel].items() if name != "agent_id"]
    words = [repr(notice.gateway), repr(vars(notice.gateway))]
    channels.send(notice)
    for mood in (
        "ok",
        "500",
        "html",
        "redirect",
        "cut",
        "limited",
        "error:1",
        "error:40014",
        "refusing",
        "head",
        "body",
    ):
        platform.mood = mood
        platform.echoes = " ".join([*secrets, *platform.tokens])
        words.append(channels.test(notice.gateway, "x"))
        try:
            channels.send(notice)
        except NotSent as problem:
            words += [str(problem), repr(problem), repr(problem.__cause__), str(problem.__suppress_context__)]
    told = "\n".join(words) + caplog.text + "".join(capfd.readouterr())
    for secret in [*secrets, *platform.tokens, "tok%2Fen"]:
        assert secret not in told
