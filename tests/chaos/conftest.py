"""Servers that may be killed, for all tests of this directory."""

from collections.abc import Iterator
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command

from readiness import embedded
from tests import live
from tests.chaos.stack import Stack


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[embedded.Servers]:
    """With every commit on the disk, and migrated."""
    with pytest.MonkeyPatch.context() as patch:
        for name in embedded.URL_NAMES.values():
            patch.delenv(name)
        with embedded.servers(tmp_path_factory.mktemp("chaos") / "data") as found, django_db_blocker.unblock():
            with live.pointed_at(found.database_url):
                call_command("migrate", verbosity=0)
            yield found


@pytest.fixture
def stack(servers: embedded.Servers, tmp_path: Any, django_db_blocker: Any) -> Iterator[Stack]:
    """An empty house; emptied again afterwards."""
    made = Stack(servers, tmp_path)
    with django_db_blocker.unblock(), live.pointed_at(servers.database_url):
        made.wait_for_postgres()
        yield made
        made.wait_for_postgres()
        with pgtrigger.ignore("checklists.TaskEvent:never_emptied"):
            call_command("flush", interactive=False, inhibit_post_migrate=True, verbosity=0)
