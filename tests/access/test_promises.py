"""What holds for every answer, beyond who gets which: nothing shines through, nothing lasts, nothing is forged."""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists.launch import launch
from checklists.models import Campaign, Task, TaskEvent
from readiness.boards import live
from readiness.models import Notice
from tests import factories
from tests.access.expected import MAY, MEMBERS, ROUTES
from tests.access.world import (
    NEVER_CODES,
    NO_FILE,
    NOBODYS,
    PLACES,
    World,
    address,
    build,
    events,
    fingerprint,
    outcome,
    post_of,
    rolled_back,
    routes,
    said,
    unsafe,
)
from villages.access import Role
from villages.models import Cadre, Unit

pytestmark = pytest.mark.django_db
ADDRESSES = routes()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: object) -> Iterator[World]:
    logging.disable(logging.WARNING)  # refusals are what this is about
    with django_db_blocker.unblock(), build() as built:  # type: ignore[attr-defined]
        yield built
    logging.disable(logging.NOTSET)


# ---- Nothing shines through ---------------------------------------------------------------------------------------

EAST_PEOPLE = ["lan", "lin", "bao", "tang"]
COUNTY_PEOPLE = ["ada", "he"]


def pages(world: World, who: str) -> dict[str, bytes]:
    """Every list, board and page of one person, without what is new in each answer."""
    own = {"lan": "willow", "hong": "maple", "lin": "willow", "qin": "market", "deng": "bureau", "wang": "lake"}
    unit = PLACES[own.get(who, "east" if who in EAST_PEOPLE else "county")]
    found = {}
    for page in (
        *("/tasks/", "/tasks/?show=all", "/campaigns/", "/units/", "/units/?q=5", "/inbox/", f"/units/{unit}/"),
        *(
            f"/campaigns/{world.campaigns[name]}/{rest}"
            for name in ("county", "province")
            for rest in ("", "tasks/?show=all", "tasks/?q=项", "events/", f"units/{unit}/")
        ),
        *(("/campaigns/new/", f"/campaigns/{world.campaigns['draft']}/setup/?q=村") if who == "ada" else ()),
        *(f"/tasks/{pk}/" for pk in Task.objects.filter(unit=unit, item__number="done").values_list("pk", flat=True)),
    ):
        answer = world.ask(who, "GET", page)
        assert answer.status_code == 200, (who, page)
        found[page] = re.sub(rb'(name="(?:csrfmiddlewaretoken|event)" value=")[^"]+', rb"\1", answer.content)
    return found


def grow(world: World, township: str, host: str, campaigns: list[str], who: str) -> None:
    """More of everything in one township: a village, its cadre, tasks, ticks, history, notices, a campaign."""
    village = Unit.objects.create(code=f"{township}298", name="新村村民委员会", parent_id=township)
    person = factories.cadre("Newcomer" + township, Role.VILLAGE_CADRE, village.code, principal=True)
    today = timezone.localdate()
    for name in campaigns:
        campaign = Campaign.objects.get(pk=world.campaigns[name])
        assert launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=today).tasks > 0
    factories.campaign(host, on=today, days=3, of=Campaign.objects.get(pk=world.campaigns["province"]).template)
    new = Task.objects.filter(unit__code__startswith=township, campaign__status="active")
    TaskEvent.objects.bulk_create(events(new, by=person))
    new.filter(state="open").update(state="done", done_by=person, done_at=timezone.now())
    new.filter(state="returned").update(due_on=today - timedelta(days=9))
    for cadre in (person, world.people[who]):
        Notice.objects.create(cadre=cadre, rule="more", on=today, channel="inbox", subject="新", body="新")
    factories.appoint(world.people[who], Role.TOWNSHIP_STAFF, township)


@pytest.fixture
def within_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board's tag changes by the clock, too: here it does not, so that only what shines through changes it."""
    monkeypatch.setattr(live, "MINUTES", 10**6)


@pytest.mark.usefixtures("within_minutes")
def test_nobody_reads_anything_about_another_county(world: World) -> None:
    people = [*EAST_PEOPLE, *COUNTY_PEOPLE, "deng", "wang"]
    before = {who: pages(world, who) for who in people}
    with rolled_back():
        grow(world, factories.OTHER_TOWNSHIP, factories.OTHER_COUNTY, ["far", "province"], "chen")
        for who in people:
            assert pages(world, who) == before[who], who


