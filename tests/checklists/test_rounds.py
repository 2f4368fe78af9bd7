"""Rounds: who records what was seen, what comes of it, what a repeat and a second inspector are told, how it ends."""

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from checklists import course, rounds
from checklists.models import Campaign, Check, Finding, FindingEvent, Round, Tally, Task, TaskEvent
from checklists.rounds import relief
from tests import factories
from tests.checklists.conftest import Elsewhere, queries
from tests.checklists.test_tallies import drift
from villages.access import Role
from villages.models import Cadre, Post, Unit

LogIn = Callable[[str], Client]
Cast = dict[str, Cadre]
DAY = timedelta(days=1)


@pytest.fixture
def wang(cast: Cast) -> Cadre:
    """Works in another township, and inspects across."""
    cast["wang"] = factories.cadre("Wang", Role.TOWNSHIP_LEADER, factories.WEST)
    return cast["wang"]


@pytest.fixture
def visit(campaign: Campaign, cast: Cast, wang: Cadre) -> Round:
    """Wang and Su go to Willow, which claims its first two items."""
    for number in ("v-1", "v-2"):
        claim(factories.task(campaign, number), cast["lan"])
    return go(campaign, cast["su"], wang, cast["su"])


def go(campaign: Campaign, by: Cadre, *inspectors: Cadre, unit: str = factories.WILLOW, **fields: Any) -> Round:
    one = {"rhythm": "patrol", "why": "很久没去过", "unit": Unit.objects.get(pk=unit)} | fields
    return rounds.plan(campaign, by=by, inspectors=list(inspectors), **one)


def claim(task: Task, by: Cadre, state: str = "done", **fields: Any) -> Task:
    Task.objects.filter(pk=task.pk).update(state=state, done_by=by, done_at=timezone.now(), **fields)
    return factories.task(task.campaign, task.item.number, task.unit_id)


def task_of(visit: Round, number: str = "v-1") -> Task:
    return factories.task(visit.campaign, number)


def entry(visit: Round, result: str = "holds", number: str = "v-1", **fields: Any) -> dict[str, Any]:
    sent = {"event": str(uuid.uuid4()), "task": task_of(visit, number).pk, "result": result, "remark": ""}
    return sent | ({} if result == "holds" else {"remark": "台账没有签字"}) | fields


def send(client: Client, visit: Round, *several: Any) -> list[dict[str, Any]]:
    """As a phone does."""
    answer = client.post(f"/rounds/{visit.pk}/checks/", list(several), content_type="application/json")
    assert answer.status_code == 200, answer.content
    answers: list[dict[str, Any]] = answer.json()["answers"]
    return answers


def tap(client: Client, visit: Round, sent: dict[str, Any]) -> HttpResponse:
    """As a form does."""
    return client.post(f"/rounds/{visit.pk}/checks/", sent)


def everything() -> list[Any]:
    kept = (Task, TaskEvent, Tally, Check, Finding, FindingEvent, Round)
    return [list(model.objects.order_by("pk").values()) for model in kept]


# ---- What comes of it ---------------------------------------------------------------------------------------------


def test_what_does_not_hold_returns_the_claim_and_opens_a_finding(visit: Round, cast: Cast, as_: LogIn) -> None:
    assert tap(as_("wang"), visit, entry(visit, "fails")).status_code == 302
    task, check = task_of(visit), Check.objects.get()
    assert (task.state, task.done_by, task.version) == ("returned", None, 1)
    assert (check.was, check.by, check.result) == ("done", cast["wang"], "fails")
    event = task.events.get()
    assert (event.from_state, event.to_state, event.note, event.by) == (
        *("done", "returned"),
        "台账没有签字",
        cast["wang"],
    )
    finding = Finding.objects.get()
    assert (finding.source, finding.task, finding.check_seen, finding.unit_id) == (
        "mock",
        task,
        check,
        factories.WILLOW,
    )
    assert (finding.what, finding.found_by, finding.responsible) == ("台账没有签字", cast["wang"], cast["lan"])
    assert drift() == []
    for page in (task.get_absolute_url(), f"/campaigns/{visit.campaign_id}/units/{factories.WILLOW}/"):
        assert as_("lan").get(page).text.count("台账没有签字") >= 1
        assert 'id="rounds"' in as_("lan").get(page).text


