"""Child processes that do not outlive us: `leash`, and a small manager that restarts what dies.

honcho and its like take everything down when one process ends; a web server must stay up while a worker
is started again.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15
TICK_SECONDS = 0.5
STEADY_SECONDS = 30  # who lived this long starts again at once; who dies sooner waits longer each time


def die_with_parent(signum: int) -> None:
    """Ask the kernel to send us `signum` when the thread that started us ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


def handled_stops(pid: int) -> set[int]:
    """Which of Ctrl-C, hang-up and SIGTERM a process handles itself (Linux; elsewhere none).

    make lets go of the one that told it to stop, and then waits for its children without telling them.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    mask = int(status.partition("SigCgt:")[2].split()[0], 16)
    return {signum for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM) if mask >> (signum - 1) & 1}


def leash(signum: int, first: Callable[[], None] | None = None) -> Callable[[], None]:
    """A preexec_fn for a child that gets `signum` when we die, even by kill -9.

    `first` runs before: a change of user makes the kernel forget the wish.
    """
    parent = os.getpid()

    def prepare() -> None:
        if first:
            first()
        die_with_parent(signum)
        if os.getppid() != parent:  # died in between
            os._exit(1)

    return prepare


def end(process: subprocess.Popen[bytes], *signals: int, within: float) -> None:
    """Stop a process with each signal in turn, then with SIGKILL, giving it `within` seconds for each."""
    for signum in (*signals, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
            return


@dataclass
class Program:
    """Something to keep running."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    wait: float = 0.5
    unfinished: bytes = field(default=b"", repr=False)


class Manager:
    """Runs programs, shows what they say with their names in front, restarts them, stops them together."""

    def __init__(self, programs: list[Program], say: Callable[[str], None], tick: Callable[[], None]) -> None:
        """`say` gets each line of output; `tick` runs twice a second, and ends the run by raising."""
        self._programs = programs
        self._say = say
        self._tick = tick
        self._width = max(len(program.name) for program in programs)
        self._outputs = selectors.DefaultSelector()
        self._stops = 0

    def run(self) -> None:
        """Run until SIGINT, SIGTERM, SIGHUP or an exception of `tick`; then stop all."""
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: meant to outlive its terminal
            signals.append(signal.SIGHUP)
        before = {signum: signal.signal(signum, self._on_signal) for signum in signals}
        try:
            while not self._stops:
                self._start_due()
                self._read(TICK_SECONDS)
                if not self._stops:
                    self._tick()
        finally:
            self._stop()
            self._outputs.close()
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stops += 1

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.stop()

    def _start_due(self) -> None:
        """Start what does not run and has waited long enough."""
        now = time.monotonic()
        for program in self._programs:
            if program.process and (code := program.process.poll()) is not None:
                self._read(0)
                steady = now - program.started > STEADY_SECONDS
                program.wait = 0.5 if steady else min(program.wait * 2, 30)
                program.due = now + program.wait
                program.process = None
                self._say(f"{program.name} 意外结束，将重启 · ended by itself ({code}), starting again")
            if not program.process and now >= program.due:
                program.started = now
                program.process = subprocess.Popen(
                    program.command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C on the terminal is for us alone; we pass it on in our own order.
                    start_new_session=True,
                    preexec_fn=leash(signal.SIGTERM),
                )
                assert program.process.stdout  # noqa: S101 - for the type checker
                os.set_blocking(program.process.stdout.fileno(), False)
                self._outputs.register(program.process.stdout, selectors.EVENT_READ, program)

    def _read(self, seconds: float) -> None:
        """Pass on what the programs say, waiting at most this long for the first of it."""
        for key, _ in self._outputs.select(seconds):
            program: Program = key.data
            try:
                said = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            *lines, program.unfinished = (program.unfinished + said).split(b"\n")
            if not said:  # the last of those who hold it has ended
                self._outputs.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                lines, program.unfinished = [program.unfinished] if program.unfinished else [], b""
            for line in filter(bytes.strip, lines):
                self._say(f"{program.name:<{self._width}} | {line.decode(errors='replace').rstrip()}")

    def _stop(self) -> None:
        """SIGTERM to all, SIGKILL to who is still there after a while or at a second Ctrl-C."""
        running = [program.process for program in self._programs if program.process]
        for process in running:
            process.terminate()
        asked = self._stops
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self._stops > max(asked, 1):
                for process in running:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            self._read(0.1)
        self._read(0)
        for key in list(self._outputs.get_map().values()):
            self._outputs.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
