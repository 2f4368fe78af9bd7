"""Two thousand ticks while web, PostgreSQL and Celery are killed: what was acknowledged is there, once."""

import contextlib
import http.client
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from checklists.models import Tally, Task, TaskEvent
from readiness import embedded
from tests import factories, live
from tests.checklists.test_tallies import drift
from villages.access import Role

pytestmark = pytest.mark.slow
SEED = 511504
TICKS, CLIENTS = 2000, 4
KILLS = {"web": 5, "postgres": 4, "worker": 3}
LOST_ANSWERS = 0.03  # share of ticks whose sender hangs up before the first answer
PATIENCE = 60  # seconds; a client gives up after this


@dataclass
class Ledger:
    """What the clients know, kept outside the system that is tested."""

    acknowledged: dict[UUID, int] = field(default_factory=dict)  # event -> task
    retries: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)

    def missing(self) -> list[UUID]:
        """Acknowledged, and not there as it was acknowledged."""
        stored = dict(TaskEvent.objects.values_list("pk", "task_id"))
        return [event for event, task in self.acknowledged.items() if stored.get(event) != task]

    def doubled(self) -> list[int]:
        """Tasks that changed more often than somebody was told so."""
        told = Counter(self.acknowledged.values())
        events = Counter(TaskEvent.objects.values_list("task_id", flat=True))
        versions = dict(Task.objects.values_list("pk", "version"))
        return [task for task in versions if max(events[task], versions[task]) > told[task]]

    def __str__(self) -> str:
        kills = ", ".join(f"{many} {name}" for name, many in sorted(self.kills.items()))
        retries = ", ".join(f"{many} {why}" for why, many in self.retries.most_common())
        return (
            f"{len(self.acknowledged)} ticks acknowledged; {self.kills.total()} kills ({kills}); "
            f"{self.retries.total()} retries ({retries})"
        )


class Sender:
    """A client that repeats an entry until it is acknowledged."""

    def __init__(self, url: str, name: str, ledger: Ledger, *, fresh_ids: bool = False, state: str = "done") -> None:
        self.client = live.Client(url, timeout=10)
        self.client.log_in(name)
        self.name = name
        self.ledger = ledger
        self.fresh_ids = fresh_ids
        self.state = state

    def send(self, task: int, *, lose_answer: bool, before_repeat: Callable[[], Any] = bool) -> None:
        path, body = f"/tasks/{task}/tick/", factories.body(self.state, note="来过")
        if lose_answer:
            self.ledger.retries["answer lost"] += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.client.post_and_hang_up(path, body)
            before_repeat()
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, f"task {task}: no answer for {PATIENCE} s; {self.ledger}"
            if self.fresh_ids:
                body["event"] = str(uuid4())
            try:
                answer = self.client.post(path, body)
            except (OSError, http.client.HTTPException) as error:
                self.ledger.retries[type(error).__name__] += 1
            else:
                if answer.status == 302 and answer.location == f"/tasks/{task}/":
                    self.ledger.acknowledged[UUID(body["event"])] = task
                    return
                if answer.status < 500:
                    self.ledger.strange.append(f"{self.name}, task {task}: {answer.status} {answer.location}")
                    return
                self.ledger.retries[str(answer.status)] += 1
            time.sleep(0.05)


