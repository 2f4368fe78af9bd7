"""Boards: every figure equals a recount by hand, every figure opens, and none costs more for more villages."""

import random
import re
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from html import unescape
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course, ticks
from checklists.models import Campaign, DayTally, Item, Phase, Responsibility, State, Task, Template
from readiness.boards import answers, figures, items, views
from readiness.boards.light import Counts, Light
from readiness.models import Notice
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, MARKET, TODAY, WEST, WILLOW, line
from villages.access import Role
from villages.models import Cadre, Post, Unit

Cast = dict[str, Cadre]
As = Callable[[str], Client]

CITY = "5115"
MORE_UNITS = {
    "5115D001": "市统计局",
    "511504S0001": "区政务大厅",
    "511504101D001": "东镇财政所",
    "511504102202": "石村村民委员会",
    "511502": "翠屏区",
    "511502001": "合江街道",
    "511502001001": "西郊社区居民委员会",
}
SPEECH = [
    line("v-1"),
    line("v-2"),
    line("v-3", section="二"),
    line("s-1", owed_by=["site"]),
    line("t-1", owed_by=["township", "department"]),
    line("c-1", owed_by=["county"]),
    line("c-2", owed_by=["city", "county"]),
]
POSTS = {
    "lan": [WILLOW],
    "lin": [WILLOW, MAPLE],
    "bao": [EAST],
    "deng": [BUREAU],
    "mei": [COUNTY],
    "su": [COUNTY],
    "cai": [CITY],
    "zhou": [CITY, WILLOW],
    "chen": [factories.OTHER_VILLAGE],
    "nobody": [],
}


@pytest.fixture
def world(cast: Cast) -> Cast:
    """More of everything, and two people above the county."""
    factories.units(MORE_UNITS)
    cast["cai"] = factories.cadre("Cai", Role.CAMPAIGN_ADMIN, CITY)
    cast["zhou"] = factories.cadre("Zhou", Role.AUDITOR, CITY)
    factories.appoint(cast["zhou"], Role.LINKED, WILLOW)
    return cast


def speech() -> Template:
    return Template.objects.filter(slug="speech").first() or factories.template("speech", SPEECH)


def launched(host: str, *, on: date = TODAY) -> Campaign:
    return factories.campaign(host, on=on, of=speech())


def shuffle(campaign: Campaign, seed: int, *, on: date = TODAY) -> None:
    """Tasks in all states, due around the day; a village without a blemish, and one where nothing applies."""
    chance = random.Random(seed)
    lan, su = Cadre.objects.get(username="lan"), Cadre.objects.get(username="su")
    now = timezone.now()
    for task in campaign.tasks.all():
        state = chance.choice(["open", "open", "returned", "done", "verified", "waived"])
        if task.unit_id == LAKE:
            state = "waived"
        elif task.unit_id == MAPLE and seed % 2:
            state = "verified"
        done, verified = state in ("done", "verified"), state == "verified"
        Task.objects.filter(pk=task.pk).update(
            state=state,
            due_on=on + timedelta(days=chance.randint(-5, 8)),
            done_by=lan if done else None,
            done_at=now if done else None,
            verified_by=su if verified else None,
            verified_at=now if verified else None,
        )


def recount(tasks: Iterable[Task], on: date) -> Counts:
    """By hand, from the tasks themselves; no leader has said that veto items count."""
    numbers: Counter[str] = Counter()
    for task in tasks:
        numbers[task.state] += 1
        late = task.state in ("open", "returned") and task.due_on < on
        numbers["overdue"] += late
        numbers["vetoes_owed"] += task.veto and task.state in ("open", "returned")
        numbers["points"] += task.points * (task.state != "waived")
        numbers["points_done"] += task.points * (task.state == "done")
        numbers["points_verified"] += task.points * (task.state == "verified")
    return Counts(**numbers)


def in_sight(campaign: Campaign, name: str) -> list[Task]:
    """Tasks under the person's posts, by hand."""
    return [
        task for task in campaign.tasks.select_related("unit") if any(task.unit_id.startswith(p) for p in POSTS[name])
    ]


# --- the numbers ------------------------------------------------------------------------------------

everybody = pytest.mark.parametrize("name", POSTS)
every_host = pytest.mark.parametrize("host", ["51", CITY, COUNTY, EAST, WILLOW])


