"""Who hears what of a finding, once."""

import uuid
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course, help
from checklists.findings import open_finding, verbs
from checklists.models import Campaign, Finding, FindingEvent, HelpRequest
from checklists.workdays import workday_after
from readiness.models import Notice
from readiness.reminders import figures, outbox
from readiness.reminders.calendars import on_or_before
from tests import factories
from tests.factories import MAPLE, WILLOW
from villages.models import Cadre, Post, Unit

Cast = dict[str, Cadre]
DAY = timedelta(days=1)


@pytest.fixture
def finding(cast: Cast, campaign: Campaign) -> Finding:
    """Su found it; Lan is responsible."""
    return found(campaign, cast["su"])


def found(campaign: Campaign, by: Cadre, unit: str = WILLOW, **fields: Any) -> Finding:
    one: dict[str, Any] = {"source": "leader", "what": "路灯不亮", "event": uuid.uuid4()}
    return open_finding(by=by, campaign=campaign, unit=Unit.objects.get(pk=unit), **one | fields)


def do(finding: Finding, what: str, by: Cadre, **sent: Any) -> None:
    verbs.record(finding, what, by=by, event=uuid.uuid4(), note="因为", **sent)


def told(now: datetime | None = None) -> dict[str, list[str]]:
    """What is new in whose inbox, and what was there before is gone."""
    outbox.write_news(now)
    heard: dict[str, list[str]] = {}
    for notice in Notice.objects.filter(channel="inbox", rule__startswith="news").select_related("cadre"):
        if notice.cadre and (lines := [line for line in notice.body.splitlines() if "问题" in line]):
            heard.setdefault(notice.cadre.username, []).extend(lines)
        Notice.objects.filter(pk=notice.pk).update(rule=uuid.uuid4().hex[:20])  # the next may come within the hour
    return heard


def test_each_step_is_told_to_whom_it_concerns_and_once(finding: Finding, cast: Cast) -> None:
    until = finding.due_on + DAY
    for what, by, hears, sent in (
        (None, "su", {"lan"}, {}),
        ("asked_time", "lan", {"lin"}, {"until": until}),
        ("refused_time", "lin", {"lan"}, {}),
        ("disputed", "lan", {"lin"}, {}),
        ("upheld", "lin", {"lan"}, {}),
        ("fixed", "lan", {"lin"}, {}),
        ("sent_back", "lin", {"lan"}, {}),
        ("handed_over", "lan", {"bao"}, {"to": cast["bao"]}),
        ("fixed", "lan", {"lin"}, {}),
        ("confirmed", "lin", set(), {}),
        ("reopened", "lin", {"bao"}, {"until": until}),
    ):
        if what:
            do(finding, what, cast[by], **sent)
        heard = told()
        assert set(heard) == hears, what
        assert all(len(lines) == 1 and "1号" in lines[0] for lines in heard.values()), (what, heard)
        assert told() == {}, what
    assert Notice.objects.filter(path=finding.get_absolute_url()).exists()


def test_overdue_goes_up_the_chain_in_working_days(finding: Finding, cast: Cast) -> None:
    told()
    today = on_or_before(timezone.localdate())
    heard: list[set[str]] = []
    for n in range(1, 14):
        now = timezone.make_aware(datetime.combine(today, time(9)))
        Finding.objects.update(found_on=today - 40 * DAY, due_on=today - n * DAY)
        with_finding = [fact for fact in figures.read_news(now).facts if fact.what.startswith("finding_late")]
        heard.append({fact.what for fact in with_finding})
    names = ["finding_late", "finding_late_linked", "finding_late_lead"]
    reached = [sorted(names.index(what) for what in one) for one in heard]
    assert reached == sorted(reached, key=len)
    assert reached[-1] == [0, 1, 2]
    Finding.objects.update(due_on=today - 13 * DAY)
    assert set(told()) == {"lan", "lin", "tang"}
    assert told() == {}, "each step once"


def test_a_second_look_that_is_due_is_told_to_who_confirmed_or_else_linked(finding: Finding, cast: Cast) -> None:
    do(finding, "fixed", cast["lan"])
    do(finding, "confirmed", cast["tang"])
    told()
    Finding.objects.update(look_back_on=timezone.localdate())
    assert set(told()) == {"tang"}
    Post.objects.filter(cadre=cast["tang"]).update(until=timezone.localdate())
    Finding.objects.update(look_back_on=timezone.localdate() - DAY)
    assert set(told()) == {"lin"}


def day_by_day(last: int = 7) -> dict[int, set[str]]:
    """Who hears something on which of the next working days; 0 is today."""
    heard, day = {}, timezone.localdate()
    for n in range(last + 1):
        if found := set(told(timezone.make_aware(datetime.combine(day, time(23))))):
            heard[n] = found
        day = workday_after(day, 1)
    return heard


