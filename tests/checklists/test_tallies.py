"""The counts that the database keeps equal a recount, whatever is done to the tasks and by whom."""

import contextlib
import random
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from checklists import course, launch, ticks
from checklists.models import (
    Campaign,
    DayTally,
    Item,
    ItemTally,
    Pulse,
    State,
    Tally,
    Task,
    TaskEvent,
    Template,
)
from checklists.models.tally import COUNTS, DRIFT, FILL
from tests import factories
from tests.checklists.conftest import Elsewhere, Undone
from villages.models import Cadre, Unit

TRIGGERS = ("tally_insert", "tally_update", "tally_delete")


def drift() -> list[tuple[Any, ...]]:
    """Every tally that differs from a recount."""
    with connection.cursor() as cursor:
        cursor.execute(DRIFT)
        return list(cursor.fetchall())


def counts(campaign: Campaign, unit: str) -> dict[str, int]:
    """What is kept of a unit, without the noughts."""
    sums = Tally.objects.filter(campaign=campaign, unit=unit).aggregate(**{name: Sum(name) for name in COUNTS})
    return {name: n for name, n in sums.items() if n}


def in_state(state: str) -> dict[str, Any]:
    """Columns of a task that may stand together with this state."""
    done, verified = state in ("done", "verified"), state == "verified"
    now = timezone.now()
    return {
        "state": state,
        "done_by": Cadre.objects.get(username="hong") if done else None,
        "done_at": now if done else None,
        "verified_by": Cadre.objects.get(username="lin") if verified else None,
        "verified_at": now if verified else None,
    }


# --- What a tally is ----------------------------------------------------------------------------------------


def test_a_task_counts_for_its_unit_and_each_above_it_down_from_the_county(campaign: Campaign) -> None:
    # Three villages owe three items each; two townships and a department owe one.
    assert counts(campaign, factories.WILLOW) == {"open": 3, "points": 3}
    assert counts(campaign, factories.EAST) == {"open": 7, "points": 7}
    assert counts(campaign, factories.WEST) == {"open": 4, "points": 4}
    assert counts(campaign, factories.BUREAU) == {"open": 1, "points": 1}
    assert counts(campaign, factories.COUNTY) == {"open": 12, "points": 12}
    assert not Tally.objects.filter(unit_id__in=["51", "5115", factories.OTHER_COUNTY]).exists()


@pytest.mark.parametrize(
    ("code", "above"),
    [
        ("511504101201S0001", ["511504101201", "511504101", "511504"]),
        ("511504D001S0001", ["511504D001", "511504"]),
        ("511504101D001S0002", ["511504101D001", "511504101", "511504"]),
        ("511504S0003", ["511504"]),
        ("5115D001", []),
        ("51D001S0001", ["51D001"]),
        ("51", []),
    ],
)
def test_a_task_of_any_kind_of_unit_counts_for_those_above_it(code: str, above: list[str], campaign: Campaign) -> None:
    for unit in (*reversed(above), code):
        Unit.objects.get_or_create(code=unit, defaults={"name": unit})
    before = set(Tally.objects.values_list("unit_id", "due_on", "open"))
    task = factories.task(campaign)
    Task.objects.create(
        campaign=campaign, item=task.item, unit_id=code, due_on=date(2030, 1, 1), points=7, state="waived"
    )
    added = Tally.objects.filter(due_on=date(2030, 1, 1))
    assert set(added.values_list("unit_id", "open", "waived", "points")) == {(unit, 0, 1, 0) for unit in (code, *above)}
    assert before <= set(Tally.objects.values_list("unit_id", "due_on", "open"))
    assert drift() == []


