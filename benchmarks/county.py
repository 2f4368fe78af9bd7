"""A county with 364 villages: its board, a tick, what is left in memory. See worlds.county."""

import contextlib
import sys
from collections.abc import Iterator
from itertools import cycle
from statistics import fmean

import psutil

from benchmarks import Bench, Figures, hostile, pages, web, worlds
from checklists.models import Evidence
from tests import live

FEW, MANY, AT_ONCE = 100, 10_000, 16
_stack = contextlib.ExitStack()


class County:
    """The two servers, and who asks them; made by `world`."""

    def __init__(self) -> None:
        self.product = _stack.enter_context(web.product())
        self.floor = _stack.enter_context(web.floor())
        campaign = pages.campaign()
        self.board = f"/campaigns/{campaign.pk}/"
        self.bare_board = f"/board/{campaign.pk}/{worlds.XUZHOU}"
        self.leader = web.Person(self.product, "leader")
        self.townships = pages.busiest_townships(worlds.XUZHOU)
        self.clerk = web.Person(self.product, f"s{self.townships[0]}")
        tasks = pages.tickable(unit__code__startswith=self.townships[0])
        self.queries = [
            pages.queries("leader", f"{self.board}?unit={unit}") for unit in (worlds.XUZHOU, *self.townships)
        ]
        self.ours, self.bare = pages.halves(tasks, self.clerk, pages.cadre(f"s{self.townships[0]}"))


@contextlib.contextmanager
def world() -> Iterator[None]:
    """The county, served."""
    global here
    with worlds.database("bench_county", worlds.county), _stack:
        here = County()
        yield
        worlds.check_tallies()


here: County


def written_anew() -> Figures:
    """The whole page after something has changed, when it is not yet written."""
    anew, bare = pages.Anew(here.leader, here.board), web.asks(web.request("GET", here.bare_board))
    return web.medians((here.product, anew.ask), (here.floor, bare))


def board() -> Figures:
    """The whole page, as leaders open it: written once for all who see the same, until something changes."""
    asked = web.asks(here.leader.get(here.board)), web.asks(web.request("GET", here.bare_board))
    return web.medians((here.product, asked[0]), (here.floor, asked[1]))


def same_cells() -> None:
    """Both boards have as many rows and cells."""
    parts = 'class="cell ', 'class="row-of-units"'
    pages.same(here.leader.see(here.board), pages.seen(here.floor, here.bare_board), *parts)


def tick() -> Figures:
    """Each on another task of one township."""
    return web.medians((here.product, here.ours.ask), (here.floor, here.bare.ask))


def nothing_changed() -> Figures:
    """A screen that asks again, against writing the whole page: what the answer saves the server."""
    again, whole = pages.Follower(here.leader, here.board), pages.Anew(here.leader, here.board)
    return web.medians((here.product, again.ask), (here.product, whole.ask))


def memory() -> Figures:
    """Megabytes of a web worker after ten thousand requests against after a hundred: boards, pages, ticks."""
    with web.product() as product:
        leader, clerk = web.Person(product, "leader"), web.Person(product, f"s{here.townships[1]}")
        tasks = pages.tickable(unit__code__startswith=here.townships[1])
        village = tasks[0].unit_id
        reads = [leader.get(here.board), clerk.get("/tasks/"), clerk.get(f"{here.board}units/{village}/")]
        mixed = cycle([*(lambda read=read: read for read in reads), pages.Ticks(tasks, pages.through_the_page(clerk))])
        clients = [lambda: next(mixed)()] * AT_ONCE
        web.rush(product, clients, FEW)
        after_few = megabytes(product)
        web.rush(product, clients, MANY - FEW)
        return megabytes(product), after_few


def hostile_files() -> Figures:
    """A page of tasks while files come that nobody should send, against the same while none do."""
    with live.web(**web.PRODUCTION, PROOFS_A_DAY="1000000") as product:
        clerk = web.Person(product, f"s{here.townships[1]}")
        task = pages.tickable(unit__code__startswith=here.townships[1])[0]
        senders = hostile.Senders(product, clerk, task.pk)
        figures = hostile.page_meanwhile(product, web.asks(clerk.get("/tasks/")), senders)
        print(f"{senders.answers.total()} files sent, {Evidence.objects.count()} kept so far", file=sys.stderr)
        return figures


def megabytes(product: live.Web) -> float:
    """What a worker holds, on average."""
    return fmean(psutil.Process(pid).memory_info().rss / 1e6 for pid in product.pids())


BENCHES = [
    Bench("county_board_against_joined_strings", limit=5, run=board, setup=same_cells),
    Bench("county_board_written_anew_against_joined_strings", limit=15, run=written_anew),
    Bench("tick_through_the_page_against_update_and_insert", limit=6, run=tick),
    Bench("nothing_changed_against_the_whole_board", limit=0.2, run=nothing_changed),
    Bench("page_while_hostile_files_come_against_none", limit=2, run=hostile_files),
    Bench(
        "queries_on_any_board_of_the_county_against_10",
        limit=1,
        run=lambda: (max(here.queries), 10),
        runs=1,
        unit="queries",
    ),
    Bench("worker_after_10000_requests_against_100", limit=1.1, run=memory, runs=1, unit="MB"),
]
