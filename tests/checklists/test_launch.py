"""Campaign → tasks: when each is due, who owes it, who answers, and what a second launch leaves alone."""

import uuid
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course, ticks
from checklists.launch import CannotLaunch, Launched, go_live, launch
from checklists.models import Campaign, Item, Phase, Responsibility, Tally, Task, Template
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, MARKET, OTHER_VILLAGE, TODAY, WEST, WILLOW, line
from villages.access import Role
from villages.models import Cadre, Post, Unit

INSPECTED = TODAY + timedelta(days=30)
PHASES = [("early", -25, -20), ("late", -10, -3), ("long_ago", -90, -60)]


@pytest.fixture
def units(db: None) -> None:
    factories.units()


def template(*items: dict[str, Any], slug: str = "small") -> Template:
    made = factories.template(slug, list(items))
    made.body["phases"] = [
        {"key": key, "title": key, "title_en": key, "starts": starts, "ends": ends} for key, starts, ends in PHASES
    ]
    made.save()
    return made


def launched(of: Template, host: str = COUNTY, *, on: date = TODAY, **options: Any) -> Launched:
    return launch(of, Unit.objects.get(pk=host), inspects_on=INSPECTED, on=on, **options)


def owed(number: str) -> set[str]:
    """Codes of the units that owe this item."""
    return set(Task.objects.filter(item__number=number).values_list("unit_id", flat=True))


# --- When ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "days_before"),
    [
        ({"due": {"before": 20, "says": "二十天前"}}, 20),
        ({"due": {"before": 0, "says": "当天"}}, 0),
        ({"due": {"phase": "late", "edge": "start", "says": "x"}}, 10),
        ({"due": {"phase": "late", "edge": "end", "says": "x"}}, 3),
        ({"due": {"phase": "late", "edge": "end", "says": "x"}, "phase": "early"}, 3),
        ({"phase": "early"}, 20),
        ({"phase": "late", "vague": "尽快"}, 3),
        ({"due": {"every": "week", "says": "每周"}, "phase": "late"}, 3),
        ({"due": {"every": "month", "says": "每月"}}, 0),
        ({"vague": "长期"}, 0),
        ({}, 0),
        # Before the campaign began is the day it began.
        ({"due": {"before": 100, "says": "早"}}, 30),
        ({"due": {"before": 31, "says": "早"}}, 30),
        ({"phase": "long_ago"}, 30),
        ({"due": {"phase": "long_ago", "edge": "start", "says": "x"}}, 30),
    ],
    ids=str,
)
def test_a_task_is_due_when_the_speech_says(fields: dict[str, Any], days_before: int, units: None) -> None:
    campaign = launched(template(line("v-1", **fields))).campaign
    due_on = INSPECTED - timedelta(days=days_before)
    assert Item.objects.get().due_on == due_on
    assert set(Task.objects.values_list("due_on", flat=True)) == {due_on}
    assert campaign.starts_on <= due_on


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"vague": "及时"}, "及时"), ({"due": {"before": 9, "says": "月底前"}}, "月底前"), ({}, "")],
    ids=["vague", "due", "none"],
)
def test_an_item_keeps_the_deadline_in_the_words_of_the_speech(fields: dict[str, Any], says: str, units: None) -> None:
    launched(template(line("v-1", **fields)))
    assert Item.objects.get().due_says == says


def test_a_shared_target_is_no_target_of_one_unit(units: None) -> None:
    shared = factories.AWARENESS | {"share": True}
    launched(template(line("a", target=factories.AWARENESS), line("b", target=shared)))
    assert dict(Item.objects.values_list("number", "target")) == {"a": 90, "b": None}
    assert dict(Item.objects.values_list("number", "total")) == {"a": None, "b": 90}
    assert dict(Item.objects.values_list("number", "operator")) == {"a": ">=", "b": ">="}
    tasks = Task.objects.for_list().order_by("item__number", "unit_id")
    assert {(task.item.number, task.asks_value) for task in tasks} == {("a", True), ("b", False)}


def test_phases_are_dated_from_the_inspection_day(units: None) -> None:
    campaign = launched(template(line("v-1"))).campaign
    assert list(campaign.phases.values_list("key", "starts_on", "ends_on")) == [
        (key, INSPECTED + timedelta(days=starts), INSPECTED + timedelta(days=ends))
        for key, starts, ends in sorted(PHASES, key=lambda phase: phase[1])
    ]


