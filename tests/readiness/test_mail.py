"""Mail, against a mail server that breaks off wherever it is told to."""

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest
from django.utils import translation
from pytest_django import Settings

from readiness.models import Notice
from readiness.reminders import channels
from readiness.reminders.channels.answers import Accepted, Later, NotSent, Refused, Unclear
from tests.factories import TODAY
from villages.models import Cadre


class PostOffice(socketserver.ThreadingTCPServer):
    """Takes mail. `says` is what it answers to a command instead of yes; empty: it hangs up."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.says: dict[str, str] = {}
        self.letters: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Clerk(socketserver.StreamRequestHandler):
    server: PostOffice

    def say(self, command: str, usual: str) -> bool:
        """False: it hangs up."""
        line = self.server.says.get(command, usual)
        self.wfile.write(line.encode() + b"\r\n" if line else b"")
        return bool(line)

    def handle(self) -> None:
        going = self.say("", "220 post office")
        while going and (line := self.rfile.readline().decode().strip()):
            command = line[:4].upper()
            going = self.say(command, {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok"))
            if command == "DATA" and going and "DATA" not in self.server.says:
                letter = b""
                while not letter.endswith(b"\r\n.\r\n"):
                    letter += self.rfile.readline()
                self.server.letters.append(letter.decode())
                going = self.say("letter", "250 taken")


@pytest.fixture
def office(settings: Settings) -> Iterator[PostOffice]:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_TIMEOUT = 1
    settings.SITE_URL, settings.DEFAULT_FROM_EMAIL = "https://ready.example.gov.cn", "迎检 <ready@example.gov.cn>"
    with PostOffice() as office, translation.override("zh-hans"):
        threading.Thread(target=office.serve_forever, args=(0.02,), daemon=True).start()
        settings.EMAIL_PORT = office.port
        yield office
        office.shutdown()


@pytest.fixture
def notice(cast: dict[str, Cadre]) -> Notice:
    cast["lan"].email = "lan@example.org"
    return Notice.objects.create(
        cadre=cast["lan"], rule="digest", on=TODAY, channel="mail", subject="迎检\r\nBcc: x@y.z\r\n准备",
        body="逾期1项。", path="/tasks/7/",
    )  # fmt: skip


def test_a_mail_is_known_again_by_its_message_id(office: PostOffice, notice: Notice) -> None:
    assert channels.send(notice) == channels.send(notice) == Accepted()
    first, second = office.letters
    line = f"Message-ID: <notice-{notice.pk}@example.gov.cn>"
    assert line in first
    assert line in second
    assert "\nBcc:" not in first


@pytest.mark.parametrize(
    ("where", "says", "outcome", "words"),
    [
        ("letter", "", Unclear, "没说收到就断开了"),  # it may have it, or not
        ("letter", "554 looks like spam", Refused, "（代码554）：looks like spam"),
        ("letter", "451 later please", Later, "451"),
        ("RCPT", "550 5.1.1 no such mailbox", Refused, "no such mailbox"),
        ("RCPT", "450 greylisted", Later, "greylisted"),
        ("MAIL", "553 not your name", Refused, "not your name"),
        ("MAIL", "421 too many", Later, "421"),
        ("DATA", "", Unclear, "断开"),
        ("", "554 go away", Later, "go away"),
        ("", "", Later, "连不上邮件服务器"),
        ("QUIT", "", None, ""),  # the mail was taken; a farewell changes nothing
        ("QUIT", "500 what", None, ""),
    ],
)
def test_a_mail_server_that_says_no_or_hangs_up(
    office: PostOffice, notice: Notice, where: str, says: str, outcome: type[NotSent] | None, words: str
) -> None:
    office.says[where] = says
    if outcome is None:
        assert channels.send(notice) == Accepted()
        return
    with pytest.raises(NotSent) as problem:
        channels.send(notice)
    assert type(problem.value) is outcome
    assert words in str(problem.value)
    assert words in channels.test(None, "lan@example.org")


def test_a_mail_server_that_is_away(office: PostOffice, notice: Notice, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.EMAIL_PORT = taken.getsockname()[1]
    with pytest.raises(Later, match="连不上邮件服务器"):
        channels.send(notice)


def test_a_mail_server_that_never_greets(office: PostOffice, notice: Notice, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_PORT = silent.getsockname()[1]
        with pytest.raises(Later):
            channels.send(notice)


@pytest.mark.parametrize("address", ["lan@example.org\r\nBcc: x@y.z", "a@b.c, d@e.f", "lan", "lan@", "@", "x" * 999])
def test_an_address_that_is_none(office: PostOffice, notice: Notice, address: str) -> None:
    assert notice.cadre
    office.says["RCPT"] = "501 bad address"
    notice.cadre.email = address
    with pytest.raises(Refused):
        channels.send(notice)
    notice.cadre.email = ""
    with pytest.raises(Refused, match="没有（或已删除）"):
        channels.send(notice)
    assert office.letters == []


def test_the_test_button_of_mail(office: PostOffice, cast: dict[str, Cadre]) -> None:
    assert channels.test(None, "lan@example.org") == "平台已受理这条消息。"
    assert "Message-ID: <test-" in office.letters[0]
