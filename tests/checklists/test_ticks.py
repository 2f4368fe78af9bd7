"""The verbs on a task: what each writes, who may, what a repeat answers, and what is refused."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from checklists import course, ticks
from checklists.models import Campaign, State, Tally, Task, TaskEvent
from checklists.ticks import Result, Verb
from tests import factories
from tests.checklists.conftest import Elsewhere
from villages.access import Role
from villages.models import Cadre, Post

LogIn = Callable[[str], Client]
HTMX = {"HX-Request": "true"}
CLOSED = {"what": "closed", "note": "检查已结束"}


class Step(NamedTuple):
    """One verb as somebody uses it. `did` and `checked`: who stands on the task afterwards."""

    verb: str
    number: str
    at: str
    to: str
    by: str
    value: str = ""
    note: str = ""
    did: str | None = None
    checked: str | None = None

    def __repr__(self) -> str:
        return f"{self.verb} {self.at} {self.to}".replace(" ", "-")


STEPS = [
    Step("tick", "v-1", "open", "done", "lan", did="lan"),
    Step("tick", "v-3", "open", "done", "lan", value="90", note="数过了", did="lan"),
    Step("tick", "v-1", "returned", "done", "bao", did="bao"),
    Step("untick", "v-1", "done", "open", "lan"),
    Step("value", "v-3", "open", "open", "lan", value="12.5"),
    Step("value", "v-3", "returned", "returned", "lan", value="12.5", note="还差一半"),
    Step("value", "v-3", "done", "done", "bao", value="99", did="bao"),
    Step("note", "v-1", "open", "open", "lan", note="等水泥"),
    Step("note", "v-1", "returned", "returned", "lin", note="等水泥"),
    Step("note", "v-1", "done", "done", "lan", note="照片在抽屉里", did="hong"),
    Step("waive", "v-1", "open", "waived", "tang", note="本村没有河"),
    Step("waive", "v-1", "returned", "waived", "lin", note="本村没有河"),
    Step("waive", "v-1", "done", "waived", "ada", note="本村没有河"),
    Step("restore", "v-1", "waived", "open", "tang"),
    Step("verify", "v-1", "done", "verified", "su", did="hong", checked="su"),
    Step("verify", "v-1", "done", "verified", "bao", note="看过", did="hong", checked="bao"),
    Step("return", "v-1", "done", "returned", "lin", note="牌子没挂"),
    Step("return", "v-1", "verified", "returned", "su", note="又脏了"),
    Step("look", "v-1", "verified", "verified", "bao", note="还挂着", did="hong", checked="bao"),
]
steps = pytest.mark.parametrize("step", STEPS, ids=repr)


@pytest.fixture
def people(cast: dict[str, Cadre]) -> dict[str, Cadre]:
    return cast


def bring(task: Task, state: str, people: dict[str, Cadre], *, did: str = "hong", checked: str = "lin") -> Task:
    """The task in this state, as if by the doing of these two, one version later."""
    now = timezone.now()
    Task.objects.filter(pk=task.pk).update(
        state=state,
        version=F("version") + 1,
        done_by=people[did] if state in ("done", "verified") else None,
        done_at=now if state in ("done", "verified") else None,
        verified_by=people[checked] if state == "verified" else None,
        verified_at=now if state == "verified" else None,
    )
    return Task.objects.for_list().get(pk=task.pk)


def everything() -> list[Any]:
    """All that a change could touch."""
    return [list(model.objects.order_by("pk").values()) for model in (Task, TaskEvent, Tally, Campaign)]


def send(client: Client, task: Task, body: dict[str, Any], *, htmx: bool = False) -> HttpResponse:
    return client.post(f"/tasks/{task.pk}/tick/", body, headers=HTMX if htmx else {})


def body_of(step: Step, **fields: Any) -> dict[str, Any]:
    return factories.body(step.to, value=step.value, note=step.note, **fields)


def name_of(cadre: Cadre | None) -> str | None:
    return cadre.username if cadre else None


def check_written(step: Step, before: Task, event: str) -> None:
    """The task and the one event are as the step says."""
    task = Task.objects.for_list().get(pk=before.pk)
    assert (task.state, task.version) == (step.to, before.version + 1)
    assert (name_of(task.done_by), name_of(task.verified_by)) == (step.did, step.checked)
    assert (task.done_at is None, task.verified_at is None) == (step.did is None, step.checked is None)
    assert task.value == (Decimal(step.value) if step.value else None)
    (recorded,) = TaskEvent.objects.all()
    assert str(recorded.pk) == event
    assert recorded.task_id == task.pk
    assert (recorded.from_state, recorded.to_state) == (step.at, step.to)
    assert recorded.by.username == step.by
    assert recorded.value == task.value
    assert recorded.note == step.note
    assert timezone.now() - recorded.at < timedelta(minutes=1)


@steps
def test_every_verb_through_the_view(step: Step, campaign: Campaign, people: dict[str, Cadre], as_: LogIn) -> None:
    task = bring(factories.task(campaign, step.number), step.at, people)
    body = body_of(step, seen=task.version)
    answer = send(as_(step.by), task, body)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/tasks/{task.pk}/")
    check_written(step, task, body["event"])


@steps
def test_every_verb_directly(step: Step, campaign: Campaign, people: dict[str, Cadre]) -> None:
    task = bring(factories.task(campaign, step.number), step.at, people)
    event = uuid.uuid4()
    value = Decimal(step.value) if step.value else None
    outcome = ticks.record(task, by=people[step.by], event=event, state=step.to, value=value, note=step.note)
    assert outcome.result is Result.CHANGED
    assert outcome.event is not None
    assert outcome.event.pk == event
    assert (outcome.task.state, outcome.task.version) == (step.to, task.version + 1)
    check_written(step, task, str(event))


def test_the_steps_above_leave_out_no_verb() -> None:
    verb_of = {"value": Verb.NOTE} | {verb.value: verb for verb in Verb}
    assert {(step.at, step.to): verb_of[step.verb] for step in STEPS} == ticks.VERBS


# --- A repeat ---------------------------------------------------------------------------------------


@steps
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_repeat_is_answered_alike_and_adds_nothing(
    step: Step, htmx: bool, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign, step.number), step.at, people)
    client, body = as_(step.by), body_of(step, seen=task.version)
    first = send(client, task, body, htmx=htmx)
    before = everything()
    again = send(client, task, body, htmx=htmx)
    assert first.status_code == again.status_code == (200 if htmx else 302)
    assert first.headers.get("Location") == again.headers.get("Location")
    if htmx:
        assert f"state-{step.to}" in first.text
        assert f"state-{step.to}" in again.text
        assert "complaint" not in again.text
    assert everything() == before


@steps
def test_a_repeat_is_answered_alike_after_the_task_has_moved_on(
    step: Step, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign, step.number), step.at, people)
    client, body = as_(step.by), body_of(step, seen=task.version)
    first = send(client, task, body)
    for state in State.values:
        if state == step.to:
            continue
        bring(task, state, people)
        before = everything()
        again = send(client, task, body)
        assert (again.status_code, again.headers["Location"]) == (302, first.headers["Location"])
        assert everything() == before


def test_a_repeat_is_answered_alike_after_the_campaign_was_closed(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task, body, client = factories.task(campaign), factories.body(), as_("lan")
    send(client, task, body)
    course.steer(campaign, "closed", by=people["ada"])
    before = everything()
    assert send(client, task, body).status_code == 302
    assert everything() == before


def test_a_repeated_verification_is_answered_alike_though_its_sender_ticked_since(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign), "done", people)
    bao, body = as_("bao"), factories.body("verified")
    assert send(bao, task, body).status_code == 302
    assert send(as_("tang"), task, factories.body("returned", note="脏")).status_code == 302
    assert send(bao, task, factories.body("done")).status_code == 302
    before = everything()
    assert send(bao, task, body).status_code == 302
    assert everything() == before


def test_a_second_tap_with_another_event_is_told_that_it_was_so_already(campaign: Campaign, as_: LogIn) -> None:
    task, lan = factories.task(campaign), as_("lan")
    send(lan, task, factories.body(seen=0))
    before = everything()
    assert send(lan, task, factories.body(seen=0)).status_code == 302
    answer = send(lan, task, factories.body(seen=0), htmx=True)
    assert answer.status_code == 200
    assert 'class="word"' in answer.text
    assert everything() == before


@pytest.mark.parametrize(
    "other",
    [
        {"state": "open"},
        {"value": "95"},
        {"value": ""},
        {"note": "别的"},
        {"task": "v-1"},
        {"by": "bao"},
    ],
    ids=lambda other: next(iter(other)),
)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_the_same_event_with_another_body_is_refused(
    other: dict[str, str], htmx: bool, campaign: Campaign, as_: LogIn
) -> None:
    task, body = factories.task(campaign, "v-3"), factories.body(value="91", note="数过了")
    assert send(as_("lan"), task, body).status_code == 302
    before = everything()
    fields = {name: value for name, value in other.items() if name in body}
    onto = factories.task(campaign, other.get("task", "v-3"))
    answer = send(as_(other.get("by", "lan")), onto, body | fields, htmx=htmx)
    assert answer.status_code == 409
    assert everything() == before


@pytest.mark.parametrize("value", ["91", "91.0", "９１", " 91.0000 ", "91%"])
def test_the_same_value_written_otherwise_is_the_same_event(value: str, campaign: Campaign, as_: LogIn) -> None:
    task, lan, body = factories.task(campaign, "v-3"), as_("lan"), factories.body(value="91")
    send(lan, task, body)
    assert send(lan, task, body | {"value": value}).status_code == 302
    assert TaskEvent.objects.count() == 1


# --- Who may ----------------------------------------------------------------------------------------


def test_who_ticked_cannot_verify(campaign: Campaign, people: dict[str, Cadre], as_: LogIn) -> None:
    task, bao = factories.task(campaign), as_("bao")
    send(bao, task, factories.body())
    before = everything()
    answer = send(bao, task, factories.body("verified"))
    assert answer.status_code == 403
    with pytest.raises(PermissionDenied):
        ticks.record(factories.task(campaign), by=people["bao"], event=uuid.uuid4(), state="verified")
    assert everything() == before
    assert send(as_("lin"), task, factories.body("verified")).status_code == 302


def test_who_ticked_cannot_verify_by_a_second_role_either(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    factories.appoint(people["lan"], Role.SUPERVISOR, factories.COUNTY)
    lan, task = as_("lan"), factories.task(campaign)
    send(lan, task, factories.body())
    before = everything()
    assert send(lan, task, factories.body("verified")).status_code == 403
    assert send(lan, task, factories.body("returned", note="不")).status_code == 403
    assert everything() == before
    assert send(lan, factories.task(campaign, unit=factories.MAPLE), factories.body()).status_code == 403


def test_the_database_refuses_one_person_as_both(campaign: Campaign, people: dict[str, Cadre]) -> None:
    task = bring(factories.task(campaign), "done", people, did="lan")
    with pytest.raises(IntegrityError, match="task_verified_by_someone_else"), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(state="verified", verified_by=people["lan"], verified_at=timezone.now())


@pytest.mark.parametrize(
    ("by", "state"),
    [
        ("mei", "done"),  # a county leader reads
        ("su", "done"),
        ("ada", "done"),
        ("an", "verified"),
        ("tang", "done"),
        ("lan", "verified"),
        ("lan", "returned"),
        ("lan", "waived"),
        ("su", "waived"),
    ],
)
def test_in_sight_but_not_allowed_is_403_and_writes_nothing(
    by: str, state: str, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign), "open" if state in ("done", "waived") else "done", people)
    before = everything()
    assert send(as_(by), task, factories.body(state, note="因为")).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("by", ["chen", "hong", "deng", "nobody"])
def test_out_of_sight_is_the_404_of_what_never_existed(by: str, campaign: Campaign, as_: LogIn) -> None:
    task, client, before = factories.task(campaign), as_(by), everything()
    foreign = send(client, task, factories.body())
    never = client.post("/tasks/999999999/tick/", factories.body())
    assert foreign.status_code == never.status_code == 404
    assert foreign.content == never.content
    assert everything() == before


def test_a_post_that_ended_while_the_page_was_open_is_404(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task, lan = factories.task(campaign), as_("lan")
    assert lan.get(f"/tasks/{task.pk}/").status_code == 200
    Post.objects.filter(cadre=people["lan"]).update(until=timezone.localdate())
    before = everything()
    assert send(lan, task, factories.body(seen=0)).status_code == 404
    assert everything() == before


def test_a_right_that_ended_while_the_task_stays_in_sight_is_403(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    factories.appoint(people["lan"], Role.AUDITOR, factories.EAST)
    task, lan = factories.task(campaign), as_("lan")
    Post.objects.filter(cadre=people["lan"], role=Role.VILLAGE_CADRE).update(until=timezone.localdate())
    assert send(lan, task, factories.body(seen=0)).status_code == 403
    assert not TaskEvent.objects.exists()


# --- A task that is elsewhere -------------------------------------------------------------------------

# Every pair of states, written down here once more: what a change means, or that there is no such change.
LEGAL = {
    "open": {"open": "note", "done": "tick", "waived": "waive"},
    "done": {"done": "note", "open": "untick", "waived": "waive", "verified": "verify", "returned": "return"},
    "verified": {"returned": "return", "verified": "look"},
    "returned": {"returned": "note", "done": "tick", "waived": "waive"},
    "waived": {"open": "restore"},
}
ILLEGAL = [(at, to) for at in State.values for to in State.values if to not in LEGAL[at]]


@pytest.fixture
def all_rights(people: dict[str, Cadre]) -> str:
    """Somebody who may tick, check and waive in Willow, so that only the task's state can say no."""
    for role, unit in [(Role.CAMPAIGN_ADMIN, factories.COUNTY), (Role.TOWNSHIP_STAFF, factories.EAST)]:
        factories.appoint(people["lan"], role, unit)
    return "lan"