@pytest.mark.parametrize("state", ["verified", "open", "returned"])
def test_what_stood_elsewhere_is_sent_back_only_if_it_was_a_claim(
    state: str, visit: Round, cast: Cast, as_: LogIn
) -> None:
    nobody: dict[str, Any] = {"done_by": None, "done_at": None}
    looked = {"verified_by": cast["lin"], "verified_at": timezone.now()}
    Task.objects.filter(pk=task_of(visit).pk).update(state=state, **(looked if state == "verified" else nobody))
    assert send(as_("wang"), visit, entry(visit, "fails"))[0]["status"] == 200
    task = task_of(visit)
    assert task.state == ("open" if state == "open" else "returned")
    assert (task.done_by, task.verified_by) == (None, None)
    assert task.events.count() == (state == "verified")
    assert Check.objects.get().was == state
    assert Finding.objects.count() == 1
    assert drift() == []


@pytest.mark.parametrize("result", ["holds", "unseen"])
def test_what_holds_or_was_not_seen_leaves_the_task_as_it_is(result: str, visit: Round, as_: LogIn) -> None:
    before = Task.objects.order_by("pk").values_list("pk", "state", "version", "verified_by")
    before = list(before)
    assert send(as_("su"), visit, entry(visit, result))[0]["status"] == 200  # who could verify, too
    assert list(Task.objects.order_by("pk").values_list("pk", "state", "version", "verified_by")) == before
    assert not TaskEvent.objects.exists()
    assert not Finding.objects.exists()


def test_a_veto_item_makes_a_grave_finding(visit: Round, as_: LogIn) -> None:
    Task.objects.filter(pk=task_of(visit).pk).update(veto=True)
    send(as_("wang"), visit, entry(visit, "fails"), entry(visit, "fails", "v-2"))
    assert list(Finding.objects.order_by("number").values_list("severity", flat=True)) == [3, 1]


# ---- Repeats and second words -------------------------------------------------------------------------------------


def test_a_repeat_is_answered_alike_and_changes_nothing(visit: Round, as_: LogIn, cast: Cast) -> None:
    sent = entry(visit, "fails")
    first = send(as_("wang"), visit, sent)
    before = everything()
    assert send(as_("wang"), visit, sent, sent) == first * 2
    assert tap(as_("wang"), visit, sent).status_code == 302
    rounds.finish(visit, by=cast["su"], left=rounds.not_looked_at(visit).count())
    course.steer(visit.campaign, "closed", by=cast["ada"])
    Post.objects.filter(cadre=cast["wang"]).update(until=timezone.localdate())
    assert send(as_("wang"), visit, sent) == first, "an answer that was lost is given again, whatever happened since"
    assert everything()[:6] == before[:6]


@pytest.mark.parametrize(
    "other", [{"result": "holds"}, {"remark": "另一句"}, {"number": "v-2"}], ids=["result", "remark", "task"]
)
def test_a_number_that_was_used_for_something_else_is_refused(other: dict[str, Any], visit: Round, as_: LogIn) -> None:
    sent = entry(visit, "fails")
    send(as_("wang"), visit, sent)
    before = everything()
    fields = {"result": "fails", "remark": sent["remark"]} | other
    assert send(as_("wang"), visit, entry(visit, **fields, event=sent["event"]))[0]["status"] == 409
    assert send(as_("su"), visit, sent)[0]["status"] == 409, "nor is it somebody else's"
    assert everything() == before


def test_a_second_inspector_who_says_otherwise_is_told(visit: Round, as_: LogIn) -> None:
    assert send(as_("wang"), visit, entry(visit))[0]["status"] == 200
    before = everything()
    (answer,) = send(as_("su"), visit, entry(visit, "fails"))
    assert answer["status"] == 409
    assert "Wang" in answer["said"]
    page = tap(as_("su"), visit, entry(visit, "fails", remark="我看到的不是这样"))
    assert page.status_code == 409
    assert "我看到的不是这样" in page.content.decode()
    assert send(as_("su"), visit, entry(visit))[0]["status"] == 200, "the same again says nothing new"
    assert send(as_("su"), visit, entry(visit, remark="补充"))[0]["status"] == 409, "this would be lost"
    assert everything() == before


def test_only_what_could_not_be_seen_is_decided_later(visit: Round, as_: LogIn) -> None:
    assert send(as_("wang"), visit, entry(visit, "unseen"))[0]["status"] == 200
    assert send(as_("su"), visit, entry(visit, "unseen", remark="门锁着"))[0]["status"] == 409
    assert send(as_("su"), visit, entry(visit, "fails"))[0]["status"] == 200
    assert send(as_("wang"), visit, entry(visit, "unseen", remark="还是没看到"))[0]["status"] == 409
    assert list(Check.objects.order_by("at").values_list("result", flat=True)) == ["unseen", "fails"]


