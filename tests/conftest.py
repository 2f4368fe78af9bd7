"""Fixtures that many tests share. The cast: tests/factories.py."""

from collections.abc import Callable, Iterator
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from checklists.models import Campaign
from tests import factories
from villages.models import Cadre


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


@pytest.fixture
def cast(db: None) -> dict[str, Cadre]:
    """Units and one person per role."""
    factories.units()
    return factories.cast()


@pytest.fixture
def campaign(cast: dict[str, Cadre]) -> Campaign:
    """A small campaign of the county, launched today."""
    from django.utils import timezone

    return factories.campaign(on=timezone.localdate())


@pytest.fixture
def as_(cast: dict[str, Cadre]) -> Callable[[str], Client]:
    """A client logged in as one of the cast."""

    def log_in(name: str) -> Client:
        client = Client()
        client.force_login(cast[name])
        return client

    return log_in


@pytest.fixture(autouse=True)
def _boards_are_written_anew(settings: Any) -> None:
    """Boards are not kept between requests, so that each test sees what its own are made of; see test_board.py."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "boards": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    }


@pytest.fixture(autouse=True)
def _platforms_take_all(settings: Any) -> None:
    """What is sent is counted in Redis, which no test empties; see test_limits.py."""
    settings.NOTICE_LIMITS = {}


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """A database whose changes are really committed, for tests with several connections; emptied afterwards."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        # The history refuses to be emptied, in tests too, unless it is said aloud.
        with pgtrigger.ignore("checklists.TaskEvent:never_emptied"):
            call_command("flush", interactive=False, inhibit_post_migrate=True, verbosity=0)
