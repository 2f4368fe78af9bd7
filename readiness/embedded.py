"""PostgreSQL and Redis for a laptop or a test run: nothing to install, nothing left behind.

    with servers():          # sets DATABASE_URL and REDIS_URL unless the environment names servers already
        ...

A detached keeper process (readiness/keeper.py) has the servers as its children. Everyone who uses them
holds a shared flock on <data>/users.lock. The kernel drops a lock with its process, however that dies, so
nobody has to clean up: once the keeper can take the lock for itself, nobody is left and it stops.

Nothing here needs Django or any other package, so `check` answers before anything is installed.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
URL_NAMES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
# A crash recovery or the first initdb on a slow disk takes its time; a keeper that fails says so at once.
START_SECONDS = 120
STOP_SECONDS = 60


class Trouble(Exception):
    """Why the servers cannot be had: one line for people, without a traceback."""


class Lock:
    """A lock on a file, held by the process: gone with it even after kill -9."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Trouble(f"数据目录不可写 · Cannot write {path}: {error.strerror}") from error

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock, or turn the one held into the other kind in one step. False: others hold it."""
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(self._descriptor, kind)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for a block, waiting for it if need be."""
    lock = Lock(path)
    try:
        lock.take(wait=True)
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody else holds the exclusive lock at `path`."""
    lock = Lock(path)
    try:
        return not lock.take()
    finally:
        lock.release()


def data_dir() -> Path:
    """Where the servers keep their data: DATA from the environment, else .data in the checkout."""
    return Path(os.environ.get("DATA") or BASE_DIR / ".data").resolve()


def state(data: Path) -> dict[str, Any]:
    """What the keeper wrote: {"keeper": pid, "postgres": {"pid", "port", "url"}, "redis": {...}}, or {}."""
    try:
        return dict(json.loads((data / "keeper.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


@dataclass(frozen=True)
class Servers:
    """The servers in use; those named by the environment are not ours and are left alone."""

    data: Path
    embedded: tuple[str, ...]
    durable: bool

    @property
    def database_url(self) -> str:
        """Where PostgreSQL answers."""
        return os.environ["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        """Where Redis answers."""
        return os.environ["REDIS_URL"]

    def revive(self) -> bool:
        """Bring the keeper back if it was killed: same ports, same passwords. True if it was needed."""
        keeper_lock = self.data / "keeper.lock"
        if not self.embedded or is_held(keeper_lock):
            return False
        with locked(self.data / "start.lock"):
            if not is_held(keeper_lock):
                self._launch()
        return True

    def attach(self) -> dict[str, Any]:
        """Find the running keeper, or start one; the caller holds users.lock. Returns its state."""
        with locked(self.data / "start.lock"):
            if not is_held(self.data / "keeper.lock"):
                self._launch()
            # A keeper that is still starting was left by a user who died meanwhile.
            deadline = time.monotonic() + START_SECONDS
            while not (found := state(self.data)):
                if time.monotonic() > deadline:
                    raise Trouble(f"数据库未能启动 · The servers did not start; see {self.data}/keeper.log")
                time.sleep(0.05)
        if missing := set(self.embedded) - set(found):
            raise Trouble(
                f"{self.data} 已由另一进程使用 · is in use without {' and '.join(sorted(missing))}; "
                "end the other process first"
            )
        return found

    def _launch(self) -> None:
        """Start a keeper and wait until its servers answer."""
        (self.data / "keeper.json").unlink(missing_ok=True)  # of a keeper that was killed
        command = [sys.executable, "-m", "readiness.keeper", str(self.data), *self.embedded]
        command += [] if self.durable else ["--fast"]
        log_file = self.data / "keeper.log"
        with log_file.open("w") as log:
            # A session of its own: neither Ctrl-C nor a closed terminal may stop the servers under a user.
            keeper = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=BASE_DIR,
            )
        _launched.append(keeper)
        deadline = time.monotonic() + START_SECONDS
        while not state(self.data):
            if keeper.poll() is not None or time.monotonic() > deadline:
                lines = log_file.read_text(errors="replace").strip().splitlines()
                reason = lines[-1] if lines else "keeper"
                raise Trouble(f"数据库未能启动 · The servers did not start: {reason} ({log_file})")
            time.sleep(0.02)

    def leave(self, users: Lock) -> None:
        """Stop using the servers; the last one out stops them and waits until they are gone."""
        # From shared to exclusive in one step: only the last can do it, and then no keeper and no newcomer
        # is let in between.
        if users.take():
            self._stop_keeper()
        users.release()
        for keeper in _launched:
            keeper.poll()

    def _stop_keeper(self) -> None:
        keeper_lock = self.data / "keeper.lock"
        deadline = time.monotonic() + STOP_SECONDS
        if is_held(keeper_lock) and (pid := state(self.data).get("keeper")):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
            while is_held(keeper_lock) and time.monotonic() < deadline:
                time.sleep(0.02)
            for keeper in _launched:
                if keeper.pid == pid:  # ours to bury
                    keeper.wait()


_launched: list[subprocess.Popen[bytes]] = []
_current: Servers | None = None


def current() -> Servers | None:
    """The servers of the enclosing `with servers()`, if any."""
    return _current


@contextlib.contextmanager
def servers(data: Path | None = None, *, durable: bool = True) -> Iterator[Servers]:
    """Servers for the length of the block, in DATABASE_URL and REDIS_URL.

    Args:
        data: their directory; DATA or .data by default.
        durable: False trades safety against power cuts for speed, for tests.

    Raises:
        Trouble: if they cannot be started.
    """
    global _current
    data = (data or data_dir()).resolve()
    wanted = tuple(name for name, variable in URL_NAMES.items() if not os.environ.get(variable))
    found = Servers(data, wanted, durable)
    if not wanted:
        yield found
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(f"数据目录不可写 · Cannot create {data}: {error.strerror}") from error
    users = Lock(data / "users.lock")
    users.take(shared=True, wait=True)
    before = _current
    try:
        urls = {URL_NAMES[name]: found.attach()[name]["url"] for name in wanted}
        os.environ.update(urls)
        _current = found
        yield found
    finally:
        _current = before
        for name in wanted:
            os.environ.pop(URL_NAMES[name], None)
        found.leave(users)


def port_trouble(host: str, port: str) -> str:
    """Why the web cannot listen there, in one line; empty if it can."""
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f"PORT={port} 不是端口号 · is not a port: PORT=8001 make run"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
            probe.listen()
        except PermissionError:
            return f"端口 {port} 需要特权 · Port {port} needs privileges. Try: PORT=8001 make run"
        except (OSError, UnicodeError) as error:
            other = 8001 if port != "8001" else 8002
            if getattr(error, "errno", None) in _IN_USE:
                return f"端口 {port} 已被占用 · Port {port} is in use. Try: PORT={other} make run"
            return f"无法监听 · Cannot listen on HOST={host} PORT={port}: {error}"
    return ""


_IN_USE = {98, 48}  # EADDRINUSE on Linux and macOS


def run_trouble(data: Path) -> str:
    """Why a second `make run` cannot use this directory, in one line; empty if it can."""
    if (data / "run.lock").exists() and is_held(data / "run.lock"):
        return f"{data} 已由另一个 make run 使用 · is served by another `make run`. Try: DATA=.data2 make run"
    return ""


def check() -> str:
    """What would stop `make run`, before anything slow is done."""
    host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
    try:
        return port_trouble(host, port) or run_trouble(data_dir())
    except Trouble as trouble:
        return str(trouble)


if __name__ == "__main__":
    sys.exit(check() or None)
