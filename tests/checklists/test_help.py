"""Calling for help: who calls, who answers, who hears of it, and what is refused."""

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

from checklists import course, help, ticks
from checklists.models import Campaign, HelpRequest, State, Tally, Task, TaskEvent
from tests import factories
from tests.checklists.conftest import Elsewhere, queries
from villages.access import Role
from villages.models import Cadre

LogIn = Callable[[str], Client]
DAY = timedelta(days=1)


@pytest.fixture
def task(campaign: Campaign) -> Task:
    """Willow's first item."""
    return factories.task(campaign)


def soon() -> date:
    return timezone.localdate() + 2 * DAY


def call(client: Client, task: Task, **fields: Any) -> HttpResponse:
    sent = {"event": str(uuid.uuid4()), "obstacle": "路不通", "need": "一台挖机", "reply_by": soon()}
    return client.post(f"/tasks/{task.pk}/help/", sent | fields)


def reply(client: Client, request: HelpRequest, **fields: Any) -> HttpResponse:
    return client.post(f"/help/{request.pk}/answer/", {"event": str(uuid.uuid4()), "answer": "明天到"} | fields)


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, TaskEvent, Tally, HelpRequest)]


def test_a_village_calls_and_its_linked_cadre_answers(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    assert call(as_("lan"), task)["Location"] == task.get_absolute_url()
    request = HelpRequest.objects.get()
    assert (request.asked_by, request.obstacle, request.need) == (cast["lan"], "路不通", "一台挖机")
    for who in ("lin", "tang", "su"):  # seen by all who see the task
        assert "一台挖机" in as_(who).get(task.get_absolute_url()).text
    page = as_("lin").get("/tasks/")
    assert page.context["called"] == 1
    assert f"/help/{request.pk}/answer/" in page.text
    assert reply(as_("lin"), request, next="/tasks/")["Location"] == "/tasks/"
    request.refresh_from_db()
    assert (request.answered_by, request.answer) == (cast["lin"], "明天到")
    assert as_("lin").get("/tasks/").context["called"] == 0
    assert "明天到" in as_("lan").get(task.get_absolute_url()).text
    now = factories.task(task.campaign)
    assert (now.state, now.version) == (State.OPEN, task.version)  # a page that is open does not go stale
    assert {(event.from_state, event.to_state) for event in now.events.all()} == {("open", "open")}
    assert call(as_("lan"), task).status_code == 302  # and again


def test_the_most_urgent_call_comes_first(campaign: Campaign, as_: LogIn) -> None:
    call(as_("lan"), factories.task(campaign, "v-1"), reply_by=soon() + DAY)
    call(as_("lan"), first := factories.task(campaign, "v-2"), reply_by=soon())
    calls = as_("lin").get("/tasks/").context["calls"]
    assert calls[0][0].task_id == first.pk
    assert len(calls) == 2


@pytest.mark.parametrize("who", ["lin", "bao", "tang", "mei", "ada"])
def test_everyone_who_leads_can_answer(who: str, task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    call(as_("lan"), task)
    assert as_(who).get("/tasks/").context["called"] == 1
    assert reply(as_(who), HelpRequest.objects.get()).status_code == 302
    assert HelpRequest.objects.get().answered_by == cast[who]


@pytest.mark.parametrize("who", ["su", "an"])
def test_in_sight_but_not_allowed(who: str, task: Task, as_: LogIn) -> None:
    call(as_("lan"), task)
    before = everything()
    assert call(as_(who), task).status_code == 403
    assert reply(as_(who), HelpRequest.objects.get()).status_code == 403
    text = as_(who).get(task.get_absolute_url()).text
    assert "路不通" in text
    assert "/help/" not in text
    assert everything() == before


@pytest.mark.parametrize("who", ["hong", "chen", "deng", "nobody"])
def test_out_of_sight_is_not_there(who: str, task: Task, as_: LogIn) -> None:
    call(as_("lan"), task)
    assert call(as_(who), task).status_code == 404
    assert reply(as_(who), HelpRequest.objects.get()).status_code == 404
    assert as_(who).post(f"/help/{10**29}/answer/", {}).status_code == 404
    assert as_(who).post(f"/tasks/{10**29}/help/", {}).status_code == 404


def test_nobody_answers_their_own_call(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    call(as_("lin"), task)
    before, request, lin = everything(), HelpRequest.objects.get(), as_("lin")
    assert reply(lin, request).status_code == 403
    assert lin.get("/tasks/").context["called"] == 0
    assert f"/help/{request.pk}" not in lin.get(task.get_absolute_url()).text
    assert everything() == before
    assert reply(as_("tang"), request).status_code == 302


def test_one_call_waits_at_a_time(task: Task, as_: LogIn) -> None:
    call(as_("lan"), task)
    before = everything()
    answer = call(as_("bao"), task, obstacle="还有别的")
    assert answer.status_code == 409
    assert "Lan" in answer.text
    assert "还有别的" in answer.text  # what was typed is not lost
    assert everything() == before


@pytest.mark.parametrize(
    "fields",
    [{"obstacle": ""}, {"obstacle": "长" * 10_000}, {"need": " "}, {"need": "a\0b"}, {"reply_by": ""}, {"event": ""},
     {"reply_by": "2020-01-01"}, {"reply_by": "2999-01-01"}, {"reply_by": "1" * 30}, {"reply_by": "2026-02-30"}],
    ids=lambda fields: repr(fields)[:30],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_kept(fields: dict[str, str], task: Task, as_: LogIn) -> None:
    before = everything()
    answer = call(as_("lan"), task, **fields)
    assert answer.status_code == 422
    assert 'class="complaint"' in answer.text
    for typed in {"obstacle": "路不通", "need": "一台挖机", **fields}.values():
        assert typed.replace("\0", "").strip() in answer.text.replace("\0", "")
    assert everything() == before


@pytest.mark.parametrize("said", ["", "长" * 401, "a\0b"])
def test_an_answer_that_does_not_fit(said: str, task: Task, as_: LogIn) -> None:
    call(as_("lan"), task)
    before = everything()
    answer = reply(as_("lin"), HelpRequest.objects.get(), answer=said)
    assert answer.status_code == 422
    assert 'aria-describedby="wrong-reply-answer"' in answer.text
    assert everything() == before


def test_an_answer_is_needed_from_today_to_the_inspection(task: Task, as_: LogIn) -> None:
    last = task.campaign.last_day
    assert call(as_("lan"), task, reply_by=last + DAY).status_code == 422
    assert call(as_("lan"), task, reply_by=timezone.localdate() - DAY).status_code == 422
    assert call(as_("lan"), task, reply_by=timezone.localdate()).status_code == 302
    reply(as_("lin"), HelpRequest.objects.get())
    assert call(as_("lan"), task, reply_by=last).status_code == 302


def test_words_stay_words(task: Task, as_: LogIn) -> None:
    call(as_("lan"), task, obstacle="{{7*7}}", need="<script>alert(1)</script>")
    for address in (task.get_absolute_url(), "/tasks/", f"/campaigns/{task.campaign_id}/units/{task.unit_id}/"):
        text = as_("lin").get(address).text
        assert "{{7*7}}" in text
        assert "<script>alert" not in text


@pytest.mark.parametrize("how", ["done", "retired", "paused", "closed"])
def test_a_task_that_is_not_owed_or_a_campaign_that_rests_takes_none(
    how: str, task: Task, cast: dict[str, Cadre], as_: LogIn
) -> None:
    call(as_("lan"), task)
    if how == "done":
        as_("bao").post(f"/tasks/{task.pk}/tick/", factories.body())
    elif how == "retired":
        Task.objects.filter(pk=task.pk).update(retired_at=timezone.now())
    else:
        course.steer(task.campaign, how, by=cast["ada"], note="歇")
    before, request = everything(), HelpRequest.objects.get()
    assert call(as_("lan"), task).status_code == 409
    assert as_("lin").get("/tasks/").context["called"] == 0
    assert everything() == before
    # Who asked still gets an answer if the work was done since.
    assert reply(as_("lin"), request).status_code == (302 if how == "done" else 409)


# --- A repeat, and two at once -------------------------------------------------------------------------------------


def test_a_repeat_changes_nothing(task: Task, as_: LogIn) -> None:
    event = str(uuid.uuid4())
    for _ in range(2):
        assert call(as_("lan"), task, event=event).status_code == 302
    request, said = HelpRequest.objects.get(), str(uuid.uuid4())
    for _ in range(2):
        assert reply(as_("lin"), request, event=said).status_code == 302
    assert call(as_("lan"), task, event=event).status_code == 302
    assert TaskEvent.objects.count() == 2
    assert call(as_("lan"), task, event=event, need="别的").status_code == 409
    assert call(as_("lan"), factories.task(task.campaign, "v-2"), event=event).status_code == 409
    assert reply(as_("lin"), request, event=said, answer="别的").status_code == 409
    assert HelpRequest.objects.count() == 1


def test_the_second_answer_is_told_who_was_first(task: Task, as_: LogIn) -> None:
    call(as_("lan"), task)
    request = HelpRequest.objects.get()
    reply(as_("lin"), request)
    before = everything()
    answer = reply(as_("tang"), request, answer="我来")
    assert answer.status_code == 409
    assert "Lin" in answer.text
    assert "我来" in answer.text
    assert everything() == before


def test_the_right_is_looked_at_again(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    with pytest.raises(PermissionDenied):
        help.ask(task, by=cast["su"], event=uuid.uuid4(), obstacle="a", need="b", reply_by=soon())
    call(as_("lan"), task)
    request = HelpRequest.objects.select_related("task").get()
    with pytest.raises(PermissionDenied):
        help.answer(request, by=cast["su"], event=uuid.uuid4(), answer="c")


@pytest.mark.parametrize("what", ["call", "reply"])
def test_of_two_at_once_one_wins(what: str, elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()))
    factories.cadre("Wen", Role.VILLAGE_CADRE, factories.WILLOW)
    clients = {name: Client() for name in ("lan", "wen", "lin", "tang")}
    for name, client in clients.items():
        client.force_login(Cadre.objects.get(username=name))
    if what == "reply":
        help.ask(task, by=cast["lan"], event=uuid.uuid4(), obstacle="a", need="b", reply_by=soon())
    request = HelpRequest.objects.first()
    elsewhere.run("SELECT FROM checklists_task WHERE id = %s FOR UPDATE", task.pk)
    pair = ("lan", "wen") if request is None else ("lin", "tang")

    def one(client: Client) -> HttpResponse:
        return call(client, task) if request is None else reply(client, request)

    answers = [elsewhere.start(lambda client=clients[name]: one(client)) for name in pair]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(answer.result(10).status_code for answer in answers) == [302, 409]
    assert (HelpRequest.objects.count(), TaskEvent.objects.count()) == (1, 1 if request is None else 2)


def test_a_tick_between_look_and_write_wins(elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()))
    lan = Client()
    lan.force_login(cast["lan"])
    claimed = "UPDATE checklists_task SET state = 'done', done_by_id = %s, done_at = now() WHERE id = %s"
    elsewhere.run(claimed, cast["bao"].pk, task.pk)
    answer = elsewhere.start(lambda: call(lan, task))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert answer.result(10).status_code == 409
    assert not HelpRequest.objects.exists()


def test_a_closing_between_look_and_write_wins(elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()))
    elsewhere.run("UPDATE checklists_campaign SET status = 'paused' WHERE id = %s", task.campaign_id)
    sent = {"by": cast["lan"], "event": uuid.uuid4(), "obstacle": "a", "need": "b", "reply_by": soon()}
    answer = elsewhere.start(lambda: help.ask(task, **sent))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    with pytest.raises(ticks.Conflict):
        answer.result(10)
    assert not HelpRequest.objects.exists()


# --- On pages ------------------------------------------------------------------------------------------------------


def test_a_board_counts_the_calls_and_leads_to_them(campaign: Campaign, as_: LogIn) -> None:
    mei, address = as_("mei"), f"/campaigns/{campaign.pk}/"
    first = mei.get(address)
    assert first.context is not None
    call(as_("lan"), factories.task(campaign))
    call(as_("hong"), factories.task(campaign, "v-2", factories.MAPLE))
    call(as_("deng"), factories.task(campaign, "t-1", factories.BUREAU))
    for where, n in (("", 3), (f"?unit={factories.EAST}", 2), (f"?unit={factories.WEST}", 0), ("?section=一(一)", 3),
                     (f"?unit={factories.EAST}&section=一(一)", 2), ("?section=nowhere", 3)):  # fmt: skip
        page = mei.get(address + where)
        link = next(part for part in page.text.split('href="') if "show=help" in part).partition('"')
        assert link[2].startswith(f">{n}<"), where
        listed = mei.get(link[0].replace("&amp;", "&"))
        assert listed.context["page"].paginator.count == n, where
        assert ("路不通" in listed.text) == (n > 0)
    tag = mei.get(address)["ETag"]
    assert tag != first["ETag"]
    assert mei.get(address, headers={"If-None-Match": tag}).status_code == 304
    reply(as_("lin"), HelpRequest.objects.filter(task__unit=factories.WILLOW).get())
    after = mei.get(address, headers={"If-None-Match": tag})
    assert after.status_code == 200
    assert after["ETag"] not in (tag, first["ETag"])


def test_a_township_counts_its_own_calls_only(campaign: Campaign, as_: LogIn) -> None:
    call(as_("deng"), factories.task(campaign, "t-1", factories.BUREAU))
    page = as_("tang").get(f"/campaigns/{campaign.pk}/")
    assert page.status_code == 200
    assert 'show=help&amp;under=511504101">0</a>' in page.text


def test_the_wall_and_the_villages_page_show_them(task: Task, as_: LogIn) -> None:
    wall = f"/campaigns/{task.campaign_id}/wall/"
    mei = as_("mei")
    mei.cookies["django_language"] = "en"
    assert "Help wanted" not in mei.get(wall).text
    call(as_("lan"), task)
    assert "Help wanted</dt><dd>1<" in mei.get(wall).text
    assert "路不通" not in mei.get(wall).text
    page = f"/campaigns/{task.campaign_id}/units/{task.unit_id}/"
    assert f"/help/{HelpRequest.objects.get().pk}/answer/" in as_("lin").get(page).text
    assert "/answer/" not in as_("an").get(page).text
    assert "路不通" in as_("mei").get(page).text


def test_pages_cost_the_same_however_many_call(campaign: Campaign, as_: LogIn) -> None:
    pages = ["/tasks/", f"/campaigns/{campaign.pk}/tasks/", f"/campaigns/{campaign.pk}/units/{factories.WILLOW}/"]
    lin = as_("lin")
    call(as_("lan"), factories.task(campaign))
    few = queries(lin, pages)
    for number in ("v-2", "v-3"):
        call(as_("lan"), factories.task(campaign, number))
    assert queries(lin, pages) == few
    assert few[0] <= 12


def test_lines_lead_to_the_form(task: Task, as_: LogIn) -> None:
    assert f'href="/tasks/{task.pk}/#obstacle"' in as_("lan").get("/tasks/").text
    assert "#obstacle" not in as_("mei").get(f"/campaigns/{task.campaign_id}/tasks/").text


def test_calls_cost_a_board_no_query_of_its_own(campaign: Campaign, as_: LogIn) -> None:
    mei, address = as_("mei"), f"/campaigns/{campaign.pk}/"
    call(as_("lan"), factories.task(campaign))
    for where in ("", f"?unit={factories.EAST}", "?section=一(一)", "?section=一(一)&show=battle", "wall/"):
        with CaptureQueriesContext(connection) as captured:
            assert mei.get(address + where).status_code == 200
        asking = [query["sql"] for query in captured if "checklists_helprequest" in query["sql"]]
        assert len(asking) == 1, where
        assert '"host_id"' in asking[0], where  # the one that reads the campaign
