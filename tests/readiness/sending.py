"""What tests of the sender share: notices that wait, gateways, a mail server, threads."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.utils import timezone

from checklists.models import Campaign
from readiness.models import Channel, Gateway, Notice
from readiness.reminders import sealed
from readiness.reminders.channels import Accepted
from tests.factories import EAST
from villages.models import Cadre

SMTP = "django.core.mail.backends.smtp.EmailBackend"
SECRETS = {
    Channel.DINGTALK: {"app_key": "key", "app_secret": "app-secret", "agent_id": "7"},
    Channel.WECOM: {"corp_id": "corp", "secret": "corp-secret", "agent_id": "7"},
    Channel.FEISHU: {"app_id": "app", "app_secret": "app-secret"},
    Channel.WEBHOOK: {"path": "/sms", "secret": "hook-secret"},
}


def notice(to: Cadre | None, channel: str = "mail", **fields: Any) -> Notice:
    """One that waits since now."""
    values = {"rule": "news-0900", "on": timezone.localdate(), "subject": "迎检准备", "body": "逾期1项。"} | fields
    return Notice.objects.create(cadre=to, channel=channel, **values)


def gateway(channel: str, host: str = "http://127.0.0.1:1", unit: str = EAST, **fields: Any) -> Gateway:
    """An office's access to a platform; a robot's secret is the code of its unit."""
    person = Cadre.objects.order_by("pk")[0]
    secrets = SECRETS.get(Channel(channel)) or {"token": unit, "key": unit}
    return Gateway.objects.create(
        channel=channel, unit_id=unit, host=host, sealed=sealed.seal(secrets), name=unit, made_by=person, **fields
    )


def robots(campaign: Campaign, units: list[str], host: str) -> list[Gateway]:
    """The robots of so many groups."""
    return [gateway("dingtalk_robot", host, unit, campaign=campaign) for unit in units]


def well(notice: Notice) -> Accepted:
    """A platform that takes everything."""
    return Accepted()


def says(answer: Exception) -> Callable[[Notice], Accepted]:
    """A platform that answers always the same."""

    def send(notice: Notice) -> Accepted:
        raise answer

    return send


def together(work: Callable[[], object], n: int = 2) -> None:
    """In n threads, each with a connection of its own."""
    start, wrong = threading.Barrier(n), []

    def one() -> None:
        try:
            start.wait()
            work()
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class PostOffice(socketserver.ThreadingTCPServer):
    """A small mail server: refuses who has "refused" in the address, freezes when told to."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.letters: list[tuple[str, str]] = []
        self.is_frozen = False
        self.slow = 0.0
        self.at_data = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def env(self) -> dict[str, str]:
        """By which a process of the product finds it."""
        return {"EMAIL_BACKEND": SMTP, "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(self.port)}


class Clerk(socketserver.StreamRequestHandler):
    """One conversation."""

    server: PostOffice

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        to = ""
        self.say("220 post office")
        while line := self.rfile.readline().decode().strip():
            match line[:4].upper():
                case "RCPT" if "refused" in line:
                    self.say("550 5.1.1 no such mailbox")
                case "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    self.say("250 ok")
                case "DATA":
                    self.server.at_data.set()
                    if self.server.is_frozen:
                        time.sleep(60)
                        return
                    self.say("354 go on")
                    letter = b""
                    while not letter.endswith(b"\r\n.\r\n"):
                        letter += self.rfile.readline()
                    time.sleep(self.server.slow)
                    self.server.letters.append((to, letter.decode()))
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")


@contextmanager
def post_office() -> Iterator[PostOffice]:
    """One that is open for the length of the block."""
    with PostOffice() as office:
        thread = threading.Thread(target=office.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield office
        finally:
            office.shutdown()
            thread.join()
