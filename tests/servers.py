"""A pytest plugin, loaded before Django: PostgreSQL and Redis of the tests' own, in a directory of their own."""

import contextlib
import os
from pathlib import Path

from readiness import embedded

os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("DATA", str(Path(__file__).resolve().parent.parent / ".data" / "test"))
_open = contextlib.ExitStack()
# A test run survives no power cut, so it need not wait for the disk.
_open.enter_context(embedded.servers(durable=False))


def pytest_unconfigure() -> None:
    _open.close()
