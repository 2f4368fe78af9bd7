"""Chasing: who presses whom for what is due, once a day, and where everyone sees it."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import chases, course, ticks
from checklists.models import Campaign, Chase, Responsibility, Tally, Task, TaskEvent
from tests import factories
from tests.checklists.conftest import Elsewhere, queries
from villages.models import Cadre

LogIn = Callable[[str], Client]
DAY = timedelta(days=1)


@pytest.fixture
def task(campaign: Campaign) -> Task:
    """Willow's first item, a day overdue; its second is due today, its third later."""
    today = timezone.localdate()
    for number, due in (("v-1", today - DAY), ("v-2", today), ("v-3", today + DAY)):
        Task.objects.filter(item__number=number).update(due_on=due)
    return factories.task(campaign)


def chase(client: Client, task: Task, **fields: Any) -> HttpResponse:
    return client.post(f"/tasks/{task.pk}/chase/", {"event": str(uuid.uuid4()), "reason": "请尽快完成"} | fields)


def of_unit(task: Task, unit: str = factories.WILLOW) -> str:
    return f"/campaigns/{task.campaign_id}/units/{unit}/"


def chase_all(client: Client, task: Task, unit: str = factories.WILLOW, **fields: Any) -> HttpResponse:
    sent = {"event": str(uuid.uuid4()), "reason": "明天就检查"} | fields
    return client.post(f"{of_unit(task, unit)}chase/", sent)


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, TaskEvent, Tally, Chase)]


