"""The processes that the tests break: PostgreSQL, Redis, workers, beat. Killed by the ids that were noted when they
were started, and by nothing else.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from django.conf import settings
from django.db import connection

from readiness import embedded
from readiness.processes import leash
from tests import live

PROCESSES = 2  # of each worker


@dataclass
class Program:
    """A process of ours that comes back after each kill. To be started in the main thread: it is leashed to it."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    def start(self) -> "Program":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=settings.BASE_DIR,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: its children die with it
                preexec_fn=leash(signal.SIGKILL),
            )
        return self

    def kill(self) -> None:
        """SIGKILL, children included."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Neither dead nor alive for the length of the block."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.pid, signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Stack:
    """PostgreSQL and Redis of its own, and whatever was started on them."""

    servers: embedded.Servers
    home: Path
    env: dict[str, str] = field(default_factory=dict)  # of the programs, besides the servers' addresses

    def program(self, name: str, *command: str, **env: str) -> Program:
        """A process on these servers, started; to be ended by `ended`."""
        addresses = {"DATABASE_URL": self.servers.database_url, "REDIS_URL": self.servers.redis_url}
        around = os.environ | {"DEBUG": "1", "DJANGO_SETTINGS_MODULE": "tests.chaos.settings"} | addresses
        return Program(name, [sys.executable, *command], around | self.env | env, self.home / f"{name}.log").start()

    def celery(self, name: str, *command: str) -> Program:
        """A worker or a beat."""
        quiet = ["-W", "ignore:You're running the worker"]
        return self.program(
            name, *quiet, "-m", "celery", "--quiet", "-A", "tests.chaos.app", *command, "--loglevel=WARNING"
        )

    def worker(self, name: str, queues: str) -> Program:
        """As quickstart starts it."""
        options = [f"--concurrency={PROCESSES}", "--without-gossip", "--without-mingle"]
        return self.celery(name, "worker", *options, f"--hostname={name}@%h", f"--queues={queues}")

    def beat(self, name: str = "beat") -> Program:
        """As quickstart starts it."""
        return self.celery(name, "beat", f"--schedule={self.home / name}", "--pidfile=")

    def pid(self, server: str) -> int:
        """Of "postgres", "redis" or "keeper", as the keeper noted it."""
        noted = embedded.state(self.servers.data)[server]
        return int(noted if server == "keeper" else noted["pid"])

    def kill_postgres(self) -> None:
        """The postmaster, once there is a living one; the keeper starts another on the same port."""
        self.wait_for_postgres()
        os.kill(self.pid("postgres"), signal.SIGKILL)

    def wait_for_postgres(self) -> None:
        def answers() -> bool:
            try:
                with contextlib.closing(psycopg2.connect(self.servers.database_url, connect_timeout=2)):
                    return True
            except psycopg2.OperationalError:
                return False

        live.wait_for(answers, 60, what="for PostgreSQL")
        connection.close()  # that of the test itself may be one that was cut

    def kill_redis(self) -> None:
        """And all that it kept. The keeper sleeps meanwhile, so that the next one does not find the old data."""
        keeper, before = self.pid("keeper"), self.pid("redis")
        live.wait_for(lambda: Path(f"/proc/{self.pid('redis')}").exists(), 30, what="for Redis")
        os.kill(keeper, signal.SIGSTOP)
        try:
            os.kill(before := self.pid("redis"), signal.SIGKILL)
            shutil.rmtree(self.servers.data / "redis" / "appendonlydir", ignore_errors=True)
        finally:
            os.kill(keeper, signal.SIGCONT)
        live.wait_for(lambda: self.pid("redis") != before, 30, what="for another Redis")

    @contextlib.contextmanager
    def redis_frozen(self) -> Iterator[None]:
        pid = self.pid("redis")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def ended(*programs: Program) -> Iterator[None]:
    """Whatever happens, they are gone afterwards."""
    try:
        yield
    finally:
        for each in programs:
            each.kill()


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database says, asked again while it is down."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        except Exception:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