@dataclass
class Worker:
    """A real Celery worker that is started again after each kill."""

    log: IO[bytes]
    stack: contextlib.ExitStack
    pid: int = 0

    def start(self) -> None:
        quiet = ["-W", "ignore:You're running the worker"]
        command = [sys.executable, *quiet, "-m", "celery", "--quiet", "-A", "readiness", "worker", "--pool=threads"]
        command += ["--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
        env = os.environ | {"DEBUG": "1", "DATABASE_URL": live.database_url()}
        self.pid = self.stack.enter_context(live.child(command, self.log, env=env)).pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.start()


def kill_postgres(data: Path, url: str) -> None:
    """The postmaster; the keeper starts another on the same port. Waits until there is a living one to kill."""

    def answers() -> bool:
        try:
            with contextlib.closing(psycopg2.connect(url, connect_timeout=2)):
                return True
        except psycopg2.OperationalError:
            return False

    live.wait_for(answers, 30, what="for PostgreSQL")
    os.kill(embedded.state(data)["postgres"]["pid"], signal.SIGKILL)


@pytest.fixture
def own_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[embedded.Servers]:
    """Servers that may be killed: not those of the other tests, and with every commit on the disk."""
    for name in embedded.URL_NAMES.values():
        monkeypatch.delenv(name)
    with (
        embedded.servers(tmp_path / "data") as servers,
        django_db_blocker.unblock(),
        live.pointed_at(servers.database_url),
    ):
        call_command("migrate", verbosity=0)
        yield servers


def township(ticks: int) -> list[int]:
    """Ids of so many tasks in East Township, whose staff are four."""
    factories.units()
    for number in range(CLIENTS):
        factories.cadre(f"Staff{number}", Role.TOWNSHIP_STAFF, factories.EAST)
    lines = [factories.line(f"n-{number:04}") for number in range(ticks // 2)]
    campaign = factories.campaign(factories.EAST, of=factories.template(items=lines), on=timezone.localdate())
    return list(campaign.tasks.order_by("pk").values_list("pk", flat=True))


def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(
    own_servers: embedded.Servers, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    tasks = township(TICKS)
    assert len(tasks) == TICKS
    dice = random.Random(SEED)
    victims = [name for name, many in KILLS.items() for _ in range(many)]
    dice.shuffle(victims)
    # One kill in each equal part of the work, so that every one falls among ticks, on a fast machine and a slow one.
    part = TICKS // (len(victims) + 1)
    moments = [part * number + dice.randrange(part) for number in range(1, len(victims) + 1)]
    ledger = Ledger()
    began = time.monotonic()

    with contextlib.ExitStack() as stack, (tmp_path / "worker.log").open("wb") as log:
        web = stack.enter_context(live.web(workers=2))
        worker = Worker(log, stack)
        worker.start()
        senders = [Sender(web.url, f"staff{number}", ledger) for number in range(CLIENTS)]

        def work(number: int) -> None:
            own_dice = random.Random(SEED + number)
            for task in tasks[number::CLIENTS]:
                senders[number].send(task, lose_answer=own_dice.random() < LOST_ANSWERS)
            senders[number].client.close()

        def kill(working: list[Future[None]]) -> None:
            """In the main thread: a child is leashed to the thread that starts it."""
            for victim, moment in zip(victims, moments, strict=True):
                while len(ledger.acknowledged) < moment and not all(each.done() for each in working):
                    time.sleep(0.005)
                if victim == "postgres":
                    kill_postgres(own_servers.data, own_servers.database_url)
                elif victim == "web":
                    live.wait_for(web.pids, what="for a web worker")
                    web.kill_worker()
                else:
                    worker.kill()
                ledger.kills[victim] += 1

        with ThreadPoolExecutor(CLIENTS) as threads:
            working = [threads.submit(work, number) for number in range(CLIENTS)]
            kill(working)
            for each in working:
                each.result()

    connection.close()
    lost, doubled = ledger.missing(), ledger.doubled()
    said = f"chaos: {ledger}; {len(lost)} lost, {len(doubled)} doubled; {time.monotonic() - began:.0f} s"
    tell(said)
    assert ledger.strange == [], said
    assert len(ledger.acknowledged) == TICKS, said
    assert ledger.kills == Counter(KILLS), said
    assert ledger.retries.total() - ledger.retries["answer lost"] > 0, f"nothing was hit: {said}"
    assert (lost, doubled) == ([], []), said
    assert set(Task.objects.values_list("state", "version")) == {("done", 1)}
    assert TaskEvent.objects.count() == TICKS, said
    assert drift() == []
    assert Tally.objects.get(unit=factories.EAST).done == TICKS


# --- Controls: what could not fail would prove nothing ---------------------------------------------------------------


def test_a_tick_that_was_acknowledged_and_never_sent_is_found_missing(committed: None) -> None:
    one, other, third = township(4)[:3]
    ledger = Ledger()
    with live.web() as web:
        sender = Sender(web.url, "staff0", ledger)
        sender.send(one, lose_answer=False)
        sender.send(other, lose_answer=True)
        sender.client.close()
    assert (ledger.missing(), ledger.doubled()) == ([], [])

    never_sent = uuid4()
    ledger.acknowledged[never_sent] = third
    assert ledger.missing() == [never_sent]
    wrong_task = next(event for event, task in ledger.acknowledged.items() if task == one)
    ledger.acknowledged[wrong_task] = other
    assert set(ledger.missing()) == {never_sent, wrong_task}
    assert ledger.doubled() == [one]

    Tally.objects.filter(done__gt=0).update(done=F("done") - 1)
    assert drift() != []


@pytest.mark.parametrize("fresh_ids", [False, True], ids=["same id", "new id"])
def test_a_lost_answer_doubles_an_entry_only_if_the_repeat_gets_an_id_of_its_own(
    fresh_ids: bool, committed: None, tell: Callable[[str], None]
) -> None:
    tasks, ledger = township(40), Ledger()

    def committed_without_anybody_knowing() -> None:
        live.wait_for(lambda: TaskEvent.objects.filter(task=task).exists(), what="for the entry that nobody waits for")

    with live.web() as web:
        sender = Sender(web.url, "staff0", ledger, fresh_ids=fresh_ids, state="open")
        for task in tasks:
            sender.send(task, lose_answer=True, before_repeat=committed_without_anybody_knowing)
        sender.client.close()
    tell(f"answers lost, {'new' if fresh_ids else 'same'} id: {len(tasks)} entries, {TaskEvent.objects.count()} events")
    assert ledger.missing() == []
    assert len(ledger.doubled()) == (len(tasks) if fresh_ids else 0)
    assert TaskEvent.objects.count() == len(tasks) * (2 if fresh_ids else 1)
    assert drift() == []