@every_host
@everybody
@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_equal_a_recount_by_hand(world: Cast, host: str, name: str, seed: int) -> None:
    campaign = launched(host)
    launched(factories.OTHER_COUNTY)  # somebody else's
    shuffle(campaign, seed)
    seen = in_sight(campaign, name)
    for at in [None, *(code for code in Unit.objects.values_list("pk", flat=True) if figures.has_board(code))]:
        if at is not None and not any(at.startswith(top) for top in figures.tops(campaign, world[name])):
            continue
        below = [task for task in seen if task.unit_id.startswith(at or "")]
        board = figures.board(campaign, world[name], at=at, on=TODAY)
        narrowed = figures.board(
            campaign, world[name], at=at, on=TODAY, items=list(campaign.items.values_list("pk", flat=True))
        )
        past = figures.board(campaign, world[name], at=at, on=TODAY, as_of=timezone.localdate())
        assert board.total == recount(below, TODAY)
        # Read from the tasks of every item, or from the days, it is the same.
        assert [replace(board, owing=set()), replace(board, owing=set())] == [
            replace(narrowed, owing=set()),
            replace(past, owing=set()),
        ]
        # Every task in sight stands in exactly one row, and in one of its cells where it has some.
        assert sum((row.counts for row in board.rows), Counts()) == board.total
        for row in board.rows:
            assert row.light == row.counts.light(red_percent=10)
            assert row.counts.total
            if row.code is not None and row.is_whole:
                assert row.counts == recount([task for task in below if task.unit_id.startswith(row.code)], TODAY)
            if row.cells:
                assert sum((cell.counts for cell in row.cells), Counts()) == row.counts
            for cell in row.cells:
                assert cell.light == cell.counts.light(red_percent=10)
                assert cell.counts.total
                if not cell.is_own:
                    assert cell.counts == recount([t for t in below if t.unit_id.startswith(cell.code)], TODAY)
        cells = [(cell.code, cell.is_own) for row in board.rows for cell in row.cells]
        assert len(cells) == len(set(cells))
        for light in Light:
            kept = board.only(light).rows
            assert sum(len(row.cells) or 1 for row in kept) == dict(board.lights).get(light, 0) or light is Light.NONE


@every_host
def test_sections_and_due_dates_add_up_to_the_board(world: Cast, host: str) -> None:
    campaign = launched(host)
    shuffle(campaign, 1)
    person = factories.cadre("Xi", Role.AUDITOR, "51")
    checklist = items.of_campaign(campaign)
    for at in [None, *(code for code in Unit.objects.values_list("pk", flat=True) if figures.has_board(code))]:
        if at is not None and not at.startswith(host):
            continue
        board = figures.board(campaign, person, at=at, on=TODAY)
        by_section = items.by_section(campaign, person, board, checklist, on=TODAY)
        assert [row.code for row in by_section.rows] == [row.code for row in board.rows]
        for row in by_section.rows:
            assert sum((cell.counts for cell in row.cells), Counts()) == row.counts
        by_due = items.by_due_date(campaign, person, at, on=TODAY)
        assert sum((counts for _, _, counts in by_due), Counts()) == board.total
        chosen = [item.pk for item in checklist if item.section == "二"]
        only = figures.board(campaign, person, at=at, on=TODAY, items=chosen)
        assert only.total == sum((counts for item, _, counts in by_due if item in chosen), Counts())


def test_figures_cost_two_queries(world: Cast, django_assert_num_queries: Any) -> None:
    campaign = launched(COUNTY)
    mei = world["mei"]
    assert mei.grants
    with django_assert_num_queries(2):
        board = figures.board(campaign, mei, at=COUNTY, on=TODAY)
    with django_assert_num_queries(2):
        answers.vacancies(campaign, mei, board, on=TODAY)
        items.of_campaign(campaign)


def rows_of(campaign: Campaign, person: Cadre, at: str | None = None) -> dict[str | None, list[str]]:
    """Row's unit -> names in its cells; `*` for the row's own."""
    board = figures.board(campaign, person, at=at, on=TODAY)
    return {row.code: sorted("*" if cell.is_own else cell.name for cell in row.cells) for row in board.rows}


def test_a_county_is_shown_by_township_with_the_departments_in_a_row_of_their_own(world: Cast) -> None:
    campaign = launched(COUNTY)
    assert rows_of(campaign, world["mei"], COUNTY) == {
        COUNTY: ["*", "区政务大厅", "区经科局"],
        EAST: ["*", "枫村", "柳村"],  # its own with those of its departments
        WEST: ["*", "湖村", "石村"],
    }
    assert rows_of(campaign, world["bao"], EAST) == {
        EAST: ["*", "东镇财政所"], WILLOW: [], MAPLE: []
    }  # fmt: skip
    assert rows_of(campaign, world["lin"]) == {None: ["枫村", "柳村"]}
    assert rows_of(campaign, world["lan"]) == {None: ["柳村"]}
    assert rows_of(campaign, world["deng"]) == {None: ["区经科局"]}
    assert rows_of(campaign, world["nobody"]) == {}


def test_each_level_shows_the_two_below_it(world: Cast) -> None:
    campaign = launched("51")
    assert rows_of(campaign, world["cai"], CITY) == {
        CITY: ["*", "市统计局"],
        "511502": ["*", "合江街道"],
        COUNTY: ["*", "东镇", "西镇"],
    }
    xi = factories.cadre("Xi", Role.AUDITOR, "51")
    assert rows_of(campaign, xi, "51") == {
        CITY: ["*", "叙州区", "翠屏区"],
        "5105": ["*", "江阳区"],
    }
    factories.units({"": "全国"})
    ministry = factories.cadre("Bu", Role.AUDITOR, "")
    assert rows_of(launched(""), ministry, "") == {"51": ["宜宾市", "泸州市"]}
    # The village is in sight by a second post and counted under its county already.
    assert rows_of(campaign, world["zhou"], CITY) == rows_of(campaign, world["cai"], CITY)