# ---- Who, and when ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["mei", "ada"])
def test_who_sees_a_round_and_was_not_sent_records_nothing(who: str, visit: Round, as_: LogIn) -> None:
    before = everything()
    assert as_(who).get(visit.get_absolute_url()).status_code == 200
    assert tap(as_(who), visit, entry(visit)).status_code == 403
    assert send(as_(who), visit, entry(visit))[0]["status"] == 403
    assert everything() == before


@pytest.mark.parametrize("who", ["lan", "lin", "bao", "tang", "hong", "chen", "an", "nobody"])
def test_nobody_is_warned_of_a_visit(who: str, visit: Round, as_: LogIn) -> None:
    for address in (visit.get_absolute_url(), f"{visit.get_absolute_url()}finish/"):
        assert as_(who).get(address).status_code == 404
    assert tap(as_(who), visit, entry(visit)).status_code == 404
    assert as_(who).get(f"/campaigns/{visit.campaign_id}/rounds/").status_code in (403, 404)
    assert "/rounds/" not in as_(who).get("/units/").text


def test_once_over_it_is_shown_to_all_who_see_the_unit(visit: Round, as_: LogIn, cast: Cast) -> None:
    send(as_("wang"), visit, entry(visit, "fails"))
    rounds.finish(visit, by=cast["su"], left=rounds.not_looked_at(visit).count())
    for who, status in {"lan": 200, "bao": 200, "an": 200, "wang": 200, "hong": 404, "chen": 404}.items():
        assert as_(who).get(visit.get_absolute_url()).status_code == status, who
    assert "台账没有签字" in as_("lan").get(visit.get_absolute_url()).text


def test_the_unit_stays_closed_to_inspectors_from_elsewhere(visit: Round, as_: LogIn) -> None:
    wang = as_("wang")
    assert "做到位" in wang.get(visit.get_absolute_url()).text
    assert wang.get(task_of(visit).get_absolute_url()).status_code == 404
    assert wang.get(f"/campaigns/{visit.campaign_id}/units/{factories.WILLOW}/").status_code == 404
    assert task_of(visit).get_absolute_url() not in wang.get(visit.get_absolute_url()).text
    assert visit.get_absolute_url() in wang.get("/rounds/").text


def test_an_inspector_whose_post_ended_since_is_refused_in_words(visit: Round, as_: LogIn, cast: Cast) -> None:
    Post.objects.filter(cadre=cast["wang"]).update(until=timezone.localdate())
    before = everything()
    wang = as_("wang")
    (answer,) = send(wang, visit, entry(visit))
    assert answer["status"] == 403
    assert answer["said"].startswith("您已不在岗")
    for refused in (tap(wang, visit, entry(visit)), wang.get(visit.get_absolute_url())):
        assert refused.status_code == 403
        assert "您已不在岗" in refused.content.decode()
    assert visit.unit.name not in wang.get("/rounds/").text
    assert everything() == before


def test_nobody_looks_at_their_own_claim_nor_at_that_of_whom_they_stand_in_for(
    visit: Round, cast: Cast, as_: LogIn
) -> None:
    wang, ming = cast["wang"], factories.cadre("Ming", Role.VILLAGE_CADRE, factories.WILLOW)
    claim(task_of(visit), wang)
    claim(task_of(visit, "v-2"), ming, done_for=wang)
    claim(task_of(visit, "v-3"), cast["lan"])
    hers = {"until": timezone.localdate() + DAY, "stands_in_for": cast["lan"].posts.get()}
    factories.appoint(wang, Role.VILLAGE_CADRE, factories.WILLOW, **hers)
    before = everything()
    answers = send(as_("wang"), visit, *(entry(visit, number=number) for number in ("v-1", "v-2", "v-3")))
    assert [answer["status"] for answer in answers] == [403, 403, 403]
    assert everything() == before
    assert [one["status"] for one in send(as_("su"), visit, entry(visit), entry(visit, number="v-2"))] == [200, 200]


def test_an_inspector_who_works_there_since_looks_at_nothing(visit: Round, cast: Cast, as_: LogIn) -> None:
    factories.appoint(cast["wang"], Role.TOWNSHIP_STAFF, factories.EAST)
    before = everything()
    (answer,) = send(as_("wang"), visit, entry(visit))
    assert (answer["status"], everything()) == (403, before)
    assert 'name="result"' not in as_("wang").get(visit.get_absolute_url()).text
    (answer,) = send(as_("su"), visit, entry(visit))
    assert answer["status"] == 200