@pytest.mark.parametrize(("at", "to"), ILLEGAL)
def test_a_step_that_does_not_fit_the_state_is_refused(
    at: str, to: str, all_rights: str, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign), at, people)
    before = everything()
    with pytest.raises(ticks.Conflict):
        ticks.record(task, by=people[all_rights], event=uuid.uuid4(), state=to, note="因为")
    for htmx in (False, True):
        answer = send(as_(all_rights), task, factories.body(to, note="因为", seen=task.version), htmx=htmx)
        assert answer.status_code == 409
    assert everything() == before


@pytest.mark.parametrize(("at", "to"), [(at, to) for at in LEGAL for to in LEGAL[at]])
def test_a_step_that_fits_the_state_is_what_it_is_called(
    at: str, to: str, all_rights: str, campaign: Campaign, people: dict[str, Cadre]
) -> None:
    task = bring(factories.task(campaign), at, people)
    assert ticks.VERBS[(at, to)].value == LEGAL[at][to]
    assert to in ticks.choices(people[all_rights], task)
    ticks.record(task, by=people[all_rights], event=uuid.uuid4(), state=to, note="因为")


@pytest.mark.parametrize("state", ["open", "done", "verified", "waived"])
def test_nothing_to_change_is_no_mistake_and_writes_nothing(
    state: str, all_rights: str, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign), state, people)
    before = everything()
    # What is verified can be looked at again, by who says that they saw it so.
    seen = {} if state == "verified" else {"seen": task.version}
    assert send(as_(all_rights), task, factories.body(state, **seen)).status_code == 302
    assert everything() == before