def test_one_late_task_shows_in_its_cell_its_row_and_the_total(world: Cast) -> None:
    campaign = launched(COUNTY)
    Task.objects.filter(campaign=campaign, unit_id=MAPLE, item__number="v-1").update(due_on=TODAY - timedelta(days=1))
    board = figures.board(campaign, world["mei"], at=COUNTY, on=TODAY)
    assert board.total.overdue == 1
    assert {row.code: row.counts.overdue for row in board.rows} == {COUNTY: 0, EAST: 1, WEST: 0}
    late = [cell for row in board.rows for cell in row.cells if cell.counts.overdue]
    assert [(cell.code, cell.light) for cell in late] == [(MAPLE, Light.RED)]
    # The day of the deadline is not late; midnight makes it so, without any job.
    assert not figures.board(campaign, world["mei"], at=COUNTY, on=TODAY - timedelta(days=1)).total.overdue
    call_command("check_tallies")


# --- who answers ------------------------------------------------------------------------------------


def missing(campaign: Campaign, person: Cadre) -> dict[str, list[str]]:
    tops = figures.tops(campaign, person)
    at = tops[0] if len(tops) == 1 and figures.has_board(tops[0]) else None
    board = figures.board(campaign, person, at=at, on=TODAY)
    return {vacancy.code: vacancy.missing for vacancy in answers.vacancies(campaign, person, board, on=TODAY)}


def test_units_where_nobody_answers_are_named(world: Cast) -> None:
    campaign = factories.campaign()  # the county itself and the sites owe nothing here
    both = ["第一责任人", "直接责任人"]
    empty = {LAKE: both, WEST: both, "511504102202": both, "511504101D001": both}
    assert missing(campaign, world["mei"]) == empty
    assert missing(campaign, world["bao"]) == {"511504101D001": both}
    assert missing(campaign, world["lan"]) == {}
    # A linked cadre does not answer in the place of the village's own.
    Responsibility.objects.filter(campaign=campaign, unit_id=MAPLE, kind="direct").delete()
    assert missing(campaign, world["lin"]) == {MAPLE: ["直接责任人"]}
    # Who left leaves a gap at once.
    Post.objects.filter(cadre=world["hong"]).update(until=TODAY)
    assert missing(campaign, world["lin"]) == {MAPLE: both}
    Cadre.objects.filter(username="lan").update(is_active=False)
    assert missing(campaign, world["lin"]) == {WILLOW: both, MAPLE: both}


def test_items_that_no_unit_owes_are_named_to_those_who_see_the_whole(world: Cast, as_: As) -> None:
    campaign = factories.campaign(of=factories.template("odd", [line("v-1"), line("p-1", owed_by=["province"])]))
    page = as_("mei").get(f"/campaigns/{campaign.pk}/").content.decode()
    assert "，1个检查项没有落实到单位" in page
    assert "p-1 第p-1项" in page
    assert "p-1" not in as_("bao").get(f"/campaigns/{campaign.pk}/").content.decode()


# --- every figure opens -----------------------------------------------------------------------------


@pytest.fixture
def lively(world: Cast) -> Campaign:
    """A campaign of today, in all states."""
    today = timezone.localdate()
    campaign = launched(COUNTY, on=today)
    shuffle(campaign, 3, on=today)
    return campaign


def figures_with_links(page: str) -> list[tuple[str, int]]:
    """(link, number) of each figure of a board that leads to tasks."""
    found = re.findall(r'href="(/campaigns/\d+/tasks/[^"]*)">\D*?(\d+)', page)
    return [(unescape(link), int(number)) for link, number in found]


@pytest.mark.parametrize("host", [COUNTY, CITY])
@pytest.mark.parametrize("name", ["mei", "bao", "lin", "lan", "deng", "su", "cai", "zhou"])
def test_each_figure_leads_to_exactly_that_many_tasks(world: Cast, as_: As, name: str, host: str) -> None:
    today = timezone.localdate()
    campaign = launched(host, on=today)
    shuffle(campaign, 3, on=today)
    # Something late at each kind of unit, the upper ones' own included.
    late = campaign.tasks.filter(unit_id__in=[CITY, COUNTY, EAST, BUREAU, WILLOW, MARKET, "511504S0001"])
    late.filter(state__in=["open", "returned", "waived"]).update(state="open", due_on=today - timedelta(days=1))
    client = as_(name)
    links = figures_with_links(client.get(f"/campaigns/{campaign.pk}/").content.decode())
    assert len(links) >= 6
    counted = {link: client.get(link).context["page"].paginator.count for link, _ in links}
    assert counted == dict(links)


