"""Findings: who may do what, what becomes of them, and what is refused."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from checklists import course, help
from checklists.findings import Conflict, Unfit, open_finding, usual_due, verbs
from checklists.models import Campaign, Finding, FindingEvent, HelpRequest, Responsibility, TaskEvent
from checklists.workdays import working_days
from tests import factories
from tests.factories import EAST, LAKE, MAPLE, OTHER_VILLAGE, WILLOW
from villages import posts
from villages.models import Cadre, Unit

Cast = dict[str, Cadre]
As = Callable[[str], Client]
What, State = FindingEvent.What, Finding.State
DAY = timedelta(days=1)


def found(campaign: Campaign, by: Cadre, unit: str = WILLOW, **fields: Any) -> Finding:
    """Entered under the next number."""
    one: dict[str, Any] = {"source": "leader", "what": "路灯不亮", "event": uuid.uuid4()}
    return open_finding(by=by, campaign=campaign, unit=Unit.objects.get(pk=unit), **one | fields)


def do(finding: Finding, what: str, by: Cadre, note: str = "因为", **sent: Any) -> Finding:
    """One verb; the finding as it is then."""
    return verbs.record(finding, what, by=by, event=uuid.uuid4(), note=note, **sent).finding


def closed(campaign: Campaign, cast: Cast, **fields: Any) -> Finding:
    finding = do(found(campaign, cast["su"], **fields), What.FIXED, cast["lan"])
    return do(finding, What.CONFIRMED, cast["lin"])


@pytest.fixture
def finding(campaign: Campaign, cast: Cast) -> Finding:
    """Su found it in Willow; Lan, who answers there first, is responsible."""
    return found(campaign, cast["su"])


def as_it_was(finding: Finding) -> Finding:
    """As a complaint that ended unanswered, before there was a rule against it: the database has the rule NOT VALID."""
    rule = "finding_closed_once_answered"
    with connection.cursor() as sql:
        sql.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [rule])
        (definition,) = sql.fetchone()
        sql.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE checklists_finding DROP CONSTRAINT {rule}")
        Finding.objects.filter(pk=finding.pk).update(source="complaint")
        sql.execute(f"ALTER TABLE checklists_finding ADD CONSTRAINT {rule} {definition}")
    finding.refresh_from_db()
    return finding


# ---- Entering -----------------------------------------------------------------------------------------------------


def test_it_gets_the_next_number_who_answers_and_working_days_by_severity(campaign: Campaign, cast: Cast) -> None:
    today = timezone.localdate()
    for number, (severity, days) in enumerate({1: 10, 2: 5, 3: 2}.items(), start=1):
        finding = found(campaign, cast["su"], severity=severity)
        assert (finding.number, finding.responsible, finding.state) == (number, cast["lan"], State.OPEN)
        assert len(working_days(today + DAY, finding.due_on)) == days
    direct = Responsibility.objects.filter(campaign=campaign, unit=WILLOW, kind="direct")
    assert direct.update(cadre=cast["lin"], by_hand=True)
    assert found(campaign, cast["su"]).responsible == cast["lin"], "who answers directly comes before who answers first"
    assert found(campaign, cast["su"], EAST).number == 5
    assert found(factories.campaign(on=today, days=90), cast["su"]).number == 1, "each campaign has a ledger of its own"


def test_the_same_event_twice_is_one_finding_and_for_something_else_it_is_refused(
    campaign: Campaign, cast: Cast
) -> None:
    event = uuid.uuid4()
    first = found(campaign, cast["su"], event=event)
    assert found(campaign, cast["su"], event=event) == first
    for changed in ({"what": "另一件"}, {"unit": MAPLE}, {"by": cast["mei"]}):
        with pytest.raises(Conflict):
            found(campaign, **{"by": cast["su"], "event": event} | changed)
    assert Finding.objects.count() == FindingEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"due_on": date(2020, 1, 1)}, "due_on"),
        ({"found_on": date(2999, 1, 1)}, "found_on"),
        ({"unit": OTHER_VILLAGE}, "unit"),
    ],
)
def test_what_cannot_be_is_refused_and_takes_no_number(
    campaign: Campaign, cast: Cast, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Unfit) as refused:
        found(campaign, cast["su"], **fields)
    assert refused.value.field == field
    assert found(campaign, cast["su"]).number == 1


def test_a_task_of_another_unit_or_campaign_is_refused(campaign: Campaign, cast: Cast) -> None:
    other = factories.campaign(on=timezone.localdate(), days=90)
    for task in (factories.task(campaign, unit=MAPLE), factories.task(other)):
        with pytest.raises(Unfit) as refused:
            found(campaign, cast["su"], task=task)
        assert refused.value.field == "task"


def test_a_closed_campaign_takes_what_the_inspection_found_and_settles_what_it_has(
    campaign: Campaign, cast: Cast, finding: Finding
) -> None:
    course.steer(campaign, "paused", by=cast["ada"], note="防汛")
    with pytest.raises(Conflict):
        found(campaign, cast["su"], source="inspection")
    course.steer(campaign, "resumed", by=cast["ada"])
    course.steer(campaign, "closed", by=cast["ada"])
    for source in set(Finding.Source.values) - {"inspection"}:
        with pytest.raises(Conflict):
            found(campaign, cast["su"], source=source)
    late = found(campaign, cast["su"], source="inspection")
    assert (late.number, late.responsible) == (2, cast["lan"])
    do(finding, What.PLANNED, cast["lan"], "", new_step="买灯泡", until=timezone.localdate())
    do(finding, What.STEPPED, cast["lan"], "", step=finding.steps.get().pk)
    do(finding, What.FIXED, cast["lan"])
    do(finding, What.CONFIRMED, cast["lin"])
    assert do(finding, What.REOPENED, cast["lin"]).came_back == 1


# ---- From found to closed, and back -------------------------------------------------------------------------------


def test_what_ended_unanswered_before_the_rule_is_answered_first_or_reopened(
    campaign: Campaign, cast: Cast, as_: As
) -> None:
    one, other = (as_it_was(closed(campaign, cast)) for _ in range(2))
    assert (one.state, one.confirmed_by, one.version) == (State.CLOSED, cast["lin"], 2), "left as it ended"
    for what in (What.LOOKED_BACK, What.NOTED):
        with pytest.raises(Conflict) as refused:
            do(one, what, cast["lin"])
        assert refused.value.message == verbs.ANSWER_FIRST
    assert {form.verb for form, *_ in as_("lin").get(one.get_absolute_url()).context["forms"]} == {
        What.ANSWERED, What.REOPENED,
    }  # fmt: skip
    do(one, What.ANSWERED, cast["lin"], "灯换好了")
    Finding.objects.filter(pk=one.pk).update(look_back_on=timezone.localdate())
    assert do(one, What.LOOKED_BACK, cast["lin"]).look_back_on is None
    assert do(other, What.REOPENED, cast["lin"]).state == State.OPEN


def test_it_closes_when_somebody_else_has_looked_and_reopens_under_the_same_number(
    finding: Finding, cast: Cast, campaign: Campaign
) -> None:
    today = timezone.localdate()
    finding = do(finding, What.FIXED, cast["lan"], "换了灯泡")
    assert (finding.state, finding.fixed_by) == (State.FIXED, cast["lan"])
    finding = do(finding, What.SENT_BACK, cast["lin"], "还差一盏")
    assert (finding.state, finding.fixed_by) == (State.OPEN, None)
    do(finding, What.FIXED, cast["lan"])
    finding = do(finding, What.CONFIRMED, cast["lin"], "")
    assert (finding.state, finding.confirmed_by) == (State.CLOSED, cast["lin"])
    assert finding.look_back_on == min(today + 30 * DAY, campaign.inspects_on - DAY)
    finding = do(finding, What.REOPENED, cast["lin"], "又不亮了", until=today + 3 * DAY)
    assert (finding.number, finding.state, finding.came_back, finding.due_on) == (1, State.OPEN, 1, today + 3 * DAY)
    assert finding.fixed_by is finding.confirmed_by is finding.look_back_on is None
    do(finding, What.FIXED, cast["lan"])
    do(finding, What.CONFIRMED, cast["tang"], until=today + 9 * DAY)
    Finding.objects.update(look_back_on=today)
    assert do(finding, What.LOOKED_BACK, cast["tang"], "").look_back_on is None
    assert list(finding.events.values_list("what", "by__username")) == [
        ("opened", "su"), ("fixed", "lan"), ("sent_back", "lin"), ("fixed", "lan"), ("confirmed", "lin"),
        ("reopened", "lin"), ("fixed", "lan"), ("confirmed", "tang"), ("looked_back", "tang"),
    ]  # fmt: skip


def test_nobody_looks_back_before_the_day_but_it_reopens_whenever_it_comes_back(
    finding: Finding, cast: Cast, as_: As
) -> None:
    today = timezone.localdate()
    do(finding, What.FIXED, cast["lan"])
    do(finding, What.CONFIRMED, cast["lin"], until=today + DAY)
    address = f"/findings/{finding.pk}/looked_back/"
    answer = as_("lin").post(address, {"event": str(uuid.uuid4()), "note": ""})
    assert answer.status_code == 409
    ahead = today + DAY
    assert f"回头看定在{ahead.month}月{ahead.day}日，到时再看" in answer.text
    assert verbs.as_now(finding).look_back_on == ahead, "the day stays"
    Finding.objects.update(look_back_on=today)
    assert do(finding, What.LOOKED_BACK, cast["lin"], "").look_back_on is None
    Finding.objects.update(look_back_on=ahead)
    assert do(finding, What.REOPENED, cast["lin"]).state == State.OPEN


def test_who_confirms_is_told_which_steps_are_not_done(finding: Finding, cast: Cast, as_: As) -> None:
    today = timezone.localdate()
    for n in (1, 2):
        do(finding, What.PLANNED, cast["lan"], "", new_step=f"第{n}步", until=today)
    do(finding, What.FIXED, cast["lan"])
    page = as_("lin").get(finding.get_absolute_url()).text
    assert "还有2项措施未完成" in page
    assert page.count("未完成，") == 2
    assert do(finding, What.CONFIRMED, cast["lin"]).state == State.CLOSED


def test_the_history_says_which_day_is_meant_and_reads_in_both_languages(finding: Finding, cast: Cast, as_: As) -> None:
    today = timezone.localdate()
    with translation.override("zh-hans"):
        do(finding, What.PLANNED, cast["lan"], "", fix_now="换灯", new_step="买灯", until=today)
        do(finding, What.PLANNED, cast["lan"], "", fix_now="都换")
    do(finding, What.FIXED, cast["lan"])
    do(finding, What.CONFIRMED, cast["lin"], until=today + DAY)
    client = as_("lin")

    def read() -> str:
        return client.get(finding.get_absolute_url()).text.partition('class="history"')[2]

    said = read()
    ahead = today + DAY
    look = f"回头看定于{ahead.year}年{ahead.month}月{ahead.day}日"
    for words in (look, "整改期限", "措施期限", "定了措施", "调整措施", "当下改：换灯；措施：买灯"):
        assert words in said
    client.cookies["django_language"] = "en"
    said = read()
    for words in ("second look set for", "To do now: 换灯; Step: 买灯", "plan made", "plan changed"):
        assert words in said


def test_who_put_it_right_never_confirms_it(finding: Finding, cast: Cast) -> None:
    finding = do(finding, What.FIXED, cast["lin"])  # linked: ticks here, and looks after the village
    for what in (What.CONFIRMED, What.LOOKED_BACK):
        with pytest.raises(PermissionDenied):
            do(finding, what, cast["lin"])
    factories.appoint(cast["lin"], "supervisor", factories.COUNTY)
    del cast["lin"].grants
    with pytest.raises(PermissionDenied):
        do(finding, What.CONFIRMED, cast["lin"])
    assert do(finding, What.CONFIRMED, cast["su"]).state == State.CLOSED


@pytest.mark.parametrize("who", ["took a step", "stood in for who did"])
def test_who_took_a_step_does_not_look_until_it_came_back_and_others_did_it(
    who: str, finding: Finding, cast: Cast
) -> None:
    """Lin is linked with the village: works there, and looks after it."""
    today, lin, looker = timezone.localdate(), cast["lin"], cast["lin"]
    if who != "took a step":
        looker = cast["nobody"]
        posts.stand_in(
            looker.posts.model.objects.get(cadre=lin, unit=WILLOW), looker, today, today + DAY, by=cast["ada"]
        )
    do(finding, What.PLANNED, lin, "", new_step="买灯泡", until=today)
    do(finding, What.STEPPED, lin, "", step=finding.steps.get().pk)
    finding = do(finding, What.FIXED, cast["lan"])
    assert finding not in Finding.objects.to_confirm_by(lin)
    for what in verbs.LOOKING[:2]:
        with pytest.raises(PermissionDenied):
            do(finding, what, looker)
    do(finding, What.CONFIRMED, cast["tang"])
    with pytest.raises(PermissionDenied):
        do(finding, What.LOOKED_BACK, looker)
    do(finding, What.REOPENED, cast["tang"])
    finding = do(finding, What.FIXED, cast["lan"])
    assert finding in Finding.objects.to_confirm_by(lin)
    assert do(finding, What.CONFIRMED, looker).state == State.CLOSED


def test_who_is_responsible_does_not_confirm_what_others_did_for_them(campaign: Campaign, cast: Cast) -> None:
    finding = do(found(campaign, cast["su"], responsible=cast["lin"]), What.FIXED, cast["lan"])
    with pytest.raises(PermissionDenied):
        do(finding, What.CONFIRMED, cast["lin"])


@pytest.mark.parametrize("who", ["responsible", "stands in for who is"])
def test_who_is_responsible_moves_neither_the_deadline_nor_the_end(who: str, campaign: Campaign, cast: Cast) -> None:
    """Lin is linked with the village: would look after it, and has to put this right."""
    finding = found(campaign, cast["lin"], responsible=cast["lin"])
    until, by = finding.due_on + 5 * DAY, cast["lin"]
    if who != "responsible":
        by, today = cast["nobody"], timezone.localdate()
        posts.stand_in(
            by.posts.model.objects.get(cadre=cast["lin"], unit=WILLOW), by, today, today + DAY, by=cast["ada"]
        )
    with pytest.raises(PermissionDenied):
        do(finding, What.GAVE_TIME, by, until=until)
    do(finding, What.DISPUTED, cast["lan"])
    for what in (What.UPHELD, What.DROPPED):
        with pytest.raises(PermissionDenied):
            do(finding, what, by)
    do(finding, What.UPHELD, cast["tang"])
    do(finding, What.FIXED, cast["lan"])
    with pytest.raises(PermissionDenied):
        do(finding, What.SENT_BACK, by, until=until)
    do(finding, What.CONFIRMED, cast["tang"])
    with pytest.raises(PermissionDenied):
        do(finding, What.LOOKED_BACK, by)


def test_who_put_it_right_does_not_give_themselves_time_by_sending_it_back(finding: Finding, cast: Cast) -> None:
    do(finding, What.FIXED, cast["lin"])
    with pytest.raises(PermissionDenied):
        do(finding, What.SENT_BACK, cast["lin"], until=finding.due_on + 30 * DAY)
    assert do(finding, What.SENT_BACK, cast["tang"]).due_on == finding.due_on


@pytest.mark.parametrize("over", [False, True], ids=["now", "over by now"])
@pytest.mark.parametrize("who", ["the stand-in of who fixed it", "whom the stand-in stood in for", "two for a third"])
def test_stand_ins_are_one_pair_of_hands(campaign: Campaign, cast: Cast, who: str, over: bool) -> None:
    today = timezone.localdate()
    lin, tang, bao, lan = cast["lin"], cast["tang"], cast["bao"], cast["lan"]
    fixer, looker, pairs = {
        "the stand-in of who fixed it": (lin, tang, [(tang, lin)]),
        "whom the stand-in stood in for": (lan, lin, [(lan, lin)]),
        "two for a third": (lan, tang, [(lan, bao), (tang, bao)]),
    }[who]
    stood = [
        posts.stand_in(held.posts.order_by("pk")[0], one, today - DAY, today + DAY, by=cast["ada"])
        for one, held in pairs
    ]
    finding = do(found(campaign, cast["su"], found_on=today - 5 * DAY, responsible=cast["bao"]), What.FIXED, fixer)
    for post in stood if over else []:
        type(post).objects.filter(pk=post.pk).update(until=today)
    looker = Cadre.objects.get(pk=looker.pk)
    with pytest.raises(PermissionDenied, match="代班"):
        do(finding, What.CONFIRMED, looker)
    assert do(finding, What.CONFIRMED, cast["mei"]).state == State.CLOSED


def test_whose_right_a_stand_in_used_is_kept(campaign: Campaign, cast: Cast) -> None:
    today = timezone.localdate()
    posts.stand_in(cast["lan"].posts.get(), cast["nobody"], today - DAY, today + DAY, by=cast["ada"])
    posts.stand_in(cast["tang"].posts.get(), cast["an"], today - DAY, today + DAY, by=cast["ada"])
    finding = do(found(campaign, cast["su"]), What.FIXED, cast["nobody"])
    assert finding.fixed_for == cast["lan"]
    assert do(finding, What.CONFIRMED, cast["an"]).confirmed_for == cast["tang"]


# ---- Time, dispute, hand-over, plan, answer -----------------------------------------------------------------------


def test_more_time_is_asked_for_and_given_or_refused_by_somebody_else(finding: Finding, cast: Cast) -> None:
    until = finding.due_on + 5 * DAY
    with pytest.raises(Unfit):
        do(finding, What.ASKED_TIME, cast["lan"], until=finding.due_on)
    finding = do(finding, What.ASKED_TIME, cast["lin"], until=until)
    assert (finding.asked_until, finding.asked_by) == (until, cast["lin"])
    with pytest.raises(PermissionDenied):
        do(finding, What.GAVE_TIME, cast["lin"], until=until)
    with pytest.raises(Conflict):
        do(finding, What.ASKED_TIME, cast["lan"], until=until + DAY)
    finding = do(finding, What.REFUSED_TIME, cast["tang"], "不行")
    assert finding.asked_until is finding.asked_by is None
    do(finding, What.ASKED_TIME, cast["lan"], until=until)
    finding = do(finding, What.GAVE_TIME, cast["tang"], "", until=until)
    assert (finding.due_on, finding.asked_until) == (until, None)
    assert do(finding, What.GAVE_TIME, cast["mei"], "", until=until + DAY).due_on == until + DAY, "unasked"
    with pytest.raises(Unfit):
        do(finding, What.GAVE_TIME, cast["mei"], until=until)


def test_a_dispute_is_decided_by_somebody_else_who_sits_as_high_as_who_found_it(
    finding: Finding, cast: Cast, campaign: Campaign
) -> None:
    with pytest.raises(Conflict):
        do(finding, What.DROPPED, cast["su"])  # nobody drops a finding alone
    finding = do(finding, What.DISPUTED, cast["lin"], "不是我村的灯")
    with pytest.raises(Conflict):
        do(finding, What.FIXED, cast["lan"])
    for what in (What.UPHELD, What.DROPPED):
        with pytest.raises(PermissionDenied):
            do(finding, what, cast["lin"])
    with pytest.raises(PermissionDenied):
        do(finding, What.DROPPED, cast["tang"])  # the county found it, the township does not drop it
    assert do(finding, What.UPHELD, cast["tang"]).disputed_by is None
    do(finding, What.DISPUTED, cast["lan"])
    assert do(finding, What.DROPPED, cast["mei"]).state == State.DROPPED
    for what in (What.FIXED, What.REOPENED, What.CONFIRMED):
        with pytest.raises((Conflict, PermissionDenied)):
            do(finding, what, cast["lin"])
    own = do(found(campaign, cast["lin"]), What.DISPUTED, cast["lan"])
    assert do(own, What.DROPPED, cast["lin"]).state == State.DROPPED, "who found it may see that it was nothing"


def test_it_is_handed_over_to_somebody_who_holds_a_post_there_or_above(finding: Finding, cast: Cast) -> None:
    for who in (cast["hong"], cast["chen"], cast["nobody"], cast["lan"], None):
        with pytest.raises(Unfit):
            do(finding, What.HANDED_OVER, cast["lan"], to=who)
    assert do(finding, What.HANDED_OVER, cast["lan"], to=cast["bao"]).responsible == cast["bao"]
    assert finding.events.get(what="handed_over").to == cast["bao"]
    with pytest.raises(PermissionDenied):
        do(finding, What.HANDED_OVER, cast["hong"], to=cast["lin"])


def test_whoever_is_responsible_puts_right_while_they_still_see_the_unit(campaign: Campaign, cast: Cast) -> None:
    finding = found(campaign, cast["su"], responsible=cast["an"])  # an auditor ticks nowhere
    assert do(finding, What.FIXED, cast["an"]).fixed_by == cast["an"]
    finding = found(campaign, cast["su"], responsible=cast["chen"])
    with pytest.raises(PermissionDenied):
        do(finding, What.FIXED, cast["chen"])


def test_a_plan_has_what_to_do_now_and_for_good_and_dated_steps(finding: Finding, cast: Cast) -> None:
    today = timezone.localdate()
    plan = {"fix_now": "换灯泡", "change_for_good": "每月巡查"}
    with pytest.raises(Unfit):
        do(finding, What.PLANNED, cast["lan"], "", new_step="买灯泡", **plan)
    with pytest.raises(Unfit):
        do(finding, What.PLANNED, cast["lan"], "", new_step="买灯泡", until=today - DAY, **plan)
    do(finding, What.PLANNED, cast["lan"], "", new_step="买灯泡", until=today + DAY, **plan)
    with pytest.raises(Unfit):
        do(finding, What.PLANNED, cast["lan"], "", **plan)
    step = finding.steps.get()
    do(finding, What.STEPPED, cast["bao"], "", step=step.pk)
    with pytest.raises(Conflict):
        do(finding, What.STEPPED, cast["lan"], "", step=step.pk)
    with pytest.raises(Unfit):
        do(finding, What.STEPPED, cast["lan"], "", step=step.pk + 1)
    finding.refresh_from_db()
    assert (finding.fix_now, finding.change_for_good, finding.steps.get().done_by) == (*plan.values(), cast["bao"])


def test_no_complaint_ends_before_whoever_complained_has_been_told(
    campaign: Campaign, cast: Cast, finding: Finding
) -> None:
    complaint, call = found(campaign, cast["lin"], source="complaint"), found(campaign, cast["lin"], source="help")
    waiting = Finding.objects.unanswered()
    assert set(waiting) == {complaint, call}
    mine = Finding.objects.to_answer_by
    assert not mine(cast["tang"]), "there is nothing to tell yet"
    do(complaint, What.DISPUTED, cast["lan"])
    with pytest.raises(Conflict, match="先答复"):
        do(complaint, What.DROPPED, cast["tang"])
    do(call, What.FIXED, cast["lan"])
    with pytest.raises(Conflict, match="先答复"):
        do(call, What.CONFIRMED, cast["lin"])
    assert (set(mine(cast["tang"])), set(mine(cast["lan"]))) == ({call, complaint}, set())
    assert do(call, What.ANSWERED, cast["lin"], "已转告").answer == "已转告"
    assert do(call, What.CONFIRMED, cast["lin"]).state == State.CLOSED
    do(complaint, What.ANSWERED, cast["lin"], "不是我村的灯")
    assert do(complaint, What.DROPPED, cast["tang"]).state == State.DROPPED
    assert not waiting.all()
    assert not mine(cast["tang"])
    with pytest.raises(Conflict):
        do(finding, What.ANSWERED, cast["lin"])  # nobody waits for an answer to it


def test_the_answer_to_a_finding_answers_the_call_it_came_from(campaign: Campaign, cast: Cast) -> None:
    task = factories.task(campaign)
    call_of = {"obstacle": "路不通", "need": "挖机", "reply_by": timezone.localdate()}
    help.ask(task, by=cast["lan"], event=uuid.uuid4(), **call_of)
    call = HelpRequest.objects.get()
    finding = found(campaign, cast["lin"], source="help", task=task, help_request=call)
    with pytest.raises(Conflict):
        found(campaign, cast["tang"], help_request=call)
    do(finding, What.ANSWERED, cast["lin"], "挖机明早到")
    call.refresh_from_db()
    assert (call.answer, call.answered_by) == ("挖机明早到", cast["lin"])
    assert TaskEvent.objects.filter(task=task, note__contains="挖机明早到").count() == 1


# ---- Twice, late, at once -----------------------------------------------------------------------------------------


def test_a_repeat_is_answered_and_changes_nothing(finding: Finding, cast: Cast) -> None:
    sent: dict[str, Any] = {"by": cast["lan"], "event": uuid.uuid4(), "note": "好了", "seen": 0}
    first = verbs.record(finding, What.FIXED, **sent)
    again = verbs.record(finding, What.FIXED, **sent)
    assert (first.repeated, again.repeated, again.finding.version) == (False, True, 1)
    for changed in ({"note": "别的"}, {"by": cast["bao"]}):
        with pytest.raises(Conflict):
            verbs.record(finding, What.FIXED, **sent | changed)
    assert finding.events.count() == 2


def test_a_page_that_is_out_of_date_is_told_so(finding: Finding, cast: Cast) -> None:
    do(finding, What.NOTED, cast["lan"], "看过", seen=0)
    with pytest.raises(Conflict, match="改动了这个问题"):
        do(finding, What.FIXED, cast["lan"], seen=0)
    assert do(finding, What.FIXED, cast["lan"], seen=1).state == State.FIXED


@pytest.mark.parametrize("what", sorted(verbs.NEEDS_REASON))
def test_nothing_that_needs_a_reason_goes_without(campaign: Campaign, cast: Cast, what: str) -> None:
    finding = found(campaign, cast["su"], source="complaint")
    on = finding.due_on + DAY
    if what in (What.REOPENED, What.DROPPED):
        do(finding, What.ANSWERED, cast["lin"])
    if what in (What.SENT_BACK, What.REOPENED):
        do(finding, What.FIXED, cast["lan"])
    if what == What.REOPENED:
        do(finding, What.CONFIRMED, cast["lin"])
    if what == What.REFUSED_TIME:
        do(finding, What.ASKED_TIME, cast["lan"], until=on)
    if what in (What.UPHELD, What.DROPPED):
        do(finding, What.DISPUTED, cast["lan"])
    by = cast["lan"] if what in (*verbs.DOING, *verbs.BOTH) else cast["mei"]
    before = finding.events.count()
    with pytest.raises(Unfit) as refused:
        do(finding, what, by, "", until=on, to=cast["lin"])
    assert (refused.value.field, finding.events.count()) == ("note", before)
    do(finding, what, by, "因为", **{"until": on, "to": cast["lin"]} if what == What.HANDED_OVER else {"until": on})


WHO_MAY: dict[str, set[str]] = {
    "doing": {"lan", "lin", "bao"},
    "looking": {"lin", "bao", "tang", "mei", "ada", "su"},
}


@pytest.mark.parametrize("what", list(verbs.CHANGES))
def test_each_verb_is_for_those_who_do_the_work_or_who_look_after_it(finding: Finding, cast: Cast, what: str) -> None:
    wanted = WHO_MAY["doing"] if what in verbs.DOING else WHO_MAY["looking"]
    wanted = wanted | WHO_MAY["doing"] if what in verbs.BOTH else wanted
    wanted = wanted - {"lin", "bao", "tang"} if what == What.DROPPED else wanted  # the county found it
    today = timezone.localdate()
    allowed = {
        name
        for name, person in cast.items()
        if verbs.may(person, finding, what, hands=verbs.hands_of(person, finding, on=today))
    }
    assert allowed == wanted


def test_a_page_offers_what_can_be_done_now_and_nothing_else(finding: Finding, cast: Cast) -> None:
    today = timezone.localdate()

    def offered(who: str) -> set[str]:
        return {str(what) for what in verbs.choices(cast[who], verbs.as_now(finding), on=today)}

    doing = {"planned", "stepped", "fixed", "asked_time", "disputed", "handed_over", "noted"}
    assert offered("lan") == doing
    assert offered("lin") == doing | {"gave_time"}
    assert offered("mei") == {"gave_time", "handed_over", "noted"}
    assert offered("an") == set()
    do(finding, What.FIXED, cast["lin"])
    assert offered("lin") == {"noted"}
    assert offered("tang") == {"confirmed", "sent_back", "noted"}
    do(finding, What.CONFIRMED, cast["tang"])
    assert offered("mei") == {"reopened", "noted"}, "the day of the second look lies ahead"
    Finding.objects.update(look_back_on=today)
    assert offered("mei") == {"looked_back", "reopened", "noted"}
    assert offered("lan") == {"noted"}


def test_what_lies_out_of_sight_is_not_listed(campaign: Campaign, cast: Cast, finding: Finding) -> None:
    lake = found(campaign, cast["su"], LAKE)
    for name, seen in {
        "lan": {finding},
        "bao": {finding},
        "mei": {finding, lake},
        "chen": set(),
        "hong": set(),
    }.items():
        assert set(Finding.objects.visible_to(cast[name])) == seen


def test_what_a_leaver_was_responsible_for_is_the_work_of_who_is_there(
    campaign: Campaign, cast: Cast, finding: Finding
) -> None:
    today = timezone.localdate()

    def has(name: str) -> bool:
        return finding in Finding.objects.to_put_right_by(cast[name], on=today)

    assert has("lan")
    assert not has("lin")
    cast["lan"].posts.update(until=today)
    assert has("lin")
    assert not has("hong")
    above = found(campaign, cast["su"], responsible=cast["tang"])
    assert above in Finding.objects.to_put_right_by(cast["tang"], on=today)
    assert above not in Finding.objects.to_put_right_by(cast["lin"], on=today)


def test_the_usual_time_counts_working_days() -> None:
    assert usual_due(3, date(2026, 9, 30)) == date(2026, 10, 9)  # 国庆: 1 to 7 October are off