def test_a_tick_moves_one_task_from_open_to_done_at_every_level(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    ticks.record(factories.task(campaign), by=cast["lan"], event=uuid.uuid4(), state="done")
    assert counts(campaign, factories.WILLOW) == {"open": 2, "done": 1, "points": 3, "points_done": 1}
    assert counts(campaign, factories.COUNTY) == {"open": 11, "done": 1, "points": 12, "points_done": 1}
    assert counts(campaign, factories.LAKE) == {"open": 3, "points": 3}


# --- Any sequence of anything ---------------------------------------------------------------------------------


class Anything(Undone):
    """Two campaigns of one template, one within the other; everything that may happen to their tasks."""

    @initialize()
    def two_campaigns(self) -> None:
        self.template = Template.objects.get()
        self.hosts = [Unit.objects.get(pk=code) for code in (factories.COUNTY, factories.EAST)]
        self.cadres = list(Cadre.objects.order_by("pk"))
        self.day = timezone.localdate() + timedelta(days=30)
        for number in range(2):
            self.launch_again(number)

    def some(self, seed: int, most: int = 6) -> list[int]:
        """Ids of a few tasks."""
        found = list(Task.objects.order_by("pk").values_list("pk", flat=True))
        return random.Random(seed).sample(found, min(len(found), 1 + seed % most))

    @contextlib.contextmanager
    def refusable(self) -> Iterator[None]:
        """One statement, which a closed campaign refuses as a whole."""
        try:
            with transaction.atomic():
                yield
        except IntegrityError as error:
            assert "closed campaign" in str(error)

    seeds = st.integers(0, 10_000)

    @rule(
        seed=seeds, person=st.integers(0, 100), to=st.sampled_from(State.values), value=st.sampled_from([None, 40, 95])
    )
    def record(self, seed: int, person: int, to: str, value: int | None) -> None:
        task = Task.objects.for_list().get(pk=self.some(seed)[0])
        with contextlib.suppress(ticks.Refused, PermissionDenied):
            ticks.record(
                task, by=self.cadres[person % len(self.cadres)], event=uuid.uuid4(), state=to, value=value, note="因为"
            )

    @rule(seed=seeds)
    def record_what_somebody_may(self, seed: int) -> None:
        task = Task.objects.for_list().get(pk=self.some(seed)[0])
        may = [(cadre, to) for cadre in self.cadres for to in sorted(ticks.choices(cadre, task))]
        if may:
            cadre, to = random.Random(seed).choice(may)
            with contextlib.suppress(ticks.Unfit):
                ticks.record(task, by=cadre, event=uuid.uuid4(), state=to, note="因为")

    @rule(seed=seeds, to=st.sampled_from(State.values))
    def update_states(self, seed: int, to: str) -> None:
        with self.refusable():
            Task.objects.filter(pk__in=self.some(seed, 20)).update(**in_state(to))

    @rule(seed=seeds, states=st.lists(st.sampled_from(State.values), min_size=1, max_size=4))
    def bulk_update_states(self, seed: int, states: list[str]) -> None:
        tasks = list(Task.objects.filter(pk__in=self.some(seed, 20)))
        for number, task in enumerate(tasks):
            for name, value in in_state(states[number % len(states)]).items():
                setattr(task, name, value)
        with self.refusable():
            Task.objects.bulk_update(tasks, [*in_state("open")], batch_size=7)

    @rule(seed=seeds, days=st.integers(-40, 40))
    def move_deadlines(self, seed: int, days: int) -> None:
        with self.refusable():
            Task.objects.filter(pk__in=self.some(seed, 20)).update(due_on=F("due_on") + timedelta(days=days))

    @rule(seed=seeds, more=st.integers(-3, 5))
    def change_points(self, seed: int, more: int) -> None:
        with self.refusable():
            Task.objects.filter(pk__in=self.some(seed, 20), points__gt=3).update(points=F("points") + more)
            Task.objects.filter(pk__in=self.some(seed + 1, 20), points__lte=3).update(points=F("points") * 3)

    @rule(seed=seeds)
    def points_of_nothing(self, seed: int) -> None:
        with self.refusable():
            Task.objects.filter(pk__in=self.some(seed)).update(points=0)

    @rule(seed=seeds)
    def delete_tasks_that_have_no_history(self, seed: int) -> None:
        if Task.objects.count() > 12:  # the other rules need some to work on
            with self.refusable():
                Task.objects.filter(pk__in=self.some(seed, 5), events=None).delete()

    @rule(number=st.integers(0, 1))
    def launch_again(self, number: int) -> None:
        with contextlib.suppress(launch.CannotLaunch):
            launch.launch(self.template, self.hosts[number], inspects_on=self.day, on=timezone.localdate())

    @rule(number=st.integers(0, 1), code=st.sampled_from([factories.EAST, factories.WEST]), village=st.booleans())
    def add_a_unit_and_launch_again(self, number: int, code: str, village: bool) -> None:
        last = Unit.objects.under(code).filter(kind="village").order_by("code").last()
        assert last is not None
        new = str(int(last.code) + 1) if village else f"{factories.COUNTY}D{Unit.objects.count():03}"
        Unit.objects.create(code=new, name=new, parent_id=code if village else factories.COUNTY)
        self.launch_again(number)

    @rule(seed=seeds, days=st.integers(0, 20))
    def move_an_item(self, seed: int, days: int) -> None:
        item = Task.objects.get(pk=self.some(seed)[0]).item
        due_on = item.due_on + timedelta(days=days)
        Item.objects.filter(pk=item.pk).update(due_on=due_on)
        with self.refusable():
            Task.objects.filter(item=item).still_owed().update(due_on=due_on)

    @rule(seed=seeds, to=st.sampled_from([factories.MARKET, factories.BUREAU, "5115", factories.OTHER_VILLAGE]))
    def move_a_task_to_another_unit(self, seed: int, to: str) -> None:
        task = Task.objects.get(pk=self.some(seed)[0])
        if not Task.objects.filter(item=task.item_id, unit=to).exists():
            with self.refusable():
                Task.objects.filter(pk=task.pk).update(unit=to)

    @rule(seed=seeds)
    def change_nothing(self, seed: int) -> None:
        with self.refusable():
            Task.objects.filter(pk__in=self.some(seed)).update(state=F("state"))
            Task.objects.filter(pk=0).update(points=5)
            Task.objects.filter(pk=0).delete()

    @rule(number=st.integers(0, 1), really=st.integers(0, 9))
    def close(self, number: int, really: int) -> None:
        if really == 0:
            for campaign in Campaign.objects.filter(host=self.hosts[number]):
                course.steer(campaign, "closed", by=self.cadres[0])

    @invariant()
    def every_tally_equals_a_recount(self) -> None:
        assert drift() == []

    @invariant()
    def none_is_below_zero(self) -> None:
        below = Q()
        for name in COUNTS:
            below |= Q(**{f"{name}__lt": 0})
        assert not Tally.objects.filter(below).exists()
        assert not ItemTally.objects.filter(below).exists()


# A failure is printed as it was found: making it shorter takes minutes. Add Phase.shrink when there is one.
SEQUENCES = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def test_the_tallies_equal_a_recount_after_any_sequence_of_changes(cast: dict[str, Cadre]) -> None:
    factories.template()
    run_state_machine_as_test(Anything, settings=SEQUENCES)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_sequences_find_it_out_if_a_trigger_is_off(trigger: str, cast: dict[str, Cadre]) -> None:
    """The control: what finds nothing when nothing is kept proves nothing."""
    factories.template()
    turn_off(trigger)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Anything, settings=SEQUENCES)  # type: ignore[no-untyped-call]


