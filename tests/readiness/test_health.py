"""Signs of life: what /healthz says when a part is well, late, gone or frozen."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from readiness import embedded
from readiness.health import PARTS, Pulse
from readiness.models import Heartbeat
from tests import live

ROOT = Path(project.BASE_DIR)
CLOSED = "127.0.0.1:1"  # where nobody listens

# A process of its own, which has no database: asks twice and says how long that took.
ASK = """
import time
import django
django.setup()
from django.test import Client
for _ in range(2):
    began = time.monotonic()
    answer = Client(SERVER_NAME="localhost").get("/healthz")
    print(answer.status_code, answer.content.decode().strip(), time.monotonic() - began < 4.5)
"""
BEAT = """
import django
django.setup()
from readiness.health import Pulse
pulse = Pulse("worker", every=0)
pulse.beat()
pulse.beat()
"""


def lives(*parts: str, ago: timedelta = timedelta()) -> None:
    for part in parts:
        Heartbeat.objects.update_or_create(part=part, defaults={"at": timezone.now() - ago})


def health() -> tuple[int, str]:
    """What it says; never later than two seconds and a bit."""
    began = time.monotonic()
    answer = Client().get("/healthz")
    assert time.monotonic() - began < 4.5  # five is what PostgreSQL and Celery are given elsewhere
    return answer.status_code, answer.content.decode()


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "readiness.settings"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def own_redis(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Address and process of a Redis that may be ill-treated."""
    monkeypatch.delenv("REDIS_URL")
    with embedded.servers(data, durable=False) as servers:
        yield servers.redis_url, embedded.state(data)["redis"]["pid"]


# --- the answer -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_all_is_well() -> None:
    lives(*PARTS)
    assert health() == (200, "ok\n")


@pytest.mark.django_db
def test_who_never_gave_a_sign_is_down() -> None:
    assert health() == (503, "down: worker, beat, sender\n")
    lives("worker")
    assert health() == (503, "down: beat, sender\n")


@pytest.mark.django_db
def test_who_gave_no_sign_for_long_is_down(settings: Settings) -> None:
    assert timedelta(seconds=90) == settings.HEARTBEAT_LATE
    lives("beat", "sender")
    lives("worker", ago=timedelta(seconds=60))
    assert health() == (200, "ok\n")
    lives("worker", ago=timedelta(seconds=91))
    assert health() == (503, "down: worker\n")
    settings.HEARTBEAT_LATE = timedelta(seconds=120)
    assert health() == (200, "ok\n")


@pytest.mark.django_db
def test_anybody_may_ask_and_nobody_keeps_the_answer() -> None:
    lives(*PARTS)
    answer = Client().get("/healthz")
    assert answer["Content-Type"] == "text/plain"
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert Client().head("/healthz").status_code == 200
    assert Client().post("/healthz").status_code == 405
    with CaptureQueriesContext(connection) as queries:
        Client().get("/healthz")
    assert len(queries) == 1


# --- when something is down --------------------------------------------------------------------------


def test_a_database_that_is_down_is_named() -> None:
    asked = run(ASK, DATABASE_URL=f"postgres://nobody@{CLOSED}/none")
    assert asked.stdout.splitlines() == ["503 down: database True"] * 2, asked.stderr


def test_both_down_are_both_named() -> None:
    asked = run(ASK, DATABASE_URL=f"postgres://nobody@{CLOSED}/none", REDIS_URL=f"redis://{CLOSED}/0")
    assert asked.stdout.splitlines() == ["503 down: database, redis True"] * 2, asked.stderr


@pytest.mark.django_db
def test_a_redis_that_is_gone_is_named_at_once(settings: Settings) -> None:
    lives(*PARTS)
    settings.REDIS_URL = f"redis://{CLOSED}/0"
    assert health() == (503, "down: redis\n")


@pytest.mark.slow
@pytest.mark.django_db
def test_a_frozen_redis_is_named_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    lives("worker", "sender")
    with own_redis(tmp_path, monkeypatch) as (url, pid):
        settings.REDIS_URL = url
        assert health() == (503, "down: beat\n")
        os.kill(pid, signal.SIGSTOP)
        try:
            assert health() == (503, "down: redis, beat\n")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert health() == (503, "down: beat\n")


# --- signs of life ----------------------------------------------------------------------------------


def writes(pulse: Pulse) -> int:
    with CaptureQueriesContext(connection) as queries:
        pulse.beat()
    return sum(query["sql"].startswith(("INSERT", "UPDATE")) for query in queries)


def test_a_pulse_writes_at_most_once_in_its_time(committed: None) -> None:
    pulse = Pulse("worker", every=600)
    assert [writes(pulse) for _ in range(50)] == [1] + [0] * 49
    first = Heartbeat.objects.get(part="worker").at
    pulse.last -= 600  # as if its time had passed
    assert [writes(pulse) for _ in range(50)] == [1] + [0] * 49
    assert Heartbeat.objects.get(part="worker").at > first


def test_parts_do_not_speak_for_each_other(committed: None) -> None:
    Pulse("worker").beat()
    Pulse("beat").beat()
    Pulse("worker").beat()  # started again
    assert set(Heartbeat.objects.values_list("part", flat=True)) == {"worker", "beat"}


def test_a_pulse_without_a_database_is_only_logged() -> None:
    done = run(BEAT, DATABASE_URL=f"postgres://nobody@{CLOSED}/none")
    assert done.returncode == 0
    assert done.stderr.count("worker could not leave a sign of life") == 2


@pytest.mark.slow
def test_a_real_beat_leaves_a_sign(committed: None, tmp_path: Path) -> None:
    beat: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "readiness", "beat", f"--schedule={tmp_path / 'beat'}", "--pidfile="],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": live.database_url()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        live.wait_for(lambda: Heartbeat.objects.filter(part="beat").exists(), 30, what="for a sign of life")
    finally:
        beat.terminate()
        beat.wait(30)
    assert health() == (503, "down: worker, sender\n")
