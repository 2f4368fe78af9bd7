"""Second looks: from how high, by whom, in which order, many at once, and again."""

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from checklists import catalog, copying, launch, looks, newer, ticks
from checklists.models import Campaign, Evidence, EvidenceUse, Item, State, Task, TaskEvent
from tests import factories, proofs
from tests.checklists.conftest import Elsewhere, queries
from tests.checklists.test_tallies import drift
from tests.factories import COUNTY, EAST, LAKE, MAPLE, WILLOW
from villages import access
from villages.access import Height, Role
from villages.models import Cadre, Post, Unit

Cast = dict[str, Cadre]
LogIn = Callable[[str], Client]
TODAY = timezone.localdate()
TOMORROW = TODAY + timedelta(days=1)


def again(cadre: Cadre) -> Cadre:
    """The person with the posts of this moment."""
    found = Cadre.objects.in_session(cadre.pk)
    assert found is not None
    return found


def claim(campaign: Campaign, number: str, unit: str, by: Cadre, *, at: datetime | None = None) -> Task:
    """A task that this person has ticked; `at` moves when."""
    task = factories.task(campaign, number, unit)
    task = ticks.record(task, by=again(by), event=uuid.uuid4(), state="done", note="做了").task
    if at:
        Task.objects.filter(pk=task.pk).update(done_at=at)
    return Task.objects.for_list().get(pk=task.pk)


def step(task: Task, by: Cadre, state: str, note: str = "") -> Task:
    """One more step, from the task as it is now."""
    now = Task.objects.for_list().get(pk=task.pk)
    return ticks.record(now, by=again(by), event=uuid.uuid4(), state=state, note=note, seen=now.version).task


def stand_in(cadre: Cadre, other: Cadre, **which: Any) -> Post:
    """The cadre stands in for the other's post."""
    post = other.posts.filter(**which).order_by("pk")[0]
    return factories.appoint(cadre, post.role, post.unit_id, stands_in_for=post, until=TOMORROW)


def send(client: Client, tasks: list[Task], state: str = "", **fields: Any) -> HttpResponse:
    """What the queue's form sends."""
    keys = [f"{task.pk}.{task.version}" for task in tasks]
    return client.post("/verify/", {"event": str(uuid.uuid4()), "chosen": keys, "state": state} | fields)


def shown(answer: HttpResponse) -> list[int]:
    """The ids of the tasks in the queue, in order."""
    return [line.task.pk for line in answer.context["lines"]]  # type: ignore[attr-defined]


def words(answer: HttpResponse) -> list[str]:
    """What the page says after a change."""
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]  # type: ignore[attr-defined]


# --- From how high -------------------------------------------------------------------------------------------------


def test_a_post_at_a_township_looks_from_the_township_whatever_its_role(cast: Cast) -> None:
    heights = {name: [access.height_of(grant) for grant in cast[name].grants] for name in ("lin", "bao", "tang")}
    assert heights == {"lin": [1, 1], "bao": [2], "tang": [2]}
    for role, at_county in ((Role.SUPERVISOR, Height.DEPARTMENT), (Role.CAMPAIGN_ADMIN, Height.COUNTY)):
        assert access.height_of(access.Grant(role, COUNTY)) == at_county
        assert access.height_of(access.Grant(role, "51")) == at_county
        assert access.height_of(access.Grant(role, EAST)) == Height.TOWNSHIP


@pytest.mark.parametrize(
    ("of_campaign", "of_item", "may"),
    [
        (1, None, ["lin", "bao", "tang", "ada", "su"]),
        (2, None, ["bao", "tang", "ada", "su"]),
        (3, None, ["ada", "su"]),
        (4, None, ["ada"]),
        (1, 3, ["ada", "su"]),
        (4, 1, ["lin", "bao", "tang", "ada", "su"]),
    ],
)
def test_the_item_says_how_high_a_look_must_go_else_its_campaign(
    of_campaign: int, of_item: int | None, may: list[str], campaign: Campaign, cast: Cast
) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(looked_at_by=of_campaign)
    Item.objects.filter(campaign=campaign, number="v-1").update(looked_at_by=of_item)
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    assert task.height == (of_item or of_campaign)
    assert [name for name in cast if access.may_check(cast[name], task)] == may
    assert [name for name in cast if task in Task.objects.to_check_by(cast[name])] == may
    for name in set(cast) - set(may):
        for state in ("verified", "returned"):
            with pytest.raises(PermissionDenied):
                step(task, cast[name], state, "因为")


