"""Asking outside: only where the operator allows it, never longer than five seconds, and nothing leaks."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import translation
from pytest_django import Settings

from readiness.reminders.channels import http
from readiness.reminders.channels.answers import Later, NotSent, Refused, Unclear
from readiness.reminders.channels.http import ask, cleaned
from tests.platforms import BOMB, Platform

SECRET = "4f1c9d0b7e"


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    with Platform() as platform:
        settings.OUTGOING_HOSTS = [platform.host]
        yield platform


@pytest.fixture
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second instead of five, so that the tests of what never ends are short."""
    monkeypatch.setattr(http, "SECONDS", 1.0)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server: what each name leads to, one answer after the other; looked up since then."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in answers:
            return real(host, port, *more, **options)
        if not answers[host]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(answers[host].pop(0), port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that somebody connects to; elsewhere than on this machine nobody listens."""
    found: list[str] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        found.append(address[0])
        if not address[0].startswith("127."):
            raise ConnectionRefusedError
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return found


BODY = '{"to": "x", "text": "您好", "id": "1"}'.encode()


def post(platform: Platform) -> http.Reply:
    return ask("POST", f"{platform.host}/sms?key={SECRET}", BODY)


# --- which addresses ---------------------------------------------------------------------------------

LISTED = [
    "oapi.dingtalk.com",
    "qyapi.weixin.qq.com:443",
    "http://10.1.2.3:8080",
    "[fd00::7]:8443",
    "in.gov.cn:9443",
]
ELSEWHERE = "不在运维人员的名单"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (" https://oapi.dingtalk.com/robot/send?access_token=x\r\n", "https://oapi.dingtalk.com"),
        ("HTTPS://OAPI.DingTalk.com:443/robot/send", "https://oapi.dingtalk.com"),
        ("https://qyapi.weixin.qq.com/cgi-bin", "https://qyapi.weixin.qq.com"),
        ("http://10.1.2.3:8080/sms", "http://10.1.2.3:8080"),
        ("https://[FD00::7]:8443/", "https://[fd00::7]:8443"),
        ("https://in.gov.cn:9443", "https://in.gov.cn:9443"),
        ("\u3000https://oapi.dingtalk.com/\u00a0", "https://oapi.dingtalk.com"),
    ],
)
def test_an_address_on_the_list_is_cleaned(settings: Settings, url: str, base: str) -> None:
    settings.OUTGOING_HOSTS = LISTED
    assert cleaned(url).base == base
    assert cleaned(cleaned(url).base).base == base


@pytest.mark.parametrize(
    ("url", "words"),
    [
        *(
            (url, ELSEWHERE)
            for url in (
                "http://127.0.0.1:6379/",
                "http://[::1]/",
                "http://0/",
                "http://0x7f000001",
                "http://2130706433",
                "http://127.1",
                "http://①②⑦.⓪.⓪.①",
                "https://localhost/",
                "https://oapi.dingtalk.com:8443/",
                "http://oapi.dingtalk.com/",  # listed for TLS only
                "https://10.1.2.3:8080/",  # and this one without
                "https://oapi.dingtalk.com.",
                "https://oapi.dingtalk.com.evil.example/",
                "https://evil.example/?https://oapi.dingtalk.com/",
                "https://evil.example#@oapi.dingtalk.com/",
                "https://oapi.dingtalk.com:0/",
                "http://169.254.169.254/latest/meta-data/",
                "https://[::ffff:127.0.0.1]/",
                "https://[v1.x]/",
            )
        ),
        *(
            (url, "只能用 https://")
            for url in (
                "file:///etc/passwd",
                "gopher://oapi.dingtalk.com/",
                "ftp://oapi.dingtalk.com/",
                "dict://127.0.0.1:11211/stats",
                "javascript:alert(1)",
                "data:text/html,x",
            )
        ),
        *(
            (url, "不是完整的地址")
            for url in ("", "  ", "4f1c9d0b7e", "//oapi.dingtalk.com/", "https：／／oapi.dingtalk.com/", "\x00")
        ),
        *(
            (url, "请整条重新粘贴")
            for url in (
                "https://",
                "https:///robot",
                "https://oapi.dingtalk.com /robot",
                "https://oapi.dingtalk.com/robot\n/send",
                "https://oapi.dingtalk.com/robot\x00",
                "https://oapi.dingtalk.com／robot",
                "https://oapi.dingtalk.com/机器人",
                "https://oapi.dingtalk.com\\@evil.example/",
                "https://user@oapi.dingtalk.com/",
                "https://user:word@oapi.dingtalk.com/",
                "https://oapi.dingtalk.com@evil.example/",
                "https://oapi.dingtalk.com:99999/",
                "https://oapi.dingtalk.com:x/",
                "https://[::1/",
            )
        ),
    ],
)
def test_any_other_is_refused_in_words(
    settings: Settings, connected: list[str], names: dict[str, list[str]], url: str, words: str
) -> None:
    settings.OUTGOING_HOSTS = LISTED
    with pytest.raises(ValueError, match=r".") as wrong:
        cleaned(url)
    assert words in str(wrong.value)
    with pytest.raises(Refused, match=words):
        ask("GET", url)
    assert connected == []


def test_an_empty_list_lets_nothing_out(settings: Settings) -> None:
    settings.OUTGOING_HOSTS = []
    with pytest.raises(ValueError, match=ELSEWHERE):
        cleaned("https://oapi.dingtalk.com/")
    settings.OUTGOING_HOSTS = ["://", "http://", "ftp://oapi.dingtalk.com", "[", "oapi.dingtalk.com:x"]
    with pytest.raises(ValueError, match=ELSEWHERE):
        cleaned("https://oapi.dingtalk.com/")


def test_the_secret_part_is_in_no_word_and_no_repr(settings: Settings) -> None:
    settings.OUTGOING_HOSTS = LISTED
    for url in (f"https://evil.example/{SECRET}?key={SECRET}", f"https://oapi.dingtalk.com/ {SECRET}", SECRET):
        with pytest.raises(ValueError, match=r".") as wrong:
            cleaned(url)
        assert SECRET not in str(wrong.value)
    assert SECRET not in repr(cleaned(f"https://oapi.dingtalk.com/{SECRET}?key={SECRET}"))


# --- to whom -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",  # this machine may only be listed as such
        "127.0.0.53",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "::",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "100.100.100.200",
        "::ffff:100.100.100.200",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_a_listed_name_that_leads_where_no_platform_can_be(
    platform: Platform, settings: Settings, names: dict[str, list[str]], connected: list[str], ip: str
) -> None:
    settings.OUTGOING_HOSTS = [f"http://platform.gov.cn:{platform.port}"]
    names["platform.gov.cn"] = [ip]
    with pytest.raises(Refused, match=r"platform\.gov\.cn指向"):
        ask("GET", f"http://platform.gov.cn:{platform.port}/")
    assert connected == []


PRIVATE = ["10.1.2.3", "192.168.1.1", "172.16.0.9", "fd00::7", "100.64.0.1", "::ffff:10.1.2.3", "8.8.8.8"]


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses_are_fine(
    settings: Settings, names: dict[str, list[str]], connected: list[str], ip: str
) -> None:
    settings.OUTGOING_HOSTS = ["platform.gov.cn"]
    names["platform.gov.cn"] = [ip]
    with pytest.raises(Later, match="无人应答"):
        ask("GET", "https://platform.gov.cn/")
    assert connected == [ip.removeprefix("::ffff:")]


def test_a_name_that_changes_its_mind_changes_nothing(
    platform: Platform, settings: Settings, names: dict[str, list[str]], connected: list[str]
) -> None:
    settings.OUTGOING_HOSTS = [f"http://platform.gov.cn:{platform.port}"]
    names["platform.gov.cn"] = ["10.1.2.3", "127.0.0.1", "127.0.0.1"]
    with pytest.raises(Later):
        ask("GET", f"http://platform.gov.cn:{platform.port}/")
    assert connected == ["10.1.2.3"]
    assert names["platform.gov.cn"] == ["127.0.0.1", "127.0.0.1"]  # asked once
    assert platform.requests == []


def test_a_name_that_nobody_knows(settings: Settings, names: dict[str, list[str]]) -> None:
    settings.OUTGOING_HOSTS = ["platform.gov.cn", f"{'x' * 64}.gov.cn"]
    names["platform.gov.cn"] = []
    for host in ("platform.gov.cn", f"{'x' * 64}.gov.cn"):
        with pytest.raises(Later, match="查不到域名"):
            ask("GET", f"https://{host}/")


def test_a_dead_name_server_takes_no_longer_than_the_rest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, in_no_time: None
) -> None:
    settings.OUTGOING_HOSTS = ["platform.gov.cn"]
    done = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        done.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    began = time.monotonic()
    with pytest.raises(Later, match="查不到域名"):
        ask("GET", "https://platform.gov.cn/")
    assert time.monotonic() - began < 10
    done.set()


def test_nobody_listens(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.OUTGOING_HOSTS = [f"http://127.0.0.1:{port}"]
    with pytest.raises(Later, match="无人应答"):
        ask("GET", f"http://127.0.0.1:{port}/")


def test_no_proxy_of_the_environment_is_used(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(platform).status == 200


# --- what comes back ---------------------------------------------------------------------------------


def test_an_answer(platform: Platform) -> None:
    reply = post(platform)
    assert (reply.status, reply.body) == (200, b'{"id": "sms-1"}')
    assert platform.requests == [f"POST /sms?key={SECRET}"]
    assert platform.shown == ["您好"]


MOODS: list[tuple[str, type[NotSent], bool, str]] = [  # mood, outcome, whether it may have arrived, words
    ("500", Later, False, "HTTP 500"),
    ("html", Later, False, "网页"),
    ("redirect", Refused, False, "HTTP 302"),
    ("limited", Later, False, "消息太多"),
    ("hang:20", Unclear, True, "没有回音"),
    ("cut", Unclear, True, "没有回音"),
    ("head", Unclear, True, "收下了消息"),
    ("body", Unclear, True, "中断"),
]


@pytest.mark.parametrize(("mood", "outcome", "arrived", "words"), MOODS, ids=[mood[0] for mood in MOODS])
def test_what_becomes_of_it(
    platform: Platform, in_no_time: None, mood: str, outcome: type[NotSent], arrived: bool, words: str
) -> None:
    platform.mood = mood
    began = time.monotonic()
    with pytest.raises(outcome) as problem:
        post(platform)
    assert time.monotonic() - began < 10  # a second for all, whatever trickles
    assert words in str(problem.value)
    assert SECRET not in str(problem.value)
    assert bool(platform.arrivals) == arrived
    assert len(platform.requests) == 1  # no second try, no redirect followed
    if mood == "limited":
        assert problem.value.limited  # type: ignore[attr-defined]


def test_a_question_that_was_never_read_to_the_end_is_sent_again(settings: Settings) -> None:
    """The other side hangs up while 20 MB are still on their way: it cannot have acted on them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.OUTGOING_HOSTS = [f"http://127.0.0.1:{server.getsockname()[1]}"]

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Later, match="连接中断"):
            ask("POST", settings.OUTGOING_HOSTS[0] + "/sms", b"x" * 20_000_000)
        thread.join()