def test_each_light_leads_to_exactly_that_many_units(lively: Campaign, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{lively.pk}/"
    page = mei.get(address)
    lights = dict(page.context["board"].lights)
    assert sum(lights.values()) > 4
    for light, n in lights.items():
        assert f'href="?light={light}#view"><b>{n}</b>' in page.content.decode()
        shown = mei.get(f"{address}?light={light}")
        assert shown.content.decode().count('<a class="cell ') == n
        assert shown.content.decode().count(f'<a class="cell light-{light}"') == n
    everything = page.content.decode().count('<a class="cell ')
    for nonsense in ("purple", "", "\x00", "'"):
        assert mei.get(address, {"light": nonsense}).content.decode().count('<a class="cell ') == everything


def test_each_cell_leads_to_its_unit(lively: Campaign, as_: As) -> None:
    mei = as_("mei")
    page = mei.get(f"/campaigns/{lively.pk}/").content.decode()
    board = mei.get(f"/campaigns/{lively.pk}/").context["cells"]
    for row in board.rows:
        if row.is_whole:
            assert f'href="?unit={row.code}"' in page
            assert mei.get(f"/campaigns/{lively.pk}/?unit={row.code}").context["board"].total == row.counts
        for cell in row.cells:
            address = f"/campaigns/{lively.pk}/units/{cell.code}/"
            assert f'href="{address}"' in page
            opened = mei.get(address)
            own = recount(lively.tasks.filter(unit=cell.code), timezone.localdate())
            assert opened.context["counts"] == own
            if cell.counts != own:  # with what lies below or beside it: one link further
                which = "beside" if cell.is_own else "under"
                more = f"/campaigns/{lively.pk}/tasks/?{which}={cell.code}"
                assert f'href="{more}"' in opened.content.decode()
                assert mei.get(f"{more}&show=all").context["page"].paginator.count == cell.counts.total


def test_the_board_keeps_claimed_and_verified_apart(world: Cast, as_: As) -> None:
    campaign = launched(COUNTY, on=timezone.localdate())
    now = timezone.now()
    lan, su = world["lan"], world["su"]
    Task.objects.filter(unit_id=WILLOW, item__number="v-1").update(state="done", done_by=lan, done_at=now)
    Task.objects.filter(unit_id=WILLOW, item__number="v-2").update(
        state="verified", done_by=lan, done_at=now, verified_by=su, verified_at=now
    )
    total = as_("mei").get(f"/campaigns/{campaign.pk}/").context["board"].total
    assert (total.done, total.verified) == (1, 1)
    page = as_("lan").get(f"/campaigns/{campaign.pk}/").content.decode()
    assert page.count(">25%</progress>") == 2  # of four tasks: one claimed, one verified


def test_a_closed_campaign_keeps_its_figures_and_says_so(lively: Campaign, world: Cast, as_: As) -> None:
    ada = as_("ada")
    address = f"/campaigns/{lively.pk}/"
    before = ada.get(address).context["board"].total
    course.steer(lively, "closed", by=world["ada"])
    page = ada.get(address)
    assert page.context["board"].total == before
    assert "<b>已关闭</b>" in page.content.decode()
    assert as_("lan").get("/tasks/").context["page"].paginator.count == 0


def test_the_list_of_campaigns_shows_what_reaches_the_reader(world: Cast, as_: As) -> None:
    far = factories.campaign(factories.OTHER_COUNTY)
    closed = factories.campaign(days=5)
    course.steer(closed, "closed", by=world["ada"])
    later, sooner = factories.campaign(CITY, days=90), factories.campaign(EAST, days=20)
    draft = factories.campaign(days=50, status="draft")
    rows = [campaign for campaign, _ in as_("lan").get("/campaigns/").context["rows"]]
    assert rows == [sooner, later, closed]
    assert [campaign for campaign, _ in as_("ada").get("/campaigns/").context["rows"]] == [sooner, later, draft, closed]
    assert [campaign for campaign, _ in as_("chen").get("/campaigns/").context["rows"]] == [far]
    assert "目前没有涉及你的迎检活动。" in as_("nobody").get("/campaigns/").content.decode()


# --- one unit ---------------------------------------------------------------------------------------


def unit_page(client: Client, campaign: Campaign, code: str = WILLOW) -> Any:
    return client.get(f"/campaigns/{campaign.pk}/units/{code}/")


def test_a_units_tasks_stand_by_section_in_the_order_of_the_speech(lively: Campaign, as_: As) -> None:
    page = unit_page(as_("mei"), lively)
    sections = {
        section: [line["task"].item.number for line in lines] for section, lines in page.context["sections"].items()
    }
    assert sections == {"一(一)": ["v-1", "v-2"], "二": ["v-3"]}
    assert re.search(r"<h2>原文一\(一\) <small>2</small></h2>", page.content.decode())
    Item.objects.update(section="")
    assert "<h2>其他检查项 <small>3</small></h2>" in unit_page(as_("mei"), lively).content.decode()


def test_what_blocks_it_is_the_last_word_on_what_is_still_owed(world: Cast, as_: As) -> None:
    campaign = launched(COUNTY, on=timezone.localdate())

    def say(number: str, state: str, note: str, name: str = "lan") -> None:
        task = factories.task(campaign, number)
        ticks.record(task, by=world[name], event=uuid.uuid4(), state=state, note=note)

    say("v-1", "open", "等经费")
    say("v-1", "open", "经费下周到")
    say("v-2", "open", "卡过")
    say("v-2", "done", "")
    say("v-3", "done", "办好了")
    say("v-3", "returned", "照片不清", "su")
    page = unit_page(as_("mei"), campaign)
    blocked = [(line["task"].item.number, line["said"].by.name, line["said"].note) for line in page.context["blocked"]]
    assert blocked == [("v-1", "Lan", "经费下周到"), ("v-3", "Su", "照片不清")]
    assert "卡在哪里" in page.content.decode()
    assert "等经费" not in page.content.decode()
    assert "卡过" not in page.content.decode()


def test_who_answers_is_named_in_order_while_in_office(world: Cast, as_: As) -> None:
    campaign = launched(COUNTY, on=timezone.localdate())
    answers = unit_page(as_("mei"), campaign).context["answers"]
    assert [(answer.kind, answer.cadre.name) for answer in answers] == [
        ("first", "Lan"),
        ("direct", "Lan"),
        ("linked", "Lin"),
        ("lead", "Tang"),
    ]
    Post.objects.filter(cadre=world["lin"]).update(until=timezone.localdate())
    Post.objects.filter(cadre=world["tang"]).update(until=timezone.localdate())
    answers = unit_page(as_("mei"), campaign).context["answers"]
    assert [answer.cadre.name for answer in answers] == ["Lan", "Lan"]
    assert "还没有责任人。" in unit_page(as_("mei"), campaign, LAKE).content.decode()


@pytest.mark.parametrize(
    ("name", "in_full"),
    [
        ("lan", True),
        ("lin", True),
        ("bao", True),
        ("tang", True),
        ("mei", True),
        ("ada", True),
        ("su", False),
        ("an", False),
    ],
)
def test_who_only_checks_sees_phones_masked(world: Cast, as_: As, name: str, in_full: bool) -> None:
    campaign = launched(COUNTY, on=timezone.localdate())
    task = factories.task(campaign)
    phone = str(world["lan"].phone)
    client = as_(name)
    for address in (f"/campaigns/{campaign.pk}/units/{WILLOW}/", f"/units/{WILLOW}/", task.get_absolute_url()):
        page = client.get(address).content.decode()
        assert (phone in page) is in_full
        assert (f'href="tel:{phone}"' in page) is in_full
        assert (world["lan"].masked_phone in page) is not in_full


def test_a_unit_out_of_sight_or_outside_the_campaign_is_not_found(world: Cast, as_: As) -> None:
    campaign = launched(EAST, on=timezone.localdate())
    for name, code, status in (
        ("mei", EAST, 200),
        ("mei", LAKE, 404),  # in sight, but not in this campaign
        ("mei", COUNTY, 404),
        ("lan", WILLOW, 200),
        ("lan", MARKET, 200),
        ("lan", MAPLE, 404),
        ("lan", EAST, 404),
        ("chen", WILLOW, 404),
        ("mei", "511504101999", 404),
    ):
        assert unit_page(as_(name), campaign, code).status_code == status, (name, code)


def test_a_unit_without_tasks_of_its_own_says_so(world: Cast, as_: As) -> None:
    campaign = factories.campaign(of=factories.template("villages", [line("v-1")]))
    page = unit_page(as_("mei"), campaign, EAST)
    assert "本级在这项活动中没有自己的任务。" in page.content.decode()
    assert page.context["light"] is Light.NONE


# --- my tasks ---------------------------------------------------------------------------------------


def numbers(page: Any) -> list[str]:
    return [line["task"].item.number for _, lines in page.context["groups"] for line in lines]


def test_my_tasks_stand_under_their_day(world: Cast) -> None:
    """On a Wednesday: the week ends on Sunday."""
    wednesday = date(2026, 6, 10)
    campaign = launched(COUNTY, on=wednesday)
    task = factories.task(campaign)
    expected = {-30: "逾期", -1: "逾期", 0: "今天", 1: "本周", 4: "本周", 5: "以后", 60: "以后"}
    for days, heading in expected.items():
        task.due_on = wednesday + timedelta(days=days)
        for state in ("open", "returned"):
            task.state = state
            assert [name for name, _ in views._by_day([{"task": task}], on=wednesday)] == [heading]
        for state in ("done", "verified", "waived"):
            task.state = state
            assert [name for name, _ in views._by_day([{"task": task}], on=wednesday)] == ["已办和不涉及"]
    # On a Sunday nothing is left of the week.
    sunday = date(2026, 6, 14)
    task.state, task.due_on = "open", date(2026, 6, 15)
    assert [name for name, _ in views._by_day([{"task": task}], on=sunday)] == ["以后"]


def test_my_tasks_are_in_order_of_their_deadline(world: Cast, as_: As) -> None:
    today = timezone.localdate()
    campaign = launched(COUNTY, on=today)
    for number, days in (("v-1", 40), ("v-2", -3), ("v-3", 0)):
        Task.objects.filter(campaign=campaign, unit_id=WILLOW, item__number=number).update(
            due_on=today + timedelta(days=days)
        )
    page = as_("lan").get("/tasks/")
    assert [heading for heading, _ in page.context["groups"]] == ["逾期", "今天", "以后"]
    # The site of the village is Lan's as well.
    assert numbers(page) == ["v-2", "v-3", "s-1", "v-1"]
    assert "4项" in page.content.decode()


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("lan", {WILLOW, MARKET}),
        ("lin", {WILLOW, MARKET, MAPLE}),
        ("bao", {EAST}),
        ("deng", {BUREAU}),
        ("mei", set()),
        ("ada", set()),
        ("chen", set()),
    ],
)
def test_my_tasks_are_my_own_work_only(world: Cast, as_: As, name: str, units: set[str]) -> None:
    launched(COUNTY, on=timezone.localdate())
    course.steer(launched(factories.OTHER_COUNTY, on=timezone.localdate()), "closed", by=world["ada"])
    page = as_(name).get("/tasks/?show=all")
    assert {line["task"].unit_id for _, lines in page.context["groups"] for line in lines} == units


