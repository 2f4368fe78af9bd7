"""More time for one village: who asks, who answers, what it moves, and what is refused."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course, more_time, sync, ticks
from checklists.models import Campaign, Extension, Item, Tally, Task, TaskEvent
from tests import factories
from tests.checklists.conftest import Elsewhere
from villages.access import Role
from villages.models import Cadre

LogIn = Callable[[str], Client]


@pytest.fixture
def task(campaign: Campaign) -> Task:
    """Willow's item that is due twenty days before the inspection."""
    return factories.task(campaign, "v-2")


def later(task: Task, days: int = 5) -> date:
    return task.due_on + timedelta(days=days)


def body(**fields: Any) -> dict[str, Any]:
    return {"event": str(uuid.uuid4()), "note": "等水泥", **fields}


def ask(client: Client, task: Task, **fields: Any) -> HttpResponse:
    return client.post(f"/tasks/{task.pk}/more-time/", body(until=later(task)) | fields)


def say(client: Client, extension: Extension, granted: str = "yes", **fields: Any) -> HttpResponse:
    return client.post(f"/extensions/{extension.pk}/answer/", body(granted=granted) | fields)


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, TaskEvent, Tally, Extension)]


def notes(task: Task) -> list[str]:
    return [event.note for event in task.events.all()]


