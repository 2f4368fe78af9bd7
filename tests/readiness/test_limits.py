"""No platform gets more than it takes, whatever becomes of Redis."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from limits import parse

from readiness import embedded
from readiness import settings as project
from readiness.reminders import limits
from readiness.reminders import memory as remembering
from readiness.reminders.limits import Limiter, share
from readiness.reminders.memory import Memory

# Four messages in any second, for all together.
LIMIT, MOST, WINDOW = "4/second", 4, 1.0


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Address and process of a Redis that may be ill-treated."""
    monkeypatch.delenv("REDIS_URL")
    with embedded.servers(tmp_path, durable=False) as servers:
        yield servers.redis_url, embedded.state(tmp_path)["redis"]["pid"]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that did not answer is asked again after one second, not five."""
    monkeypatch.setattr(remembering, "AGAIN", 1.0)


def memory(url: str) -> Memory:
    return Memory(url)


def most_in_a_window(sent: list[tuple[float, float]]) -> int:
    """Of what was allowed at some time between two moments: how many, for certain, within one window."""
    return max(sum(begin <= began and ended < begin + WINDOW for began, ended in sent) for begin, _ in sent)


class Senders:
    """Several that send as fast as they may, each with a limiter of its own, as processes have."""

    def __init__(self, url: str, n: int) -> None:
        self.sent: list[tuple[float, float]] = []
        self.longest = 0.0  # seconds that one question took
        self._end = threading.Event()
        self._memories = [memory(url) for _ in range(n)]
        self._threads = [threading.Thread(target=self._send, args=(Limiter(each, n),)) for each in self._memories]

    def _send(self, limiter: Limiter) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            wait = limiter.wait("robot", LIMIT)
            self.longest = max(self.longest, time.monotonic() - began)
            if wait:
                self._end.wait(min(wait, 0.2))
            else:
                self.sent.append((began, time.monotonic()))

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        for each in self._memories:
            each.client.close()


def test_all_together_stay_below(redis: tuple[str, int]) -> None:
    with Senders(redis[0], 3) as senders:
        time.sleep(2.5)
    assert most_in_a_window(senders.sent) <= MOST
    assert len(senders.sent) >= 2 * MOST  # and use what there is


def test_without_a_common_count_it_would_be_too_many(redis: tuple[str, int]) -> None:
    """The control: each on its own, and nobody takes a share only."""
    sent: list[tuple[float, float]] = []
    for _ in range(3):
        alone = Limiter(memory("redis://127.0.0.1:1/0"), 1)
        alone._ways["robot"] = False, time.monotonic() - WINDOW - 1
        began = time.monotonic()
        while not alone.wait("robot", LIMIT):
            sent.append((began, began := time.monotonic()))
    assert most_in_a_window(sent) == 3 * MOST


@pytest.mark.slow
def test_a_redis_that_freezes_and_wakes_lets_no_more_through(
    redis: tuple[str, int], tell: Callable[[str], None]
) -> None:
    url, pid = redis
    with Senders(url, 3) as senders:
        time.sleep(1.2)
        before = len(senders.sent)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(4)
            during = len(senders.sent) - before
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(4)
    after = len(senders.sent) - before - during
    tell(
        f"limit {LIMIT}: {before} sent, {during} while Redis was frozen, {after} after; slowest {senders.longest:.2f} s"
    )
    assert most_in_a_window(senders.sent) <= MOST
    assert during >= 1
    assert after > during
    assert senders.longest < 3  # Redis was frozen for four


@pytest.mark.slow
def test_a_redis_that_loses_its_memory_lets_no_more_through(redis: tuple[str, int]) -> None:
    url, pid = redis
    with Senders(url, 3) as senders:
        time.sleep(1.2)
        os.kill(pid, signal.SIGKILL)  # the keeper starts another
        time.sleep(5)
    assert most_in_a_window(senders.sent) <= MOST
    assert len(senders.sent) > 2 * MOST


@pytest.mark.parametrize(
    ("limit", "senders", "expected"),
    [("20/minute", 4, "5 per 1 minute"), ("5/second", 4, "1 per 1 second"), ("2/minute", 4, "1 per 2 minute")],
)
def test_a_share_is_never_more_than_its_part(limit: str, senders: int, expected: str) -> None:
    assert str(share(parse(limit), senders)) == expected


@pytest.mark.parametrize("limit", ["20/minute", "5/second", "2/minute", "3/hour", "100/minute", "1/day"])
@pytest.mark.parametrize("senders", [1, 2, 3, 4, 7])
def test_all_shares_together_are_at_most_the_whole(limit: str, senders: int) -> None:
    whole, part = parse(limit), share(parse(limit), senders)
    assert part.amount >= 1
    assert senders * part.amount / part.get_expiry() <= whole.amount / whole.get_expiry()


def test_two_windows_at_once(redis: tuple[str, int]) -> None:
    each = memory(redis[0])
    limiter = Limiter(each, 1)
    assert [limiter.wait("robot", "3/minute;2/second") > 0 for _ in range(3)] == [False, False, True]
    assert 0 < limiter.wait("robot", "3/minute;2/second") < 1.2
    time.sleep(1.1)
    assert limiter.wait("robot", "3/minute;2/second") == 0
    assert 50 < limiter.wait("robot", "3/minute;2/second") < 60.2
    assert limiter.wait("another", "3/minute;2/second") == 0
    each.client.close()


def test_a_clock_that_jumps_holds_nothing_up_for_long(redis: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    each = memory(redis[0])
    limiter = Limiter(each, 1)
    now = time.time
    monkeypatch.setattr(limits.time, "time", lambda: now() + 86400)
    assert limiter.wait("robot", "1/minute") == 0
    monkeypatch.setattr(limits.time, "time", now)
    assert 0 < limiter.wait("robot", "1/minute") < 60.2
    each.client.close()


def test_what_has_no_limit_asks_nobody() -> None:
    began = time.monotonic()
    assert Limiter(memory("redis://127.0.0.1:1/0"), 1).wait("robot", "") == 0
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", {}),
        ("wecom_robot=10/minute, webhook=1/second;9/hour", {"wecom_robot": "10/minute", "webhook": "1/second;9/hour"}),
        ("dingtalk_robot=", {"dingtalk_robot": ""}),
    ],
)
def test_the_operator_may_say_otherwise(words: str, found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTICE_LIMITS", words)
    assert project.limits("NOTICE_LIMITS") == found


@pytest.mark.parametrize("words", ["webhook=often", "webhook", "=1/minute x", "webhook=-1/minute"])
def test_a_limit_that_is_none_stops_the_start(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTICE_LIMITS", words)
    with pytest.raises(ImproperlyConfigured, match="is no limit; for example"):
        project.limits("NOTICE_LIMITS")