def test_a_task_that_was_not_drawn_is_not_there(visit: Round, campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    drawn = go(campaign, cast["su"], cast["wang"], unit=factories.MAPLE, items=[factories.task(campaign).item])
    others = [
        factories.task(campaign, "v-2", factories.MAPLE).pk,  # another item of this unit
        task_of(visit).pk,  # of another unit
        factories.task(campaign, "t-1", factories.EAST).pk,
        987_654_321,
    ]
    before = everything()
    answers = send(as_("wang"), drawn, *(entry(visit, task=pk) for pk in others))
    assert {answer["status"] for answer in answers} == {404}
    assert len({answer["said"] for answer in answers}) == 1, "of what is there it says no more than of what is not"
    assert tap(as_("wang"), drawn, entry(visit, task=others[0])).status_code == 404
    assert everything() == before
    assert send(as_("wang"), drawn, entry(visit, task=factories.task(campaign, "v-1", factories.MAPLE).pk))[0][
        "status"
    ] == 200  # fmt: skip


@pytest.mark.parametrize("what", ["finished", "paused", "closed", "retired"])
def test_what_takes_nothing_more_says_so(what: str, visit: Round, cast: Cast, as_: LogIn) -> None:
    match what:
        case "finished":
            rounds.finish(visit, by=cast["su"], left=rounds.not_looked_at(visit).count())
        case "retired":
            Task.objects.filter(pk=task_of(visit).pk).update(retired_at=timezone.now())
        case _:
            course.steer(visit.campaign, what, by=cast["ada"], note="检查组来了")
    before = everything()
    (answer,) = send(as_("wang"), visit, entry(visit, "fails"))
    assert answer["status"] == 409
    assert "没有保存" in answer["said"]
    page = tap(as_("wang"), visit, entry(visit, "fails", remark="看到的是这样"))
    assert page.status_code == 409
    assert "看到的是这样" in page.content.decode()
    assert everything() == before


# ---- The end ------------------------------------------------------------------------------------------------------


def test_the_end_says_what_nobody_looked_at(visit: Round, as_: LogIn, cast: Cast) -> None:
    wang = as_("wang")
    send(wang, visit, entry(visit), entry(visit, "unseen", "v-2", remark="档案室锁着"))
    page = wang.get(f"/rounds/{visit.pk}/finish/")
    assert [task.item.number for task in page.context["left"]] == ["v-3"]
    assert "档案室锁着" in page.text
    assert wang.post(f"/rounds/{visit.pk}/finish/", {"left": 0}).status_code == 409
    assert wang.post(f"/rounds/{visit.pk}/finish/", {"left": "x"}).status_code == 422
    assert not Round.objects.get().is_over
    assert wang.post(f"/rounds/{visit.pk}/finish/", {"left": 1}).status_code == 302
    ended = Round.objects.get()
    assert ended.finished_by == cast["wang"]
    assert as_("su").post(f"/rounds/{visit.pk}/finish/", {"left": 1}).status_code == 302
    assert Round.objects.get().finished_at == ended.finished_at
    assert "form" not in wang.get(visit.get_absolute_url()).text.split("<main")[1]


@pytest.mark.parametrize(("who", "status"), [("ada", 302), ("mei", 403), ("lan", 404)])
def test_who_plans_rounds_there_can_end_one_whose_inspectors_left(
    who: str, status: int, visit: Round, as_: LogIn, cast: Cast
) -> None:
    assert as_(who).post(f"/rounds/{visit.pk}/finish/", {"left": 3}).status_code == status
    assert Round.objects.get().is_over is (status == 302)


# ---- Others go ----------------------------------------------------------------------------------------------------


def others(client: Client, visit: Round, *people: Cadre, **fields: Any) -> HttpResponse:
    was = ",".join(str(one.pk) for one in visit.inspectors.order_by("pk"))
    sent = {"event": str(uuid.uuid4()), "was": was, "reason": "住院", "inspector": [one.pk for one in people]}
    return client.post(f"/rounds/{visit.pk}/inspectors/", sent | fields)


def test_others_go_and_who_went_before_has_lost_the_round(visit: Round, cast: Cast, as_: LogIn) -> None:
    sent = entry(visit)
    send(as_("wang"), visit, sent)
    event = str(uuid.uuid4())
    for _ in "ab":  # a double tap
        was = f"{cast['su'].pk},{cast['wang'].pk}"
        assert others(as_("su"), visit, cast["mei"], cast["su"], event=event, was=was).status_code == 302
    made = visit.reliefs.get()
    assert (made.was, made.now) == (
        sorted((cast["su"].pk, cast["wang"].pk)), sorted((cast["su"].pk, cast["mei"].pk)),
    )  # fmt: skip
    assert (made.reason, made.by, {*visit.inspectors.all()}) == ("住院", cast["su"], {cast["su"], cast["mei"]})
    assert as_("wang").get(visit.get_absolute_url()).status_code == 404
    assert tap(as_("wang"), visit, entry(visit, number="v-2")).status_code == 404
    with pytest.raises(PermissionDenied):
        see_as(visit, cast["wang"], "v-2")
    assert visit.get_absolute_url() in as_("mei").get("/rounds/").text
    assert send(as_("mei"), visit, entry(visit, number="v-2"))[0]["status"] == 200
    page = as_("ada").get(visit.get_absolute_url()).text
    assert Check.objects.get(pk=sent["event"]).by == cast["wang"]
    for said in ("住院", "原为", "Wang"):
        assert said in page


def see_as(visit: Round, by: Cadre, number: str) -> rounds.Outcome:
    return rounds.record(visit, by=by, event=uuid.uuid4(), task=task_of(visit, number).pk, result="holds")


@pytest.mark.parametrize(
    ("who", "status"), [("su", 302), ("ada", 302), ("mei", 403), ("wang", 403), ("tang", 404), ("lan", 404)]
)
def test_others_are_sent_by_who_plans_rounds_there(who: str, status: int, visit: Round, cast: Cast, as_: LogIn) -> None:
    assert others(as_(who), visit, cast["mei"]).status_code == status
    assert visit.reliefs.exists() is (status == 302)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("no reason", 422), ("nobody", 422), ("the same", 422), ("works there", 422), ("holds no post", 422),
        ("out of sight", 422), ("no number", 422), ("it changed meanwhile", 409), ("it is over", 302),
        ("it is paused", 409), ("a number that was used", 409),
    ],
)  # fmt: skip
def test_who_cannot_be_sent_instead_is_told_and_nothing_changes(
    what: str, status: int, visit: Round, cast: Cast, as_: LogIn
) -> None:
    people, fields, before = [cast["mei"]], dict[str, Any](), [*visit.inspectors.order_by("pk")]
    match what:
        case "no reason":
            fields = {"reason": "  "}
        case "nobody":
            people = []
        case "the same":
            people = before
        case "works there":
            people = [cast["bao"]]
        case "holds no post":
            Post.objects.filter(cadre=cast["mei"]).update(until=timezone.localdate())
        case "out of sight":
            people = [cast["chen"]]
        case "no number":
            fields = {"event": "1"}
        case "it changed meanwhile":
            fields = {"was": str(cast["wang"].pk)}
        case "it is over":
            rounds.finish(visit, by=cast["su"], left=3)
        case "it is paused":
            course.steer(visit.campaign, "paused", by=cast["ada"], note="下雨")
        case "a number that was used":
            other = go(visit.campaign, cast["su"], cast["su"], unit=factories.MAPLE)
            fields = {"event": str(uuid.uuid4())}
            assert others(as_("su"), other, cast["ada"], **fields).status_code == 302
    answer = others(as_("ada"), visit, *people, **fields)
    assert answer.status_code == status
    if status != 302:
        assert 'role="alert"' in answer.text
    if what == "works there":
        assert 'value="住院"' in answer.text
    assert [*visit.inspectors.order_by("pk")] == before
    assert not visit.reliefs.exists()


