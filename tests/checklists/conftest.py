"""Fixtures of the checklists' tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import psycopg2
import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis.stateful import RuleBasedStateMachine

from tests.live import database_url, wait_for

T = TypeVar("T")


class Undone(RuleBasedStateMachine):
    """Steps in any order, in a transaction of their own that is rolled back."""

    def __init__(self) -> None:
        super().__init__()
        self.database = transaction.atomic()
        self.database.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.database.__exit__(None, None, None)


def queries(client: Client, addresses: list[str]) -> list[int]:
    """How many queries each page costs in a session that is under way."""
    client.get("/units/")  # the first page of a session notes when it began
    counts = []
    for address in addresses:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200, address
        counts.append(len(captured))
    return counts


class Elsewhere:
    """Another connection to the tests' database, in a transaction that it keeps open; and calls beside it."""

    def __init__(self) -> None:
        self.connection = psycopg2.connect(database_url())
        self._threads = ThreadPoolExecutor(8)

    def run(self, statement: str, *values: object) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)

    def commit(self) -> None:
        self.connection.commit()

    def start(self, call: Callable[[], T]) -> Future[T]:
        """`call` in a thread of its own, which has a connection of its own."""

        def run() -> T:
            try:
                return call()
            finally:
                connections.close_all()

        return self._threads.submit(run)

    def wait_for_waiting(self, many: int = 1) -> None:
        """Until so many connections wait for a lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with closing(psycopg2.connect(database_url())) as looking, looking.cursor() as cursor:
            looking.autocommit = True  # within one transaction the view would stand still

            def waiting() -> bool:
                cursor.execute(query)
                return bool(cursor.fetchone() == (many,))

            wait_for(waiting, what=f"for {many} connections to wait for a lock")

    def close(self) -> None:
        self.connection.close()
        self._threads.shutdown()


@pytest.fixture
def elsewhere(committed: None) -> Iterator[Elsewhere]:
    other = Elsewhere()
    yield other
    other.close()
