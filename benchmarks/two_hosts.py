"""The first step past one machine, tried for real: two hosts for web and worker, one for PostgreSQL and Redis.

    sudo .venv/bin/python -m benchmarks.two_hosts        Linux with `ip`; a minute or two

Each host is a network namespace with an address of its own on one bridge and no way out; PostgreSQL and Redis answer at
the bridge only, with a password; settings are those of production. Ticks go to both hosts at once while processes are
killed. Ends with 1 if a tick was lost or doubled, a board was stale, a tally is wrong, or a reminder went out twice.
A run that was killed itself leaves `ip netns delete ready1`, `ready2` and `ip link delete ready-br` to be done.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

os.environ.setdefault("DEBUG", "1")
from readiness.wsgi import application  # isort: skip  # noqa: F401  (sets Django up for the imports below)

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.utils import timezone

from benchmarks import pages, web, worlds
from checklists.models import State, Task, TaskEvent
from readiness import keeper
from readiness.celery import BeatingScheduler, app
from readiness.models import Notice
from readiness.reminders import outbox
from tests import live
from villages.models import Cadre

NET, SERVERS, PORT = "10.77.0.0/24", "10.77.0.1", 8000
HOSTS = {"ready1": "10.77.0.11", "ready2": "10.77.0.12"}
CLIENTS, TICKS, TWICE, LOOKS = (
    12,
    60,
    40,
    20,
)  # ticks of each client; tasks ticked on both hosts at once; boards looked at


# ---- The hosts -----------------------------------------------------------------------------------------------------


def ip(words: str) -> None:
    """One command of iproute2."""
    subprocess.run(["ip", *words.split()], check=True)


@contextlib.contextmanager
def bridge() -> Iterator[None]:
    """Where the servers' address is, and where the hosts are plugged in."""
    ip("link add ready-br type bridge")
    try:
        ip(f"address add {SERVERS}/24 dev ready-br")
        ip("link set ready-br up")
        yield
    finally:
        ip("link delete ready-br")


def at_the_bridge(words: str) -> str:
    """The embedded servers answer on loopback; these do not."""
    return words.replace("127.0.0.1", SERVERS)


class Bridged:
    """A server of readiness/keeper.py at the bridge."""

    def spawn(self, command: list[str], first: Callable[[], None] | None = None, stdin: str = "") -> None:
        super().spawn([at_the_bridge(word) for word in command], first, at_the_bridge(stdin))

    @property
    def url(self) -> str:
        return at_the_bridge(super().url)


class Postgres(Bridged, keeper.Postgres):
    """For whoever comes over the bridge with the password."""

    def spawn(self, *command: Any) -> None:
        with (self.home / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NET} scram-sha-256\n")
        super().spawn(*command)


class Redis(Bridged, keeper.Redis):
    """Celery waits for it by itself."""

    def ready(self) -> bool:
        return True


@contextlib.contextmanager
def running(server: Postgres | Redis) -> Iterator[str]:
    """Where it answers."""
    server.start()
    try:
        live.wait_for(server.ready, 60, what=f"for {server.name}")
        yield server.url
    finally:
        server.stop()