@pytest.mark.usefixtures("within_minutes")
def test_nobody_in_a_township_reads_anything_about_another_township(world: World) -> None:
    before = {who: pages(world, who) for who in [*EAST_PEOPLE, *COUNTY_PEOPLE, "deng"]}
    with rolled_back():
        grow(world, factories.WEST, factories.WEST, ["county", "province"], "wang")
        for who in [*EAST_PEOPLE, "deng"]:
            assert pages(world, who) == before[who], who
        for who in COUNTY_PEOPLE:  # the control: those who see the West do see that it grew
            after = pages(world, who)
            changed = {page for page in after if after[page] != before[who][page]}
            county = f"/campaigns/{world.campaigns['county']}/"
            assert changed >= {county, county + "tasks/?show=all", county + "events/", "/units/?q=5"}, who


def foreign(world: World, of: str) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Something of the other county, and nothing at all."""
    county = world.campaigns["county"]
    return {
        "campaign": ((world.campaigns["far"],), (NOBODYS,)),
        "step": ((world.campaigns["far"],), (NOBODYS,)),
        "post": ((world.number("post", "bridge"),), (NOBODYS,)),
        "extension": ((world.extensions["bridge"],), (NOBODYS,)),
        "help": ((world.helps["bridge"],), (NOBODYS,)),
        "measure": ((world.measures["bridge"],), (NOBODYS,)),
        "draw": ((world.draws["bridge"],), (NOBODYS,)),
        "finding": ((world.findings["bridge"],), (NOBODYS,)),
        "finding verb": ((world.findings["bridge"], "fixed"), (NOBODYS, "fixed")),
        "campaign unit": ((county, PLACES["bridge"]), (county, NEVER_CODES[0])),
        "unit": ((PLACES["bridge"],), (NEVER_CODES[0],)),
        "task": ((world.tasks["far", "bridge", "open"],), (NOBODYS,)),
        "template": ((world.templates["far"],), (NOBODYS,)),
        "campaign item": ((world.campaigns["draft"], world.items["far_draft"]), (world.campaigns["draft"], NOBODYS)),
        "campaign phase": ((world.campaigns["draft"], world.phases["far_draft"]), (world.campaigns["draft"], NOBODYS)),
        "campaign pass": ((world.campaigns["draft"], world.passes["far_draft"]), (world.campaigns["draft"], NOBODYS)),
        "campaign token": ((county, "token-far"), (county, "token")),
        "gateway": ((world.gateways["robot far"],), (NOBODYS,)),
        "round": ((world.rounds["bridge"],), (NOBODYS,)),
        "proof": ((world.proofs["bridge"],), (NO_FILE,)),
        "check": ((world.checks["bridge"],), (NO_FILE,)),
        "upload": ((world.uploads["hong"],), (NO_FILE,)),
    }[of]


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "htmx"])
# A calendar is open to whoever knows its address.
@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.of and route.of != "secret"])
def test_what_lies_elsewhere_answers_like_what_never_was(world: World, name: str, headers: dict[str, str]) -> None:
    """Byte for byte, and after as many queries: neither the answer nor its cost tells that something is there."""
    method = "GET" if "GET" in ROUTES[name].answers else "POST"
    for who, sent in itertools.product(("lan", "bao", "mei", "ada"), (factories.body(), {"state": "nearly"})):
        answers, costs = [], []
        for ids in foreign(world, ROUTES[name].of):
            with rolled_back(), CaptureQueriesContext(connection) as queries:
                answers.append(said(world.ask(who, method, address(ADDRESSES[name], *ids), sent, **headers)))
            costs.append(len(queries))
        assert answers[0] == answers[1]
        # Who does not run a campaign in sight is told so, whatever they name in it.
        assert answers[0][0] == (403 if name == "setup_answers_of" and who != "ada" else 404)
        assert costs[0] == costs[1]


@pytest.mark.parametrize("who", MEMBERS)
def test_a_form_that_makes_no_sense_is_shown_again_to_those_who_see_the_task(world: World, who: str) -> None:
    before = fingerprint()
    for place, sent in itertools.product(PLACES, ({}, factories.body("nearly"), factories.body(event="1"))):
        if ("county", place, "open") in world.tasks:
            task = world.tasks["county", place, "open"]
            answer = world.ask(who, "POST", f"/tasks/{task}/tick/", sent)
            assert answer.status_code == (422 if "s" in MAY[who][place] else 404)
    assert fingerprint() == before


# ---- Nothing is offered that is refused ---------------------------------------------------------------------------


class Ways(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.depth = self.deepest = 0  # of forms in forms: browsers drop the inner one and cut the outer one short
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href", "").startswith("/"):
            self.links.add(given["href"])
        if tag == "form":
            self.depth += 1
            self.deepest = max(self.depth, self.deepest)
        if tag == "form" and given.get("method") == "post":
            self.forms.append((given.get("action", ""), {}))
        if tag in ("input", "button") and given.get("name") and self.forms:
            self.forms[-1][1][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "form"


@pytest.mark.parametrize("who", ["lan", "lin", "qin", "bao", "tang", "deng", "mei", "ada", "he", "chen", "nobody"])
def test_every_link_and_form_that_a_page_shows_its_reader_works_for_them(world: World, who: str) -> None:
    """At most three of each kind are followed, two of each form sent."""
    ahead, seen = ["/"], {"/"}
    followed: Counter[str] = Counter()
    sent: Counter[tuple[str, str]] = Counter()
    while ahead:
        page = ahead.pop(0)
        answer = world.ask(who, "GET", page)
        assert answer.status_code in (200, 302), page
        if answer.headers.get("Content-Disposition"):  # a file
            continue
        ways = Ways(answer.content.decode())
        assert ways.deepest <= 1, page
        links = {link.partition("#")[0] for link in (answer.headers.get("Location", page), *ways.links)}
        for link in sorted(links - seen):
            seen.add(link)
            kind = re.sub(r"\d+", "1", link)
            followed[kind] += 1
            if followed[kind] <= 3:
                ahead.append(link)
        for action, data in ways.forms:
            form = (re.sub(r"\d+", "1", action), data.get("state", ""))
            sent[form] += 1
            if action and sent[form] <= 2:
                with rolled_back():
                    assert world.ask(who, "POST", action, data).status_code in (200, 302, 422), (page, action, data)
    assert followed


def test_no_form_of_the_front_door_stands_in_another(world: World) -> None:
    for who, page in (("anonymous", "/login/?next=/tasks/"), ("lan", "/password/")):
        assert Ways(world.ask(who, "GET", page).content.decode()).deepest == 1, page


# ---- Nothing lasts longer than the post ---------------------------------------------------------------------------


def lan() -> QuerySet[Cadre]:
    return Cadre.objects.filter(username="lan")


LEAVING: dict[str, tuple[Callable[[], object], int | str, int]] = {
    "the post ends": (lambda: post_of("lan").update(until=timezone.localdate()), 404, 404),
    "the post is taken back": (lambda: post_of("lan").delete(), 404, 404),
    "the post moves to the next village": (lambda: post_of("lan").update(unit=factories.MAPLE), 404, 404),
    "the post becomes an auditor's": (lambda: post_of("lan").update(role=Role.AUDITOR), 200, 403),
    "the person may not log in any more": (lambda: lan().update(is_active=False), "login", 403),
    "the password is another": (lambda: lan().update(password="!"), "login", 403),
}  # fmt: skip


@pytest.mark.parametrize("what", LEAVING)
def test_the_next_request_knows_that(world: World, what: str) -> None:
    happens, look, tick = LEAVING[what]
    task = f"/tasks/{world.tasks['county', 'willow', 'open']}/"
    assert world.ask("lan", "GET", task).status_code == 200
    happens()
    before = fingerprint()
    assert outcome(world.ask("lan", "GET", task)) == look
    assert outcome(world.ask("lan", "POST", task + "tick/", factories.body())) == tick
    assert fingerprint() == before


def test_a_post_counts_from_its_first_day_and_no_longer_on_the_day_it_ends(world: World) -> None:
    task = f"/tasks/{world.tasks['county', 'willow', 'open']}/"
    today, day = timezone.localdate(), timedelta(days=1)
    for since, until, status in (
        (today, None, 200),
        (today, today + day, 200),
        (today + day, None, 404),
        (today - day, today, 404),
        (today, today, 404),
    ):
        post_of("lan").update(since=since, until=until)
        assert world.ask("lan", "GET", task).status_code == status, (since, until)


# ---- Nothing is forged --------------------------------------------------------------------------------------------


def example(world: World, name: str) -> str:
    """An address of something of Lan's own or in Lan's sight, or of what the county sets up."""
    ids = {
        "campaign": (world.campaigns["county"],),
        "step": (world.campaigns["county"],),
        "post": (world.number("post", "willow"),),
        "extension": (world.extensions["willow"],),
        "help": (world.helps["willow"],),
        "measure": (world.measures["willow"],),
        "draw": (world.draws["willow"],),
        "finding": (world.findings["willow"],),
        "finding verb": (world.findings["willow"], "fixed"),
        "unit": (PLACES["willow"],),
        "campaign unit": (world.campaigns["county"], PLACES["willow"]),
        "task": (world.tasks["county", "willow", "open"],),
        "template": (world.templates["speech"],),
        "campaign item": (world.campaigns["draft"], world.items["draft"]),
        "campaign phase": (world.campaigns["draft"], world.phases["draft"]),
        "campaign pass": (world.campaigns["county"], world.passes["county"]),
        "campaign token": (world.campaigns["county"], "token-county"),
        "gateway": (world.gateways["county"],),
        "secret": ("secret-lan",),
        "round": (world.rounds["maple"],),
        "proof": (world.proofs["willow"],),
        "check": (world.checks["willow"],),
        "upload": (world.uploads["lan"],),
    }
    return address(ADDRESSES[name], *(ids[ROUTES[name].of] if ROUTES[name].of else ()))


def strict(world: World, who: str) -> Client:
    """A client that asks for the form's token, as browsers' requests are; with the person's session."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies = SimpleCookie({name: cookie.value for name, cookie in world.clients[who].cookies.items()})
    return client