@pytest.fixture
def mixed(world: Cast) -> Campaign:
    """Seven tasks of Willow, one in each state and some late."""
    today = timezone.localdate()
    items = [
        line(f"m-{n}", title=title)
        for n, title in enumerate(["村规民约", "公示栏", "100%入户", "O'Brien", "a_b", "六", "七"])
    ]
    campaign = factories.campaign(on=today, of=factories.template("mixed", items))
    now, lan, su = timezone.now(), world["lan"], world["su"]
    done = {"done_by": lan, "done_at": now}
    verified = {"verified_by": su, "verified_at": now}
    changes: dict[str, dict[str, Any]] = {
        "m-0": {"due_on": today - timedelta(days=1)},
        "m-1": {"state": "returned", "due_on": today - timedelta(days=2)},
        "m-2": {"state": "done", **done},
        "m-3": {"state": "verified", **done, **verified},
        "m-4": {"state": "waived"},
        "m-5": {"state": "returned"},
    }
    for number, fields in changes.items():
        Task.objects.filter(campaign=campaign, unit_id=WILLOW, item__number=number).update(**fields)
    return campaign


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "m-0 m-1 m-5 m-6"),
        ({"show": "owed"}, "m-0 m-1 m-5 m-6"),
        ({"show": "overdue"}, "m-0 m-1"),
        ({"show": "done"}, "m-2"),
        ({"show": "verified"}, "m-3"),
        ({"show": "returned"}, "m-1 m-5"),
        ({"show": "waived"}, "m-4"),
        ({"show": "all"}, "m-0 m-1 m-2 m-3 m-4 m-5 m-6"),
        ({"show": "all", "q": "公示"}, "m-1"),
        ({"show": "all", "q": " 公示 "}, "m-1"),
        ({"show": "all", "q": "o'b"}, "m-3"),
        ({"show": "all", "q": "%"}, "m-2"),
        ({"show": "all", "q": "_"}, "m-4"),
        ({"show": "all", "q": "\\"}, ""),
        ({"show": "all", "q": "柳村"}, "m-0 m-1 m-2 m-3 m-4 m-5 m-6"),
        ({"show": "all", "q": "枫村"}, ""),
        ({"show": "all", "q": "' OR 1=1 --"}, ""),
        ({"show": "all", "under": WILLOW}, "m-0 m-1 m-2 m-3 m-4 m-5 m-6"),
        ({"show": "all", "under": MAPLE}, ""),
        # A filter that makes no sense shows what is still owed.
        ({"show": "nonsense"}, "m-0 m-1 m-5 m-6"),
        ({"show": "all", "q": "公\x00示"}, "m-0 m-1 m-5 m-6"),
        ({"show": "all", "q": "长" * 61}, "m-0 m-1 m-5 m-6"),
        ({"show": "all", "under": "51%"}, "m-0 m-1 m-5 m-6"),
        ({"show": "all", "campaign": "999999"}, "m-0 m-1 m-5 m-6"),
        ({"show": "all", "campaign": "x\x00"}, "m-0 m-1 m-5 m-6"),
        ({"page": "99"}, "m-0 m-1 m-5 m-6"),
        ({"page": "x\x00"}, "m-0 m-1 m-5 m-6"),
    ],
)
def test_the_filter_of_my_tasks_and_of_a_campaigns(
    mixed: Campaign, as_: As, query: dict[str, str], expected: str
) -> None:
    lan = as_("lan")
    addresses = ["/tasks/", f"/campaigns/{mixed.pk}/tasks/"]
    for address in addresses[:1] if "campaign" in query else addresses:
        page = lan.get(address, query)
        assert page.status_code == 200
        found = numbers(page) if address == "/tasks/" else [line["task"].item.number for line in page.context["lines"]]
        assert sorted(found) == expected.split(), address


