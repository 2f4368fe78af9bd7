"""Uploads over a line that cuts, doubles and delays, to a server whose workers are killed: each file once and whole.

`UPLOADS=1000` sends so many; a run of the suite sends few.
"""

import contextlib
import hashlib
import http.client
import json
import os
import random
import socket
import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction
from django.utils import timezone
from PIL import Image

from checklists import evidence, ticks
from checklists.evidence import nightly
from checklists.models import Evidence, EvidenceUse, Item, Task, Upload
from tests import factories, live, proofs
from villages.models import Cadre

FILES = int(os.environ.get("UPLOADS", "16"))
PART = 3000  # bytes; the server would take more at once
GIVE_UP = 300  # seconds for one file


class PoorLine(socketserver.ThreadingTCPServer):
    """Carries one request per connection to the server, or does not, or twice, or late, or only in part."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.upstream = urlsplit(url).netloc.split(":")
        self.chance = random.Random(seed)
        self.did: dict[str, int] = dict.fromkeys(("passed", "lost", "in part", "unheard", "twice", "late"), 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def carry(self, request: bytes, *, hear: bool = True) -> bytes:
        """To the server, and its whole answer."""
        with socket.create_connection((self.upstream[0], int(self.upstream[1])), timeout=30) as server:
            server.sendall(request)
            if not hear:
                return b""
            answer = b""
            while piece := server.recv(1 << 16):
                answer += piece
            return answer


class Passing(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        line: Any = self.server
        with contextlib.suppress(OSError):
            request = self._read()
            what = line.chance.choices(list(line.did), weights=(60, 10, 8, 10, 8, 4))[0]
            line.did[what] += 1
            if what == "lost":
                return
            if what == "in part":
                line.carry(request[: line.chance.randrange(len(request))], hear=False)
                return
            if what == "unheard":
                line.carry(request, hear=line.chance.random() < 0.5)
                return
            if what == "twice":
                other = threading.Thread(target=self._again, args=(request, 0))
                other.start()
            if what == "late":
                threading.Thread(target=self._again, args=(request, line.chance.random())).start()
            self.request.sendall(line.carry(request))

    def _again(self, request: bytes, seconds: float) -> None:
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            self.server.carry(request)  # type: ignore[attr-defined]

    def _read(self) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._more()
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(int(one[15:]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        return head + b"\r\n\r\n" + body

    def _more(self) -> bytes:
        piece: bytes = self.request.recv(1 << 16)
        if not piece:
            raise OSError("hung up")
        return piece


class Sender:
    """As static/uploads.js sends: announce, part after part; whatever goes wrong, ask how far it has come."""

    def __init__(self, url: str, task: Task, login: live.Client, *, forgets: bool = False) -> None:
        self.netloc = urlsplit(url).netloc
        self.address = f"/tasks/{task.pk}/proofs/"
        self.headers = {"Cookie": login.cookie_header, "X-CSRFToken": login.cookie("csrftoken"), "Connection": "close"}
        self.forgets = forgets  # the control: another number for each try

    def send(self, body: bytes) -> str:
        """Its number, once the server has the whole file."""
        number, until = str(uuid.uuid4()), time.monotonic() + GIVE_UP
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                told = {"upload": number, "name": "现场.jpg", "size": len(body)}
                told |= {"sha256": hashlib.sha256(body).hexdigest(), "whole": 1}
                said = self._ask(self.address, urlencode(told).encode(), "application/x-www-form-urlencoded")
                while "come" in said:
                    piece = body[said["come"] :][:PART]
                    address = f"/uploads/{number}/?start={said['come']}"
                    said = self._ask(address, piece, "application/octet-stream")
                if said.get("done"):
                    return number
                assert "refused" in said, said
            if self.forgets:
                number = str(uuid.uuid4())
            time.sleep(0.05)
        raise AssertionError(f"{number} never arrived")

    def _ask(self, address: str, body: bytes, content_type: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.netloc, timeout=30)
        try:
            connection.request("POST", address, body, self.headers | {"Content-Type": content_type})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()


@pytest.fixture
def task(committed: None) -> Task:
    factories.units()
    factories.cast()
    return factories.task(factories.campaign(on=timezone.localdate()))


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    options = settings.STORAGES["proofs"]["OPTIONS"] | {"location": tmp_path / "proofs"}
    settings.STORAGES = settings.STORAGES | {"proofs": settings.STORAGES["proofs"] | {"OPTIONS": options}}
    return tmp_path


@contextlib.contextmanager
def poor_line(url: str, seed: int) -> Iterator[PoorLine]:
    with PoorLine(url, seed) as line:
        threading.Thread(target=line.serve_forever, daemon=True).start()
        yield line
        line.shutdown()


def pictures(n: int, seed: int) -> list[bytes]:
    """Each another, of one to four parts."""
    chance = random.Random(seed)
    made = []
    for _ in range(n):
        size = (chance.randrange(40, 90), chance.randrange(40, 90))
        made.append(proofs.encoded(Image.frombytes("RGB", size, chance.randbytes(size[0] * size[1] * 3)), quality=60))
    return made


def half_files() -> list[str]:
    """Rows whose file is not there whole."""
    wrong = []
    for one in Evidence.objects.all():
        with storages["proofs"].open(one.stored) as file:
            if hashlib.sha256(file.read()).hexdigest() != one.sha256:
                wrong.append(str(one.pk))
    return wrong


def test_every_file_arrives_once_and_whole_over_a_poor_line_and_past_killed_workers(
    task: Task, store: Path, tell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies, seen = pictures(FILES, seed=5), []
    with (
        live.web(workers=2, DATA=str(store), PROOFS_A_DAY="100000") as web,
        live.Client(web.url) as lan,
        poor_line(web.url, seed=7) as line,
        ThreadPoolExecutor(6) as pool,
    ):
        sender = Sender(line.url, task, lan.log_in("lan"))
        began = time.monotonic()
        sending = [pool.submit(sender.send, body) for body in bodies]
        kills = [FILES // 4, FILES // 2, 3 * FILES // 4]
        while not all(one.done() for one in sending):
            if kills and sum(one.done() for one in sending) >= kills[0]:
                kills.pop(0)
                web.kill_worker()
                seen += half_files()
            time.sleep(0.05)
        numbers = [one.result() for one in sending]
        took = time.monotonic() - began
    assert kills == []
    assert seen == half_files() == []
    sent = dict(zip(numbers, (hashlib.sha256(body).hexdigest() for body in bodies), strict=True))
    assert {str(one.pk): one.sent_sha256 for one in Evidence.objects.all()} == sent
    assert EvidenceUse.objects.filter(task=task).count() == FILES
    assert Upload.objects.count() == 0
    monkeypatch.setattr(nightly, "SETTLED", timedelta(0))
    report = nightly.look_through(now=timezone.now())
    assert (report.missing, report.differs, report.orphans) == ([], [], [])
    assert len([path for path in (store / "proofs").rglob("*") if path.is_file()]) == 2 * FILES
    tell(f"{FILES} uploads in {took:.0f} s, 3 workers killed: {line.did}; {FILES} files, 0 orphans, 0 in half")


def test_with_a_new_number_for_each_try_files_would_come_twice(task: Task, store: Path) -> None:
    """The control: it is the sender's number that makes one file of many tries."""
    bodies = pictures(10, seed=5)
    with (
        live.web(workers=2, DATA=str(store)) as web,
        live.Client(web.url) as lan,
        poor_line(web.url, seed=7) as line,
    ):
        sender = Sender(line.url, task, lan.log_in("lan"), forgets=True)
        for body in bodies:
            sender.send(body)
        live.wait_for(lambda: Evidence.objects.count() + Upload.objects.count() > len(bodies))


