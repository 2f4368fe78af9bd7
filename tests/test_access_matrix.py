"""Who gets which answer: every address × method × person × object, against the table in tests/access/expected.py.

Beside the status each answer is held to what is promised of all of them: a refusal changes nothing, reading changes
nothing, out of sight reads byte for byte like what never existed, the headers are safe. Control runs break the
policy on purpose and must be noticed.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

import readiness.http
from checklists import ticks
from checklists.models import Task
from readiness.boards import answers
from tests import factories
from tests.access.expected import (
    CAMPAIGNS,
    IDS,
    MAY,
    MEMBERS,
    ROUTES,
    STEPS,
    STRANGERS,
    UNDER,
    Cell,
    cells,
    steps,
    to_try,
)
from tests.access.world import (
    HOSTS,
    NOBODYS,
    PLACES,
    World,
    address,
    build,
    outcome,
    rolled_back,
    routes,
    said,
    unsafe,
    written,
)  # fmt: skip
from villages import access
from villages.access import Action, Reach, Role
from villages.http import LoginRequired
from villages.login import NameOrPhone
from villages.models import Cadre, cadre

pytestmark = pytest.mark.django_db
ADDRESSES = routes()
NOTHING_THERE = "/tasks/" + str(NOBODYS) + "/"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: object) -> Iterator[World]:
    logging.disable(logging.WARNING)  # refusals are what this is about
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")  # what other tests rolled back would be read again by every page
        with build() as built:
            yield built
    logging.disable(logging.NOTSET)


def violations(world: World, wanted: Iterable[Cell]) -> Iterator[str]:
    """What is not as it must be; every request is undone."""
    nothing: dict[tuple[str, str], object] = {}
    for cell in wanted:
        with rolled_back():
            yield from _wrong(world, cell, nothing)


def _wrong(world: World, cell: Cell, nothing: dict[tuple[str, str], object]) -> Iterator[str]:
    ids = [world.number(*pair) for pair in zip(ROUTES[cell.route].of.split(), cell.ids, strict=True)]
    data = None
    if cell.route == "tick":
        data = factories.body(cell.state, note="" if _so_already(cell) else "因为")
    if cell.mine:
        Task.objects.filter(pk=ids[0]).update(done_by=world.people[cell.who])
    before = written()
    response = world.ask(cell.who, cell.method, address(ADDRESSES[cell.route], *ids), data)
    got = outcome(response)
    if got != cell.want:
        yield f"{cell}: got {got}"
    changed = written() != before
    if changed and (cell.method != "POST" or cell.want != 302):
        yield f"{cell}: something changed"
    if cell.route == "tick" and cell.want == 302 and changed is _so_already(cell):
        yield f"{cell}: {'changed' if changed else 'did not change'}"
    if cell.want == 404:
        key = (cell.who, cell.method)
        if key not in nothing:
            route = "/nowhere/" if cell.who in STRANGERS else NOTHING_THERE + ("tick/" if cell.method == "POST" else "")
            nothing[key] = said(world.ask(cell.who, cell.method, route))
        # A method that is answered before anything is looked up cannot tell either.
        if said(response) != nothing[key] and outcome(response) == 404 and cell.method in ("GET", "HEAD", "POST"):
            yield f"{cell}: differs from what never existed"
    for wrong in unsafe(response, logged_in=cell.who in MEMBERS):
        yield f"{cell}: {wrong}"


def _so_already(cell: Cell) -> bool:
    return isinstance(cell.ids[0], tuple) and STEPS.get(cell.ids[0][2], {}).get(cell.state) == "="


def test_every_address_is_in_the_table() -> None:
    assert set(ADDRESSES) == set(ROUTES)


@pytest.mark.parametrize("who", [*MEMBERS, *STRANGERS])
def test_every_address_answers_each_person_as_the_table_says(world: World, who: str) -> None:
    assert list(violations(world, cells(who))) == []


@pytest.mark.parametrize("who", MEMBERS)
def test_every_step_of_a_task_is_open_to_those_in_the_table_and_to_nobody_else(world: World, who: str) -> None:
    assert list(violations(world, steps(who))) == []


def wrong_offers(world: World, who: str) -> Iterator[str]:
    """Task pages whose buttons are not the steps that the reader may take."""
    for campaign, place in to_try(who, "county", "closed", "far"):
        may = MAY[who][place]
        if "s" not in may:
            continue
        for at, row in STEPS.items() if campaign != "closed" else [("done", STEPS["done"])]:
            wanted = {to for to, step in row.items() if step in may and campaign != "closed"}
            page = world.ask(who, "GET", f"/tasks/{world.tasks[campaign, place, at]}/").content.decode()
            offered = set(re.findall(r'name="state" value="(\w+)"', page))
            if offered != wanted:
                yield f"{who} is offered {offered} instead of {wanted} at {campaign}, {place}, {at}"


@pytest.mark.parametrize("who", MEMBERS)
def test_a_task_offers_exactly_the_steps_that_its_reader_may_take(world: World, who: str) -> None:
    assert list(wrong_offers(world, who)) == []


def wrong_numbers(world: World, who: str) -> Iterator[str]:
    """Pages that show a telephone number in full to those who may not see it, or hide it from those who may."""
    campaign = world.campaigns["province"]
    for place, may in MAY[who].items():
        if "s" not in may:
            continue
        task = world.tasks["county", place, "open"] if place in UNDER["county"] else world.tasks["far", place, "open"]
        pages = [f"/units/{PLACES[place]}/", f"/campaigns/{campaign}/units/{PLACES[place]}/", f"/tasks/{task}/"]
        for page in pages:
            body = world.ask(who, "GET", page).content.decode()
            full, masked = re.findall(r"\b100\d{8}\b", body), re.findall(r"\b100\*{4}\d{4}\b", body)
            if masked if "p" in may else full:
                yield f"{who} sees {full or masked} on {page} ({place})"
            if page == pages[0] and place != "west" and not (full or masked):
                yield f"{who} sees no number at all on {page} ({place})"


@pytest.mark.parametrize("who", MEMBERS)
def test_telephone_numbers_are_shown_in_full_to_those_in_the_table(world: World, who: str) -> None:
    assert list(wrong_numbers(world, who)) == []


def wrong_lists(world: World, who: str) -> Iterator[str]:
    """Lists that do not show exactly what the table says; names of places that lie out of sight."""
    county, province = world.campaigns["county"], world.campaigns["province"]
    running = {name for name in CAMPAIGNS[who] if name in ("county", "east", "city", "province", "far")}
    seen = {place for place, may in MAY[who].items() if "s" in may}
    owes = {place for place, may in MAY[who].items() if "o" in may}
    lists = {
        "/tasks/?show=all": ("tasks", {pk for (name, place, _), pk in world.tasks.items()
                                       if place in owes and name in running}),
        "/campaigns/": ("campaigns", {world.campaigns[name] for name, may in CAMPAIGNS[who].items() if "s" in may}),
        "/units/?q=5": ("units", {PLACES[place] for place in seen}),
        f"/campaigns/{county}/tasks/?show=all": ("tasks", {
            pk for (name, place, _), pk in world.tasks.items() if place in seen and name == "county"}),
        f"/campaigns/{province}/tasks/?show=all": ("tasks", {
            pk for (name, place, _), pk in world.tasks.items() if place in seen and name == "province"}),
        f"/campaigns/{county}/events/": ("tasks", {
            pk for (name, place, number), pk in world.tasks.items()
            if place in seen and (name, number) == ("county", "done")}),
        f"/campaigns/{county}/": (f"campaigns/{county}/units", {PLACES[place] for place in seen & UNDER["county"]}),
    }  # fmt: skip
    if "willow" in seen:  # a site counts in its village's cell
        lists[f"/campaigns/{county}/"][1].discard(PLACES["market"])
    hosts = {HOSTS[name] for name, may in CAMPAIGNS[who].items() if "s" in may}
    unseen = {factories.UNITS[code] for place, code in PLACES.items() if place not in seen and code not in hosts}
    for address_, (kind, wanted) in lists.items():
        response = world.ask(who, "GET", address_)
        if response.status_code == 404:
            continue
        body = response.content.decode()
        shown = set(re.findall(rf'href="/{kind}/(?!new/)(\w+)/(?:setup/)?"', body))
        if shown != {str(one) for one in wanted}:
            yield f"{who} sees {sorted(shown)} instead of {sorted(map(str, wanted))} on {address_}"
        yield from (f"{who} reads {name} on {address_}" for name in unseen if name in body)


@pytest.mark.parametrize("who", MEMBERS)
def test_lists_show_exactly_what_lies_in_sight(world: World, who: str) -> None:
    assert list(wrong_lists(world, who)) == []


def wrong_draws(world: World, who: str) -> Iterator[str]:
    """A form for draws that does not offer exactly the units among which the table lets this person draw."""
    page = world.ask(who, "GET", f"/campaigns/{world.campaigns['county']}/draws/new/").content.decode()
    among = re.search(r'<select name="among".*?</select>', page, re.DOTALL)
    offered = set(re.findall(r'value="(\w+)"', among[0])) if among else set()
    wanted = {PLACES[place] for place in ("county", "east", "west") if "r" in MAY[who][place]}
    if offered != wanted:
        yield f"{who} may draw among {offered} instead of {wanted}"


@pytest.mark.parametrize("who", MEMBERS)
def test_draws_are_announced_among_the_units_in_the_table(world: World, who: str) -> None:
    assert list(wrong_draws(world, who)) == []


# ---- Control runs: a broken policy is noticed ---------------------------------------------------------------------

# Whose cells notice a role's wrong rights, and the unit of their post.
HOLDERS = {
    Role.VILLAGE_CADRE: ("lan", "willow"), Role.LINKED: ("lin", "willow"), Role.TOWNSHIP_STAFF: ("bao", "east"),
    Role.TOWNSHIP_LEADER: ("tang", "east"), Role.DEPARTMENT_CADRE: ("deng", "bureau"),
    Role.COUNTY_LEADER: ("mei", "county"), Role.CAMPAIGN_ADMIN: ("ada", "county"), Role.SUPERVISOR: ("su", "county"),
    Role.AUDITOR: ("an", "county"),
}  # fmt: skip
TELLING = {Action.TICK: ("open", "done"), Action.CHECK: ("done", "verified"), Action.WAIVE: ("open", "waived")}


def covers(reach: Reach | None, post: str, codes: Iterable[str]) -> set[str]:
    """The units that a right of this reach covers."""
    match reach:
        case Reach.OWN:
            return {code for code in codes if code == post or code.startswith(post + "S")}
        case Reach.BELOW:
            return {code for code in codes if code != post and code.startswith(post)}
        case Reach.ALL:
            return {code for code in codes if code.startswith(post)}
    return set()


def mutants(action: Action) -> Iterator[tuple[str, Reach | None]]:
    """A right more, less, or reaching elsewhere; only those that make a difference in this world."""
    codes = set(HOSTS.values()) if action in (Action.RUN, Action.WATCH, Action.INSPECT) else set(PLACES.values())
    if action is Action.INSPECT:  # among the units of these; a village has none
        codes.add(PLACES["west"])
    for role, (who, place) in HOLDERS.items():
        # Nobody decides in their own case, whatever their right.
        own = (
            {PLACES[at] for at, may in MAY[who].items() if set("otl") & set(may)} if action is Action.DECIDE else set()
        )
        known = [covers(access.RIGHTS[action].get(role), PLACES[place], codes) - own]
        for reach in (None, *Reach):
            covered = covers(reach, PLACES[place], codes) - own
            if covered not in known:
                known.append(covered)
                yield role, reach


def noticed(world: World, action: Action, who: str) -> bool:
    """Whether the table finds anything wrong with what this person may do."""
    match action:
        case Action.OWE:
            wrong = wrong_lists(world, who)
        case Action.CALL:
            wrong = wrong_numbers(world, who)
        case Action.RUN:
            wrong = violations(world, (cell for cell in cells(who) if cell.route in ("board", "course")))
        case Action.STAFF:
            wrong = violations(world, (cell for cell in cells(who) if cell.route == "people"))
        case Action.CHASE:
            wrong = violations(world, (cell for cell in cells(who) if cell.route in ("chase", "answer_help")))
        case Action.DECIDE:
            wrong = violations(world, (cell for cell in cells(who) if cell.route == "decide_measure"))
        case Action.NUMBER:
            wrong = violations(world, (cell for cell in cells(who) if cell.route == "give_number"))
        case Action.INSPECT:
            rounds = (cell for cell in cells(who) if cell.route in ("campaign_rounds", "finish_round", "relieve"))
            wrong = chain(wrong_draws(world, who), violations(world, rounds))
        case Action.FIND:
            wrong = violations(world, (cell for cell in cells(who) if cell.route == "finding_verb"))
        case Action.WATCH:
            wrong = violations(world, (cell for cell in cells(who) if cell.route == "notices"))
        case _:
            at, to = TELLING[action]
            wrong = violations(
                world, (c for c in steps(who) if (c.ids[0][0], c.ids[0][2], c.state) == ("county", at, to))
            )
    return next(wrong, None) is not None


@pytest.mark.parametrize("action", Action)
def test_every_right_too_many_or_too_few_is_noticed(
    world: World, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnoticed = []
    tried = list(mutants(action))
    for role, reach in tried:
        with monkeypatch.context() as mutation:
            if reach is None:
                mutation.delitem(access.RIGHTS[action], role)
            else:
                mutation.setitem(access.RIGHTS[action], role, reach)
            if not noticed(world, action, HOLDERS[role][0]):
                unnoticed.append((role, reach))
    assert unnoticed == []
    assert len(tried) >= 8


def yes(*_: object) -> access.Verdict:
    return access.YES


UNENDING = cadre.IN_SESSION.replace("AND (p.until IS NULL OR p.until > %(on)s)", "")
BROKEN: dict[str, tuple[str, str, Callable[[pytest.MonkeyPatch], None]]] = {
    "everybody sees every unit": ("lan", "unit", lambda m: m.setattr(access, "within", lambda path, user: Q())),
    "everybody sees every task": ("lan", "task", lambda m: m.setattr(access, "within", lambda path, user: Q())),
    "everybody sees every campaign": ("chen", "board", lambda m: m.setattr(access, "touching", lambda path, user: Q())),
    "a refusal is forgotten": ("mei", "course", lambda m: m.setattr(access, "require", lambda verdict: None)),
    "who ticked may verify": ("su", "steps", lambda m: m.setitem(ticks.MAY, ticks.Verb.VERIFY, yes)),
    "who ticked may return": ("ada", "steps", lambda m: m.setitem(ticks.MAY, ticks.Verb.RETURN, yes)),
    "posts never end": ("left", "task", lambda m: m.setattr(cadre, "IN_SESSION", UNENDING)),
    "strangers may enter": ("anonymous", "inbox", lambda m: m.setattr(LoginRequired, "handle_no_permission", nothing)),
    "the barred may enter": ("barred", "inbox", lambda m: m.setattr(NameOrPhone, "get_user", anybody)),
    "what is refused is named": ("lan", "unit", lambda m: m.setattr(readiness.http, "_refusal", telling)),
    "a look changes something": ("mei", "board", lambda m: m.setattr(answers, "vacancies", meddling)),
    "frames are let in": ("lan", "board", lambda m: m.setattr(settings, "X_FRAME_OPTIONS", "SAMEORIGIN")),
}  # fmt: skip


def nothing(*_: object) -> None:
    return None


def anybody(_: object, user_id: int) -> Cadre:
    return Cadre.objects.get(pk=user_id)


def telling(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    return HttpResponse(request.path, status=status)


def meddling(*_: object, **__: object) -> list[object]:
    Task.objects.filter(state="open").update(points=9)
    return []


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_guard_is_noticed(world: World, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    who, route, breaks = BROKEN[what]
    wanted = list(steps(who) if route == "steps" else (cell for cell in cells(who) if cell.route == route))
    with monkeypatch.context() as mutation:
        breaks(mutation)
        assert next(violations(world, wanted), None), f"nobody noticed that {what}"


def test_every_object_is_tried_by_somebody(capsys: pytest.CaptureFixture[str]) -> None:
    """Each person tries one object of each relation; all of them together try all objects of each kind of address."""
    tried: dict[str, set[tuple[object, ...]]] = {}
    asked = 0
    for who in (*MEMBERS, *STRANGERS):
        for cell in cells(who):
            tried.setdefault(ROUTES[cell.route].of, set()).add(cell.ids)
            asked += 1
    stepped = sum(len(list(steps(who))) for who in MEMBERS)
    broken = sum(len(list(mutants(action))) for action in Action) + len(BROKEN)
    with capsys.disabled():
        print(f"\naccess matrix: {asked} answers, {stepped} steps of tasks; {broken} broken policies noticed")  # noqa: T201
    for kind, objects in tried.items():
        assert objects == set(IDS[kind]), kind
