"""Closing a campaign: a second step that says what it leaves undone, with a reason; and what a closed one shows."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format

from checklists import course, ladder
from checklists.models import Campaign, Measure, Task
from readiness.models import Notice
from readiness.reminders import outbox
from tests import factories
from tests.checklists.test_sync import tick
from tests.factories import EAST, LAKE, MAPLE, WILLOW
from tests.readiness.test_draws import announced, drawn
from tests.readiness.test_ladder import applied, made
from villages.models import Cadre, Post

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
Cast = dict[str, Cadre]


def launch_page(campaign: Campaign) -> str:
    return f"/campaigns/{campaign.pk}/setup/launch/"


def left(page: str) -> list[tuple[str, int]]:
    """What the second step names: address and number."""
    step = page[page.index('<details class="danger" id="close"') :]
    found = re.findall(r'<li>\s*<a href="([^"]+)">(\d+)', step[: step.index("</details>")])
    return [(address, int(n)) for address, n in found]


def test_closing_is_a_second_step_that_names_what_it_leaves_undone(campaign: Campaign, as_: As, cast: Cast) -> None:
    tick(factories.task(campaign), cast["lan"])
    drawn(campaign, as_)
    announced(campaign, as_("ada"), take="1")
    made(campaign, EAST)
    objected(campaign, cast)
    ada = as_("ada")
    page = ada.get(launch_page(campaign)).text
    step = page.index('<details class="danger" id="close"')
    assert page.count('value="closed"') == 1
    assert page.index('value="closed"') > step, "no button closes it in one tap"
    named = dict(left(page))
    tasks = Task.objects.filter(campaign=campaign)
    here = f"/campaigns/{campaign.pk}"
    assert named == {
        f"{here}/tasks/?show=owed": tasks.still_owed().count(),
        f"{here}/tasks/?show=done": 1,
        f"{here}/rounds/": 2,
        f"{here}/draws/": 1,
        f"{here}/measures/?state=proposed": 1,
        f"{here}/measures/?state=objected": 1,
    }
    assert "2 of them drawn" in page or "2 次是抽中的" in page
    assert [ada.get(address).status_code for address in named] == [200] * 6
    assert ada.get(f"{here}/measures/?state=objected").context["page"].paginator.count == 1


def test_it_says_so_if_nothing_is_left(campaign: Campaign, as_: As) -> None:
    Task.objects.filter(campaign=campaign).update(state="waived")
    page = as_("ada").get(launch_page(campaign)).text
    assert left(page) == []
    assert "没有未办完的事" in page


def test_closing_gives_a_reason_that_stays_in_the_history(campaign: Campaign, as_: As, cast: Cast) -> None:
    ada, url = as_("ada"), f"/campaigns/{campaign.pk}/course/"
    refused = ada.post(url, {"what": "closed", "note": " "})
    assert refused.status_code == 422
    assert '<details class="danger" id="close" open>' in refused.text
    assert 'id="close-note-complaint" role="alert"' in refused.text
    assert 'id="course-note-complaint"' not in refused.text
    campaign.refresh_from_db()
    assert campaign.is_running
    assert ada.post(url, {"what": "closed", "note": "检查已结束"}).status_code == 302
    assert campaign.changes.values_list("what", "note", "by")[0] == ("closed", "检查已结束", cast["ada"].pk)
    closed = ada.get(launch_page(campaign)).text
    assert "检查已结束" in closed
    assert 'id="close"' not in closed


def test_the_second_step_costs_the_same_however_much_is_open(campaign: Campaign, as_: As, cast: Cast) -> None:
    ada = as_("ada")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(launch_page(campaign)).status_code == 200
        return len(captured)

    queries()  # the first page of a session notes when it began
    few = queries()
    drawn(campaign, as_)
    for unit in (WILLOW, LAKE, EAST):
        made(campaign, unit)
    tick(factories.task(campaign), cast["lan"])
    course.steer(campaign, "paused", by=cast["ada"], note="汛期")
    assert queries() == few <= 12


# ---- What a closed campaign shows, and who waits for whom about a measure ------------------------------------------


@pytest.fixture
def strict(campaign: Campaign, cast: Cast) -> Campaign:
    """With the ladder on."""
    Campaign.objects.filter(pk=campaign.pk).update(ladder_from=timezone.localdate(), ladder_by=cast["mei"])
    campaign.refresh_from_db()
    return campaign


def objected(campaign: Campaign, cast: Cast) -> Measure:
    """Mei applied it and Lan objects."""
    measure = applied(campaign, cast["mei"], timezone.localdate())
    measure.objection, measure.objected_by, measure.objected_at = "不实", cast["lan"], timezone.now()
    measure.save()
    return measure


def test_a_closed_campaign_offers_no_decision_and_says_why(strict: Campaign, as_: As, cast: Cast) -> None:
    measure = made(strict)
    mei, page = as_("mei"), f"/campaigns/{strict.pk}/measures/"
    assert f"/measures/{measure.pk}/decide/" in mei.get(page).text
    course.steer(strict, "closed", by=cast["ada"])
    for address in (page, f"/campaigns/{strict.pk}/units/{WILLOW}/"):
        shown = mei.get(address).text
        assert f"/measures/{measure.pk}/decide/" not in shown
        assert "活动关闭前没有人决定" in shown


def test_a_measure_under_objection_says_for_whom_it_waits(strict: Campaign, as_: As, cast: Cast) -> None:
    measure = objected(strict, cast)
    page, answer = f"/campaigns/{strict.pk}/measures/", f"/measures/{measure.pk}/answer/"
    shown = {who: as_(who).get(page).text for who in ("mei", "tang", "lan")}
    assert all("有异议，待另一位领导答复" in text for text in shown.values())
    assert {who: answer in text for who, text in shown.items()} == {"mei": False, "tang": True, "lan": False}
    assert {who: "由您或您的代班" in text for who, text in shown.items()} == {
        "mei": True, "tang": False, "lan": False,
    }  # fmt: skip


def told(what: str, *, hours: int) -> dict[str, tuple[str, str]]:
    """Who hears now, in so many hours, what that says so, and where it leads."""
    known = set(Notice.objects.values_list("pk", flat=True))
    outbox.write_news(timezone.now() + timedelta(hours=hours))
    new = Notice.objects.exclude(pk__in=known).filter(body__contains=what).select_related("cadre")
    return {one.cadre.username: (one.body, one.path) for one in new if one.cadre}


def test_leaders_above_hear_once_how_many_proposals_wait(strict: Campaign, cast: Cast) -> None:
    made(strict)
    first = made(strict, MAPLE)
    page = f"/campaigns/{strict.pk}/measures/"
    heard = told("待决定", hours=0)
    assert set(heard) == {"mei", "tang"}, heard
    assert all(path == page and "待决定的措施建议：2" in body for body, path in heard.values())
    assert told("待决定", hours=1) == {}
    ladder.decide(first, by=cast["mei"], to="declined", reason="不必")
    assert told("待决定", hours=2) == {}, "fewer are no news"
    made(strict, MAPLE)
    assert {who: "：2" in body for who, (body, _) in told("待决定", hours=3).items()} == {"mei": True, "tang": True}
    course.steer(strict, "closed", by=cast["ada"])
    made(strict, WILLOW, 2)
    assert told("待决定", hours=4) == {}


def test_who_must_answer_an_objection_hears_of_it_and_who_decided_does_not(strict: Campaign, cast: Cast) -> None:
    measure = objected(strict, cast)
    heard = told("异议", hours=0)
    assert "tang" in heard
    assert "mei" not in heard
    assert heard["tang"][0] == "柳村：Lan对“通报”有异议，待另一位领导答复：不实"
    assert told("有异议，待", hours=1) == {}
    ladder.answer(measure, by=cast["tang"], upheld=False, answer="属实")
    assert "lan" in told("属实", hours=2)


def test_who_stands_in_for_the_one_who_decided_is_not_asked_to_answer(strict: Campaign, cast: Cast) -> None:
    its = Post.objects.get(cadre=cast["mei"])
    stand_in = factories.cadre(
        "Dai", its.role, its.unit_id, stands_in_for=its, until=timezone.localdate() + timedelta(days=9)
    )
    assert stand_in.posts.count() == 1
    objected(strict, cast)
    assert set(told("有异议，待", hours=0)) == {"tang"}


def test_the_board_of_a_closed_campaign_counts_no_days_and_forecasts_nothing(
    campaign: Campaign, as_: As, cast: Cast
) -> None:
    mei, address = as_("mei"), f"/campaigns/{campaign.pk}/"
    assert mei.get(address).text.count("还剩") >= 1
    course.steer(campaign, "closed", by=cast["ada"])
    shown = mei.get(address).text
    today = date_format(timezone.localdate(), "DATE_FORMAT")
    assert f"{today}已关闭；" in shown
    assert "关闭日期" in shown
    for word in ("还剩", "预计", "剩余天数"):
        assert word not in shown
    assert "预测：活动已关闭" in mei.get(address, {"show": "curve"}).text


def test_a_round_and_a_draw_of_a_closed_campaign_say_that_it_is_closed(campaign: Campaign, as_: As, cast: Cast) -> None:
    made_of = drawn(campaign, as_)
    waits = announced(campaign, as_("ada"), take="1")
    goes = Cadre.objects.filter(rounds__draw=made_of)[0]
    course.steer(campaign, "closed", by=cast["ada"])
    mine = as_(goes.username).get("/rounds/").text
    assert "活动已关闭" in mine
    assert "进行中" not in mine[mine.index('<ul class="cards">') :]
    for who in ("su", "lan"):
        page = as_(who).get(f"/draws/{waits.pk}/").text
        assert 'id="number"' not in page
        assert "活动已关闭，不能再给数" in page
