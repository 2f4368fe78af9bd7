"""A real Chromium before the real web server. Skipped only where there is no Chromium.

`visit("lan", "/tasks/")` gives a page of somebody who is logged in, in a browser profile of its own. Whatever a
page complains about on its console, takes from another host or is refused by its own security policy fails the test.
"""

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import Client
from django.utils import timezone, translation
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Response, expect, sync_playwright

from checklists import ticks
from checklists.models import Campaign, Task
from readiness.health import PARTS
from readiness.models import Heartbeat
from tests import factories, live
from villages.models import Cadre

PHONE, DESK = 390, 1440
HEIGHTS = {PHONE: 844, DESK: 900}
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# A refusal that a test provokes: Chromium and htmx each say so once. Any other word on the console is a fault.
PROVOKED = re.compile(
    r"status of 4\d\d|Status Error Code 4\d\d|ERR_INTERNET_DISCONNECTED|htmx:(sendError|afterRequest)"
)

expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def says(msgid: str, language: str = "zh-hans") -> str:
    """What a page says for a msgid."""
    with translation.override(language):
        return translation.gettext(msgid)


@pytest.fixture(scope="package")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests; each visit is a profile of its own. Gone with the last: other tests want no loop."""
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop runs in this thread. Django takes what happens here for asynchronous code: it would refuse
        # to work and would open a database connection of its own, to the database that is not the tests'.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        ours = connections[DEFAULT_DB_ALIAS]
        with sync_playwright() as playwright:
            connections[DEFAULT_DB_ALIAS] = ours
            program = _program(playwright)
            if program is None:
                pytest.skip("no Chromium on this machine")
            browser = playwright.chromium.launch(
                executable_path=program,
                args=ARGS,
                # People's browsers keep the page that was left as it was; Playwright's would not.
                ignore_default_args=["--disable-back-forward-cache"],
            )
            yield browser
            browser.close()


def _program(playwright: Playwright) -> str | None:
    """The machine's Chromium, else the one that Playwright brought, if any."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)
    return found if Path(found).exists() else None


@pytest.fixture(scope="package")
def web(django_db_setup: None) -> Iterator[live.Web]:
    """The web server on the tests' database, which each test fills and empties."""
    with live.web() as server:
        yield server


@dataclass
class World:
    """The cast and their campaign, as committed rows."""

    people: dict[str, Cadre]
    campaign: Campaign
    today: date

    def task(self, number: str = "v-1", unit: str = factories.WILLOW) -> Task:
        """As it stands now."""
        return factories.task(self.campaign, number, unit)

    def due(self, days: int, number: str = "v-1", unit: str = factories.WILLOW) -> Task:
        """The task, due so many days from today."""
        task = self.task(number, unit)
        Task.objects.filter(pk=task.pk).update(due_on=self.today + timedelta(days=days))
        return task

    def bring(self, number: str, unit: str, to: str, *, by: str, note: str = "", value: Decimal | None = None) -> Task:
        """The task after somebody changed it."""
        person = Cadre.objects.get(username=by)
        task = self.task(number, unit)
        return ticks.record(task, by=person, event=uuid.uuid4(), state=to, note=note, value=value).task


@pytest.fixture
def world(committed: None) -> World:
    """Lan's village owes four weeks from now, but for one task that is three days late: the village is red."""
    factories.units()
    people = factories.cast()
    today = timezone.localdate()
    world = World(people, factories.campaign(on=today), today)
    for part in PARTS:  # all is well
        Heartbeat.objects.create(part=part, at=timezone.now() + timedelta(hours=1))
    world.due(-3)
    return world


@dataclass
class Visits:
    """Opens pages, each in a browser profile of its own, and keeps what they complain about."""

    browser: Browser
    url: str
    people: dict[str, Cadre]
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __call__(
        self, who: str = "", path: str = "", *, width: int = PHONE, language: str = "", js: bool = True
    ) -> Page:
        """A page of somebody who is logged in; of a stranger without a name; blank without a path."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": HEIGHTS[width]},
            has_touch=width == PHONE,
            java_script_enabled=js,
            reduced_motion="reduce",  # nothing still glides when it is looked at
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        self.contexts.append(context)
        if language:
            context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": self.url}])
        if who:
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": self._session(who), "url": self.url}])
        page = context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self._note(f"{said.text} at {page.url}"))
        page.on("pageerror", lambda error: self._note(f"{error} at {page.url}"))
        page.on("response", self._look_at)
        page.on("request", lambda asked: asked.url.startswith((self.url, "data:")) or self._note(f"asks {asked.url}"))
        if path:
            page.goto(path)
        return page

    def _session(self, who: str) -> str:
        client = Client()
        client.force_login(self.people[who])
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    def _look_at(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            self._note(f"{response.status} {response.url}")

    def _note(self, complaint: str) -> None:
        if not PROVOKED.search(complaint):
            self.complaints.append(complaint)


@pytest.fixture
def visit(chromium: Browser, web: live.Web, world: World) -> Iterator[Visits]:
    """Pages of the world."""
    visits = Visits(chromium, web.url, world.people)
    yield visits
    for context in visits.contexts:
        context.close()
    assert visits.complaints == []


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def width(request: pytest.FixtureRequest) -> int:
    """On a phone and on a desk."""
    return int(request.param)


@pytest.fixture(params=[True, False], ids=["js", "nojs"])
def js(request: pytest.FixtureRequest) -> bool:
    """With JavaScript and without."""
    return bool(request.param)


Visit = Callable[..., Page]
