"""Fixtures of the checklists' tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import psycopg2
import pytest
from django.db import connections

from tests.live import database_url, wait_for

T = TypeVar("T")


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