def test_a_stale_page_is_shown_what_happened_and_keeps_what_was_typed(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = factories.task(campaign)
    send(as_("bao"), task, factories.body(note="包镇长来过"))
    before = everything()
    answer = send(as_("lan"), task, factories.body("open", note="等水泥", seen=task.version))
    assert answer.status_code == 409
    for words in ("Bao", "包镇长来过", "等水泥"):
        assert words in answer.text
    line = send(as_("lan"), task, factories.body("open", seen=task.version), htmx=True)
    assert line.status_code == 409
    assert "Bao" in line.text
    assert everything() == before


def test_a_stale_page_is_no_obstacle_if_the_task_is_there_already(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = factories.task(campaign, "v-3")
    send(as_("bao"), task, factories.body(value="95"))
    before = everything()
    assert send(as_("lan"), task, factories.body(value="95", seen=0)).status_code == 302
    assert send(as_("lan"), task, factories.body(seen=0)).status_code == 302
    assert everything() == before


@pytest.mark.parametrize("fields", [{"value": "92"}, {"note": "我也去看了"}], ids=["value", "note"])
def test_what_a_stale_page_would_add_is_never_dropped_in_silence(
    fields: dict[str, str], campaign: Campaign, as_: LogIn
) -> None:
    task = factories.task(campaign, "v-3")
    send(as_("bao"), task, factories.body(value="95"))
    before = everything()
    answer = send(as_("lan"), task, factories.body(**fields, seen=0))
    assert answer.status_code == 409
    assert next(iter(fields.values())) in answer.text
    assert everything() == before


def test_a_value_for_a_returned_task_leaves_it_returned(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign, "v-3"), "returned", people)
    assert send(as_("lan"), task, factories.body("returned", value="12.5")).status_code == 302
    task.refresh_from_db()
    assert (task.state, task.value) == ("returned", Decimal("12.5"))


def test_the_loser_of_a_race_is_told_and_loses_no_note(campaign: Campaign, people: dict[str, Cadre]) -> None:
    """As if both had looked before either wrote."""
    first, second, third, fourth = (factories.task(campaign) for _ in range(4))

    def record(task: Task, by: str, **fields: Any) -> ticks.Outcome:
        return ticks.record(task, by=people[by], event=uuid.uuid4(), **fields)

    assert record(first, "lan", state="done").result is Result.CHANGED
    before = everything()
    assert record(second, "bao", state="done").result is Result.ALREADY
    with pytest.raises(ticks.Conflict) as told:
        record(third, "bao", state="waived", note="没有河")
    assert (told.value.task.state, name_of(told.value.task.done_by)) == ("done", "lan")
    with pytest.raises(ticks.Conflict):
        record(fourth, "bao", state="done", note="我也去看了")
    assert everything() == before


# --- A closed campaign ----------------------------------------------------------------------------------


@steps
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_closed_campaign_takes_nothing(
    step: Step, htmx: bool, campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign, step.number), step.at, people)
    course.steer(campaign, "closed", by=people["ada"])
    before = everything()
    assert send(as_(step.by), task, body_of(step, seen=task.version), htmx=htmx).status_code == 409
    assert everything() == before