def test_an_item_keeps_what_the_speech_says(units: None) -> None:
    launched(
        template(
            line(
                "v-1",
                target=factories.AWARENESS,
                phase="late",
                vague="尽快",
                gate=True,
                proof="台账",
                proof_en="Ledger",
            )
        )
    )
    item = Item.objects.get()
    assert (item.due_says, item.gate, item.veto, item.proof, item.name) == ("尽快", True, False, "台账", "第v-1项")
    assert (item.operator, item.target, item.measured_in, item.target_is_stated) == (">=", 90, "%", True)
    assert item.phase == Phase.objects.get(key="late")
    assert item.is_percentage
    assert item.reaches(90, item.target)
    assert not item.reaches(89, item.target)


# --- Who owes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "codes"),
    [
        (["village"], {WILLOW, MAPLE, LAKE}),
        (["township"], {EAST, WEST}),
        (["department"], {BUREAU}),
        (["site"], {MARKET}),
        (["county"], {COUNTY}),
        (["city"], set()),
        (["province"], set()),
        (["township", "village"], {EAST, WEST, WILLOW, MAPLE, LAKE}),
        (["site", "department", "county"], {MARKET, BUREAU, COUNTY}),
    ],
)
def test_units_of_the_named_kinds_owe_it(kinds: list[str], codes: set[str], units: None) -> None:
    assert launched(template(line("x-1", owed_by=kinds))).tasks == len(codes)
    assert owed("x-1") == codes


@pytest.mark.parametrize(
    ("host", "codes"),
    [
        (COUNTY, {WILLOW, MAPLE, LAKE}),
        (EAST, {WILLOW, MAPLE}),
        (WEST, {LAKE}),
        (WILLOW, {WILLOW}),
        ("5115", {WILLOW, MAPLE, LAKE}),
        ("51", {WILLOW, MAPLE, LAKE, OTHER_VILLAGE}),
        (BUREAU, set()),
        (factories.OTHER_TOWNSHIP, {OTHER_VILLAGE}),
    ],
)
def test_only_units_under_the_host_get_tasks(host: str, codes: set[str], units: None) -> None:
    launched(template(line("v-1")), host)
    assert owed("v-1") == codes
    assert set(Tally.objects.filter(unit__kind="village").values_list("unit_id", flat=True)) == codes


def test_departments_are_found_by_the_ending_of_their_name_and_nobody_else_is_held_to_it(units: None) -> None:
    names = {
        "D002": "区住房和城乡建设局",
        "D003": "住建局服务中心",
        "D004": "区城管执法局",
        "D005": "区%局",
        "D006": "区统计局",
    }
    Unit.objects.bulk_create([Unit(code=COUNTY + code, name=name, parent_id=COUNTY) for code, name in names.items()])
    launched(
        template(
            line("d-1", owed_by=["department"], departments=["住房和城乡建设局", "城管执法局"]),
            line("d-2", owed_by=["department", "township"], departments=["经科局"]),
            line("d-3", owed_by=["department"]),
            line("d-4", owed_by=["department"], departments=["服务中心", "没有这个局"]),
            line("d-5", owed_by=["department"], departments=["%局"]),
            line("d-6", owed_by=["department"], departments=["统_局", "统计"]),
        )
    )
    assert owed("d-1") == {COUNTY + "D002", COUNTY + "D004"}
    assert owed("d-2") == {BUREAU, EAST, WEST}
    assert owed("d-3") == {BUREAU, *(COUNTY + code for code in names)}
    assert owed("d-4") == {COUNTY + "D003"}
    assert owed("d-5") == {COUNTY + "D005"}
    assert owed("d-6") == set()


# --- Again ----------------------------------------------------------------------------------------------------


def test_a_second_launch_adds_nothing_that_is_there(cast: dict[str, Cadre]) -> None:
    made = template(line("v-1"), line("t-1", owed_by=["township"]))
    first = launched(made, by=cast["ada"])
    assert (first.items, first.tasks) == (2, 5)
    assert first.responsibilities == Responsibility.objects.count() > 0
    assert first.campaign.created_by == cast["ada"]
    again = launched(made, on=TODAY + timedelta(days=3))
    assert (again.campaign, again.items, again.tasks, again.responsibilities) == (first.campaign, 0, 0, 0)
    assert again.campaign.starts_on == TODAY