@pytest.mark.parametrize("name", ROUTES)
def test_nothing_is_taken_from_another_site(world: World, name: str) -> None:
    before = fingerprint()
    for who, method in itertools.product(("lan", "ada", "anonymous"), ("POST", "PUT", "PATCH", "DELETE")):
        data = factories.body() if method == "POST" else ""
        answer = getattr(strict(world, who), method.lower())(example(world, name), data)
        assert answer.status_code == 403, (who, method)
        assert not unsafe(answer, logged_in=who in MEMBERS)
    assert fingerprint() == before


def test_a_form_of_our_own_is_taken(world: World) -> None:
    """The control: with the page's token the same form is saved."""
    client = strict(world, "lan")
    task = example(world, "task")
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(task).content.decode())[-1]
    assert client.post(task + "tick/", factories.body(csrfmiddlewaretoken="x" * 64)).status_code == 403
    assert client.post(task + "tick/", factories.body(csrfmiddlewaretoken=token)).status_code == 302
    assert Task.objects.get(pk=world.tasks["county", "willow", "open"]).state == "done"


# ---- Where one is sent --------------------------------------------------------------------------------------------

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "https://evil.example/",
    "https:evil.example",
    "http:///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    " //evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "//evil.example/\r\nX-Evil: 1",
]
NOT_A_PATH = ["course", "logout", "foo", "a b", "?page=2", "#x", "\x00", "task/", "．．／"]