def test_my_tasks_can_be_those_of_one_campaign(mixed: Campaign, world: Cast, as_: As) -> None:
    other = launched(COUNTY, on=timezone.localdate())
    lan = as_("lan")
    assert set(numbers(lan.get("/tasks/", {"show": "all", "campaign": other.pk}))) == {"v-1", "v-2", "v-3", "s-1"}
    assert len(numbers(lan.get("/tasks/", {"show": "all", "campaign": mixed.pk}))) == 7
    choices = [str(label) for _, label in lan.get("/tasks/").context["form"].fields["campaign"].choices]
    assert choices == ["全部活动", "小活动", "小活动"]
    far = launched(factories.OTHER_COUNTY, on=timezone.localdate())
    assert len(numbers(lan.get("/tasks/", {"show": "all", "campaign": far.pk}))) == 8  # not Lan's to choose


def test_long_lists_come_in_pages(world: Cast, as_: As) -> None:
    today = timezone.localdate()
    factories.campaign(on=today, of=factories.template("long", [line(f"n-{n}") for n in range(130)]))
    lan = as_("lan")
    pages = [lan.get("/tasks/", {"page": n, "show": "all"}) for n in (1, 2, 3)]
    found = [number for page in pages for number in numbers(page)]
    assert [len(numbers(page)) for page in pages] == [60, 60, 10]
    assert len(set(found)) == 130
    assert "第2页，共3页" in pages[1].content.decode()
    assert 'href="?page=3&amp;show=all"' in pages[1].content.decode()