@dataclass
class Host:
    """A machine with a web server and a worker of its own."""

    name: str
    address: str
    data: Path
    env: dict[str, str]
    stack: contextlib.ExitStack

    def plug_in(self) -> None:
        """A cable to the bridge and an address; no route leads further."""
        ip(f"netns add {self.name}")
        self.stack.callback(ip, f"netns delete {self.name}")
        ip(f"link add {self.name} type veth peer name eth0 netns {self.name}")
        ip(f"link set {self.name} master ready-br up")
        ip(f"-n {self.name} address add {self.address}/24 dev eth0")
        ip(f"-n {self.name} link set eth0 up")
        ip(f"-n {self.name} link set lo up")
        self.data.mkdir()
        self.start("manage.py", "collectstatic", "--noinput", "--verbosity=0", log="static").wait()
        self.serve()
        self.work()

    def start(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        """Python on this host."""
        inside = ["ip", "netns", "exec", self.name, sys.executable, *command]
        file = self.stack.enter_context((self.data / f"{log}.log").open("ab"))
        return self.stack.enter_context(live.child(inside, file, env=self.env | {"DATA": str(self.data)}))

    def serve(self) -> None:
        """The web server, as README starts it."""
        command = ["-m", "gunicorn", "readiness.wsgi:application", "--bind", f"{self.address}:{PORT}"]
        command += ["--worker-class", "gthread", "--workers", "2", "--threads", "4", "--no-control-socket"]
        process = self.start(*command, "--log-level", "critical", log="web")
        self.web = live.Web(f"http://{self.address}:{PORT}", process, self.data / "web.log")
        live.wait_for(self.answers, 60, what=f"for the web server of {self.name}")

    def answers(self) -> bool:
        """Whether its log-in page comes."""
        with contextlib.suppress(OSError), web.Line(self.web) as line:
            return line.ask(web.request("GET", "/login/")).status == 200
        return False

    def work(self) -> None:
        """The worker; its mail goes into its log."""
        command = ["worker", "--pool=threads", "--concurrency=2", "--without-gossip", "--without-mingle"]
        self.worker = self.celery(*command, f"--hostname={self.name}", log="worker")

    def beat(self) -> None:
        """A scheduler that has been away for an hour: it sends at once."""
        path = str(self.data / "beat-schedule")
        scheduler = BeatingScheduler(app, schedule_filename=path)
        scheduler.schedule["reminders"].last_run_at -= timedelta(hours=1)
        scheduler.close()
        self.celery("beat", f"--schedule={path}", "--pidfile=", log="beat")

    def celery(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        """A part of Celery on this host."""
        quiet = ["-W", "ignore:You're running the worker", "-m", "celery", "--quiet", "-A", "readiness"]
        return self.start(*quiet, *command, "--loglevel=WARNING", log=log)

    def mails(self) -> list[int]:
        """The numbers of the notices that its worker has sent."""
        return [int(n) for n in re.findall(r"Message-ID: <notice-(\d+)@", (self.data / "worker.log").read_text())]


@contextlib.contextmanager
def two_hosts(database_url: str, redis_url: str, data: Path) -> Iterator[list[Host]]:
    """Both hosts, up."""
    env = os.environ | web.PRODUCTION | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    env |= {"ALLOWED_HOSTS": ",".join(["127.0.0.1", *HOSTS.values()])}  # the first is the name that the clients call
    with contextlib.ExitStack() as stack:
        hosts = [Host(name, address, data / name, env, stack) for name, address in HOSTS.items()]
        for host in hosts:
            host.plug_in()
        yield hosts


# ---- What is tried -------------------------------------------------------------------------------------------------


def ask(host: Host, request: bytes) -> web.Answer:
    """One answer on a connection of its own."""
    with web.Line(host.web) as line:
        return line.ask(request)


class Rush:
    """Clients who tick on whichever host answers; who hears nothing sends the same event again."""

    def __init__(self, hosts: list[Host], townships: list[str]) -> None:
        self.hosts = hosts
        self.acknowledged: dict[str, int] = {}
        self.unheard = 0
        self.by_host: Counter[str] = Counter()
        self.work = [self.batch(township) for township in townships]

    def batch(self, township: str) -> list[tuple[str, int, bytes]]:
        """A clerk's ticks: event, task and request. Logged in on the first host, known on both."""
        clerk = web.Person(self.hosts[0].web, f"s{township}")
        return [tick(clerk, task) for task in open_tasks(township)[:TICKS]]

    def run(self) -> float:
        """Ticks a second."""
        start = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self.client, self.work))
        return len(self.acknowledged) / (time.perf_counter() - start)

    def client(self, work: list[tuple[str, int, bytes]]) -> None:
        """One after the other, each until it is acknowledged."""
        for event, task, request in work:
            while event not in self.acknowledged:
                host = random.choice(self.hosts)  # noqa: S311
                try:
                    answer = ask(host, request)
                except OSError:
                    self.unheard += 1
                    time.sleep(0.02)
                    continue
                assert answer.status == 200, f"{answer.status}: {answer.body[:300]!r}"
                self.acknowledged[event] = task
                self.by_host[host.name] += 1