def test_a_second_launch_keeps_what_people_have_changed(cast: dict[str, Cadre]) -> None:
    made = template(line("v-1"), line("v-2"))
    campaign = launched(made).campaign
    ticks.record(factories.task(campaign), by=cast["lan"], event=uuid.uuid4(), state="done")
    Task.objects.filter(unit_id=MAPLE).update(due_on=date(2026, 7, 20), points=5)
    Task.objects.filter(unit_id=LAKE, item__number="v-2").delete()
    Item.objects.filter(number="v-2").update(due_on=date(2026, 7, 1), title="改过的")
    Phase.objects.filter(key="late").update(ends_on=date(2026, 7, 9))
    Responsibility.objects.filter(unit_id=WILLOW, kind="first").update(cadre=cast["bao"])
    Campaign.objects.update(title="改过的", red_percent=30)

    kept = [list(model.objects.order_by("pk").values()) for model in (Task, Item, Phase, Responsibility, Campaign)]
    assert launched(made, on=TODAY + timedelta(days=1)).tasks == 1
    new = Task.objects.latest("pk")
    assert (new.unit_id, new.due_on, new.state) == (LAKE, date(2026, 7, 1), "open")
    kept[0].append(Task.objects.filter(pk=new.pk).values().get())
    assert kept == [
        list(model.objects.order_by("pk").values()) for model in (Task, Item, Phase, Responsibility, Campaign)
    ]


def test_a_second_launch_adds_new_items_units_and_people(cast: dict[str, Cadre]) -> None:
    made = template(line("v-1"))
    campaign = launched(made).campaign
    Unit.objects.create(code="511504102202", name="塘村村民委员会", parent_id=WEST)
    factories.cadre("Tian", Role.VILLAGE_CADRE, "511504102202")
    made.body["items"].append(line("v-2", phase="late"))
    made.save()
    again = launched(made)
    assert (again.campaign, again.items, again.tasks) == (campaign, 1, 5)
    assert owed("v-1") == owed("v-2") == {WILLOW, MAPLE, LAKE, "511504102202"}
    assert Responsibility.objects.filter(unit_id="511504102202", cadre__name="Tian").exists()


def test_an_item_that_left_the_template_stays_in_the_campaign(units: None) -> None:
    made = template(line("v-1"), line("v-2"))
    launched(made)
    made.body["items"].pop()
    made.save()
    assert launched(made).items == 0
    assert len(owed("v-2")) == 3


def test_another_day_or_host_is_another_campaign(units: None) -> None:
    made = template(line("v-1"))
    first = launched(made).campaign
    other_host = launched(made, EAST).campaign
    other_day = launch(made, first.host, inspects_on=INSPECTED + timedelta(days=1), on=TODAY).campaign
    assert len({first.pk, other_host.pk, other_day.pk}) == 3
    assert Task.objects.count() == 3 + 2 + 3


def test_a_draft_has_items_but_no_tasks_until_it_is_launched(cast: dict[str, Cadre]) -> None:
    made = template(line("v-1", due={"before": 28, "says": "x"}), line("v-2"))
    draft = launched(made, status=Campaign.Status.DRAFT)
    assert (draft.items, draft.tasks, draft.responsibilities) == (2, 0, 0)
    assert not draft.campaign.is_running
    assert not Task.objects.exists()
    assert not Tally.objects.exists()
    again = launched(made, status=Campaign.Status.DRAFT)
    assert (again.campaign, again.tasks) == (draft.campaign, 0)
    active = launched(made)
    assert (active.campaign, active.items, active.tasks) == (draft.campaign, 0, 6)
    assert active.campaign.is_running


def test_no_deadline_of_a_draft_lies_before_the_day_of_its_launch(units: None) -> None:
    made = template(line("v-1", due={"before": 28, "says": "x"}), line("v-2", phase="late"))
    launched(made, status=Campaign.Status.DRAFT)
    later = TODAY + timedelta(days=10)
    campaign = launched(made, on=later).campaign
    assert campaign.starts_on == later
    assert dict(Task.objects.values_list("item__number", "due_on")) == {
        "v-1": later,
        "v-2": INSPECTED - timedelta(days=3),
    }


def test_what_runs_is_no_draft_again(units: None) -> None:
    made = template(line("v-1"))
    launched(made)
    assert launched(made, status=Campaign.Status.DRAFT).campaign.is_running


def test_a_closed_campaign_is_not_launched_again(cast: dict[str, Cadre]) -> None:
    made = template(line("v-1"))
    campaign = launched(made).campaign
    course.steer(campaign, "closed", by=cast["ada"])
    Unit.objects.create(code="511504102202", name="塘村村民委员会", parent_id=WEST)
    made.body["items"].append(line("v-2"))
    made.save()
    with pytest.raises(CannotLaunch):
        launched(made)
    assert (Task.objects.count(), Item.objects.count()) == (3, 1)