def test_what_waits_for_my_check(mixed: Campaign, world: Cast, as_: As) -> None:
    lin = as_("lin")
    page = lin.get("/tasks/")
    assert page.context["to_check"] == 1
    assert "有1项自报等你核实" in page.content.decode()
    assert numbers(lin.get("/tasks/?show=check")) == ["m-2"]
    # For those who owe nothing it is the first thing shown.
    assert numbers(as_("su").get("/tasks/")) == ["m-2"]
    # Nobody checks what they ticked, and Lan checks nothing at all.
    Task.objects.filter(item__number="m-2", unit_id=WILLOW).update(done_by=world["lin"])
    assert lin.get("/tasks/").context["to_check"] == 0
    assert numbers(lin.get("/tasks/?show=check")) == []
    assert numbers(as_("lan").get("/tasks/?show=check")) == []
    assert as_("lan").get("/tasks/").context["to_check"] == 0


def test_in_a_campaigns_list_too_i_check_only_what_is_mine_to_check(mixed: Campaign, as_: As) -> None:
    address = f"/campaigns/{mixed.pk}/tasks/?show=check"
    assert as_("lin").get(address).context["page"].paginator.count == 1
    assert as_("lan").get(address).context["page"].paginator.count == 0


# --- the same number of queries for twenty villages and for all --------------------------------------

PEOPLE = ("mei", "bao", "lan", "lin")


