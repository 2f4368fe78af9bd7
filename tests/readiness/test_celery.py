"""Celery as it wakes things up: queues, limits, signs of life; frozen, stopped and told lies by the clock."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import celery
import psutil
import psycopg2
import pytest
from django.conf import settings as project
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from checklists.models import Campaign
from readiness import embedded
from readiness.celery import BeatingScheduler, app
from readiness.models import Heartbeat, Notice
from readiness.processes import leash
from readiness.reminders import lease, outbox, sender, state, tasks
from tests import factories, live
from tests.readiness import sending
from tests.readiness.sending import PostOffice, notice
from villages.access import Role
from villages.models import Cadre

ROOT = Path(project.BASE_DIR)
TASKS = {
    "readiness.reminders.plan": "planning",
    "readiness.reminders.news": "planning",
    "readiness.worker_lives": "planning",
    "readiness.reminders.deliver": "sending",
    "readiness.reminders.confirm": "sending",
    "readiness.boards.count_gaps": "reports",
    "readiness.boards.check_proofs": "reports",
    "readiness.boards.propose_measures": "reports",
}


@pytest.fixture
def own_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Address and process of a Redis that may be ill-treated."""
    monkeypatch.delenv("REDIS_URL")
    with embedded.servers(tmp_path / "own", durable=False) as servers:
        yield servers.redis_url, embedded.state(tmp_path / "own")["redis"]["pid"]


@pytest.fixture
def frozen(own_redis: tuple[str, int]) -> Iterator[str]:
    """The address of a Redis that neither lives nor is dead."""
    url, pid = own_redis
    os.kill(pid, signal.SIGSTOP)
    yield url
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    with sending.post_office() as office:
        yield office