@pytest.mark.parametrize(
    ("responsible", "fixer", "heard"),
    [
        ("lan", "lan", {2: {"lin"}, 4: {"lin"}, 5: {"tang"}, 6: {"lin"}}),
        # Whoever had a hand in it is not asked to look: then it is the next one up, and the one above that.
        ("lin", "lan", {2: {"tang"}, 4: {"tang"}, 5: {"mei"}, 6: {"tang"}}),
        ("lan", "lin", {2: {"tang"}, 4: {"tang"}, 5: {"mei"}, 6: {"tang"}}),
    ],
)
@pytest.mark.parametrize("is_closed", [False, True])
def test_what_waits_for_a_look_is_told_again_and_one_step_up_until_somebody_looks(
    finding: Finding, cast: Cast, campaign: Campaign, responsible: str, fixer: str, heard: dict[int, set[str]],
    is_closed: bool,
) -> None:  # fmt: skip
    Finding.objects.update(responsible=cast[responsible])
    if is_closed:
        course.steer(campaign, "closed", by=cast["ada"])
    do(finding, "fixed", cast[fixer])
    assert set(told()) == heard[2], "at once"
    assert day_by_day() == heard
    do(finding, "confirmed", cast["su"])
    assert day_by_day() == {}


def test_who_took_a_step_is_not_asked_to_look(finding: Finding, cast: Cast) -> None:
    do(finding, "planned", cast["lin"], new_step="买灯泡", until=timezone.localdate())
    do(finding, "stepped", cast["lin"], step=finding.steps.get().pk)
    do(finding, "fixed", cast["lan"])
    assert set(told()) == {"tang"}


def test_a_step_past_its_day_goes_up_as_a_finding_does_and_one_of_a_late_finding_says_no_more(
    finding: Finding, cast: Cast
) -> None:
    told()
    today = timezone.localdate()
    for n in (0, 1):
        do(finding, "planned", cast["lan"], new_step=f"第{n}步", until=today + n * DAY)
    assert day_by_day(6) == {1: {"lan"}, 3: {"lin"}, 5: {"tang"}}
    do(finding, "stepped", cast["lan"], step=finding.steps.order_by("pk")[0].pk)
    again = told(timezone.make_aware(datetime.combine(workday_after(today + DAY, 1), time(23))))
    assert "第1步" in again["lan"][0], "then the next"
    Finding.objects.update(due_on=today)
    late = told(timezone.make_aware(datetime.combine(workday_after(today, 6), time(23))))
    assert set(late) == {"lan", "lin", "tang"}
    assert not any("第1步" in line for lines in late.values() for line in lines)


def test_a_second_look_past_its_day_goes_up_too(finding: Finding, cast: Cast) -> None:
    do(finding, "fixed", cast["lan"])
    do(finding, "confirmed", cast["lin"])
    told()
    Finding.objects.update(look_back_on=timezone.localdate())
    assert day_by_day() == {0: {"lin"}, 3: {"tang"}, 5: {"mei"}}
    do(finding, "looked_back", cast["lin"])
    assert day_by_day() == {}


def test_findings_of_a_closed_campaign_are_still_told(finding: Finding, cast: Cast, campaign: Campaign) -> None:
    course.steer(campaign, "closed", by=cast["ada"])
    assert set(told()) == {"lan"}
    do(finding, "fixed", cast["lan"])
    assert set(told()) == {"lin"}
    do(finding, "confirmed", cast["lin"])
    Finding.objects.update(look_back_on=timezone.localdate())
    do(finding, "looked_back", cast["lin"])
    assert told() == {}


def test_an_answer_that_is_one_to_a_call_too_is_told_once(cast: Cast, campaign: Campaign) -> None:
    task = factories.task(campaign)
    call = {"obstacle": "路不通", "need": "挖机", "reply_by": timezone.localdate()}
    help.ask(task, by=cast["lan"], event=uuid.uuid4(), **call)
    finding = found(campaign, cast["lin"], source="help", task=task, help_request=HelpRequest.objects.get())
    told()
    do(finding, "answered", cast["lin"])
    assert told() == {}, "of the finding"
    (line,) = [
        line for one in Notice.objects.filter(cadre=cast["lan"]) for line in one.body.splitlines() if "答复" in line
    ]
    assert line == "柳村：Lin答复了“第v-1项”：因为"
    do(finding, "answered", cast["tang"])
    assert set(told()) == {"lan"}, "another word about the finding alone"


def test_what_is_no_longer_so_is_not_told(finding: Finding, cast: Cast) -> None:
    do(finding, "disputed", cast["lin"])
    do(finding, "dropped", cast["su"])
    again = found(finding.campaign, cast["su"])
    for what, by in (("fixed", "lan"), ("sent_back", "lin"), ("fixed", "lan")):
        do(again, what, cast[by])
    heard = told()
    assert set(heard) == {"lin"}, "nobody hears any more that it was opened"
    assert len(heard["lin"]) == 2, "and of the other finding only how it stands"
    do(again, "confirmed", cast["tang"])
    third = found(finding.campaign, cast["su"])
    for who in ("lin", "bao"):
        do(third, "handed_over", cast["lan"], to=cast[who])
    do(third, "fixed", cast["lan"])
    later = told(timezone.make_aware(datetime.combine(workday_after(timezone.localdate(), 3), time(23))))
    assert {who: len(lines) for who, lines in later.items()} == {"lin": 1}, "asked to look in one line"


def test_a_plan_takes_as_many_queries_for_one_finding_as_for_fifty(finding: Finding, cast: Cast) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            outbox.planned(timezone.localdate())
        return len(captured)

    few = queries()
    campaign = finding.campaign
    for n in range(49):
        one = found(campaign, cast["su"], MAPLE if n % 2 else WILLOW, found_on=timezone.localdate() - 40 * DAY)
        do(one, "planned", cast["bao"], new_step="买灯泡", until=timezone.localdate())
        if n % 3 == 0:
            do(one, "fixed", cast["bao"])
    assert queries() == few
    assert FindingEvent.objects.count() > 60