def test_a_closed_campaign_does_not_even_say_that_nothing_had_to_change(
    campaign: Campaign, people: dict[str, Cadre], as_: LogIn
) -> None:
    task = bring(factories.task(campaign), "done", people)
    course.steer(campaign, "closed", by=people["ada"])
    assert send(as_("lan"), task, factories.body("done")).status_code == 409


def test_closing_is_for_the_campaign_admin_and_happens_once(campaign: Campaign, as_: LogIn) -> None:
    for other in ("mei", "su", "lan"):
        assert as_(other).post(f"/campaigns/{campaign.pk}/course/", CLOSED).status_code == 403
    assert as_("chen").post(f"/campaigns/{campaign.pk}/course/", CLOSED).status_code == 404
    campaign.refresh_from_db()
    assert campaign.is_running
    ada = as_("ada")
    assert ada.post(f"/campaigns/{campaign.pk}/course/", CLOSED).status_code == 302
    campaign.refresh_from_db()
    closed_at = campaign.closed_at
    assert (campaign.status, name_of(campaign.closed_by)) == ("closed", "ada")
    assert ada.post(f"/campaigns/{campaign.pk}/course/", CLOSED).status_code == 302
    campaign.refresh_from_db()
    assert campaign.closed_at == closed_at


@pytest.fixture
def real(elsewhere: Elsewhere) -> Task:
    """Lan's task, committed."""
    factories.units()
    factories.cast()
    return factories.task(factories.campaign(on=timezone.localdate()))