@pytest.mark.parametrize("mood", ["huge", "bomb"])
def test_no_more_than_64_kb_are_read_and_nothing_is_unpacked(platform: Platform, mood: str) -> None:
    platform.mood = mood
    began = time.monotonic()
    reply = post(platform)
    assert len(reply.body) == 64 * 1024
    assert mood == "huge" or reply.body == BOMB[: 64 * 1024]
    assert time.monotonic() - began < 10


def told(settings: Settings, answer: bytes) -> http.Reply:
    """Asks somebody who says just this."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.OUTGOING_HOSTS = [f"http://127.0.0.1:{server.getsockname()[1]}"]

        def say() -> None:
            line = server.accept()[0]
            line.recv(9999)
            line.sendall(answer)
            line.close()

        thread = threading.Thread(target=say)
        thread.start()
        try:
            return ask("GET", settings.OUTGOING_HOSTS[0])
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("30", 30), ("9" * 400, http.LONGEST_WAIT), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-5", None), ("", None)],
)
def test_a_platform_may_say_how_long_to_wait(settings: Settings, said: str, seconds: float | None) -> None:
    with pytest.raises(Later) as later:
        told(settings, f"HTTP/1.1 429 Slow down\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode())
    assert later.value.limited
    assert later.value.seconds == seconds


def test_a_page_for_people_is_no_answer(settings: Settings) -> None:
    for page in (b"Content-Type: text/html\r\n\r\nLog in first", b"\r\n \n<html>Log in first</html>"):
        for status in (b"200 OK", b"403 Forbidden"):
            with pytest.raises(Later, match="网页"):
                told(settings, b"HTTP/1.1 " + status + b"\r\n" + page)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,  # more headers than http.client takes
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
    ],
)
def test_what_is_no_http_leaves_it_unclear(settings: Settings, answer: bytes) -> None:
    with pytest.raises(Unclear):
        told(settings, answer)


def test_odd_but_http(settings: Settings) -> None:
    assert told(settings, b"HTTP/1.0 204 No Content\r\n\r\n") == http.Reply(204, b"")
    assert told(settings, b"HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\nx").status == 400
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert told(settings, chunked) == http.Reply(200, b"{}")
    with pytest.raises(Refused, match="HTTP 304"):
        told(settings, b"HTTP/1.1 304 Not Modified\r\n\r\n")


# --- TLS ---------------------------------------------------------------------------------------------

Certified = Callable[..., ssl.SSLContext]


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Certified]:
    """Makes a platform's certificate; this machine trusts the authority behind it, as an office would its own."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an office's own authority")])
    root = ec.generate_private_key(ec.SECP256R1())

    def certificate(
        key: ec.EllipticCurvePrivateKey, *, of: x509.Name, until: datetime.datetime, host: str = ""
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(of)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 9 * day)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def make(*, days: int = 9, host: str = "platform.gov.cn", known: bool = True) -> ssl.SSLContext:
        authority, mine = tmp_path / "authority.pem", tmp_path / "mine.pem"
        authority.write_bytes(certificate(root, of=name, until=now + 9 * day))
        key = ec.generate_private_key(ec.SECP256R1())
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        of = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        mine.write_bytes(plain + certificate(key, of=of, until=now + days * day, host=host))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority) if known else "/dev/null")
        http._trust.cache_clear()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(mine)
        return context

    yield make
    http._trust.cache_clear()


