"""Files that nobody should send, sent without a pause, and what a page takes meanwhile."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from statistics import median

from benchmarks import Figures, web
from checklists.evidence import keeping
from checklists.models import Evidence
from tests import live
from tests.checklists.test_hostile_files import GOOD, REFUSED, mutants

SENDERS = 3  # at once; each waits for its answer before it sends the next
BLOCKS, BLOCK = 10, 30
BOUNDARY = "b0b0b0b0b0b0"


def files() -> list[tuple[bytes, str]]:
    """Broken ones, bombs, and the largest that are still taken."""
    heavy = ("9,000 × 9,000 in 10 KB", "Word of 3,000 parts", "a line of 1,000,000 pixels", "a JPEG cut off")
    large = ("12 million pixels", "48 million pixels", "a film of 2,000 frames")
    found = [(REFUSED[what][0](), REFUSED[what][1]) for what in heavy]
    return found + [(GOOD[what](), "1.jpg") for what in large] + mutants(20261129, 43)


class Senders:
    """People who send them all to one task."""

    def __init__(self, product: live.Web, person: web.Person, task: int) -> None:
        self.product = product
        self.answers: Counter[int] = Counter()
        self._bodies = [_request(person, task, body, f"{n}.{name}") for n, (body, name) in enumerate(files())]
        self._next = count()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """For the length of the block; each has a first answer before it begins."""
        enough, begun = threading.Event(), [threading.Event() for _ in range(SENDERS)]

        def send(mine: threading.Event) -> None:
            while not enough.is_set():
                with web.Line(self.product) as line:
                    self.answers[line.ask(self._bodies[next(self._next) % len(self._bodies)]).status] += 1
                mine.set()

        threads = [threading.Thread(target=send, args=[mine]) for mine in begun]
        for thread in threads:
            thread.start()
        try:
            for mine in begun:
                assert mine.wait(60)
            yield
        finally:
            enough.set()
            for thread in threads:
                thread.join()


def page_meanwhile(product: live.Web, page: web.Ask, senders: Senders) -> Figures:
    """The median of a page while they are at work, and while nobody is, in turn."""
    quiet: list[float] = []
    busy: list[float] = []
    workers = sorted(product.pids())
    for _ in range(BLOCKS):
        quiet += web.times(product, page, BLOCK)
        with senders.at_work():
            busy += web.times(product, page, BLOCK)
            time.sleep(0.3)
    assert sorted(product.pids()) == workers, "a web worker has died"
    assert set(senders.answers) <= {302, 422, 503}, senders.answers
    for stored, thumbnail in Evidence.objects.values_list("stored", "thumbnail"):
        keeping.forget(stored, thumbnail)
    return median(busy), median(quiet)


def _request(person: web.Person, task: int, body: bytes, name: str) -> bytes:
    """A form with one file, as a browser sends it."""
    fields = {"csrfmiddlewaretoken": person.token, "whole": "1"}
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
    parts = [f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + body]
    parts += [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}'.encode()
        for field, value in fields.items()
    ]
    sent = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    lines = (
        f"POST /tasks/{task}/proofs/ HTTP/1.1",
        "Host: 127.0.0.1",
        f"Cookie: {person.cookies}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(sent)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + sent