def county_of(villages: int) -> tuple[Campaign, Task]:
    """A county with so many villages, with events, notices and late tasks in each."""
    townships = {f"511504{100 + n:03}": f"{n}镇" for n in range(3, 4 + villages // 20)}
    names = {f"{code}{200 + n:03}": f"{n}村村民委员会" for code in townships for n in range(20)}
    names = dict(list(names.items())[: villages - 3])
    factories.units(factories.UNITS | townships | names)
    cast = factories.cast()
    lin, bao = cast["lin"], cast["bao"]
    # The linked cadre of every village, and staff of every township: nobody's page grows with what they hold.
    Post.objects.bulk_create(
        [Post(cadre=lin, role=Role.LINKED, unit_id=code, since=TODAY) for code in names]
        + [Post(cadre=bao, role=Role.TOWNSHIP_STAFF, unit_id=code, since=TODAY) for code in townships]
    )
    today = timezone.localdate()
    campaign = factories.campaign(on=today - timedelta(days=30), days=60)
    shuffle_in_bulk(campaign, cast["lan"], today)
    for n in range(villages):
        Notice.objects.create(
            cadre=cast["lan"], rule="digest", on=today - timedelta(days=n), channel="inbox", subject="x", body="y",
            status="delivered", sent_at=timezone.now(),
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checklists_taskevent (id, task_id, by_id, from_state, to_state, note)"
            " SELECT gen_random_uuid(), id, %s, 'open', 'open', '等经费' FROM checklists_task",
            [cast["lan"].pk],
        )
    assert Unit.objects.filter(kind="village", code__startswith=COUNTY).count() == villages
    return campaign, factories.task(campaign)


def shuffle_in_bulk(campaign: Campaign, by: Cadre, today: date) -> None:
    tasks = campaign.tasks
    tasks.filter(item__number="v-1").exclude(unit_id=WILLOW).update(state="done", done_by=by, done_at=timezone.now())
    tasks.filter(item__number="v-2").update(due_on=today - timedelta(days=1))


def pages(campaign: Campaign, task: Task) -> list[str]:
    board = f"/campaigns/{campaign.pk}/"
    return [
        "/",
        "/tasks/",
        "/tasks/?show=all&q=%E6%9D%91",
        "/tasks/?show=check",
        f"/tasks/{task.pk}/",
        "/campaigns/",
        board,
        f"{board}?light=red",
        f"{board}tasks/?show=overdue",
        f"{board}units/{WILLOW}/",
        f"{board}units/{EAST}/",
        f"{board}events/",
        "/inbox/",
        "/units/",
        f"/units/?under={EAST}",
        "/units/?q=%E6%9D%91",
        f"/units/{WILLOW}/",
        "/password/",
        "/healthz",
    ]


def measured(villages: int) -> dict[tuple[str, str], int]:
    """(who, page) -> queries, for a session that is under way."""
    campaign, task = county_of(villages)
    found = {}
    for name in PEOPLE:
        client = Client()
        client.force_login(Cadre.objects.get(username=name))
        client.get("/units/")
        for address in pages(campaign, task):
            with CaptureQueriesContext(connection) as captured:
                status = client.get(address).status_code
            page = address.replace(f"/{campaign.pk}/", "/<id>/").replace(f"/{task.pk}/", "/<id>/")
            if status != 404:  # not in this person's sight
                assert status in (200, 302, 503), address
                found[name, page] = len(captured)
    return found


@pytest.mark.django_db
def test_no_page_costs_more_than_twelve_queries_nor_more_for_more_villages() -> None:
    with transaction.atomic():
        few = measured(20)
        transaction.set_rollback(True)
    with transaction.atomic():
        many = measured(364)
        transaction.set_rollback(True)
    addresses = list(dict.fromkeys(page for _, page in few))
    table = [f"{'queries per page':44}" + "".join(f"{name:>9}" for name in PEOPLE) + "   (20 → 364 villages)"]
    for page in addresses:
        cells = [f"{few.get((name, page), '–')}→{many.get((name, page), '–')}" for name in PEOPLE]
        table.append(f"{page:44}" + "".join(f"{cell:>9}" for cell in cells))
    sys.stdout.write("\n".join(table) + "\n")
    assert few == many, "\n".join(table)
    assert max(many.values()) <= 12, "\n".join(table)
    assert len(addresses) == 19


# --- What a leader has switched on ------------------------------------------------------------------------


def test_a_ranking_is_there_only_when_switched_on_and_warns_the_last(lively: Campaign, world: Cast, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{lively.pk}/?show=ranking"
    assert "ranking" not in mei.get(address).context
    Campaign.objects.update(ranking=True, last_places=1, decided_by=world["mei"])
    page = mei.get(address)
    rows = {row.code: row.counts for row in page.context["board"].rows if row.is_whole}
    places = page.context["ranking"]
    assert {place.row.code for place in places} == {unit for unit, counts in rows.items() if counts.points}
    shares = [(place.verified, place.claimed) for place in places]
    assert shares == sorted(shares, reverse=True)
    for place in places:
        tasks = Task.objects.filter(campaign=lively, unit__code__startswith=place.row.code).exclude(state="waived")
        points = {state: sum(tasks.filter(state=state).values_list("points", flat=True)) for state in State.values}
        assert place.verified == Fraction(points["verified"], sum(points.values()))
        assert place.is_last is ((place.verified, place.claimed) == shares[-1])
        assert not place.is_warned, "nobody has decided so"
    assert "Mei" in page.content.decode()


def test_of_equal_places_the_earlier_comes_first_and_a_rise_is_told(world: Cast, as_: As) -> None:
    today = timezone.localdate()
    campaign = factories.campaign(on=today - timedelta(days=20), days=60, of=factories.template("even", [line("v-1")]))
    Campaign.objects.update(ranking=True, decided_by=world["mei"])
    who = {"done_by": world["lan"], "done_at": timezone.now()}
    who |= {"verified_by": world["su"], "verified_at": timezone.now()}
    campaign.tasks.filter(unit_id__in=[MAPLE, LAKE, "511504102202"]).update(state="waived")
    campaign.tasks.filter(unit_id=LAKE).update(state="verified", **who)
    DayTally.objects.filter(campaign=campaign, unit=WEST).update(day=today - timedelta(days=9))
    page = as_("mei").get(f"/campaigns/{campaign.pk}/?show=ranking")
    assert [(place.place, place.row.code, place.up) for place in page.context["ranking"]] == [
        (1, WEST, 0),
        (2, EAST, 0),
    ]
    campaign.tasks.filter(unit_id=WILLOW).update(state="verified", **who)
    page = as_("mei").get(f"/campaigns/{campaign.pk}/?show=ranking")
    assert [(place.place, place.row.code) for place in page.context["ranking"]] == [(1, WEST), (2, EAST)]


def test_a_gate_is_shown_until_it_is_done_and_leads_to_its_tasks(lively: Campaign, world: Cast, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{lively.pk}/"
    phase = Phase.objects.create(
        campaign=lively, key="gated", title="动员", starts_on=lively.starts_on, ends_on=lively.inspects_on
    )
    item = Task.objects.filter(campaign=lively).still_owed()[0].item
    Item.objects.filter(pk=item.pk).update(gate=True, phase=phase)
    assert mei.get(address).context["gates"] is None, "switched off"
    Campaign.objects.update(gates=True, decided_by=world["mei"])
    owed = mei.get(address).context["gates"]
    assert owed == Task.objects.filter(item=item).still_owed().count() > 0
    behind = mei.get(f"{address}tasks/?show=gate&phase={phase.pk}").context["page"].paginator.count
    assert behind == owed
    stages = [span.stage for row in mei.get(f"{address}?show=battle").context["battle"].stages for span in row]
    assert [(stage.title, stage.owed) for stage in stages if stage] == [("动员", owed)]
    Task.objects.filter(item=item).update(
        state="waived", done_by=None, done_at=None, verified_by=None, verified_at=None
    )
    assert mei.get(address).context["gates"] == 0