@pytest.fixture
def is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as an address of the office's network: a certificate is for a name."""
    monkeypatch.setattr(http, "_acceptable", lambda ip, host: True)


def test_a_certificate_of_the_offices_own_authority(
    settings: Settings, names: dict[str, list[str]], certified: Certified, is_private: None
) -> None:
    with Platform(tls=certified()) as platform:
        settings.OUTGOING_HOSTS = [f"platform.gov.cn:{platform.port}"]
        names["platform.gov.cn"] = ["127.0.0.1"]
        assert ask("POST", f"https://platform.gov.cn:{platform.port}/sms", BODY).status == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"days": -1}, "证书已过期"),
        ({"host": "evil.example"}, "证书是另一个域名的"),
        ({"known": False}, "证书的签发机构本机不认识"),
    ],
)
def test_a_certificate_that_is_none(
    settings: Settings,
    names: dict[str, list[str]],
    certified: Certified,
    is_private: None,
    options: dict[str, Any],
    words: str,
) -> None:
    with Platform(tls=certified(**options)) as platform:
        settings.OUTGOING_HOSTS = [f"platform.gov.cn:{platform.port}"]
        names["platform.gov.cn"] = ["127.0.0.1"]
        with pytest.raises(Later, match=words):
            ask("POST", f"https://platform.gov.cn:{platform.port}/sms", b"{}")
        assert platform.requests == []


def test_no_tls_where_tls_should_be(platform: Platform, settings: Settings) -> None:
    settings.OUTGOING_HOSTS = [f"127.0.0.1:{platform.port}"]
    with pytest.raises(Later, match="TLS"):
        ask("POST", f"https://127.0.0.1:{platform.port}/", b"{}")


def test_tls_that_never_comes_to_an_end(settings: Settings, in_no_time: None) -> None:
    """A server that takes the line and says nothing: the handshake is within the five seconds too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings.OUTGOING_HOSTS = [f"127.0.0.1:{port}"]
        began = time.monotonic()
        with pytest.raises(Later, match="1秒内没有应答"):
            ask("GET", f"https://127.0.0.1:{port}/")
        assert time.monotonic() - began < 10


@pytest.fixture(autouse=True)
def _in_chinese() -> Iterator[None]:
    with translation.override("zh-hans"):
        yield