def test_a_village_asks_and_its_linked_cadre_grants(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    assert ask(as_("lan"), task)["Location"] == task.get_absolute_url()
    extension = Extension.objects.get()
    assert (extension.asked_by, extension.until, extension.reason) == (cast["lan"], later(task), "等水泥")
    now = factories.task(task.campaign, "v-2")
    assert (now.due_on, now.version, len(notes(now))) == (task.due_on, task.version + 1, 1)
    assert "等水泥" in notes(now)[0]

    page = as_("lin").get("/tasks/")
    assert page.context["asked"] == 1
    assert f"/extensions/{extension.pk}/answer/" in page.text
    assert say(as_("lin"), extension, note="可以", next="/tasks/")["Location"] == "/tasks/"
    extension.refresh_from_db()
    assert (extension.granted, extension.answered_by, extension.answer) == (True, cast["lin"], "可以")
    moved = factories.task(task.campaign, "v-2")
    assert (moved.due_on, moved.due_by_hand, moved.version) == (later(task), True, task.version + 2)
    assert "可以" in notes(moved)[1]
    assert {(event.from_state, event.to_state) for event in moved.events.all()} == {("open", "open")}
    assert Tally.objects.get(unit=task.unit, due_on=later(task)).open == 1
    assert as_("lin").get("/tasks/").context["asked"] == 0


def test_a_no_needs_a_reason_and_moves_nothing(task: Task, as_: LogIn) -> None:
    ask(as_("lan"), task)
    extension = Extension.objects.get()
    refused = say(as_("tang"), extension, "no", note="")
    assert refused.status_code == 422
    assert 'aria-describedby="wrong-answer-note"' in refused.text
    assert say(as_("tang"), extension, "no", note="来不及了").status_code == 302
    extension.refresh_from_db()
    assert (extension.granted, extension.answer) == (False, "来不及了")
    now = factories.task(task.campaign, "v-2")
    assert (now.due_on, now.due_by_hand) == (task.due_on, False)
    assert "来不及了" in as_("lan").get(task.get_absolute_url()).text
    assert ask(as_("lan"), task).status_code == 302  # asking again is open


def test_the_day_that_was_given_stays_when_the_item_moves(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    ask(as_("tang"), task)
    asked = factories.task(task.campaign, "v-2", factories.MAPLE)
    ask(as_("hong"), asked)
    Item.objects.filter(pk=task.item_id).update(due_on=task.due_on + timedelta(days=1))
    plan = sync.sync(task.campaign, by=cast["ada"])
    assert (plan.leave, factories.task(task.campaign, "v-2").due_on) == (1, later(task))
    Item.objects.filter(pk=task.item_id).update(struck=True)
    sync.sync(task.campaign, by=cast["ada"])
    left = Task.objects.filter(item=task.item_id).values_list("unit_id", "retired_at")
    assert {unit for unit, retired in left if retired} == {factories.WILLOW, factories.MAPLE}  # they have a history


def test_those_above_give_more_time_unasked(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    for who, days in (("lin", 3), ("bao", 4), ("tang", 5), ("ada", 6)):
        assert ask(as_(who), task, until=later(task, days)).status_code == 302
        now = factories.task(task.campaign, "v-2")
        assert (now.due_on, now.due_by_hand) == (later(task, days), True)
    assert not Extension.objects.exists()
    assert ask(as_("ada"), task, until=task.item.due_on - timedelta(days=1)).status_code == 422  # nobody gets less
    assert ask(as_("ada"), task, until=task.item.due_on).status_code == 302  # a slip is mended
    assert TaskEvent.objects.count() == 5


def test_giving_another_day_answers_the_request_that_waits(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    ask(as_("lan"), task)
    ask(as_("bao"), task, until=later(task, 2), note="两天够了")
    extension = Extension.objects.get()
    assert (extension.granted, extension.answered_by, extension.answer) == (True, cast["bao"], "两天够了")
    assert factories.task(task.campaign, "v-2").due_on == later(task, 2)


@pytest.mark.parametrize("who", ["mei", "su", "an"])
def test_in_sight_but_not_allowed(who: str, task: Task, as_: LogIn) -> None:
    ask(as_("lan"), task)
    before = everything()
    assert ask(as_(who), task).status_code == 403
    assert say(as_(who), Extension.objects.get()).status_code == 403
    page = as_(who).get(task.get_absolute_url())
    assert "等水泥" in page.text
    assert "more-time" not in page.text
    assert "/extensions/" not in page.text
    assert everything() == before


@pytest.mark.parametrize("who", ["hong", "chen", "deng", "nobody"])
def test_out_of_sight_is_not_there(who: str, task: Task, as_: LogIn) -> None:
    ask(as_("lan"), task)
    assert ask(as_(who), task).status_code == 404
    assert say(as_(who), Extension.objects.get()).status_code == 404
    assert as_(who).post(f"/extensions/{10**29}/answer/", body()).status_code == 404


def test_nobody_answers_their_own_request(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    ask(as_("lan"), task)
    factories.appoint(cast["lan"], Role.LINKED, factories.WILLOW)
    extension, lan = Extension.objects.get(), as_("lan")
    before = everything()
    assert say(lan, extension).status_code == 403
    assert ask(lan, task).status_code == 409  # nor by giving it
    page = lan.get("/tasks/")
    assert page.context["asked"] == 0
    text = lan.get(task.get_absolute_url()).text
    assert "/extensions/" not in text
    assert "more-time/" not in text
    assert everything() == before


def test_one_request_waits_at_a_time(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    ask(as_("lan"), task)
    factories.cadre("Wen", Role.VILLAGE_CADRE, factories.WILLOW)
    other = Client()
    other.force_login(Cadre.objects.get(username="wen"))
    before = everything()
    answer = ask(other, task)
    assert answer.status_code == 409
    assert "Lan" in answer.text
    assert "等水泥" in answer.text
    assert everything() == before


@pytest.mark.parametrize(
    "fields",
    [{"until": ""}, {"until": "5月13日"}, {"until": "2020-01-01"}, {"until": "2999-01-01"}, {"note": ""},
     {"note": "长" * 401}, {"note": "a\0b"}, {"event": ""}, {"until": "2026-02-30"}, {"until": "1" * 30}],
    ids=lambda fields: repr(fields)[:30],
)  # fmt: skip
@pytest.mark.parametrize("who", ["lan", "lin"])
def test_what_does_not_fit_is_named_and_kept(who: str, fields: dict[str, str], task: Task, as_: LogIn) -> None:
    before = everything()
    answer = ask(as_(who), task, **fields)
    assert answer.status_code == 422
    assert 'class="complaint"' in answer.text
    for typed in ("等水泥" if "note" not in fields else "", fields.get("until", "")):
        assert typed in answer.text
    assert everything() == before


def test_a_day_between_the_tasks_and_the_inspections(task: Task, as_: LogIn) -> None:
    lan, last = as_("lan"), task.campaign.last_day
    assert ask(lan, task, until=task.due_on).status_code == 422
    assert ask(lan, task, until=last + timedelta(days=1)).status_code == 422
    assert ask(lan, task, until=last).status_code == 302


def test_a_window_lasts_until_its_last_day(task: Task, as_: LogIn) -> None:
    last = task.campaign.inspects_on + timedelta(days=4)
    Campaign.objects.filter(pk=task.campaign_id).update(inspects_until=last)
    assert ask(as_("lan"), task, until=last).status_code == 302


def test_the_answer_looks_again_at_the_day(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    """The inspection was moved to an earlier day since."""
    ask(as_("lan"), task)
    Campaign.objects.filter(pk=task.campaign_id).update(inspects_on=later(task, 4))
    extension = Extension.objects.get()
    answer = say(as_("lin"), extension)
    assert answer.status_code == 422
    assert 'class="complaint"' in answer.text
    assert factories.task(task.campaign, "v-2").due_on == task.due_on
    assert say(as_("lin"), extension, "no").status_code == 302


@pytest.mark.parametrize("how", ["done", "retired", "paused", "closed"])
def test_a_task_that_is_not_owed_or_a_campaign_that_rests_takes_none(
    how: str, task: Task, cast: dict[str, Cadre], as_: LogIn
) -> None:
    ask(as_("lan"), task)
    if how == "done":
        as_("bao").post(f"/tasks/{task.pk}/tick/", factories.body())
    elif how == "retired":
        Task.objects.filter(pk=task.pk).update(retired_at=timezone.now())
    else:
        course.steer(task.campaign, how, by=cast["ada"], note="歇")
    before, extension = everything(), Extension.objects.get()
    assert ask(as_("lin"), task).status_code == 409
    assert ask(as_("lan"), task).status_code == 409
    assert say(as_("lin"), extension).status_code == 409
    assert as_("lin").get("/tasks/").context["asked"] == 0
    assert everything() == before


# --- A repeat, and two at once ---------------------------------------------------------------------------------


def test_a_repeat_changes_nothing(task: Task, as_: LogIn) -> None:
    lan, lin, sent = as_("lan"), as_("lin"), body(until=later(task))
    for _ in range(2):
        assert lan.post(f"/tasks/{task.pk}/more-time/", sent).status_code == 302
    extension, said = Extension.objects.get(), body(granted="yes")
    for _ in range(2):
        assert lin.post(f"/extensions/{extension.pk}/answer/", said).status_code == 302
    assert lan.post(f"/tasks/{task.pk}/more-time/", sent).status_code == 302
    assert TaskEvent.objects.count() == 2
    assert factories.task(task.campaign, "v-2").version == task.version + 2
    other = lan.post(f"/tasks/{task.pk}/more-time/", sent | {"note": "别的"})
    assert other.status_code == 409  # the number was used for something else
    given = body(until=later(task, 8))
    for _ in range(2):
        assert lin.post(f"/tasks/{task.pk}/more-time/", given).status_code == 302
    assert TaskEvent.objects.count() == 3


def test_who_gives_on_a_stale_page_is_told(task: Task, as_: LogIn) -> None:
    ask(as_("lin"), task, until=later(task, 2))
    before = everything()
    assert ask(as_("bao"), task, seen=task.version).status_code == 409
    assert everything() == before


def test_the_second_answer_is_told_who_was_first(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    """As if both had looked before either answered."""
    ask(as_("lan"), task)

    def looked() -> Extension:
        extension = Extension.objects.select_related("answered_by").get()
        extension.task = factories.task(task.campaign, "v-2")
        return extension

    first, second, third = looked(), looked(), looked()
    more_time.answer(first, by=cast["lin"], event=uuid.uuid4(), granted=True)
    before = everything()
    with pytest.raises(ticks.Conflict, match="Lin"):
        more_time.answer(second, by=cast["tang"], event=uuid.uuid4(), granted=False, note="不行")
    assert "Lin" in say(as_("tang"), second, "no").text
    third.task = factories.task(task.campaign, "v-2")  # read after the answer, the request before it
    with pytest.raises(ticks.Conflict, match="Lin"):
        more_time.answer(third, by=cast["tang"], event=uuid.uuid4(), granted=False, note="不行")
    assert everything() == before
    with pytest.raises(PermissionDenied):
        more_time.answer(looked(), by=cast["su"], event=uuid.uuid4(), granted=True)


def test_two_answers_at_once_one_wins(elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()), "v-2")
    more_time.ask(task, by=cast["lan"], event=uuid.uuid4(), until=later(task), note="等水泥")
    extension = Extension.objects.get()
    clients = {name: Client() for name in ("lin", "tang")}
    for name, client in clients.items():
        client.force_login(cast[name])
    elsewhere.run("SELECT FROM checklists_extension WHERE id = %s FOR UPDATE", extension.pk)
    answers = [
        elsewhere.start(lambda: say(clients["lin"], extension)),
        elsewhere.start(lambda: say(clients["tang"], extension, "no")),
    ]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(answer.result(10).status_code for answer in answers) == [302, 409]
    assert TaskEvent.objects.count() == 2


def test_a_closing_between_look_and_write_wins(elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()), "v-2")
    lan = Client()
    lan.force_login(cast["lan"])
    elsewhere.run("UPDATE checklists_campaign SET status = 'paused' WHERE id = %s", task.campaign_id)
    answer = elsewhere.start(lambda: ask(lan, task))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert answer.result(10).status_code == 409
    assert not Extension.objects.exists()
    assert not TaskEvent.objects.exists()


def test_my_tasks_cost_the_same_however_many_ask(campaign: Campaign, as_: LogIn) -> None:
    lin = as_("lin")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert lin.get("/tasks/").status_code == 200
        return len(captured)

    Task.objects.update(due_on=timezone.localdate())
    ask(as_("lan"), task := factories.task(campaign), until=later(task))
    queries()  # the first page of a session notes when it began
    few = queries()
    for unit, who in ((factories.WILLOW, "lan"), (factories.MAPLE, "hong")):
        for number in ("v-1", "v-2", "v-3"):
            ask(as_(who), task := factories.task(campaign, number, unit), until=later(task))
    assert lin.get("/tasks/").context["asked"] == 6
    assert queries() == few <= 12