def ours(target: str) -> bool:
    """Whether a browser that follows this stays here."""
    return re.match(r"/(?![/\\\t\r\n])", target) is not None


@pytest.fixture
def hong(world: World, settings: Any) -> dict[str, str]:
    """What Hong types to log in. Checked by a quick hash: how slow the real one is has its own test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    world.people["hong"].set_password(factories.PASSWORD)
    world.people["hong"].save()
    return {"username": "hong", "password": factories.PASSWORD}


@pytest.mark.parametrize("name", [name for name in ROUTES if not ROUTES[name].public])
def test_the_log_in_page_leads_back_to_where_one_was_going(world: World, hong: dict[str, str], name: str) -> None:
    wanted = example(world, name) + "?show=all&q=" + quote("项")
    login = "/login/?next=" + quote(wanted)
    assert world.ask("anonymous", "GET", wanted).headers["Location"] == login
    # By the form alone, and by the address alone.
    for where, data in (("/login/", {"next": wanted}), (login, {})):
        assert world.ask("anonymous", "POST", where, hong | data).headers["Location"] == wanted


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_to_another_site(world: World, hong: dict[str, str], target: str) -> None:
    for where, data in (("/login/", {"next": target}), (f"/login/?next={quote(target)}", {})):
        assert world.ask("anonymous", "POST", where, hong | data).headers["Location"] == "/"
    answer = world.ask("lan", "POST", example(world, "tick"), factories.body(next=target))
    assert answer.headers["Location"] == example(world, "task")
    assert ours(world.ask("lan", "POST", "/language/", {"language": "en", "next": target}).headers["Location"])
    late = world.ask("anonymous", "POST", example(world, "tick"), factories.body(next=target, note="因为"))
    assert re.findall(r'class="btn btn-primary" href="([^"]*)"', late.content.decode()) == ["/"]


@pytest.mark.parametrize("target", NOT_A_PATH)
def test_what_is_no_path_is_ignored_and_the_tick_is_answered(world: World, target: str) -> None:
    """`next=close` names a route of ours and `next=foo` nothing at all; neither is where a page is."""
    answer = world.ask("lan", "POST", example(world, "tick"), factories.body(next=target))
    assert answer.status_code == 302
    assert answer.headers["Location"] == example(world, "task")


@pytest.mark.parametrize("who", MEMBERS)
def test_the_front_page_leads_to_ones_work(world: World, who: str) -> None:
    board = f"/campaigns/{world.campaigns['county']}/"
    leads = dict.fromkeys(["mei", "ada", "su", "an", "tang"], board)
    leads |= dict.fromkeys(["nobody", "left", "gone", "early"], "/campaigns/")
    assert world.ask(who, "GET", "/").headers["Location"] == leads.get(who, "/tasks/")