def open_tasks(township: str) -> list[Task]:
    """What can be ticked there."""
    return [task for task in pages.tickable(unit__code__startswith=township) if task.state == State.OPEN]


def tick(person: web.Person, task: Task, event: str | None = None) -> tuple[str, int, bytes]:
    """Event, task and request."""
    event = event or str(uuid4())
    form = {"event": event, "state": State.DONE, "seen": task.version}
    return event, task.pk, person.post(f"/tasks/{task.pk}/tick/", form)


def ticks_while_hosts_die(hosts: list[Host], townships: list[str]) -> set[str]:
    """The events that were acknowledged."""
    rush = Rush(hosts, townships)
    speed: list[float] = []
    clients = threading.Thread(target=lambda: speed.append(rush.run()))
    clients.start()
    live.wait_for(lambda: len(rush.acknowledged) > CLIENTS * TICKS // 4, 60)
    for pid in (hosts[1].web.process.pid, *hosts[1].web.pids()):
        os.kill(pid, signal.SIGKILL)
    live.wait_for(lambda: len(rush.acknowledged) > CLIENTS * TICKS // 2, 60)
    hosts[0].web.kill_worker()
    hosts[1].serve()
    clients.join()
    print(f"{len(rush.acknowledged)} ticks acknowledged ({dict(rush.by_host)}), {speed[0]:.0f} a second;")
    died = f"{hosts[1].name} killed and started again, one process of {hosts[0].name} killed"
    print(f"  {died}, {rush.unheard} calls without an answer")
    return set(rush.acknowledged)


def same_tasks_on_both(hosts: list[Host], township: str) -> set[str]:
    """Every task is ticked on both hosts at the same moment: half by one event sent twice, half by two events."""
    clerk = web.Person(hosts[0].web, f"s{township}")
    statuses: Counter[tuple[int, ...]] = Counter()
    sent: set[str] = set()
    tasks = open_tasks(township)[:TWICE]
    with ThreadPoolExecutor(2) as pool:
        for number, task in enumerate(tasks):
            first = tick(clerk, task)
            second = tick(clerk, task, first[0] if number % 2 else None)
            sent |= {first[0], second[0]}
            answers = pool.map(ask, hosts, (first[2], second[2]))
            statuses[tuple(answer.status for answer in answers)] += 1
    events = Counter(TaskEvent.objects.filter(pk__in=sent).values_list("task_id", flat=True))
    assert events == Counter(task.pk for task in tasks), "not one event for each task"
    assert not Task.objects.filter(pk__in=events).exclude(state=State.DONE, version=1).exists()
    print(f"{len(tasks)} tasks ticked on both hosts at once: answers {dict(statuses)}, one event each")
    return {str(pk) for pk in TaskEvent.objects.filter(pk__in=sent).values_list("pk", flat=True)}


def boards_follow(hosts: list[Host], township: str) -> set[str]:
    """A board that one host keeps shows the other's tick at the next request, and the two hosts show the same."""
    leader, clerk = web.Person(hosts[0].web, "leader"), web.Person(hosts[0].web, f"s{township}")
    board = leader.get(f"/campaigns/{pages.campaign().pk}/?unit={township}")
    sent = set()
    for number, task in enumerate(open_tasks(township)[:LOOKS]):
        here, there = hosts if number % 2 else reversed(hosts)
        before = [ask(there, board) for _ in range(2)]  # the second is the one it keeps
        event, _, request = tick(clerk, task)
        assert ask(here, request).status == 200
        after = ask(there, board)
        assert before[0].header("ETag") == before[1].header("ETag") != after.header("ETag"), "a stale board"
        assert shown(before[1]) != shown(after) == shown(ask(here, board)), "two hosts, two boards"
        sent.add(event)
    print(f"{len(sent)} boards on the other host: each showed the tick at the next request")
    return sent


def shown(answer: web.Answer) -> bytes:
    """The page without what is made anew for each answer."""
    return re.sub(rb'(csrfmiddlewaretoken" value=|X-CSRFToken": )"\w+"', b"", answer.body)


def reminders_once(hosts: list[Host]) -> None:
    """A beat, a worker that is killed in the middle of its mail, a second beat on the other host by mistake."""
    today = timezone.localdate()
    expected = len(outbox.planned(today))
    mail = Notice.objects.filter(channel="mail")
    hosts[0].beat()
    live.wait_for(mail.exists, 60, what="for a plan")
    mail.filter(status="pending").update(due_at=timezone.now())  # else spread over ten minutes
    live.wait_for(lambda: mail.filter(status="accepted").count() > 20, 60, what="for mail")
    busy = max(hosts, key=lambda host: len(host.mails()))
    busy.worker.kill()
    busy.worker.wait()
    left = mail.filter(status="pending").count()
    hosts[1].beat()
    live.wait_for(lambda: not mail.filter(status="pending").exists(), 60, what="for the rest of the mail")
    live.wait_for(lambda: mail.filter(status="sending").count() <= 1, 20)
    states = Counter(Notice.objects.filter(on=today).values_list("channel", "status"))
    sent = Counter(number for host in hosts for number in host.mails())
    print(f"{expected} people to remind; worker of {busy.name} killed with {left} mails to go; a second beat started:")
    print(f"  {dict(states)}; {len(sent)} mails left the house, {sum(sent.values()) - len(sent)} of them twice")
    # On a day off, and before eight, nobody is reminded.
    assert Notice.objects.filter(on=today, channel="inbox").count() == expected > 100
    assert max(sent.values()) == 1
    assert set(mail.filter(status="accepted").values_list("pk", flat=True)) <= set(sent)


def try_all(hosts: list[Host]) -> None:
    """One after the other; in the end every event is there, and nothing else.

    Raises:
        AssertionError: something was lost, doubled or stale.
    """
    townships = pages.busiest_townships(worlds.XUZHOU)
    sent = boards_follow(hosts, townships[CLIENTS])
    sent |= same_tasks_on_both(hosts, townships[CLIENTS + 1])
    sent |= ticks_while_hosts_die(hosts, townships[:CLIENTS])
    found = [str(pk) for pk in TaskEvent.objects.values_list("pk", flat=True)]
    assert set(found) == sent, f"{len(sent - set(found))} lost, {len(set(found) - sent)} from nowhere"
    print(f"{len(found)} events in the database: none lost, none doubled")
    worlds.check_tallies()
    reminders_once(hosts)


def county_with_mail() -> None:
    """An address for each, and every village owes something today."""
    worlds.county()
    Task.objects.filter(unit__kind="village").update(due_on=timezone.localdate())
    Cadre.objects.update(email=Concat(F("username"), Value("@example.org")))


def main() -> None:
    """Builds it all, tries it, takes it away."""
    settings.DEBUG = False
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="two-hosts-")))
        stack.enter_context(bridge())
        database = stack.enter_context(running(Postgres(data, "a-password", 5432, durable=True)))
        broker = stack.enter_context(running(Redis(data, "a-password", 6379, durable=True)))
        stack.enter_context(live.pointed_at(database))
        stack.enter_context(worlds.database("two_hosts", county_with_mail))
        try_all(stack.enter_context(two_hosts(live.database_url(), broker, data)))


if __name__ == "__main__":
    main()