def client_of(name: str) -> Client:
    client = Client()
    client.force_login(Cadre.objects.get(username=name))
    return client


def test_closing_between_the_look_and_the_write_is_409(elsewhere: Elsewhere, real: Task) -> None:
    ada, lan, before = Cadre.objects.get(username="ada"), client_of("lan"), everything()
    elsewhere.run(
        "UPDATE checklists_campaign SET status = 'closed', closed_at = now(), closed_by_id = %s WHERE id = %s",
        ada.pk,
        real.campaign_id,
    )
    answer = elsewhere.start(lambda: send(lan, real, factories.body(seen=0)))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert answer.result(10).status_code == 409
    assert everything()[:3] == before[:3]
    assert not Campaign.objects.running().exists()


def test_closing_waits_for_a_tick_under_way(elsewhere: Elsewhere, real: Task) -> None:
    lan, ada = Cadre.objects.get(username="lan"), client_of("ada")
    elsewhere.run(
        "UPDATE checklists_task SET state = 'done', done_by_id = %s, done_at = now() WHERE id = %s", lan.pk, real.pk
    )
    closing = elsewhere.start(lambda: ada.post(f"/campaigns/{real.campaign_id}/course/", CLOSED))
    elsewhere.wait_for_waiting()
    assert Campaign.objects.running().exists()
    elsewhere.commit()
    assert closing.result(10).status_code == 302
    assert not Campaign.objects.running().exists()
    assert Tally.objects.get(unit=real.unit, done__gt=0).done == 1