def test_a_past_inspection_day_is_refused_and_leaves_nothing(units: None) -> None:
    made = template(line("v-1"))
    with pytest.raises(CannotLaunch, match="2026"):
        launched(made, on=INSPECTED + timedelta(days=1))
    assert not Campaign.objects.exists()
    assert launched(made, on=INSPECTED).campaign.days_left(INSPECTED) == 0


def test_a_draft_whose_day_has_passed_is_not_launched(units: None) -> None:
    made = template(line("v-1"))
    launched(made, status=Campaign.Status.DRAFT)
    with pytest.raises(CannotLaunch):
        launched(made, on=INSPECTED + timedelta(days=1))
    assert not Task.objects.exists()


def test_a_launch_costs_the_same_number_of_queries_for_few_units_and_for_many(units: None) -> None:
    made = template(line("v-1"), line("v-2"))
    with CaptureQueriesContext(connection) as few:
        assert launched(made, WEST).tasks == 2
    Unit.objects.create(code="511504103", name="南镇", parent_id=COUNTY)
    villages = {f"511504103{number}": f"第{number}村村民委员会" for number in range(201, 401)}
    Unit.objects.bulk_create([Unit(code=code, name=name, parent_id="511504103") for code, name in villages.items()])
    with CaptureQueriesContext(connection) as many:
        assert launched(made).tasks == 2 * 203
    assert len(many) == len(few)


# --- Who answers ------------------------------------------------------------------------------------------------


def answers(unit: str) -> dict[str, str]:
    """Name of who answers for the unit, by kind."""
    return dict(Responsibility.objects.filter(unit=unit).values_list("kind", "cadre__name"))


EVERYBODY = line("x-1", owed_by=["village", "township", "department", "site"])


def test_who_answers_follows_from_the_posts_held(cast: dict[str, Cadre]) -> None:
    factories.cadre("Deputy", Role.VILLAGE_CADRE, WILLOW)
    factories.cadre("Staff", Role.TOWNSHIP_STAFF, EAST)
    factories.cadre("Chief", Role.DEPARTMENT_CADRE, BUREAU, principal=True)
    factories.cadre("Keeper", Role.VILLAGE_CADRE, MARKET)
    launched(template(EVERYBODY))
    assert answers(WILLOW) == {"first": "Lan", "direct": "Deputy", "linked": "Lin", "lead": "Tang"}
    assert answers(MAPLE) == {"first": "Hong", "direct": "Hong", "linked": "Lin", "lead": "Tang"}
    assert answers(EAST) == {"first": "Tang", "direct": "Bao"}  # of two who do the work, the first appointed
    assert answers(BUREAU) == {"first": "Chief", "direct": "Deng"}
    assert answers(MARKET) == {"first": "Keeper", "direct": "Keeper"}
    assert answers(LAKE) == answers(WEST) == {}
    assert not Responsibility.objects.filter(cadre=cast["chen"]).exists()


def test_the_principal_comes_first_whoever_was_appointed_first(units: None) -> None:
    for name, principal in (("Deputy", False), ("Secretary", True), ("Other", False)):
        factories.cadre(name, Role.VILLAGE_CADRE, WILLOW, principal=principal)
    for name, principal in (("Vice", False), ("Mayor", True)):
        factories.cadre(name, Role.TOWNSHIP_LEADER, EAST, principal=principal)
    launched(template(EVERYBODY))
    assert answers(WILLOW) == {"first": "Secretary", "direct": "Deputy", "lead": "Vice"}
    assert answers(EAST) == {"first": "Mayor"}


def test_an_ended_or_coming_post_and_somebody_who_left_answer_for_nothing(units: None) -> None:
    factories.cadre("Gone", Role.VILLAGE_CADRE, WILLOW, principal=True, until=TODAY)
    factories.cadre("Coming", Role.VILLAGE_CADRE, WILLOW, principal=True, since=TODAY + timedelta(days=1))
    left = factories.cadre("Left", Role.VILLAGE_CADRE, WILLOW, principal=True)
    Cadre.objects.filter(pk=left.pk).update(is_active=False)
    factories.cadre("Here", Role.VILLAGE_CADRE, WILLOW, until=TODAY + timedelta(days=1))
    launched(template(EVERYBODY))
    assert answers(WILLOW) == {"first": "Here", "direct": "Here"}


def test_a_vacancy_is_filled_by_the_next_launch_and_a_successor_is_not_put_in_unasked(units: None) -> None:
    made = template(EVERYBODY)
    launched(made)
    assert answers(WILLOW) == {}
    old = factories.cadre("Old", Role.VILLAGE_CADRE, WILLOW, principal=True)
    assert launched(made).responsibilities == 2
    Post.objects.filter(cadre=old).update(until=TODAY)
    factories.cadre("New", Role.VILLAGE_CADRE, WILLOW, principal=True)
    assert launched(made).responsibilities == 0
    assert answers(WILLOW) == {"first": "Old", "direct": "Old"}