@contextmanager
def program(redis: str, *command: str, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A part of Celery as quickstart starts it, in a group of its own."""
    around = os.environ | {"DATABASE_URL": live.database_url(), "REDIS_URL": redis, "DEBUG": "1"} | env
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore:You're running the worker",
            "-m",
            "celery",
            "--quiet",
            "-A",
            "readiness",
            *command,
        ],
        cwd=ROOT,
        env=around,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=leash(signal.SIGTERM),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


SENDER = ["worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--queues=sending"]


def ask(redis: str, name: str, queue: str) -> None:
    with celery.Celery(broker=redis, set_as_current=False) as other:
        other.send_task(name, queue=queue, ignore_result=True)


def mail_for(n: int) -> None:
    """Mail that waits for n people."""
    factories.units()
    for number in range(n):
        person = factories.cadre(f"p{number:02}", Role.LINKED, factories.WILLOW)
        Cadre.objects.filter(pk=person.pk).update(email=f"{person.username}@example.org")
        notice(person)


# --- what is set -------------------------------------------------------------------------------------


def test_every_line_of_the_schedule_is_a_task_with_a_queue() -> None:
    app.loader.import_default_modules()
    lines = [line["task"] for line in project.CELERY_BEAT_SCHEDULE.values()]
    assert sorted(lines) == sorted(TASKS)
    assert TASKS.keys() <= app.tasks.keys()
    routed = {name: app.amqp.router.route({}, name)["queue"].name for name in TASKS}
    assert routed == TASKS


def test_no_task_is_handed_out_twice_while_it_may_still_run() -> None:
    app.loader.import_default_modules()
    mine = [task for name, task in app.tasks.items() if name in TASKS]
    limits = [
        (task.soft_time_limit or app.conf.task_soft_time_limit, task.time_limit or app.conf.task_time_limit)
        for task in mine
    ]
    assert all(soft < hard for soft, hard in limits)
    assert max(hard for _soft, hard in limits) < app.conf.broker_transport_options["visibility_timeout"]
    # Who sends is dead before somebody else may think so; and has time to end what it began.
    assert app.tasks["readiness.reminders.deliver"].time_limit < lease.LEASE.total_seconds()
    assert app.tasks["readiness.reminders.deliver"].soft_time_limit > 2 * sender.SECONDS


def test_a_task_is_kept_until_it_is_done_and_put_back_only_if_it_may_run_twice() -> None:
    app.loader.import_default_modules()
    mine = {name: task for name, task in app.tasks.items() if name in TASKS}
    assert all(task.acks_late and task.ignore_result for task in mine.values())
    again = {name for name, task in mine.items() if task.reject_on_worker_lost}
    assert again == {"readiness.reminders.plan", "readiness.reminders.deliver"}


def test_messages_do_not_pile_up_and_none_waits_in_redis_for_its_time() -> None:
    for line in project.CELERY_BEAT_SCHEDULE.values():
        assert line["options"].keys() == {"expires"}
        assert line["options"]["expires"] < line["schedule"].total_seconds()
    for path in ROOT.glob("readiness/**/*.py"):
        assert not {"countdown=", "eta="} & {word for word in ("countdown=", "eta=") if word in path.read_text()}


def test_the_sender_is_not_asked_at_the_full_minute() -> None:
    assert project.CELERY_BEAT_SCHEDULE["deliver"]["schedule"].total_seconds() % 60


# --- waking ------------------------------------------------------------------------------------------


@contextmanager
def publishing_to(url: str) -> Iterator[None]:
    before, app.conf.broker_url = app.conf.broker_url, url
    app.conf.broker_write_url = url
    try:
        yield
    finally:
        app.conf.broker_url = app.conf.broker_write_url = before


def asked(url: str, queue: str) -> str:
    with app.connection_for_read(url) as redis:
        message = redis.SimpleQueue(queue).get(timeout=2)
        message.ack()
        return str(message.headers["task"])


def test_who_wakes_asks_planner_and_sender(own_redis: tuple[str, int]) -> None:
    with publishing_to(own_redis[0]):
        tasks.wake()
    assert asked(own_redis[0], "planning") == "readiness.reminders.news"
    assert asked(own_redis[0], "sending") == "readiness.reminders.deliver"


@pytest.mark.slow
def test_what_is_planned_goes_out_at_once_unless_somebody_else_is_planning(
    committed: None, own_redis: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis, _pid = own_redis
    with publishing_to(redis):
        with monkeypatch.context() as patch:
            patch.setattr(outbox, "write", lambda on: 1)
            patch.setattr(outbox, "write_news", lambda: 1)
            for task in (tasks.plan, tasks.news):
                task()
                assert asked(redis, "sending") == "readiness.reminders.deliver"
        # Elsewhere: holds the lock of who plans.
        with contextlib.closing(psycopg2.connect(live.database_url())) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [outbox.LOCK])
            with connection.cursor() as here:
                here.execute("SET lock_timeout = '200ms'")
            tasks.plan()
            tasks.news()
        connection.close()
    with pytest.raises(queue.Empty):
        asked(redis, "sending")


@pytest.mark.slow
def test_a_frozen_redis_holds_up_nobody(
    frozen: str, caplog: pytest.LogCaptureFixture, tell: Callable[[str], None]
) -> None:
    with publishing_to(frozen):
        for _ in range(3):
            began = time.monotonic()
            tasks.wake()
            took = time.monotonic() - began
            assert took < 4  # it takes a third of a second; five is what Celery is given
    tell(f"waking the sender with Redis frozen: {took:.2f} s")
    assert caplog.text.count("the sender could not be woken") == 3


def test_nor_does_one_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    with publishing_to("redis://127.0.0.1:1/0"):
        began = time.monotonic()
        tasks.wake()
        assert time.monotonic() - began < 4
    assert "the sender could not be woken" in caplog.text


@pytest.mark.slow
def test_with_a_frozen_redis_people_tick_and_the_sender_sends(
    campaign: Campaign, as_: Callable[[str], Client], frozen: str, settings: Settings, mailoutbox: list[Any]
) -> None:
    task, lan = factories.task(campaign), as_("lan")
    lan.get("/tasks/")
    settings.REDIS_URL = settings.CELERY_BROKER_URL = frozen
    began = time.monotonic()
    assert lan.post(f"/tasks/{task.pk}/tick/", factories.body()).status_code == 302
    assert lan.get(f"/campaigns/{campaign.pk}/").status_code == 200
    assert time.monotonic() - began < 4
    task.refresh_from_db()
    assert task.state == "done"
    Cadre.objects.filter(username="lan").update(email="lan@example.org")
    notice(Cadre.objects.get(username="lan"))
    assert sender.deliver().accepted == 1
    assert time.monotonic() - began < 15


# --- real programs -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_real_sender_hears_of_it_sends_once_and_stops_with_grace(
    committed: None, post_office: PostOffice, own_redis: tuple[str, int]
) -> None:
    """Asked to stop in the middle: what was begun is ended and noted, nothing more is begun."""
    mail_for(40)
    post_office.slow = 0.5
    redis, _pid = own_redis
    with program(redis, *SENDER, **post_office.env) as worker:
        for _ in range(2):  # as two beats would
            ask(redis, "readiness.reminders.deliver", "sending")
        live.wait_for(lambda: len(post_office.letters) >= 2, 40)
        assert Heartbeat.objects.filter(part="sender").exists()
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert time.monotonic() - began < 15  # all would take twenty seconds
    states = list(Notice.objects.values_list("status", flat=True))
    assert set(states) == {"accepted", "pending"}
    assert states.count("accepted") == len(post_office.letters)
    assert len({to for to, _ in post_office.letters}) == len(post_office.letters)


@pytest.mark.slow
def test_a_frozen_sender_shows(committed: None, own_redis: tuple[str, int]) -> None:
    """Frozen, not dead: its process is there and gives no sign any more."""
    redis, _pid = own_redis
    with program(redis, *SENDER) as worker:
        ask(redis, "readiness.reminders.deliver", "sending")
        live.wait_for(lambda: Heartbeat.objects.filter(part="sender").exists(), 40)
        os.killpg(worker.pid, signal.SIGSTOP)
        Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=6))  # five minutes later
        ask(redis, "readiness.reminders.deliver", "sending")
        time.sleep(2)
        assert psutil.pid_exists(worker.pid)
        assert "sender" in silent()
        os.killpg(worker.pid, signal.SIGCONT)

        def heard() -> bool:
            ask(redis, "readiness.reminders.deliver", "sending")  # a sign is left every 15 s at most
            time.sleep(1)
            return "sender" not in silent()

        live.wait_for(heard, 60)


@pytest.mark.slow
def test_one_that_is_frozen_below_a_living_parent_shows_too(committed: None, own_redis: tuple[str, int]) -> None:
    """A sign of life is left by whoever does the work, not by whoever hands it out."""
    redis, _pid = own_redis
    with program(redis, *[word.replace("=2", "=1") for word in SENDER]) as worker:
        ask(redis, "readiness.worker_lives", "sending")
        live.wait_for(lambda: Heartbeat.objects.exists(), 40)
        (child,) = [child.pid for child in psutil.Process(worker.pid).children()]
        os.kill(child, signal.SIGSTOP)
        Heartbeat.objects.all().delete()
        ask(redis, "readiness.worker_lives", "sending")
        time.sleep(2)
        assert not Heartbeat.objects.exists()
        os.kill(child, signal.SIGCONT)
        live.wait_for(lambda: Heartbeat.objects.exists(), 20)


# --- signs of life -----------------------------------------------------------------------------------


def silent() -> list[str]:
    return [part for part, _since in state.look(Cadre(pk=0))[1].silent]


@pytest.fixture
def parts(db: None) -> Callable[..., None]:
    def live_since(**ago: float) -> None:
        cache.clear()
        Heartbeat.objects.all().delete()
        for part, seconds in ago.items():
            Heartbeat.objects.create(part=part, at=timezone.now() - timedelta(seconds=seconds))

    return live_since


def test_who_is_silent_for_five_minutes_is_named(parts: Callable[..., None]) -> None:
    parts(worker=0, beat=0, sender=0)
    assert silent() == []
    parts(worker=295, beat=0, sender=305)
    assert silent() == ["sender"]
    parts(worker=305)
    assert silent() == ["beat", "sender", "worker"]
    # A sign from tomorrow was left before the clock was set back and says nothing about now.
    parts(worker=-86400, beat=0, sender=0)
    assert silent() == ["worker"]


def test_the_worker_says_that_it_lives(db: None) -> None:
    tasks.worker_lives()
    assert Heartbeat.objects.get().part == "worker"


def test_a_sender_that_is_paused_lives(cast: dict[str, Cadre], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender.restored, "may_send", lambda: False)
    monkeypatch.setattr(tasks._pulse, "last", float("-inf"))
    tasks.deliver()
    assert Heartbeat.objects.get().part == "sender"


# --- beat --------------------------------------------------------------------------------------------


@pytest.fixture
def beat(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BeatingScheduler]:
    scheduler = BeatingScheduler(app, schedule_filename=str(tmp_path / "beat"), lazy=False)
    sent: list[str] = []
    monkeypatch.setattr(scheduler, "apply_entry", lambda entry, producer=None: sent.append(entry.task))
    scheduler.sent = sent
    yield scheduler
    scheduler.close()


def ticks(scheduler: Any, n: int = 20) -> list[str]:
    """What it sends in so many ticks, one after the other."""
    scheduler.sent.clear()
    for _ in range(n):
        scheduler.tick()
    return sorted(scheduler.sent)


def at(scheduler: Any, moment: Any) -> None:
    """Everything was done last at this moment."""
    for entry in scheduler.schedule.values():
        entry.last_run_at = moment
    scheduler._heap = None


def test_beat_asks_once_for_what_it_missed(beat: Any) -> None:
    assert ticks(beat) == sorted(TASKS)  # all at once when it starts
    assert Heartbeat.objects.get().part == "beat"
    assert ticks(beat) == []
    at(beat, app.now() - timedelta(hours=6))
    assert ticks(beat) == sorted(TASKS)
    assert ticks(beat) == []


def test_a_clock_that_is_set_back_stops_nothing(beat: Any) -> None:
    ticks(beat)
    at(beat, app.now() + timedelta(days=1))
    assert ticks(beat) == []  # at first as if all had just been done
    for entry in beat.schedule.values():
        entry.last_run_at -= timedelta(hours=1)
    beat._heap = None
    assert ticks(beat) == sorted(TASKS)


def test_without_that_it_would_wait_for_tomorrow(beat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(BeatingScheduler, "_forget_the_future", lambda self: None)
    ticks(beat)
    at(beat, app.now() + timedelta(days=1))
    ticks(beat)
    for entry in beat.schedule.values():
        entry.last_run_at -= timedelta(hours=1)
    beat._heap = None
    assert ticks(beat) == []