# ---- Verified while the file is taken back ------------------------------------------------------------------------


def verified_meanwhile(task: Task) -> str:
    """How it ends for Lin, who verifies while Lan's taking back is not committed yet."""
    people = {one.username: one for one in Cadre.objects.all()}
    Item.objects.filter(pk=task.item_id).update(needs_proof=True)
    one = proofs.kept(task, people["lan"])
    ticks.record(task, by=people["lan"], event=uuid.uuid4(), state="done")

    def verifies() -> str:
        try:
            now = Task.objects.for_list().get(pk=task.pk)
            assert not now.lacks_proof
            looked.set()
            return ticks.record(now, by=people["lin"], event=uuid.uuid4(), state="verified").task.state
        except ticks.Unfit:
            return "refused"
        finally:
            connection.close()

    looked = threading.Event()
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            evidence.take_back(one, by=people["lan"], now=timezone.now())
            answer = other.submit(verifies)
            assert looked.wait(30)
            time.sleep(0.5)  # until it waits for the task
            assert not answer.done()
        return answer.result(30)


def test_who_verifies_while_the_file_is_taken_back_is_told(task: Task, store: Path) -> None:
    assert verified_meanwhile(task) == "refused"
    assert Task.objects.get(pk=task.pk).state == "done"


def test_without_looking_again_a_task_would_be_verified_with_nothing(
    task: Task, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(ticks, "as_now", lambda task: task)
    assert verified_meanwhile(task) == "verified"
