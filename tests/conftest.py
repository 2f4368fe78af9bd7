"""Fixtures that many tests share. The cast: tests/factories.py."""

from collections.abc import Callable, Iterator

import pgtrigger
import pytest
from django.core.management import call_command
from django.test import Client

from checklists.models import Campaign
from tests import factories
from villages.models import Cadre


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


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """A database whose changes are really committed, for tests with several connections; emptied afterwards."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        # The history refuses to be emptied, in tests too, unless it is said aloud.
        with pgtrigger.ignore("checklists.TaskEvent:never_emptied"):
            call_command("flush", interactive=False, inhibit_post_migrate=True, verbosity=0)