def turn_off(trigger: str) -> None:
    """Until the end of the transaction that the test runs in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE %s", [f"pgtrigger_{trigger}_%"])
        ((name,),) = cursor.fetchall()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE checklists_task DISABLE TRIGGER {name}")


@pytest.mark.parametrize(
    ("trigger", "change"),
    [
        ("tally_insert", lambda task: Task.objects.create(
            campaign=task.campaign, item=task.item, unit_id=factories.MARKET, due_on=task.due_on)),
        ("tally_update", lambda task: Task.objects.filter(pk=task.pk).update(points=9)),
        ("tally_delete", lambda task: task.delete()),
    ],
    ids=TRIGGERS,
)  # fmt: skip
def test_without_its_trigger_a_change_shows_as_drift(
    trigger: str, change: Callable[[Task], object], campaign: Campaign
) -> None:
    turn_off(trigger)
    assert drift() == []
    change(factories.task(campaign))
    assert {row[2] for row in drift()} >= {factories.WILLOW, factories.EAST, factories.COUNTY}


# --- Not through the ORM ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checklists_task SET due_on = due_on + 3, points = points * 2 WHERE state = 'open'",
        "UPDATE checklists_task SET state = 'waived' WHERE unit_id LIKE '511504101%%'",
        "UPDATE checklists_task SET unit_id = '511504101201S0001' WHERE unit_id = '511504101201'",
        "UPDATE checklists_task SET points = 0",
        "UPDATE checklists_task SET points = points",
        "UPDATE checklists_task SET points = 5 WHERE false",
        "DELETE FROM checklists_task WHERE unit_id = '511504102201'",
        "DELETE FROM checklists_task",
        "WITH gone AS (DELETE FROM checklists_task WHERE id %% 2 = 0 RETURNING *)"
        " INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)"
        " SELECT campaign_id, item_id, '5115', due_on, 3 FROM gone LIMIT 1",
        "INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)"
        " SELECT campaign_id, item_id, unit_id, due_on + 1, 9 FROM checklists_task"
        " ON CONFLICT (item_id, unit_id) DO UPDATE SET due_on = excluded.due_on, points = excluded.points",
        "MERGE INTO checklists_task t USING checklists_item i ON t.item_id = i.id AND i.number = 'v-1'"
        " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING",
    ],
    ids=lambda statement: " ".join(statement.split()[:7])[:50],
)  # fmt: skip
def test_the_tallies_follow_raw_statements(statement: str, campaign: Campaign) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
    assert drift() == []


def test_the_tallies_follow_a_copy(campaign: Campaign) -> None:
    item = factories.task(campaign).item
    rows = "".join(f"{campaign.pk}\t{item.pk}\t{unit}\t2030-01-01\t4\n" for unit in ("51", "5115", factories.MARKET))
    with connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY checklists_task (campaign_id, item_id, unit_id, due_on, points) FROM STDIN", StringIO(rows)
        )
    assert counts(campaign, factories.MARKET) == {"open": 1, "points": 4}
    assert drift() == []


def test_a_change_taken_back_is_taken_out_of_the_tallies(campaign: Campaign) -> None:
    before = list(Tally.objects.order_by("pk").values())
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        Task.objects.update(points=50)
        raise ZeroDivisionError
    assert list(Tally.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checklists_task SET points = 2",
        "DELETE FROM checklists_task",
        "INSERT INTO checklists_task (campaign_id, item_id, unit_id, due_on, points)"
        " SELECT campaign_id, item_id, '5115', due_on, 1 FROM checklists_task LIMIT 1",
    ],
    ids=lambda statement: statement.split()[0],
)  # fmt: skip
def test_the_tasks_of_a_closed_campaign_stay_as_they_are(
    statement: str, campaign: Campaign, cast: dict[str, Cadre]
) -> None:
    course.steer(campaign, "closed", by=cast["ada"])
    before = list(Tally.objects.order_by("pk").values())
    with (
        pytest.raises(IntegrityError, match="closed campaign stay"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert list(Tally.objects.order_by("pk").values()) == before


# --- Several at once ----------------------------------------------------------------------------------------------


def test_two_people_of_one_county_tick_at_once_without_a_deadlock(elsewhere: Elsewhere) -> None:
    factories.units()
    people = factories.cast()
    lines = [factories.line(f"n-{number}", owed_by=["village"]) for number in range(30)]
    campaign = factories.campaign(of=factories.template(items=lines), on=timezone.localdate())

    def all_of(name: str, unit: str, order: int) -> int:
        """Ticks, and half of it back again; in an order of their own."""
        tasks = Task.objects.for_list().filter(campaign=campaign, unit=unit)
        mine = sorted(tasks, key=lambda task: task.pk * order)
        for task in mine:
            ticks.record(task, by=people[name], event=uuid.uuid4(), state="done")
        for task in Task.objects.for_list().filter(pk__in=[task.pk for task in mine[::2]]):
            ticks.record(task, by=people[name], event=uuid.uuid4(), state="open")
        return len(mine)

    running = [
        elsewhere.start(lambda: all_of("lan", factories.WILLOW, 1)),
        elsewhere.start(lambda: all_of("hong", factories.MAPLE, -1)),
    ]
    assert [done.result(30) for done in running] == [30, 30]
    assert TaskEvent.objects.count() == 90
    assert counts(campaign, factories.EAST) == {"open": 30, "done": 30, "points": 60, "points_done": 30}
    assert drift() == []


@pytest.fixture
def busy(elsewhere: Elsewhere) -> Callable[[int], int]:
    """Four connections at once, each changing one item's tasks in every village so many times, or until one of
    them falls into a deadlock; in how many that happened."""
    factories.units()
    factories.cast()
    lines = [factories.line(f"n-{number}") for number in range(4)]
    factories.campaign(of=factories.template(items=lines), on=timezone.localdate())

    stop = threading.Event()

    def back_and_forth(number: int, turns: int) -> bool:
        for turn in range(turns):
            try:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE checklists_task SET state = %s WHERE item_id IN"
                        " (SELECT id FROM checklists_item WHERE number = %s)",
                        ["waived" if turn % 2 else "open", f"n-{number}"],
                    )
            except OperationalError as error:
                assert "deadlock detected" in str(error)
                stop.set()
                return True
            if stop.is_set():
                break
        return False

    def run(turns: int) -> int:
        running = [elsewhere.start(lambda n=number: back_and_forth(n, turns)) for number in range(4)]
        return sum(done.result(60) for done in running)

    return run


def test_changes_of_the_same_tallies_wait_for_each_other_and_never_in_a_circle(busy: Callable[[int], int]) -> None:
    assert busy(100) == 0
    assert drift() == []
    assert counts(Campaign.objects.get(), factories.COUNTY) == {"waived": 12}


def test_without_the_fixed_order_they_do_wait_in_a_circle(busy: Callable[[int], int]) -> None:
    """The control: PostgreSQL has to break deadlocks. What it broke is taken back whole, so the sums stay right."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'pgtrigger_tally_update_%'")
        ((ordered,),) = cursor.fetchall()
        assert ordered.count("ORDER BY") == 4
        try:
            anyhow = re.sub(r"ORDER BY (campaign_id[a-z_, ]+|1, 2)", "ORDER BY random()", ordered)
            cursor.execute(anyhow)
            deadlocks = busy(2000)
        finally:
            cursor.execute(ordered)
    assert deadlocks > 0
    assert drift() == []


