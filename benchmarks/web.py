"""The product as it runs, under gunicorn, and a client that costs as little as a client can.

A page is asked for over one kept-alive connection; the time is from the first byte sent to the last one read.
"""

import contextlib
import os
import secrets
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlencode, urlsplit

from benchmarks import Figures
from tests import live

REQUESTS, BLOCK, WARM_UP = 200, 20, 3
FLOOR = "benchmarks.floor:application"
# What an installation sets, and two things that only TLS in front of it would need.
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECURE_SSL_REDIRECT": "0",
    "SECURE_COOKIES": "0",
}


@contextlib.contextmanager
def product() -> Iterator[live.Web]:
    """Two workers of four threads, DEBUG off, on the database that Django is pointed at."""
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(command, env=os.environ | PRODUCTION, check=True)
    with live.web(**PRODUCTION) as web:
        yield web


@contextlib.contextmanager
def floor() -> Iterator[live.Web]:
    """benchmarks/floor.py under the same gunicorn, on the same database."""
    with live.web(app=FLOOR) as web:
        yield web


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header; empty if there is none."""
        lines = (line.partition(":") for line in self.head.split("\r\n"))
        return next((value.strip() for key, _, value in lines if key.lower() == name.lower()), "")


class Person:
    """Somebody who has logged in through the page; writes requests as their browser would."""

    def __init__(self, web: live.Web, name: str) -> None:
        with live.Client(web.url) as client:
            client.log_in(name)
            self.cookies = client.cookie_header
        self.web = web
        self.token = client.cookie("csrftoken")

    def get(self, path: str, **headers: str) -> bytes:
        """A page."""
        return request("GET", path, headers | {"Cookie": self.cookies})

    def post(self, path: str, form: dict[str, object], **headers: str) -> bytes:
        """A form, sent by htmx."""
        sent = headers | {"Cookie": self.cookies, "HX-Request": "true"}
        return request("POST", path, sent, urlencode({"csrfmiddlewaretoken": self.token} | form))

    def see(self, path: str, **headers: str) -> Answer:
        """One answer; not measured."""
        with Line(self.web) as line:
            return line.ask(self.get(path, **headers))


def request(method: str, path: str, headers: dict[str, str] | None = None, form: str = "") -> bytes:
    """The bytes of a request."""
    sent = {"Host": "127.0.0.1"} | (headers or {})
    if method == "POST":
        sent |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + form).encode()


class Line:
    """One connection that is kept."""

    def __init__(self, web: live.Web) -> None:
        self._socket = connected(web)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, sent: bytes) -> Answer:
        """Sends a request and reads its answer."""
        self._socket.sendall(sent)
        got = bytearray()
        while (answer := parsed(got)) is None:
            part = self._socket.recv(1 << 18)
            if not part:
                raise ConnectionError("hung up in the middle of an answer")
            got += part
        return answer


def connected(web: live.Web) -> socket.socket:
    """A connection to a server."""
    place = urlsplit(web.url)
    found = socket.create_connection((str(place.hostname), place.port or 80), timeout=60)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def parsed(got: bytearray) -> Answer | None:
    """The answer, once all of it is there."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = got[:end].decode("latin-1")
    answer = Answer(int(head[9:12]), head, b"")
    if answer.status == 304:
        return answer
    length = int(answer.header("Content-Length"))
    return Answer(answer.status, head, bytes(got[end + 4 :])) if len(got) - end - 4 >= length else None


Ask = Callable[[Line], object]


def asks(request: bytes, status: int = 200) -> Ask:
    """The same question every time."""

    def ask(line: Line) -> None:
        answer = line.ask(request)
        assert answer.status == status, f"{answer.status} instead of {status}: {request[:80]!r}"

    return ask


def medians(first: tuple[live.Web, Ask], second: tuple[live.Web, Ask]) -> Figures:
    """The median of each in milliseconds: blocks of a few requests in turn, each on a new connection, warmed up."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(REQUESTS // BLOCK):
        for (web, ask), took in zip((first, second), found, strict=True):
            took += times(web, ask, BLOCK)
    return median(found[0]), median(found[1])


def times(web: live.Web, ask: Ask, many: int) -> list[float]:
    """Milliseconds of each of so many requests on a new connection, after a few to warm up."""
    found = []
    with Line(web) as line:
        for number in range(WARM_UP + many):
            start = time.perf_counter()
            ask(line)
            if number >= WARM_UP:
                found.append((time.perf_counter() - start) * 1000)
    return found


def rush(web: live.Web, clients: list[Callable[[], bytes]], requests: int) -> float:
    """So many requests at once, one for each client at a time, in one thread; how many a second were answered.

    Each takes a connection of its own, so that whichever worker is free has the next.
    """
    selector = selectors.DefaultSelector()
    started = answered = 0
    start = time.perf_counter()

    def send(client: Callable[[], bytes]) -> None:
        nonlocal started
        started += 1
        line = connected(web)
        line.sendall(client())
        selector.register(line, selectors.EVENT_READ, (line, bytearray(), client))

    for client in clients:
        send(client)
    while answered < requests:
        for key, _ in selector.select(60):
            line, got, client = key.data
            got += line.recv(1 << 18)
            if (answer := parsed(got)) is None:
                continue
            assert answer.status in (200, 304), f"{answer.status}: {answer.head}"
            selector.unregister(line)
            line.close()
            answered += 1
            if started < requests:
                send(client)
    selector.close()
    return requests / (time.perf_counter() - start)