@pytest.mark.parametrize("who", ["lin", "bao", "tang", "mei", "ada"])
def test_those_above_chase_and_everyone_sees_it(who: str, task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    assert chase(as_(who), task)["Location"] == task.get_absolute_url()
    made = Chase.objects.get()
    assert (made.by, made.on, made.reason) == (cast[who], timezone.localdate(), "请尽快完成")
    for reader in ("lan", "an"):
        text = as_(reader).get(task.get_absolute_url()).text
        assert cast[who].name in text
        assert "请尽快完成" in text
    line = task.events.get()
    assert (line.by, line.from_state, line.to_state) == (cast[who], "open", "open")
    assert "请尽快完成" in line.note
    assert factories.task(task.campaign).version == task.version  # a tick from an open page still counts


@pytest.mark.parametrize("who", ["lan", "su", "an"])
def test_in_sight_but_not_allowed(who: str, task: Task, as_: LogIn) -> None:
    before = everything()
    assert chase(as_(who), task).status_code == 403
    assert chase_all(as_(who), task).status_code == 403
    for page in (task.get_absolute_url(), of_unit(task)):
        assert "/chase/" not in as_(who).get(page).text
    assert everything() == before


@pytest.mark.parametrize("who", ["hong", "chen", "deng", "nobody"])
def test_out_of_sight_is_not_there(who: str, task: Task, as_: LogIn) -> None:
    assert chase(as_(who), task).status_code == 404
    assert chase_all(as_(who), task).status_code == 404
    assert as_(who).post(f"/tasks/{10**29}/chase/", {}).status_code == 404
    assert as_(who).post(f"/campaigns/{task.campaign_id}/units/{'5' * 30}/chase/", {}).status_code == 404


def test_staff_chase_the_villages_and_not_themselves(campaign: Campaign, as_: LogIn) -> None:
    Task.objects.update(due_on=timezone.localdate())
    assert chase(as_("bao"), factories.task(campaign, "t-1", factories.EAST)).status_code == 403


def test_nobody_chases_themselves(campaign: Campaign, as_: LogIn) -> None:
    """Tang leads the township and answers for its own tasks, with Bao; once Bao is gone nobody would hear."""
    Task.objects.update(due_on=timezone.localdate())
    own = factories.task(campaign, "t-1", factories.EAST)
    Responsibility.objects.filter(unit=factories.EAST).exclude(cadre__name="Tang").delete()
    assert set(Responsibility.objects.filter(unit=factories.EAST).values_list("cadre__name", flat=True)) == {"Tang"}
    before = everything()
    answer = chase(as_("tang"), own)
    assert answer.status_code == 409
    assert "请尽快完成" in answer.text
    assert everything() == before
    assert "/chase/" not in as_("tang").get(own.get_absolute_url()).text
    assert chase(as_("ada"), own).status_code == 302


def test_once_a_day_and_the_second_is_told_by_whom(task: Task, as_: LogIn) -> None:
    chase(as_("lin"), task)
    before = everything()
    answer = chase(as_("tang"), task, reason="我也催")
    assert answer.status_code == 409
    assert "Lin" in answer.text
    assert "我也催" in answer.text
    assert everything() == before
    assert "/chase/" not in as_("tang").get(task.get_absolute_url()).text
    Chase.objects.update(on=timezone.localdate() - DAY)
    assert chase(as_("tang"), task).status_code == 302


@pytest.mark.parametrize("fields", [{"reason": ""}, {"reason": "长" * 10_000}, {"reason": "a\0b"}, {"event": "x"}])
def test_what_does_not_fit_is_named_and_kept(fields: dict[str, str], task: Task, as_: LogIn) -> None:
    before = everything()
    for answer in (chase(as_("lin"), task, **fields), chase_all(as_("lin"), task, **fields)):
        assert answer.status_code == 422
        assert 'class="complaint"' in answer.text
        assert fields.get("reason", "").replace("\0", "")[:200] in answer.text.replace("\0", "")
    assert everything() == before


def test_words_stay_words(task: Task, as_: LogIn) -> None:
    chase(as_("lin"), task, reason="{{7*7}}<b>")
    for page in (task.get_absolute_url(), of_unit(task)):
        text = as_("lan").get(page).text
        assert "<b>{{" not in text
        assert "}}<b>" not in text
    assert "{{7*7}}&lt;b&gt;" in as_("lan").get(task.get_absolute_url()).text


@pytest.mark.parametrize("how", ["later", "done", "retired", "paused", "closed"])
def test_what_is_not_due_or_rests_is_not_chased(how: str, task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    if how == "later":
        task = factories.task(task.campaign, "v-3")
    elif how == "done":
        as_("lan").post(f"/tasks/{task.pk}/tick/", factories.body())
    elif how == "retired":
        Task.objects.update(retired_at=timezone.now())
    else:
        course.steer(task.campaign, how, by=cast["ada"], note="歇")
    before = everything()
    assert "/chase/" not in as_("lin").get(task.get_absolute_url()).text
    assert chase(as_("lin"), task).status_code == 409
    if how != "later":
        assert chase_all(as_("lin"), task).status_code == 409
        assert "/chase/" not in as_("lin").get(of_unit(task)).text
    assert everything() == before


# --- All that is overdue, in one go --------------------------------------------------------------------------------


def test_all_that_is_overdue_in_one_go(task: Task, as_: LogIn) -> None:
    Task.objects.exclude(item__number="v-3").update(due_on=task.due_on)
    lin = as_("lin")
    assert lin.get(of_unit(task)).context["to_chase"] == 2
    assert chase_all(lin, task)["Location"] == of_unit(task)
    late = {task.pk, factories.task(task.campaign, "v-2").pk}
    assert {made.task_id for made in Chase.objects.all()} == late  # Willow's alone, and not what is due later
    assert {line.task_id for line in TaskEvent.objects.all()} == late
    page = lin.get(of_unit(task))
    assert page.context["to_chase"] == 0
    assert "/chase/" not in page.text
    answer = chase_all(as_("tang"), task)
    assert answer.status_code == 409
    assert "Lin" in answer.text
    assert "明天就检查" in answer.text


def test_what_was_chased_today_is_left_out(task: Task, as_: LogIn) -> None:
    Task.objects.update(due_on=task.due_on)
    chase(as_("lin"), task)
    page = as_("tang").post(f"{of_unit(task)}chase/", {"event": str(uuid.uuid4()), "reason": "还没动"}, follow=True)
    assert "Lin" in page.text
    assert sorted(Chase.objects.values_list("by__name", flat=True)) == ["Lin", "Tang", "Tang"]


def test_a_chase_is_not_what_blocks(task: Task, as_: LogIn) -> None:
    as_("lan").post(f"/tasks/{task.pk}/tick/", factories.body("open", note="缺水泥"))
    chase(as_("lin"), task)
    page = as_("lin").get(of_unit(task))
    assert [line["said"].note for line in page.context["blocked"]] == ["缺水泥"]


# --- A repeat, and two at once -------------------------------------------------------------------------------------


def test_a_repeat_changes_nothing(task: Task, as_: LogIn) -> None:
    lin, event = as_("lin"), str(uuid.uuid4())
    for _ in range(2):
        assert chase_all(lin, task, event=event).status_code == 302
    before = everything()
    assert chase_all(lin, task, event=event, reason="别的").status_code == 409
    assert chase_all(as_("tang"), task, event=event).status_code == 409
    assert everything() == before


def test_the_right_is_looked_at_again(task: Task, cast: dict[str, Cadre]) -> None:
    with pytest.raises(PermissionDenied):
        chases.chase([task], by=cast["su"], event=uuid.uuid4(), reason="快")


def test_of_two_at_once_one_wins(elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    today = timezone.localdate()
    task = factories.task(factories.campaign(on=today))
    Task.objects.update(due_on=today - DAY)
    elsewhere.run("SELECT FROM checklists_task WHERE id = %s FOR UPDATE", task.pk)
    late = [factories.task(task.campaign, number) for number in ("v-1", "v-2")]

    def one(who: str) -> Any:
        try:
            return chases.chase(late, by=cast[who], event=uuid.uuid4(), reason="快").now
        except ticks.Conflict as conflict:
            return str(conflict.message)

    found = [elsewhere.start(lambda who=who: one(who)) for who in ("lin", "tang")]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    won, lost = sorted((answer.result(10) for answer in found), key=lambda answer: isinstance(answer, str))
    assert len(won) == 2
    assert won[0].by.name in lost
    assert (Chase.objects.count(), TaskEvent.objects.count()) == (2, 2)


def test_a_tick_while_somebody_chases_is_not_lost(elsewhere: Elsewhere) -> None:
    """The chase holds the task for a moment; the tick waits and counts, from a page opened before."""
    factories.units()
    cast = factories.cast()
    today = timezone.localdate()
    task = factories.task(factories.campaign(on=today))
    Task.objects.update(due_on=today)
    lan = Client()
    lan.force_login(cast["lan"])
    elsewhere.run("SELECT FROM checklists_task WHERE id = %s FOR NO KEY UPDATE", task.pk)
    answer = elsewhere.start(lambda: lan.post(f"/tasks/{task.pk}/tick/", factories.body(seen=task.version)))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert answer.result(10).status_code == 302
    assert factories.task(task.campaign).state == "done"


# --- Costs ---------------------------------------------------------------------------------------------------------


def test_a_page_costs_the_same_however_many_were_chased(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    Task.objects.update(due_on=task.due_on)
    pages = []
    for number in ("v-1", "v-2", "v-3"):
        some = [factories.task(task.campaign, number)]
        chases.chase(some, by=cast["ada"], event=uuid.uuid4(), reason="快")
        pages.append(queries(as_("lin"), [of_unit(task), task.get_absolute_url()]))
    assert pages[0] == pages[1] == pages[2]


def test_all_of_a_unit_cost_as_much_as_one(task: Task, cast: dict[str, Cadre]) -> None:
    def cost(tasks: list[Task]) -> int:
        assert cast["tang"].grants  # read once
        with CaptureQueriesContext(connection) as captured:
            chases.chase(tasks, by=cast["tang"], event=uuid.uuid4(), reason="快")
        return len(captured)

    Task.objects.update(due_on=task.due_on)
    one, *more = Task.objects.for_list().filter(unit=factories.WILLOW)
    assert cost([one]) == cost(more)