# --- Two requests that both looked before either wrote ----------------------------------------------------


def test_the_same_event_twice_at_once_is_one_event_and_two_equal_answers(elsewhere: Elsewhere, real: Task) -> None:
    lan, body = client_of("lan"), factories.body(seen=0)
    elsewhere.run("SELECT FROM checklists_task WHERE id = %s FOR UPDATE", real.pk)
    answers = [elsewhere.start(lambda: send(lan, real, body)) for _ in range(2)]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert [answer.result(10).status_code for answer in answers] == [302, 302]
    real.refresh_from_db()
    assert (real.state, real.version, TaskEvent.objects.count()) == ("done", 1, 1)


def test_one_event_for_two_tasks_at_once_is_recorded_for_one(elsewhere: Elsewhere, real: Task) -> None:
    other = factories.task(real.campaign, "v-2")
    lan, body = client_of("lan"), factories.body(seen=0)
    elsewhere.run("SELECT FROM checklists_task WHERE id IN (%s, %s) FOR UPDATE", real.pk, other.pk)
    answers = [elsewhere.start(lambda task=task: send(lan, task, body)) for task in (real, other)]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(answer.result(10).status_code for answer in answers) == [302, 409]
    assert (TaskEvent.objects.count(), Task.objects.filter(state="done").count()) == (1, 1)


def test_a_tick_and_a_waiver_at_once_one_wins_and_the_other_is_told(elsewhere: Elsewhere, real: Task) -> None:
    lan, tang = client_of("lan"), client_of("tang")
    elsewhere.run("SELECT FROM checklists_task WHERE id = %s FOR UPDATE", real.pk)
    answers = [
        elsewhere.start(lambda: send(lan, real, factories.body(seen=0))),
        elsewhere.start(lambda: send(tang, real, factories.body("waived", note="没有河", seen=0))),
    ]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(answer.result(10).status_code for answer in answers) == [302, 409]
    real.refresh_from_db()
    assert (real.version, TaskEvent.objects.get().to_state) == (1, real.state)


