"""A real Chromium before the real web server. Skipped only where there is no Chromium.

`visit("lan", "/tasks/")` gives a page of somebody who is logged in, in a browser profile of its own. Whatever a
page complains about on its console, takes from another host or is refused by its own security policy fails the test.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone, translation
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from checklists import ticks
from checklists.models import Campaign, State, Task
from readiness.reminders import outbox
from tests import factories, live
from villages.models import Cadre

PHONE, DESK = (390, 844), (1440, 900)
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# A refusal that a test provokes: Chromium and htmx each say so once.
REFUSED = re.compile(r"status of 4\d\d|Response Status Error Code 4\d\d")

expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def say(msgid: str, language: str = "zh-hans") -> str:
    """What the page says for a msgid."""
    with translation.override(language):
        return translation.gettext(msgid)


def _chromium(playwright: Playwright) -> str | None:
    """The machine's Chromium, else the one that Playwright brought, if any."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)
    return found if Path(found).exists() else None


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each visit is a profile of its own."""
    # Playwright's loop runs in this thread; nothing here is asynchronous for Django.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            program = _chromium(playwright)
            if program is None:
                pytest.skip("no Chromium on this machine")
            browser = playwright.chromium.launch(executable_path=program, args=ARGS)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(scope="session")
def web(django_db_setup: None) -> Iterator[live.Web]:
    """The web server on the tests' database; each test fills it and empties it again."""
    with live.web() as server:
        yield server


@dataclass
class World:
    """The cast and their campaign, as committed rows."""

    people: dict[str, Cadre]
    campaign: Campaign
    today: date

    def task(self, number: str = "v-1", unit: str = factories.WILLOW) -> Task:
        return factories.task(self.campaign, number, unit)

    def due(self, days: int, number: str = "v-1", unit: str = factories.WILLOW) -> Task:
        """The task, due so many days from today."""
        task = self.task(number, unit)
        Task.objects.filter(pk=task.pk).update(due_on=self.today + timedelta(days=days))
        return task

    def bring(self, who: str, to: str, number: str, unit: str, note: str = "", value: int | None = None) -> Task:
        """The task after somebody changed it."""
        sent = factories.sent(to, note=note, value=value) if hasattr(factories, "sent") else {}
        return ticks.record(self.task(number, unit), by=self.people[who], **sent).task
