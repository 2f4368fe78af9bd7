"""Who hears what of a finding, once."""

import uuid
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course
from checklists.findings import open_finding, verbs
from checklists.models import Campaign, Finding, FindingEvent
from readiness.models import Notice
from readiness.reminders import figures, outbox
from readiness.reminders.calendars import on_or_before
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


def told() -> dict[str, list[str]]:
    """What is new in whose inbox, and what was there before is gone."""
    outbox.write_news()
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


def test_findings_of_a_closed_campaign_are_still_told(finding: Finding, cast: Cast, campaign: Campaign) -> None:
    course.steer(campaign, "closed", by=cast["ada"])
    assert set(told()) == {"lan"}
    do(finding, "fixed", cast["lan"])
    assert set(told()) == {"lin"}
    do(finding, "confirmed", cast["lin"])
    do(finding, "looked_back", cast["lin"])
    assert told() == {}


def test_what_is_no_longer_so_is_not_told(finding: Finding, cast: Cast) -> None:
    do(finding, "disputed", cast["lin"])
    do(finding, "dropped", cast["su"])
    heard = told()
    assert set(heard) == {"lin"}, "nobody hears any more that it was opened"


def test_a_plan_takes_as_many_queries_for_one_finding_as_for_fifty(finding: Finding, cast: Cast) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            outbox.planned(timezone.localdate())
        return len(captured)

    few = queries()
    campaign = finding.campaign
    for n in range(49):
        one = found(campaign, cast["su"], MAPLE if n % 2 else WILLOW, found_on=timezone.localdate() - 40 * DAY)
        if n % 3 == 0:
            do(one, "fixed", cast["bao"])
    assert queries() == few
    assert FindingEvent.objects.count() > 60
