"""Fixtures of the checklists' tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import psycopg2
import pytest
from django.db import connection, connections
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test.utils import setup_databases, teardown_databases

from tests.live import database_url, wait_for

T = TypeVar("T")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a measured number at the end of the test run."""
    return lambda words: record_property("told", words)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        words
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, words in getattr(report, "user_properties", ())
        if name == "told" and getattr(report, "when", "") == "call"
    ]
    if told:
        terminalreporter.section("measured")
        for words in told:
            terminalreporter.write_line(words)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The tests' database also when only tests with `committed` are run: pytest-django sets up none for them."""
    with django_db_blocker.unblock():
        is_ready = connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX)
        made = [] if is_ready else setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


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