# --- check_tallies ------------------------------------------------------------------------------------------------


def check_tallies() -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = StringIO(), StringIO()
    try:
        call_command("check_tallies", stdout=out, stderr=err)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_check_tallies_is_content_when_all_is_well(campaign: Campaign) -> None:
    assert check_tallies() == (0, "Every tally equals a recount\n", "")


def test_check_tallies_is_content_with_no_campaign(db: None) -> None:
    assert check_tallies()[0] == 0


def test_check_tallies_names_a_row_that_was_tampered_with(campaign: Campaign) -> None:
    row = Tally.objects.filter(unit=factories.EAST).order_by("due_on").first()
    assert row is not None
    Tally.objects.filter(pk=row.pk).update(open=F("open") + 2, points=F("points") - 1)
    code, out, err = check_tallies()
    assert code == 1
    assert out == (
        f"tally: campaign {campaign.pk} unit 511504101 due {row.due_on}: "
        f"kept open {row.open + 2}, counted {row.open}; points {row.points - 1}, counted {row.points}\n"
    )
    assert err == "1 tallies differ from the tasks\n"


def test_check_tallies_names_a_row_that_is_missing_and_one_too_many(campaign: Campaign) -> None:
    Tally.objects.filter(unit=factories.LAKE, due_on=campaign.inspects_on).delete()
    Tally.objects.create(campaign=campaign, unit_id="5105", due_on=date(2030, 1, 1), done=4, points=4)
    code, out, _ = check_tallies()
    assert code == 1
    missing = f"unit 511504102201 due {campaign.inspects_on}: "
    assert missing + "kept open 0, counted 2; points 0, counted 2" in out
    assert "unit 5105 due 2030-01-01: kept done 4, counted 0; points 4, counted 0" in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("table", [ItemTally, DayTally])
def test_check_tallies_looks_at_items_and_days_too(table: type[ItemTally | DayTally], campaign: Campaign) -> None:
    row = table.objects.filter(unit=factories.EAST)[0]
    table.objects.filter(pk=row.pk).update(waived=F("waived") + 1)
    code, out, _ = check_tallies()
    assert code == 1
    assert "unit 511504101 " in out
    assert "kept waived 1, counted 0" in out


def test_filled_from_the_tasks_the_tables_are_as_kept(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    ticks.record(factories.task(campaign), by=cast["lan"], event=uuid.uuid4(), state="done")
    kept = [list(table.objects.order_by("pk").values()) for table in (Tally, ItemTally)]
    for table in (Tally, ItemTally, DayTally, Pulse):
        table.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(FILL)
    assert [list(table.objects.order_by("pk").values()) for table in (Tally, ItemTally)] == kept
    assert drift() == []