def test_a_refusal_says_who_must_look(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    Campaign.objects.update(looked_at_by=Height.DEPARTMENT)
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    answer = as_("bao").post(f"/tasks/{task.pk}/tick/", factories.body("verified"))
    assert answer.status_code == 403
    assert "县级督查及以上" in answer.content.decode()
    assert "县级督查及以上" in as_("bao").get(f"/tasks/{task.pk}/").content.decode()


def test_a_second_post_does_not_lift_the_first(campaign: Campaign, cast: Cast) -> None:
    """A supervisor of one township is no higher in another, nor is whoever is linked here and supervisor there."""
    Campaign.objects.update(looked_at_by=Height.DEPARTMENT)
    factories.appoint(cast["lin"], Role.SUPERVISOR, factories.OTHER_COUNTY)
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    assert not access.may_check(again(cast["lin"]), task)
    factories.appoint(cast["lin"], Role.SUPERVISOR, COUNTY)
    assert access.may_check(again(cast["lin"]), task)


# --- By whom -------------------------------------------------------------------------------------------------------


def test_a_stand_in_leaves_whose_place_it_was(campaign: Campaign, cast: Cast) -> None:
    stand_in(cast["nobody"], cast["lan"])
    task = claim(campaign, "v-1", WILLOW, cast["nobody"])
    assert (task.done_by, task.done_for) == (cast["nobody"], cast["lan"])
    stand_in(cast["hong"], cast["lin"], unit=WILLOW)
    task = step(task, cast["hong"], "verified")
    assert (task.verified_by_id, task.verified_for_id) == (cast["hong"].pk, cast["lin"].pk)
    task = step(task, cast["bao"], "returned", "再看")
    assert {task.done_by_id, task.done_for_id, task.verified_by_id, task.verified_for_id} == {None}


def test_a_post_of_ones_own_goes_before_one_that_one_only_stands_in_for(campaign: Campaign, cast: Cast) -> None:
    stand_in(cast["hong"], cast["lan"])
    factories.appoint(cast["hong"], Role.LINKED, WILLOW)
    task = claim(campaign, "v-1", WILLOW, cast["hong"])
    assert (task.done_by, task.done_for_id) == (cast["hong"], None)
    # And so do those of two whom one stands in for, if one of them has claimed it.
    stand_in(cast["nobody"], cast["lin"], unit=WILLOW)
    stand_in(cast["nobody"], cast["bao"])
    other = claim(campaign, "v-2", WILLOW, cast["lin"])
    assert access.checks_for(again(cast["nobody"]), other) == cast["bao"].pk
    assert step(other, cast["nobody"], "verified").verified_for_id == cast["bao"].pk


def test_neither_the_claimant_nor_whom_they_stood_in_for_nor_their_stand_in_checks(
    campaign: Campaign, cast: Cast
) -> None:
    """Lin, linked to Willow, may tick and check there; so may whoever stands in for Lin."""
    stand_in(cast["nobody"], cast["lin"], unit=WILLOW)
    mine = claim(campaign, "v-1", WILLOW, cast["lin"])
    theirs = claim(campaign, "v-2", WILLOW, cast["nobody"])
    with override("en"):
        assert str(access.may_check(again(cast["nobody"]), mine).reason).startswith("You stand in for whoever ticked")
        assert str(access.may_check(cast["lin"], mine).reason).startswith("You ticked this task yourself")
        assert str(access.may_check(cast["lin"], theirs).reason).startswith("This task was ticked in your place")
        assert str(access.may_check(again(cast["nobody"]), theirs).reason).startswith("You ticked this task yourself")
    for name in ("lin", "nobody"):
        assert not Task.objects.to_check_by(again(cast[name])).exists()
        assert ticks.choices(again(cast[name]), mine).isdisjoint({"verified", "returned"})
    assert set(Task.objects.to_check_by(cast["bao"])) == {mine, theirs}
    # What is verified is not theirs to look at again or to send back either.
    step(mine, cast["bao"], "verified")
    for name, state in (("lin", "verified"), ("nobody", "verified"), ("lin", "returned"), ("nobody", "returned")):
        with pytest.raises(PermissionDenied):
            step(mine, cast[name], state, "因为")


@pytest.mark.parametrize("who", ["lan", "lin", "nobody"])
def test_the_database_has_the_last_word(who: str, campaign: Campaign, cast: Cast, monkeypatch: Any) -> None:
    """Whatever the policy lets through: claimed by Nobody in the place of Lin; verified by either or for either."""
    stand_in(cast["nobody"], cast["lin"], unit=WILLOW)
    task = claim(campaign, "v-1", WILLOW, cast["nobody"])
    monkeypatch.setitem(ticks.MAY, ticks.Verb.VERIFY, lambda user, task: access.YES)
    if who == "lan":  # stands in for Lin too, and the policy forgets that this is the claimant's place
        stand_in(cast["lan"], cast["lin"], unit=WILLOW)
        monkeypatch.setattr(access, "checks_for", lambda user, task: cast["lin"].pk)
    with pytest.raises(IntegrityError, match="task_verified_by"), transaction.atomic():
        step(task, cast[who], "verified")
    assert Task.objects.get(pk=task.pk).state == "done"


def test_a_tick_by_a_stand_in_costs_no_more_queries(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    stand_in(cast["nobody"], cast["lan"])
    costs = []
    for who, number in (("lan", "v-1"), ("nobody", "v-2")):
        client, task = as_(who), factories.task(campaign, number)
        client.get("/units/")
        with CaptureQueriesContext(connection) as captured:
            body = factories.body()
            assert client.post(f"/tasks/{task.pk}/tick/", body, headers={"HX-Request": "true"}).status_code == 200
        costs.append(len(captured))
    assert costs[0] == costs[1]


def value(task: Task, by: Cadre, amount: int, state: str, **more: Any) -> Task:
    """One more value, from the task as it is now."""
    now = Task.objects.for_list().get(pk=task.pk)
    sent = {"event": uuid.uuid4(), "state": state, "value": Decimal(amount), "seen": now.version} | more
    return ticks.record(now, by=again(by), **sent).task


def barred(task: Task, cast: Cast) -> set[str]:
    """Who of those that check here must not, on the task's page and in the queue alike."""
    now = Task.objects.for_list().get(pk=task.pk)
    able = {name: again(cast[name]) for name in ("lin", "bao", "tang", "su", "nobody")}
    refused = {name for name, one in able.items() if not access.may_check(one, now)}
    assert refused == {name for name, one in able.items() if now not in Task.objects.to_check_by(one)}
    return refused


def test_the_value_that_counts_is_a_claim_of_whoever_entered_it(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    """Lan ticks with a value; Bao of the township enters a newer one, then Nobody, who is there only in Lin's place."""
    stand_in(cast["nobody"], cast["lin"], unit=WILLOW)
    task = value(factories.task(campaign, "v-3"), cast["lan"], 95, "done")
    assert barred(task, cast) == set()
    assert "谁填数就算谁自报" in as_("bao").get(f"/tasks/{task.pk}/").content.decode()
    before = task.done_at
    task = value(task, cast["bao"], 96, "done")
    assert "谁填数就算谁自报" not in as_("bao").get(f"/tasks/{task.pk}/").content.decode()
    assert (task.done_by, task.done_for_id, task.done_at > before) == (cast["bao"], None, True)
    assert barred(task, cast) == {"bao"}
    with pytest.raises(PermissionDenied):
        step(task, cast["bao"], "verified")
    # Both are barred, whoever came last; and so is whose place it was.
    task = value(task, cast["nobody"], 97, "done")
    assert (task.done_by, task.done_for_id) == (cast["nobody"], cast["lin"].pk)
    assert barred(task, cast) == {"bao", "lin", "nobody"}
    # A value of an earlier day changes nothing of what counts, and a note is no value.
    step(task, cast["lan"], "done", "还差一户")
    assert barred(task, cast) == {"bao", "lin", "nobody"}
    step(task, cast["su"], "verified")
    assert drift() == []
    # Sent back, the value stays, and on whose word it rests; a new one rests on whoever enters it.
    task = step(task, cast["su"], "returned", "对不上")
    task = step(task, cast["lan"], "done")
    assert barred(task, cast) == {"bao", "lin", "nobody"}
    task = step(task, cast["lan"], "open")
    task = value(task, cast["lan"], 98, "done")
    assert (barred(task, cast), task.rests_on) == (set(), [])


def test_who_entered_the_value_that_somebody_else_ticks_checks_it_no_more_than_who_ticked(
    campaign: Campaign, cast: Cast
) -> None:
    task = factories.task(campaign, "v-3")
    task = value(task, cast["bao"], 95, "open")
    task = step(task, cast["lan"], "done")
    with override("en"):
        assert str(access.may_check(again(cast["bao"]), task).reason).startswith("This claim rests on what you")
    assert barred(task, cast) == {"bao", "nobody"}
    # Nor does an inspector look at what they entered themselves.
    assert task.claimants == {cast["bao"].pk, cast["lan"].pk}


def test_what_is_verified_takes_no_value(campaign: Campaign, cast: Cast) -> None:
    task = value(factories.task(campaign, "v-3"), cast["lan"], 95, "done")
    task = step(task, cast["su"], "verified")
    for state in ("done", "open", "verified"):
        with pytest.raises((ticks.Refused, PermissionDenied)):
            value(task, cast["lan"], 99, state)
    assert Task.objects.get(pk=task.pk).value == 95


# --- In which order ------------------------------------------------------------------------------------------------


def at(day: Any, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone.get_default_timezone())


def test_the_riskiest_come_first_and_each_says_why(cast: Cast, as_: LogIn) -> None:
    lines = [factories.line(name) for name in ("old", "older", "hour", "back", "gate", "veto")]
    campaign = factories.campaign(of=factories.template("risk", lines), on=TODAY - timedelta(days=9), days=9)
    phase = campaign.phases.create(key="all", title="全程", starts_on=campaign.starts_on, ends_on=TODAY)
    campaign.items.filter(number="gate").update(gate=True, phase=phase)
    yesterday = TODAY - timedelta(days=1)
    Task.objects.filter(item__number="veto").update(veto=True)
    Task.objects.update(due_on=yesterday)
    # Somebody has looked at Willow before; at Lake nobody has.
    step(claim(campaign, "veto", WILLOW, cast["lan"]), cast["bao"], "verified")
    wang = factories.cadre("Wang", Role.VILLAGE_CADRE, LAKE)
    new = claim(campaign, "old", LAKE, wang, at=at(yesterday, 9))
    old = claim(campaign, "old", WILLOW, cast["lan"], at=at(yesterday, 10))
    older = claim(campaign, "older", WILLOW, cast["lan"], at=at(yesterday, 9))
    hour = claim(campaign, "hour", WILLOW, cast["lan"], at=at(yesterday, 23))
    gate = claim(campaign, "gate", WILLOW, cast["lan"])
    back = claim(campaign, "back", WILLOW, cast["lan"])
    step(back, cast["bao"], "returned", "牌子没挂")
    back = step(back, cast["lan"], "done")
    hong = claim(campaign, "veto", MAPLE, cast["hong"])
    answer = as_("su").get("/verify/")
    assert shown(answer) == [task.pk for task in (hong, gate, back, new, hour, older, old)]
    why = [line.why for line in answer.context["lines"]]
    assert why[1:] == [
        ["门槛项"],
        ["曾被退回"],
        ["本单位首次核实"],
        ["截止前一小时内自报"],
        [],
        [],
    ]
    assert why[0] == ["一票否决项", "本单位首次核实"]
    assert "Bao: 牌子没挂" in answer.content.decode()  # the last word about it


@pytest.mark.parametrize(("hour", "day", "late"), [(22, 0, False), (23, 0, True), (23, -1, False), (0, 1, False)])
def test_the_last_hour_is_that_of_the_deadlines_day_here(
    hour: int, day: int, late: bool, campaign: Campaign, cast: Cast
) -> None:
    due = TODAY - timedelta(days=3)
    task = claim(campaign, "v-1", WILLOW, cast["lan"], at=at(due + timedelta(days=day), hour, 59))
    Task.objects.update(due_on=due)
    assert Task.objects.filter(pk=task.pk).riskiest_first()[0].is_last_hour is late


def test_the_queue_is_narrowed_by_campaign_township_and_section(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    Item.objects.filter(number="v-2").update(section="二(三)")
    second = factories.campaign(of=factories.template("second"), on=TODAY, days=20)
    wang = factories.cadre("Wang", Role.VILLAGE_CADRE, LAKE)
    one = claim(campaign, "v-1", WILLOW, cast["lan"])
    two = claim(campaign, "v-2", WILLOW, cast["lan"])
    three = claim(second, "v-1", LAKE, wang)
    four = claim(campaign, "t-1", factories.BUREAU, cast["deng"])
    su = as_("su")
    assert set(shown(su.get("/verify/"))) == {one.pk, two.pk, three.pk, four.pk}
    assert shown(su.get("/verify/", {"campaign": second.pk})) == [three.pk]
    assert set(shown(su.get("/verify/", {"place": EAST}))) == {one.pk, two.pk}
    assert shown(su.get("/verify/", {"place": COUNTY})) == [four.pk]
    assert shown(su.get("/verify/", {"section": "二(三)"})) == [two.pk]
    assert shown(su.get("/verify/", {"section": "二(三)", "place": factories.WEST})) == []
    for nonsense in ({"campaign": "x"}, {"place": "9' OR"}, {"page": "99"}, {"place": factories.OTHER_TOWNSHIP}):
        assert len(shown(su.get("/verify/", nonsense))) == 4
    assert as_("lan").get("/verify/").status_code == 403


def test_the_queue_comes_in_pages_and_costs_the_same_for_two_and_two_hundred(cast: Cast, as_: LogIn) -> None:
    """Also where items ask for proof, and files are there."""
    lines = [factories.line(f"n-{n:03}", **{"needs_proof": True} if n % 2 else {}) for n in range(100)]
    campaign = factories.campaign(of=factories.template("many", lines), on=TODAY)
    every = Task.objects.filter(campaign=campaign, unit__in=[WILLOW, MAPLE]).order_by("pk")

    def claimed(many: int) -> None:
        ids = every.values_list("pk", flat=True)[:many]
        Task.objects.filter(pk__in=list(ids)).update(state="done", done_by=cast["lan"], done_at=timezone.now())
        proofs.kept(every[many - 1], cast["lan"], at=timezone.now())

    costs = {}
    for many in (2, 200):
        claimed(many)
        for who in ("lin", "bao", "ada"):
            costs.setdefault(who, []).extend(queries(as_(who), ["/verify/", f"/verify/?place={EAST}"]))
    assert all(len(set(found)) == 1 for found in costs.values()), costs
    assert max(max(found) for found in costs.values()) <= 12, costs
    lin = as_("lin")
    found = [shown(lin.get("/verify/", {"page": page})) for page in range(1, 8)]
    assert [len(page) for page in found] == [30] * 6 + [20]
    assert len({pk for page in found for pk in page}) == 200


# --- Many at once --------------------------------------------------------------------------------------------------


def test_many_are_verified_in_one_go_each_with_an_event_of_its_own(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    tasks = [claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2")]
    event = uuid.uuid4()
    bao = as_("bao")
    first = send(bao, tasks, "verified", event=str(event))
    assert (first.status_code, first.headers["Location"]) == (302, "/verify/")
    assert words(bao.get("/verify/")) == ["已核实2项。"]
    kept = {event.pk: event.task_id for event in TaskEvent.objects.filter(to_state="verified")}
    assert kept == {uuid.uuid5(event, str(task.pk)): task.pk for task in tasks}
    # A repeat is an answer, and no second change.
    assert send(bao, tasks, "verified", event=str(event)).status_code == 302
    assert words(bao.get("/verify/")) == ["已核实2项。"]
    assert TaskEvent.objects.filter(to_state="verified").count() == 2
    assert set(Task.objects.filter(pk__in=[task.pk for task in tasks]).values_list("version", flat=True)) == {2}


def test_many_are_returned_with_one_reason_and_not_without(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    tasks = [claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2")]
    bao = as_("bao")
    refused = send(bao, tasks[:1], "returned", note=" ")
    assert refused.status_code == 422
    assert "请写明理由" in refused.content.decode()
    assert refused.content.decode().count(" checked") == 1  # what was chosen stays chosen
    assert send(bao, tasks, "returned", note="照片对不上").status_code == 302
    notes = TaskEvent.objects.filter(to_state="returned").values_list("note", flat=True)
    assert list(notes) == ["照片对不上"] * 2


def test_many_are_returned_at_once_each_with_its_own_reason_or_the_same(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    one, two = (claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2"))
    three, four = (claim(campaign, number, MAPLE, cast["hong"]) for number in ("v-1", "v-2"))
    bao, event = as_("bao"), str(uuid.uuid4())
    own = {f"why-{one.pk}": "牌子没挂", f"why-{two.pk}": "照片是去年的", f"why-{four.pk}": "没选它"}
    # Without one for all, those that have none are named at their line, and what was typed stands there still.
    refused = send(bao, [one, two, three], "returned", event=event, **own)
    text = refused.content.decode()
    assert (refused.status_code, TaskEvent.objects.filter(to_state="returned").count()) == (422, 0)
    lines = {line.task.pk: line for line in refused.context["lines"]}
    assert {pk: line.typed for pk, line in lines.items()} == {
        one.pk: "牌子没挂", two.pk: "照片是去年的", three.pk: "", four.pk: "没选它",
    }  # fmt: skip
    assert [pk for pk, line in lines.items() if line.wrong] == [three.pk]
    assert re.search(f'name="why-{three.pk}"[^>]* aria-invalid="true" aria-describedby="wrong-{three.pk}"', text)
    assert ("有1项没有可用的理由" in text, text.count(" checked")) == (True, 3)
    # Each by the rules of any reason.
    for raw, says in (("长" * 401, "401"), ("511504190001010037", "身份证")):
        refused = send(bao, [one, two], "returned", note="对不上", **own | {f"why-{two.pk}": raw})
        (said,) = [line.wrong for line in refused.context["lines"] if line.wrong]
        assert (refused.status_code, says in said) == (422, True)
    # The same for all fills in the empty one; a repeat is an answer.
    for _ in range(2):
        assert send(bao, [one, two, three], "returned", event=event, note="对不上", **own).status_code == 302
        assert words(bao.get("/verify/")) == ["已退回3项。"]
    notes = dict(TaskEvent.objects.filter(to_state="returned").values_list("task", "note"))
    assert notes == {one.pk: "牌子没挂", two.pk: "照片是去年的", three.pk: "对不上"}
    # What was written for one that somebody else has moved meanwhile is told, and so is one that is gone from here.
    send(bao, [three], "returned", **{f"why-{three.pk}": "迟了一步"})
    assert any("迟了一步" in said for said in words(bao.get("/verify/")))
    refused = send(bao, [four], "", **{f"why-{three.pk}": "迟了一步"})
    assert "<q>迟了一步</q>" in refused.content.decode()


def test_what_is_so_carries_no_reason_that_was_typed_for_returning_it(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    tasks = [claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2")]
    tasks.append(claim(campaign, "v-1", MAPLE, cast["hong"]))
    typed = {f"why-{task.pk}": "牌子没挂" for task in tasks} | {"note": "对不上"}
    bao = as_("bao")
    assert send(bao, tasks[1:], "", so=f"{tasks[0].pk}.{tasks[0].version}", **typed).status_code == 302
    assert send(bao, tasks[1:], "verified", **typed).status_code == 302
    notes = TaskEvent.objects.filter(to_state="verified").values_list("note", flat=True)
    assert list(notes) == [""] * 3


def test_the_queue_shows_proof_and_whether_the_same_file_serves_elsewhere(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    one, two = (claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2"))
    other = claim(campaign, "v-1", MAPLE, cast["hong"])
    far = claim(campaign, "v-1", LAKE, factories.cadre("Wang", Role.VILLAGE_CADRE, LAKE))
    Item.objects.filter(number="v-2").update(needs_proof=True)
    now = timezone.now()
    files = [proofs.kept(one, cast["lan"], at=now, sent_sha256=str(n) * 64, thumbnail="x") for n in range(6)]
    gone = proofs.kept(other, cast["hong"], at=now)
    Evidence.objects.filter(pk=gone.pk).update(removed_at=now, removed_by=cast["hong"], stored="", thumbnail="")
    hidden = proofs.kept(far, cast["su"], at=now)

    def seen(name: str) -> dict[int, tuple[int, int, bool]]:
        lines = as_(name).get("/verify/").context["lines"]
        return {one.task.pk: (len(one.proof.files), one.proof.more, one.proof.serves_elsewhere) for one in lines}

    mine = {one.pk: (4, 2, False), two.pk: (0, 0, False), other.pk: (0, 0, False)}
    assert seen("lin") == mine
    assert seen("bao") == mine
    # The same bytes on a task of another township: whoever sees only this one is told nothing of it.
    Evidence.objects.filter(pk__in=[files[5].pk, hidden.pk]).update(sent_sha256="a" * 64)
    assert seen("bao")[one.pk] == (4, 2, False)
    assert seen("su") == mine | {one.pk: (4, 2, True), far.pk: (1, 0, True)}
    Evidence.objects.filter(pk=files[5].pk).update(sent_sha256="c" * 64)
    assert seen("su")[one.pk] == (4, 2, False)
    # One file that serves two tasks is said as well, and what is asked for and not there.
    EvidenceUse.objects.create(evidence=files[0], task=two, by=cast["lan"])
    assert seen("lin") == mine | {one.pk: (4, 2, True), two.pk: (1, 0, True)}
    page = as_("lin").get("/verify/").content.decode()
    assert (page.count("同一文件还用于别处"), page.count("<b>+2</b>"), page.count("佐证待补")) == (2, 1, 0)
    assert f'href="/tasks/{one.pk}/#proofs"' in page
    EvidenceUse.objects.filter(task=two).delete()
    assert "佐证待补" in as_("lin").get("/verify/").content.decode()


@pytest.mark.parametrize(
    "sent",
    [
        {"chosen": []},
        {"chosen": ["1"]},
        {"chosen": ["1.0; DROP"]},
        {"chosen": ["9" * 19 + ".0"]},
        {"chosen": [f"{n}.0" for n in range(1, 202)]},
        {"state": "waived"},
        {"state": ""},
        {"event": "x"},
        {"state": "returned", "note": "长" * 401},
    ],
    ids=["none", "no version", "nonsense", "too large", "too many", "other state", "no state", "no id", "too long"],
)
def test_a_form_that_makes_no_sense_is_shown_again(
    sent: dict[str, Any], campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    answer = send(as_("bao"), [task], **({"state": "verified"} | sent))
    assert answer.status_code == 422
    assert 'class="complaint" role="alert"' in answer.content.decode()
    assert Task.objects.get(pk=task.pk).state == "done"


def test_one_line_is_verified_by_its_own_button_whatever_else_is_chosen(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    one, two = (claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2"))
    assert send(as_("bao"), [one], so=f"{two.pk}.{two.version}").status_code == 302
    assert [Task.objects.get(pk=task.pk).state for task in (one, two)] == ["done", "verified"]


def test_what_cannot_be_done_is_named_and_left_and_the_rest_is_done(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    good, verified, undone, own, far = (
        claim(campaign, "v-1", WILLOW, cast["lan"]),
        claim(campaign, "v-2", WILLOW, cast["lan"]),
        claim(campaign, "v-1", MAPLE, cast["hong"]),
        claim(campaign, "v-2", MAPLE, cast["bao"]),
        factories.task(factories.campaign(factories.OTHER_COUNTY, on=TODAY), "v-1", factories.OTHER_VILLAGE),
    )
    step(verified, cast["su"], "verified")
    step(undone, cast["hong"], "open")
    never = Task(pk=10**12, version=0)
    bao = as_("bao")
    assert send(bao, [good, verified, undone, own, far, never], "verified").status_code == 302
    said = words(bao.get("/verify/"))
    assert said[0] == "已核实1项。"
    assert sum("保持原样" in line for line in said) == 3
    assert any("柳村" in line and "第v-2项" in line and "Su" in line for line in said)
    assert any("枫村" in line and "你自己报的" in line for line in said)
    assert said[-1] == "有2项已经不在了。"  # out of sight is like what never was
    assert Task.objects.get(pk=good.pk).verified_by == cast["bao"]
    assert Task.objects.get(pk=own.pk).state == "done"
    assert Task.objects.get(pk=far.pk).state == "open"


def test_a_return_that_came_after_somebody_verified_is_named_and_left(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    step(task, cast["su"], "verified")
    assert send(as_("bao"), [task], "returned", note="不对").status_code == 302
    assert Task.objects.get(pk=task.pk).state == "verified"


# --- Again ---------------------------------------------------------------------------------------------------------


def test_what_is_verified_is_looked_at_again_and_each_look_is_told(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    task = step(claim(campaign, "v-1", WILLOW, cast["lan"]), cast["lin"], "verified")
    for name, note in (("lin", ""), ("su", "还在")):
        page = as_(name).get(f"/tasks/{task.pk}/")
        assert "我又看了：仍然属实" in page.content.decode()
        version = Task.objects.get(pk=task.pk).version
        body = factories.body("verified", seen=version, note=note)
        assert as_(name).post(f"/tasks/{task.pk}/tick/", body).status_code == 302
        assert as_(name).post(f"/tasks/{task.pk}/tick/", body).status_code == 302  # a repeat
    now = Task.objects.get(pk=task.pk)
    assert (now.state, now.verified_by, now.done_by) == ("verified", cast["su"], cast["lan"])
    page = as_("lan").get(f"/tasks/{task.pk}/")
    looked = [(event.by.name, event.to_state, event.looked_again) for event in page.context["looks"]]
    assert looked == [("Lin", "verified", False), ("Lin", "verified", True), ("Su", "verified", True)]
    assert drift() == []
    step(task, cast["bao"], "returned", "又脏了")
    page = as_("lan").get(f"/tasks/{task.pk}/")
    assert [event.to_state for event in page.context["looks"]][-1] == "returned"
    assert TaskEvent.objects.filter(task=task).count() == 5
    assert drift() == []


def test_a_second_verification_from_an_old_page_is_no_second_look(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    task = claim(campaign, "v-1", WILLOW, cast["lan"])
    step(task, cast["su"], "verified")
    for seen in ({"seen": task.version}, {}):
        assert as_("bao").post(f"/tasks/{task.pk}/tick/", factories.body("verified", **seen)).status_code == 302
    assert TaskEvent.objects.filter(task=task, to_state="verified").count() == 1
    assert Task.objects.get(pk=task.pk).verified_by == cast["su"]


def test_who_claimed_does_not_look_again(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    task = step(claim(campaign, "v-1", WILLOW, cast["lin"]), cast["bao"], "verified")
    body = factories.body("verified", seen=task.version)
    assert as_("lin").post(f"/tasks/{task.pk}/tick/", body).status_code == 403
    assert TaskEvent.objects.filter(looked_again=True).count() == 0


# --- At once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [False, True], ids=["two taps", "many against one"])
def test_of_two_who_check_at_once_one_counts_and_the_other_is_named(bulk: bool, elsewhere: Elsewhere) -> None:
    factories.units()
    cast = factories.cast()
    campaign = factories.campaign(on=TODAY)
    task, other = (claim(campaign, number, WILLOW, cast["lan"]) for number in ("v-1", "v-2"))

    def look(who: str, state: str, note: str) -> looks.Looked:
        chosen = {task.pk: task.version} | ({other.pk: other.version} if bulk and who == "su" else {})
        return looks.several(chosen, by=again(cast[who]), event=uuid.uuid4(), state=state, note=note)

    elsewhere.run("SELECT * FROM checklists_task WHERE id = %s FOR UPDATE", task.pk)
    both = [elsewhere.start(lambda: look("su", "verified", "")), elsewhere.start(lambda: look("bao", "returned", "脏"))]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    found = [each.result(60) for each in both]
    assert sorted(len(each.left) for each in found) == [0, 1]
    assert sum(task in each.made for each in found) == 1
    assert (other in found[0].made) is bulk
    assert TaskEvent.objects.filter(task=task).exclude(to_state="done").count() == 1
    assert Task.objects.get(pk=task.pk).version == task.version + 1
    assert drift() == []


def test_without_the_compare_and_set_both_would_count(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the guard is off, and the history has two answers to one claim."""
    from checklists.models.task import TaskQuerySet

    factories.units()
    cast = factories.cast()
    task = claim(factories.campaign(on=TODAY), "v-1", WILLOW, cast["lan"])
    plain = TaskQuerySet.filter

    def whatever_version(self: TaskQuerySet, *conditions: Any, **lookups: Any) -> TaskQuerySet:
        lookups.pop("version", None)
        return plain(self, *conditions, **lookups)

    monkeypatch.setattr(TaskQuerySet, "filter", whatever_version)
    elsewhere.run("SELECT * FROM checklists_task WHERE id = %s FOR UPDATE", task.pk)
    chosen = {task.pk: task.version}
    both = [
        elsewhere.start(
            lambda who=who: looks.several(chosen, by=again(cast[who]), event=uuid.uuid4(), state="returned", note="看")
        )
        for who in ("su", "bao")
    ]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert [len(each.result(60).made) for each in both] == [1, 1]
    assert TaskEvent.objects.filter(task=task).exclude(to_state=State.DONE).count() == 2


# --- Setting it up -------------------------------------------------------------------------------------------------


def test_the_heights_are_chosen_on_the_rules_step_and_in_an_items_form(
    campaign: Campaign, cast: Cast, as_: LogIn
) -> None:
    ada, setup = as_("ada"), f"/campaigns/{campaign.pk}/setup/"
    page = ada.get(f"{setup}rules/")
    sent = {"red_percent": "10", "initial-red_percent": "10", "last_places": "0", "initial-last_places": "0"}
    assert "自报由谁核实" in page.content.decode()
    assert ada.post(f"{setup}rules/", sent | {"looked_at_by": "2", "initial-looked_at_by": "1"}).status_code == 302
    assert Campaign.objects.get(pk=campaign.pk).looked_at_by == Height.TOWNSHIP
    # An older page without the field leaves it alone; somebody else's change is not overwritten unseen.
    assert ada.post(f"{setup}rules/", sent).status_code == 302
    assert Campaign.objects.get(pk=campaign.pk).looked_at_by == Height.TOWNSHIP
    stale = ada.post(f"{setup}rules/", sent | {"looked_at_by": "3", "initial-looked_at_by": "1"})
    assert stale.status_code == 422
    for wrong in ("5", "0", "x"):
        assert (
            ada.post(f"{setup}rules/", sent | {"looked_at_by": wrong, "initial-looked_at_by": "2"}).status_code == 422
        )
    item = campaign.items.get(number="v-1")
    address = f"{setup}items/{item.pk}/"
    form = ada.get(address).context["form"]
    data = {f"{form.prefix}-{name}": form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    for wanted, height in (("4", Height.COUNTY), ("", None)):
        answer = ada.post(address, data | {f"{form.prefix}-looked_at_by": wanted})
        assert answer.status_code in (200, 302), answer.content.decode()
        item.refresh_from_db()
        assert item.looked_at_by == height


def test_a_height_travels_with_the_speech_the_copy_and_the_newer_version(cast: Cast, as_: LogIn) -> None:
    county = Unit.objects.get(pk=COUNTY)
    body = factories.template().body | {
        "items": [factories.line("v-1", looked_at_by="department"), factories.line("v-2")]
    }
    drafted = launch.draft(catalog.save(body), county, inspects_on=TODAY + timedelta(days=40), on=TODAY)
    assert dict(drafted.items.values_list("number", "looked_at_by")) == {"v-1": Height.DEPARTMENT, "v-2": None}
    assert "县级督查及以上" in as_("ada").get(f"/templates/{drafted.template_id}/").content.decode()
    Campaign.objects.filter(pk=drafted.pk).update(looked_at_by=Height.TOWNSHIP)
    drafted.refresh_from_db()
    copied = copying.copy(drafted, county, inspects_on=TODAY + timedelta(days=60), on=TODAY)
    assert copied.looked_at_by == Height.TOWNSHIP
    assert list(copied.items.values_list("looked_at_by", flat=True)) == [Height.DEPARTMENT, None]
    assert [line.get("looked_at_by") for line in copying.body_of(drafted)["items"]] == ["department", None]
    later = catalog.save(
        body | {"items": [factories.line("v-1", looked_at_by="county"), factories.line("v-2", looked_at_by="linked")]}
    )
    found = newer.lines(drafted, later)
    assert [(line.number, line.field, line.before, line.after) for line in found] == [
        ("v-1", "looked_at_by", "县级督查及以上", "县级本级"),
        ("v-2", "looked_at_by", "", "包村干部及以上"),
    ]


@pytest.mark.parametrize("height", ["linked", "township", "department", "county", "province", 2, ""])
def test_the_catalogs_schema_knows_the_heights_by_name(height: Any) -> None:
    body = catalog.read(sorted(catalog.CATALOG.glob("*.yaml"))[0])
    body["items"][0]["looked_at_by"] = height
    if height in [name.lower() for name in Height.names]:
        catalog.check(body, "speech")
    else:
        with pytest.raises(catalog.BadTemplate):
            catalog.check(body, "speech")
