"""The real web server on loopback, on the tests' database, and a plain HTTP client that remembers its cookies.

    with live.web(workers=2) as web:
        with live.Client(web.url) as lan:
            lan.log_in("lan")
            lan.post(f"/tasks/{task.pk}/tick/", factories.body())

What a server shall see must be committed (fixture `committed`).
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

import dj_database_url
import psutil
from django.conf import settings
from django.db import connection

from readiness.processes import leash
from tests import factories

START_SECONDS = 30


def wait_for(condition: Callable[[], Any], seconds: float = 15, *, what: str = "") -> Any:
    """The first truthy answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain {what}"
        time.sleep(0.02)
    return found


def database_url() -> str:
    """Where the tests' own database is, for a process of its own."""
    here = connection.settings_dict
    login = f"{quote(here['USER'])}:{quote(here['PASSWORD'])}"
    return f"postgres://{login}@{here['HOST']}:{here['PORT']}/{quote(here['NAME'])}"


@contextlib.contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """Django of this very process, in this thread, on another database."""
    before = dict(connection.settings_dict)
    connection.close()
    parsed = dj_database_url.parse(url)
    connection.settings_dict |= {name: parsed[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= before


@contextlib.contextmanager
def child(command: list[str], log: IO[bytes], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the checkout that is told to stop at the end of the block, and ends with us at the latest."""
    process = subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=leash(signal.SIGTERM),
        **options,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Web:
    """gunicorn as `make run` starts it, on a port of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """Its workers; the master brings back the one that dies."""
        try:
            workers = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [worker.pid for worker in workers if worker.status() != psutil.STATUS_ZOMBIE]

    def kill_worker(self, which: int = 0) -> int:
        """SIGKILL one worker, counted from the oldest; its pid."""
        pid = sorted(self.pids())[which]
        os.kill(pid, signal.SIGKILL)
        return pid

    def said(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def web(*, workers: int = 2, app: str = "readiness.wsgi:application", **environ: str) -> Iterator[Web]:
    """A web server for the length of the block; DEBUG is on unless `environ` says otherwise."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.NamedTemporaryFile(suffix=".log") as log,
    ):
        # The socket is ours and stays open: the port cannot be lost, nor asked for before it listens.
        command = [sys.executable, "-m", "gunicorn", app, "--bind", f"fd://{listener.fileno()}"]
        command += ["--worker-class", "gthread", "--workers", str(workers), "--threads", "4"]
        command += ["--graceful-timeout", "5", "--log-level", "warning", "--no-control-socket"]
        env = os.environ | {"DEBUG": "1", "DATABASE_URL": database_url()} | environ
        port = listener.getsockname()[1]
        with child(command, log.file, env=env, pass_fds=[listener.fileno()]) as process:
            server = Web(f"http://127.0.0.1:{port}", process, Path(log.name))
            with contextlib.closing(Client(server.url)) as client:

                def answers() -> bool:
                    assert process.poll() is None, f"gunicorn ended by itself:\n{server.said()}"
                    with contextlib.suppress(OSError, http.client.HTTPException):
                        return client.get("/login/").status == 200 and len(server.pids()) == workers
                    return False

                wait_for(answers, START_SECONDS, what="for gunicorn")
            yield server


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        """Where it sends one, without the host."""
        return urlsplit(self.headers.get("Location", "")).path


class Client:
    """A browser without a screen: keeps its connection and its cookies, sends the CSRF token, follows nothing.

    For one thread. A connection that breaks raises OSError or HTTPException; the next call opens another.
    """

    def __init__(self, url: str, *, timeout: float = 20) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
        self._cookies: SimpleCookie = SimpleCookie()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; what was sent stays sent."""
        self._connection.close()

    @property
    def cookie_header(self) -> str:
        """Its cookies as one header."""
        return "; ".join(f"{name}={cookie.value}" for name, cookie in self._cookies.items())

    def cookie(self, name: str) -> str:
        """The value of one cookie."""
        return self._cookies[name].value

    def log_in(self, name: str, password: str = factories.PASSWORD) -> "Client":
        """Through the log-in page, as a person does."""
        self.get("/login/")
        answer = self.post("/login/", {"username": name, "password": password})
        assert answer.status == 302, f"{name} cannot log in: {answer.status}"
        return self

    def get(self, path: str, **headers: str) -> Answer:
        """GET and wait for the answer."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, data: dict[str, Any], **headers: str) -> Answer:
        """POST a form and wait for the answer."""
        return self._ask("POST", path, urlencode(data), headers)

    def post_and_hang_up(self, path: str, data: dict[str, Any]) -> None:
        """POST a form and do not wait: the server works, nobody hears its answer."""
        try:
            self._send("POST", path, urlencode(data), {})
        finally:
            self.close()

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        try:
            self._send(method, path, body, headers)
            response = self._connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        for line in response.headers.get_all("Set-Cookie", []):
            self._cookies.load(line)
        return Answer(response.status, response.headers, text)

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> None:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._cookies:
            sent["Cookie"] = self.cookie_header
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        if "csrftoken" in self._cookies:
            sent["X-CSRFToken"] = self._cookies["csrftoken"].value
        self._connection.request(method, path, body, sent)