# --- The answer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"state": "done"}, 200),
        ({"state": "done", "event": "?"}, 422),
        ({"state": "verified"}, 403),
        ({"state": "open", "seen": "7", "note": "x"}, 409),
    ],
    ids=str,
)
def test_htmx_gets_the_line_that_changed(body: dict[str, str], status: int, campaign: Campaign, as_: LogIn) -> None:
    task = factories.task(campaign)
    answer = send(as_("lan"), task, factories.body() | body, htmx=True)
    assert answer.status_code == status
    if status == 403:  # nothing about the task: a line for the place of messages
        assert answer.headers["HX-Retarget"] == "#alerts"
        return
    roots = re.findall(r"^<(\w+)([^>]*)>", answer.text.strip(), re.MULTILINE)
    assert roots[0][0] == "li"
    assert f'id="task-{task.pk}"' in roots[0][1]
    assert answer.text.strip().endswith("</li>")
    assert "<html" not in answer.text
    assert 'class="complaint"' in answer.text or status == 200


def test_the_form_of_the_answer_carries_a_fresh_event_and_the_new_version(campaign: Campaign, as_: LogIn) -> None:
    task, body = factories.task(campaign), factories.body()
    text = send(as_("lan"), task, body, htmx=True).text
    assert 'name="seen" value="1"' in text
    (event,) = re.findall(r'name="event" value="([0-9a-f-]{36})"', text)
    assert event != body["event"]


@pytest.mark.parametrize("path", ["/tasks/?show=all", "/campaigns/", "/tasks/#later"])
def test_without_htmx_one_goes_back_to_where_the_form_stood(path: str, campaign: Campaign, as_: LogIn) -> None:
    answer = send(as_("lan"), factories.task(campaign), factories.body(next=path))
    assert (answer.status_code, answer.headers["Location"]) == (302, path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "https:evil.example",
        r"\\evil.example",
        r"/\evil.example",
        "javascript:alert(1)",
        "http:///evil.example",
        "\x08//evil.example",
        "ftp://127.0.0.1/",
    ],
)
def test_next_leads_nowhere_but_to_a_path_of_ours(path: str, campaign: Campaign, as_: LogIn) -> None:
    task = factories.task(campaign)
    answer = send(as_("lan"), task, factories.body(next=path))
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/tasks/{task.pk}/")


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
def test_a_tick_is_a_post(method: str, campaign: Campaign, as_: LogIn) -> None:
    task, before = factories.task(campaign), everything()
    assert getattr(as_("lan"), method)(f"/tasks/{task.pk}/tick/").status_code == 405
    assert everything() == before


def test_reading_changes_nothing(campaign: Campaign, people: dict[str, Cadre], as_: LogIn) -> None:
    task = bring(factories.task(campaign), "done", people)
    before = everything()
    for client in (as_("lan"), as_("bao"), as_("su"), as_("ada")):
        assert client.get(f"/tasks/{task.pk}/").status_code == 200
        assert client.get(f"/campaigns/{campaign.pk}/events/").status_code == 200
    assert everything() == before


# --- The history ----------------------------------------------------------------------------------------------


def test_the_history_cannot_be_rewritten(campaign: Campaign, as_: LogIn) -> None:
    send(as_("lan"), factories.task(campaign), factories.body())
    for change in (
        lambda: TaskEvent.objects.update(note="别人写的"),
        lambda: TaskEvent.objects.all().delete(),
        lambda: TaskEvent.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(Exception, match="Cannot update or delete"), transaction.atomic():
            change()
    assert TaskEvent.objects.get().note == ""


def test_the_history_of_a_campaign_shows_what_lies_in_sight_and_nothing_else(campaign: Campaign, as_: LogIn) -> None:
    for name, unit, note in (("lan", factories.WILLOW, "柳村的话"), ("hong", factories.MAPLE, "枫村的话")):
        send(as_(name), factories.task(campaign, unit=unit), factories.body(note=note))
    page = f"/campaigns/{campaign.pk}/events/"
    for name, seen, unseen in (
        ("lan", ["柳村的话"], ["枫村的话"]),
        ("hong", ["枫村的话"], ["柳村的话"]),
        ("bao", ["柳村的话", "枫村的话"], []),
    ):
        text = as_(name).get(page).text
        assert all(words in text for words in seen)
        assert not any(words in text for words in unseen)
    text = as_("bao").get(page).text
    assert text.index("枫村的话") < text.index("柳村的话")  # newest first
    assert as_("chen").get(page).status_code == 404