def test_only_units_with_tasks_have_somebody_who_answers(cast: dict[str, Cadre]) -> None:
    launched(template(line("v-1")), EAST)
    assert set(Responsibility.objects.values_list("unit_id", flat=True)) == {WILLOW, MAPLE}


# --- Two at once --------------------------------------------------------------------------------------------------


def test_two_first_launches_at_once_make_one_campaign(elsewhere: Elsewhere) -> None:
    factories.units()
    made = template(*(line(f"v-{number}") for number in range(20)))
    running = [elsewhere.start(lambda: launched(made)) for _ in range(4)]
    found = [done.result(20) for done in running]
    assert len({launch.campaign.pk for launch in found}) == Campaign.objects.count() == 1
    assert sorted((launch.items, launch.tasks) for launch in found) == [(0, 0)] * 3 + [(20, 60)]
    assert Task.objects.count() == 60


def test_a_launch_while_the_campaign_is_being_closed_says_that_it_is_closed(elsewhere: Elsewhere) -> None:
    factories.units()
    ada = factories.cast()["ada"]
    made = template(line("v-1"))
    campaign = launched(made).campaign
    made.body["items"].append(line("v-2"))
    made.save()
    elsewhere.run(
        "UPDATE checklists_campaign SET status = 'closed', closed_at = now(), closed_by_id = %s WHERE id = %s",
        ada.pk,
        campaign.pk,
    )
    launching = elsewhere.start(lambda: launched(made))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    with pytest.raises(CannotLaunch):
        launching.result(20)
    assert (Task.objects.count(), Item.objects.count()) == (3, 1)


def test_a_draft_launched_by_the_command_and_on_its_page_at_once_is_launched_once(elsewhere: Elsewhere) -> None:
    factories.units()
    made = template(line("v-1"))
    draft = launched(made, status=Campaign.Status.DRAFT).campaign
    elsewhere.run("SELECT FROM checklists_campaign WHERE id = %s FOR NO KEY UPDATE", draft.pk)
    running = [
        elsewhere.start(lambda: launched(made)),
        elsewhere.start(lambda: go_live(draft, on=TODAY)),
    ]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(done.result(20).tasks for done in running) == [0, 3]
    assert draft.changes.filter(what="launched").count() == 1


# --- The command ----------------------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("launch_campaign", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_added(cast: dict[str, Cadre]) -> None:
    template(line("v-1"), slug="sanitary")
    day = str(timezone.localdate() + timedelta(days=20))
    said = command("sanitary", COUNTY, "--inspects-on", day)
    campaign = Campaign.objects.get()
    assert campaign.is_running
    added = f"1 items, 3 tasks, {Responsibility.objects.count()} responsibilities added"
    assert said == f"Campaign {campaign.pk} of 叙州区: {added}\n"
    assert "0 items, 0 tasks, 0 responsibilities" in command("sanitary", COUNTY, "--inspects-on", day)
    assert "0 tasks" in command("sanitary", EAST, "--inspects-on", day, "--status", "draft")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sanitary", COUNTY, "--inspects-on", "2026-02-30"], "'2026-02-30' is no date; write it as 2026-12-31"),
        (["sanitary", COUNTY, "--inspects-on", "明天"], "'明天' is no date"),
        (["sanitray", COUNTY, "--inspects-on", "2030-01-01"], "No template 'sanitray'. There are: sanitary"),
        (["sanitary", "999999", "--inspects-on", "2030-01-01"], "No unit with code '999999'. Run import_units first."),
        (["sanitary", COUNTY, "--inspects-on", "2001-01-01"], "2001"),
        (["sanitary", COUNTY], "--inspects-on"),
        (["sanitary", COUNTY, "--inspects-on", "2030-01-01", "--status", "closed"], "invalid choice: 'closed'"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_the_command_refuses_in_one_line(arguments: list[str], says: str, units: None) -> None:
    template(line("v-1"), slug="sanitary")
    with pytest.raises(CommandError) as refused:
        command(*arguments)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value).strip()
    assert not Campaign.objects.exists()


def test_the_command_tells_a_beginner_to_load_the_catalog_first(units: None) -> None:
    with pytest.raises(CommandError, match="none: run load_catalog first"):
        command("sanitary", COUNTY, "--inspects-on", "2030-01-01")