# ---- Input that makes no sense ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *("[]", "null", '"x"', "{}", "5", " ", "[" * 10_000, '[{"event":"a","event":"b"}]', "[NaN]", "[1e999999]x"),
        *("\xff", "9" * 5000, '[{"task":' + "9" * 5000 + "}]"),
    ],
)
def test_a_body_that_is_no_list_of_entries_is_refused_as_a_whole(body: str, visit: Round, as_: LogIn) -> None:
    answer = as_("wang").post(f"/rounds/{visit.pk}/checks/", body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["said"]


def test_a_body_that_is_too_large_or_packed_is_refused_as_a_whole(visit: Round, as_: LogIn, settings: Any) -> None:
    wang, address = as_("wang"), f"/rounds/{visit.pk}/checks/"
    many = [entry(visit)] * 201
    assert wang.post(address, many, content_type="application/json").status_code == 413
    packed = wang.post(address, b"\x1f\x8b", content_type="application/json", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415
    huge = b'[{"event":"' + b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1) + b'"}]'
    assert wang.post(address, huge, content_type="application/json").status_code == 413
    assert not Check.objects.exists()


BAD: dict[str, tuple[Any, int]] = {
    "no number": ({"event": ""}, 400),
    "a number that is none": ({"event": "1"}, 400),
    "all zeros": ({"event": str(uuid.UUID(int=0))}, 400),
    "a list as number": ({"event": ["x"]}, 400),
    "no result": ({"result": ""}, 422),
    "another result": ({"result": "verified"}, 422),
    "no remark": ({"result": "fails", "remark": "  "}, 422),
    "a remark too long": ({"result": "fails", "remark": "长" * 1001}, 422),
    "a remark with a null": ({"result": "fails", "remark": "a\x00b"}, 422),
    "half a character": ({"result": "fails", "remark": "\ud800"}, 422),
    "a remark that is a list": ({"result": "fails", "remark": ["x"]}, 422),
    "no task": ({"task": None}, 422),
    "a task beyond all": ({"task": 10**29}, 422),
    "yes as task": ({"task": True}, 422),
    "somebody else's": ({"by": 987_654}, 403),
}


def test_one_bad_entry_among_good_ones_is_answered_by_itself(visit: Round, as_: LogIn, cast: Cast) -> None:
    mine = {"by": cast["wang"].pk, "approved": True, "was": "verified", "user_id": 1, "round": 7}  # the rest is ignored
    sent = [entry(visit, **mine), *(entry(visit, number="v-2") | bad for bad, _ in BAD.values()), 7, None, []]
    sent += [entry(visit, "fails", "v-3")]
    answers = send(as_("wang"), visit, *sent)
    assert [one["status"] for one in answers] == [200, *(status for _, status in BAD.values()), 400, 400, 400, 200]
    assert all(one["said"] for one in answers)
    assert list(Check.objects.order_by("at").values_list("result", "was")) == [("holds", "done"), ("fails", "open")]


@pytest.mark.parametrize(
    ("at", "kept"),
    [("2026-11-29T08:00:00Z", True), ("gestern", False), ("9999-12-31T00:00:00+00:00", False), ("", False)],
)
def test_the_phones_clock_never_costs_an_entry(at: str, kept: bool, visit: Round, as_: LogIn) -> None:
    assert send(as_("wang"), visit, entry(visit, at=at))[0]["status"] == 200
    assert (Check.objects.get().seen_at is not None) is kept


# ---- At the same moment -------------------------------------------------------------------------------------------


@pytest.fixture
def together(committed: None) -> Round:
    """The round as committed rows."""
    factories.units()
    people = factories.cast()
    people["wang"] = factories.cadre("Wang", Role.TOWNSHIP_LEADER, factories.WEST)
    campaign = factories.campaign(on=timezone.localdate())
    claim(factories.task(campaign), people["lan"])
    return go(campaign, people["su"], people["wang"], people["su"])


def see(visit: Round, who: str, result: str, event: uuid.UUID | None = None) -> str:
    """What came of it: recorded, repeated, or why not."""
    by = Cadre.objects.get(username=who)
    remark = "" if result == "holds" else "没有签字"
    try:
        outcome = rounds.record(
            visit, by=by, event=event or uuid.uuid4(), task=task_of(visit).pk, result=result, remark=remark
        )
    except rounds.Refused as refused:
        return type(refused).__name__
    return "new" if outcome.is_new else "known"


def held_up(elsewhere: Elsewhere, visit: Round, *calls: Callable[[], str]) -> list[str]:
    """What each call came to; all of them wait at the task until each of them is there."""
    elsewhere.run("SELECT 1 FROM checklists_task WHERE id = %s FOR UPDATE", task_of(visit).pk)
    started = []
    for n, call in enumerate(calls, start=1):
        started.append(elsewhere.start(call))
        elsewhere.wait_for_waiting(n)
    elsewhere.commit()
    return [one.result(30) for one in started]


@pytest.mark.parametrize("results", [("holds", "fails"), ("fails", "holds"), ("fails", "fails")])
def test_of_two_inspectors_at_once_one_decides_and_the_other_is_told(
    results: tuple[str, str], together: Round, elsewhere: Elsewhere
) -> None:
    said = held_up(
        elsewhere, together, lambda: see(together, "wang", results[0]), lambda: see(together, "su", results[1])
    )
    assert sorted(said) == sorted(["new", "known" if results[0] == results[1] else "Conflict"])
    check = Check.objects.get()
    assert Finding.objects.count() == TaskEvent.objects.count() == (check.result == "fails")
    assert task_of(together).state == ("returned" if check.result == "fails" else "done")
    assert drift() == []


def test_without_holding_the_task_both_would_decide(
    together: Round, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control run: with the row not held, only the database's last line is left, and it answers with an error."""
    monkeypatch.setattr(type(rounds.tasks_of(together)), "select_for_update", lambda tasks, **_: tasks)
    elsewhere.run("LOCK TABLE checklists_check IN SHARE MODE")
    both = [elsewhere.start(partial(see, together, who, "holds")) for who in ("wang", "su")]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    with pytest.raises(Exception, match="check_decided_once_per_round_and_task"):
        [one.result(30) for one in both]


def two_fail(visit: Round, elsewhere: Elsewhere) -> list[str]:
    """What two inspectors come to who find two tasks wanting at the same moment."""
    tasks = [factories.task(visit.campaign, number).pk for number in ("v-1", "v-2")]
    elsewhere.run("SELECT 1 FROM checklists_task WHERE id = ANY (%s) FOR UPDATE", tasks)

    def one(who: str, task: int) -> str:
        by, said = Cadre.objects.get(username=who), {"result": "fails", "remark": "没有签字"}
        try:
            rounds.record(visit, by=by, event=uuid.uuid4(), task=task, **said)
        except OperationalError as error:
            return str(error).split("\n", 1)[0]
        return "new"

    both = [elsewhere.start(partial(one, who, task)) for who, task in zip(("wang", "su"), tasks, strict=True)]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    return [started.result(30) for started in both]


def test_two_findings_at_once_do_not_wait_for_each_other(together: Round, elsewhere: Elsewhere) -> None:
    assert two_fail(together, elsewhere) == ["new", "new"]
    assert sorted(Finding.objects.values_list("number", flat=True)) == [1, 2]
    assert drift() == []


def test_with_a_share_of_the_campaign_they_would(
    together: Round, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control run. Who comes first decides; each time, they meet with even chances."""
    monkeypatch.setattr(rounds, "WHOLE", rounds.SHARE)
    visit, people = together, [Cadre.objects.get(username=who) for who in ("su", "wang", "su")]
    for _ in range(12):
        if "deadlock detected" in two_fail(visit, elsewhere):
            return
        Round.objects.update(finished_by=people[0], finished_at=timezone.now())
        claim(task_of(visit), Cadre.objects.get(username="lan"))
        visit = go(visit.campaign, *people)
    pytest.fail("nobody waited for anybody in a circle")


def test_the_same_entry_twice_at_once_is_one(together: Round, elsewhere: Elsewhere) -> None:
    event = uuid.uuid4()
    said = held_up(elsewhere, together, *[lambda: see(together, "wang", "fails", event)] * 2)
    assert sorted(said) == ["known", "new"]
    assert (Check.objects.count(), Finding.objects.count(), TaskEvent.objects.count()) == (1, 1, 1)


def test_a_check_and_a_tick_at_once_both_count_once(together: Round, elsewhere: Elsewhere) -> None:
    """Whichever comes first: a claim taken back before the look leaves nothing to send back."""
    from checklists import ticks

    task = task_of(together)

    def untick() -> str:
        try:
            by = Cadre.objects.get(username="lan")
            return ticks.record(task, by=by, event=uuid.uuid4(), state="open").result.value
        except ticks.Conflict:
            return "conflict"

    said = held_up(elsewhere, together, untick, lambda: see(together, "wang", "fails"))
    assert said[1] == "new"
    was = Check.objects.get().was
    assert (said[0], was, task_of(together).state) in (("changed", "open", "open"), ("conflict", "done", "returned"))
    assert TaskEvent.objects.count() == 1
    assert Finding.objects.count() == 1
    assert drift() == []


def test_what_comes_while_the_round_ends_waits_for_that_and_is_told(together: Round, elsewhere: Elsewhere) -> None:
    ends = "UPDATE checklists_round SET finished_at = now(), finished_by_id = made_by_id WHERE id = %s"
    elsewhere.run(ends, together.pk)
    late = elsewhere.start(lambda: see(together, "wang", "holds"))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert late.result(30) == "Conflict"
    assert not Check.objects.exists()


def test_what_comes_while_the_round_ends_is_taken_or_told(together: Round, elsewhere: Elsewhere) -> None:
    def end() -> str:
        try:
            rounds.finish(together, by=Cadre.objects.get(username="su"), left=3)
        except rounds.Conflict:
            return "look again"
        return "over"

    elsewhere.run("SELECT 1 FROM checklists_round WHERE id = %s FOR UPDATE", together.pk)
    both = [elsewhere.start(end)]
    elsewhere.wait_for_waiting(1)
    both.append(elsewhere.start(lambda: see(together, "wang", "holds")))
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert tuple(one.result(30) for one in both) in (("over", "Conflict"), ("look again", "new"))


def sent_home_meanwhile(visit: Round, elsewhere: Elsewhere) -> "Future[str]":
    """Wang's answer, on its way while others are being sent: their names are written, and not committed."""
    elsewhere.run("SELECT 1 FROM checklists_round WHERE id = %s FOR NO KEY UPDATE", visit.pk)
    wang = Cadre.objects.get(username="wang").pk
    elsewhere.run("DELETE FROM checklists_round_inspectors WHERE round_id = %s AND cadre_id = %s", visit.pk, wang)
    return elsewhere.start(lambda: see(visit, "wang", "fails"))


def test_an_answer_that_comes_while_others_are_sent_is_refused(together: Round, elsewhere: Elsewhere) -> None:
    late = sent_home_meanwhile(together, elsewhere)
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    with pytest.raises(PermissionDenied):
        late.result(30)
    assert not Check.objects.exists()
    assert task_of(together).state == "done"


def test_without_the_rounds_lock_it_would_be_taken(
    together: Round, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control run."""
    monkeypatch.setattr(rounds, "STAYS_OPEN", rounds.STAYS_OPEN.replace("FOR SHARE", ""))
    assert sent_home_meanwhile(together, elsewhere).result(30) == "new"
    elsewhere.commit()


def test_two_who_send_others_at_once_do_not_undo_each_other(together: Round, elsewhere: Elsewhere) -> None:
    was = list(together.inspectors.values_list("pk", flat=True))

    def send_instead(by: str, who: str) -> str:
        people = [Cadre.objects.get(username=name) for name in (by, who)]
        sent: dict[str, Any] = {"event": uuid.uuid4(), "was": was, "reason": "住院"}
        try:
            relief.relieve(together, by=people[0], people=people[1:], **sent)
        except rounds.Conflict:
            return "told"
        return who

    elsewhere.run("SELECT 1 FROM checklists_round WHERE id = %s FOR UPDATE", together.pk)
    both = [elsewhere.start(partial(send_instead, *one)) for one in (("su", "mei"), ("ada", "hong"))]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    (goes,) = {one.result(30) for one in both} - {"told"}
    assert together.inspectors.get().username == goes
    assert together.reliefs.get().was == sorted(was)


# ---- What it costs ------------------------------------------------------------------------------------------------


def test_pages_of_rounds_cost_the_same_for_few_and_for_many(campaign: Campaign, cast: Cast, as_: LogIn) -> None:
    pages = ["/rounds/", f"/campaigns/{campaign.pk}/rounds/", f"/campaigns/{campaign.pk}/units/{factories.WILLOW}/"]
    first = go(campaign, cast["su"], cast["su"])
    send(as_("su"), first, entry(first, "fails"))
    others(as_("su"), first, cast["su"], cast["ada"])
    pages += [first.get_absolute_url(), f"{first.get_absolute_url()}finish/", task_of(first).get_absolute_url()]
    pages += [f"{first.get_absolute_url()}inspectors/"]
    su = as_("su")
    few = queries(su, pages)
    villages = [
        Unit(code=f"{factories.EAST}{n}", name=f"新{n}村村民委员会", parent_id=factories.EAST) for n in range(300, 380)
    ]
    Unit.objects.bulk_create(villages)
    item = factories.task(campaign).item
    Task.objects.bulk_create(
        Task(campaign=campaign, item=item, unit=unit, due_on=timezone.localdate() - DAY) for unit in villages
    )
    for unit in villages[:40]:
        go(campaign, cast["su"], cast["su"], cast["mei"], unit=unit.code)
    others(as_("su"), first, cast["su"], cast["mei"])
    send(as_("su"), first, entry(first, "fails", "v-2"), entry(first, number="v-3"))
    assert queries(su, pages) == few
    assert max(few) <= 12, few


def test_recording_costs_the_same_among_many(visit: Round, as_: LogIn) -> None:
    from django.test.utils import CaptureQueriesContext

    wang = as_("wang")
    wang.get("/rounds/")
    costs = []
    for number in ("v-1", "v-2"):
        with CaptureQueriesContext(connection) as captured:
            send(wang, visit, entry(visit, number=number))
        costs.append(len(captured))
    assert costs[0] == costs[1]
