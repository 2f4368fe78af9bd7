"""What every world is asked: a board, a tick, a village's page. Each gives what `web.medians` takes."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.core.cache import caches
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import web
from checklists.models import Campaign, State, Task
from tests import live
from villages.models import Cadre


class Ticks:
    """Ticks of one task after the other; once through, each tick is taken back, and so on."""

    def __init__(self, tasks: "list[Task]", write: Callable[[Task, str], bytes]) -> None:
        self._tasks: Iterator[Task] = cycle(tasks)
        self._write = write
        assert tasks, "nothing to tick"

    def __call__(self) -> bytes:
        """The next request."""
        task = next(self._tasks)
        to = State.OPEN if task.state == State.DONE else State.DONE
        sent = self._write(task, to)
        task.state, task.version = to, task.version + 1
        return sent

    def ask(self, line: web.Line) -> None:
        """Sends the next, and looks whether it was done."""
        answer = line.ask(self())
        assert answer.status == 200, f"{answer.status}: {answer.body[:200]!r}"


def through_the_page(person: web.Person) -> Callable[[Task, str], bytes]:
    """As the form on the page sends it by htmx."""

    def write(task: Task, to: str) -> bytes:
        form = {"event": uuid4(), "state": to, "seen": task.version, "next": f"/tasks/{task.pk}/", "show_unit": ""}
        return person.post(f"/tasks/{task.pk}/tick/", form, **{"HX-Target": f"task-{task.pk}"})

    return write


def through_the_floor(by: int) -> Callable[[Task, str], bytes]:
    """The same change, for benchmarks/floor.py."""

    def write(task: Task, to: str) -> bytes:
        form = {"task": task.pk, "by": by, "seen": task.version, "state": to, "event": uuid4()}
        return web.request("POST", "/tick", form=urlencode(form))

    return write


def tickable(**where: Any) -> list[Task]:
    """Tasks that a tick needs nothing but a tap for: open or claimed, without a value to be entered."""
    free = Q(item__target__isnull=True) | Q(item__target_is_stated=False)
    states = [State.OPEN, State.DONE]
    return list(Task.objects.asked_for().filter(free, state__in=states, **where).order_by("item_id", "unit_id"))


def busiest_townships(county: str) -> list[str]:
    """Codes of a county's townships, those with most to tick first."""
    found = Counter(task.unit_id[:9] for task in tickable(unit__code__startswith=county, unit__kind="village"))
    return [code for code, _ in sorted(found.items(), key=lambda counted: (-counted[1], counted[0]))]


def halves(tasks: list[Task], person: web.Person, by: int) -> tuple[Ticks, Ticks]:
    """Every second task through the page, the others through the floor."""
    return Ticks(tasks[::2], through_the_page(person)), Ticks(tasks[1::2], through_the_floor(by))


def campaign() -> Campaign:
    """The one of this world."""
    return Campaign.objects.get()


def cadre(name: str) -> int:
    """The id of whoever has this log-in name."""
    return int(Cadre.objects.get(username=name).pk)


def queries(name: str, path: str) -> int:
    """How many queries it takes to write a page, session and rights included, for somebody who was here before."""
    for kept in caches.all(initialized_only=True):
        kept.clear()  # two worlds may show the same
    client = Client(headers={"Host": "localhost"})
    client.force_login(Cadre.objects.get(username=name))
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}n=1")  # not the one that was kept
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return len(captured)


class Follower:
    """A screen that has the page already and asks whether it has changed, as static/boards.js does."""

    def __init__(self, person: web.Person, path: str) -> None:
        self._person, self._path = person, path
        self._request = self._after(person.see(path))

    def ask(self, line: web.Line) -> None:
        """Asks again; a page that did change is taken in."""
        answer = line.ask(self._request)
        if answer.status == 200:
            self._request = self._after(answer)
        else:
            assert answer.status == 304, f"{answer.status}: {self._path}"

    def _after(self, answer: web.Answer) -> bytes:
        tag = answer.header("ETag")
        assert tag, f"{self._path} carries no ETag"
        return self._person.get(self._path, **{"If-None-Match": tag, "Readiness-Follows": "1"})


class Anew:
    """A board that has to be written: each address is new, so nothing is kept for it."""

    def __init__(self, person: web.Person, path: str) -> None:
        self._person, self._path = person, path
        self._n = count(1)

    def ask(self, line: web.Line) -> None:
        """The next address."""
        sign = "&" if "?" in self._path else "?"
        answer = line.ask(self._person.get(f"{self._path}{sign}n={next(self._n)}"))
        assert answer.status == 200, f"{answer.status}: {self._path}"


def same(first: web.Answer, second: web.Answer, *parts: str) -> None:
    """Both pages hold as many of each part: what is compared is the same work.

    Raises:
        AssertionError: they do not.
    """
    for part in parts:
        counted = [answer.body.count(part.encode()) for answer in (first, second)]
        assert counted[0] == counted[1] > 0, f"{part}: {counted[0]} in ours, {counted[1]} in the floor"


def seen(server: live.Web, path: str) -> web.Answer:
    """One answer of the floor; not measured."""
    with web.Line(server) as line:
        return line.ask(web.request("GET", path))
