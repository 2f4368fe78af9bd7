"""What a campaign told: who sees it, how much of it, and how what got lost is sent again. And one's own inbox."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists.models import Campaign, Change
from readiness.models import Channel, Gateway, Notice
from tests import factories
from tests.factories import COUNTY, EAST
from villages.access import Role
from villages.models import Cadre

As = Callable[[str], Client]
Cast = dict[str, Cadre]
Status = Notice.Status
LOST = {Status.UNKNOWN, Status.FAILED, Status.REFUSED, Status.ASIDE}


def notice(campaign: Campaign, to: Cadre | None, **fields: Any) -> Notice:
    """One that left the house, or was to."""
    status = fields.get("status", Status.ACCEPTED)
    now = timezone.now()
    usual: dict[str, Any] = {
        "cadre": to,
        "rule": "digest",
        "on": timezone.localdate(),
        "channel": Channel.MAIL,
        "about": [campaign.pk],
        "subject": "迎检准备：3 项逾期",
        "body": "柳村：公示栏更新",
        "status": status,
        "sent_at": now if status in (Status.ACCEPTED, Status.DELIVERED) else None,
        "leased_until": now if status == Status.SENDING else None,
    }
    return Notice.objects.create(**usual | fields)


def one_of_each(campaign: Campaign, to: Cadre) -> dict[str, Notice]:
    """A notice in every state."""
    return {status: notice(campaign, to, status=status, rule=f"r-{status}") for status in Status}


def address(campaign: Campaign, query: str = "") -> str:
    return f"/campaigns/{campaign.pk}/notices/{query}"


def listed(client: Client, campaign: Campaign, query: str = "") -> set[int]:
    """Ids of the notices that the page shows."""
    return {line.notice.pk for line in client.get(address(campaign, query)).context["lines"]}


# --- who sees it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("mei", 200), ("su", 403), ("tang", 403), ("chen", 404)])
def test_who_leads_or_runs_the_host_sees_what_was_sent(
    campaign: Campaign, cast: Cast, as_: As, who: str, status: int
) -> None:
    notice(campaign, cast["lan"])
    assert as_(who).get(address(campaign)).status_code == status


def test_a_leader_reads_and_does_not_send_again(campaign: Campaign, cast: Cast, as_: As) -> None:
    lost = notice(campaign, cast["lan"], status=Status.FAILED)
    assert "补发" not in as_("mei").get(address(campaign)).content.decode()
    assert as_("mei").post(address(campaign, "resend/"), {"only": lost.pk}).status_code == 403
    lost.refresh_from_db()
    assert lost.status == Status.FAILED


def test_it_says_to_whom_where_how_and_what(campaign: Campaign, cast: Cast, as_: As) -> None:
    notice(campaign, cast["lan"], status=Status.REFUSED, error="通讯录里没有这个账号 <b>")
    page = as_("ada").get(address(campaign)).content.decode()
    for said in ("Lan", "柳村", "迎检准备：3 项逾期", "柳村：公示栏更新", "通讯录里没有这个账号 &lt;b&gt;"):
        assert said in page


def test_only_notices_about_this_campaign_are_listed(campaign: Campaign, cast: Cast, as_: As) -> None:
    other = factories.campaign(EAST, days=60, of=factories.template("other"))
    mine = notice(campaign, cast["lan"])
    theirs = notice(other, cast["lan"], rule="other")
    assert listed(as_("ada"), campaign) == {mine.pk}
    assert listed(as_("ada"), other) == {theirs.pk}


def test_a_digest_about_two_campaigns_is_read_only_by_who_sees_the_notices_of_both(
    campaign: Campaign, cast: Cast, as_: As
) -> None:
    """That it was sent, when, in which state and under which words: that much belongs to each."""
    city = factories.campaign("5115", days=60, of=factories.template("city"))
    shared = notice(campaign, cast["lan"], about=[campaign.pk, city.pk], body="市里的事")
    page = as_("ada").get(address(campaign)).content.decode()
    assert shared.subject in page
    assert "市里的事" not in page
    factories.appoint(cast["ada"], Role.CAMPAIGN_ADMIN, "5115")
    assert "市里的事" in as_("ada").get(address(campaign)).content.decode()
    Notice.objects.update(about=[campaign.pk, 987_654_321])  # a campaign that is no more
    assert "市里的事" not in as_("ada").get(address(campaign)).content.decode()


def test_units_out_of_sight_are_not_named(campaign: Campaign, cast: Cast, as_: As) -> None:
    factories.appoint(cast["lan"], Role.VILLAGE_CADRE, factories.OTHER_VILLAGE)
    notice(campaign, cast["lan"])
    page = as_("ada").get(address(campaign)).content.decode()
    assert "柳村" in page
    assert "桥社区" not in page


# --- finding one ---------------------------------------------------------------------------------------------------


def test_each_count_opens_its_list(campaign: Campaign, cast: Cast, as_: As) -> None:
    made = one_of_each(campaign, cast["lan"])
    notice(campaign, cast["lin"], status=Status.FAILED)
    ada = as_("ada")
    answer = ada.get(address(campaign))
    links = re.findall(r'<li class="is-(\w+)"><a href="([^"]+)"[^>]*>[^<]*<b>(\d+)</b>', answer.content.decode())
    assert {state for state, _, _ in links} == set(Status)
    for state, link, n in links:
        found = listed(ada, campaign, unescape(link))
        assert made[state].pk in found
        assert len(found) == int(n) == (2 if state == "failed" else 1)


def test_filters(campaign: Campaign, cast: Cast, as_: As) -> None:
    ada, today = as_("ada"), timezone.localdate()
    first = notice(campaign, cast["lan"])
    second = notice(campaign, cast["lin"], channel=Channel.INBOX, on=today - timedelta(days=1), status=Status.DELIVERED)
    gateway = Gateway.objects.create(
        channel=Channel.DINGTALK_ROBOT,
        unit_id=EAST,
        campaign=campaign,
        name="东镇群",
        host="https://x",
        made_by=cast["ada"],
    )
    third = notice(campaign, None, gateway=gateway, channel=Channel.DINGTALK_ROBOT, rule="group")
    assert listed(ada, campaign) == {first.pk, second.pk, third.pk}
    assert listed(ada, campaign, "?channel=inbox") == {second.pk}
    assert listed(ada, campaign, f"?day={today}") == {first.pk, third.pk}
    assert listed(ada, campaign, "?name=Li") == {second.pk}
    assert listed(ada, campaign, "?name=东镇") == {third.pk}
    assert listed(ada, campaign, "?name=Li&state=accepted") == set()


@pytest.mark.parametrize(
    "query",
    ["?state=lost", "?channel=pigeon", "?day=2026-02-30", "?day=9", f"?name={'长' * 99}", "?page=x", "?name=%00"],
)
def test_a_filter_that_makes_no_sense_leaves_nothing_out(campaign: Campaign, cast: Cast, as_: As, query: str) -> None:
    made = notice(campaign, cast["lan"])
    assert listed(as_("ada"), campaign, query) == {made.pk}


def test_it_takes_as_many_queries_for_one_as_for_fifty(campaign: Campaign, cast: Cast, as_: As) -> None:
    ada = as_("ada")
    ada.get(address(campaign))
    counted = []
    for n in (1, 59):
        for number in range(n):
            notice(campaign, cast[("lan", "lin", "hong")[number % 3]], rule=f"r-{n}-{number}")
        with CaptureQueriesContext(connection) as captured:
            page = ada.get(address(campaign)).context["page"]
        counted.append(len(captured))
    assert counted[0] == counted[1]
    assert (len(page), page.paginator.count) == (50, 60)


# --- sending again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", Status.values)
def test_only_what_got_lost_can_be_sent_again(campaign: Campaign, cast: Cast, as_: As, state: str) -> None:
    made = one_of_each(campaign, cast["lan"])[state]
    ada = as_("ada")
    has_button = f'name="only" value="{made.pk}"' in ada.get(address(campaign)).content.decode()
    assert has_button == (state in LOST)
    before = Notice.objects.filter(pk=made.pk).values().get()
    answer = ada.post(address(campaign, "resend/"), {"only": made.pk})
    assert answer["Location"] == address(campaign)
    made.refresh_from_db()
    if state in LOST:
        assert (made.status, made.tries, made.leased_until) == (Status.PENDING, 0, None)
    else:
        assert Notice.objects.filter(pk=made.pk).values().get() == before


def test_several_at_once_and_back_to_the_same_list(campaign: Campaign, cast: Cast, as_: As) -> None:
    made = one_of_each(campaign, cast["lan"])
    chosen = [made["failed"].pk, made["unknown"].pk, made["accepted"].pk]
    answer = as_("ada").post(address(campaign, "resend/?name=Lan"), {"notice": chosen}, follow=True)
    assert answer.redirect_chain[-1][0] == address(campaign, "?name=Lan")
    assert set(Notice.objects.filter(status=Status.PENDING).values_list("pk", flat=True)) == {
        *chosen[:2],
        made["pending"].pk,
    }
    assert Change.objects.get(campaign=campaign, fields__has_key="resent").fields == {"resent": ["", "2"]}


def test_the_button_of_one_leaves_the_chosen_ones_alone(campaign: Campaign, cast: Cast, as_: As) -> None:
    made = one_of_each(campaign, cast["lan"])
    as_("ada").post(address(campaign, "resend/"), {"only": made["failed"].pk, "notice": [made["unknown"].pk]})
    made["unknown"].refresh_from_db()
    assert made["unknown"].status == Status.UNKNOWN


@pytest.mark.parametrize("chosen", ["", "x", "-1", "9" * 30, "\0", "１"])
def test_nothing_chosen_is_said(campaign: Campaign, cast: Cast, as_: As, chosen: str) -> None:
    answer = as_("ada").post(address(campaign, "resend/"), {"notice": chosen} if chosen else {})
    assert answer.status_code == 422
    assert 'class="complaint' in answer.content.decode()


def test_notices_of_another_campaign_cannot_be_sent_from_here(campaign: Campaign, cast: Cast, as_: As) -> None:
    other = factories.campaign("5115", days=60, of=factories.template("city"))
    theirs = notice(other, cast["lan"], status=Status.FAILED)
    as_("ada").post(address(campaign, "resend/"), {"only": theirs.pk})
    theirs.refresh_from_db()
    assert theirs.status == Status.FAILED


# --- who is reached by nothing -------------------------------------------------------------------------------------


def test_cadres_whom_nothing_reaches_are_named(campaign: Campaign, cast: Cast, as_: As) -> None:
    Cadre.objects.exclude(username="hong").update(email="a@example.org")
    Cadre.objects.filter(username="lin").update(password=make_password(None))
    page = as_("ada").get(address(campaign))
    found = {one.name: (one.has_no_way, one.cannot_log_in) for one, _ in page.context["unreached"].people}
    assert found == {"Hong": (True, False), "Lin": (False, True)}
    text = page.content.decode()
    assert "枫村" in text[text.index('id="unreached"') : text.index('id="notices"')]


# --- the inbox -----------------------------------------------------------------------------------------------------


def told(cadre: Cadre, days: int = 0, **fields: Any) -> Notice:
    """A notice in somebody's inbox, of so many days ago."""
    on = timezone.localdate() - timedelta(days=days)
    usual = {"channel": Channel.INBOX, "status": Status.DELIVERED, "sent_at": timezone.now()}
    usual |= {"cadre": cadre, "on": on, "rule": "digest", "subject": f"第 {days} 天", "body": "柳村\n公示栏"}
    return Notice.objects.create(**usual | fields)


def test_the_unread_come_first_and_each_day_has_its_heading(cast: Cast, as_: As) -> None:
    now = timezone.now()
    for days, read_at in ((0, now), (1, None), (2, now), (3, None)):
        told(cast["lan"], days, read_at=read_at)
    told(cast["lan"], 3, rule="news-0900")
    days = as_("lan").get("/inbox/").context["days"]
    today = timezone.localdate()
    assert [((today - day.on).days, day.is_unread, len(day.notices)) for day in days] == [
        (1, True, 1),
        (3, True, 2),
        (0, False, 1),
        (2, False, 1),
    ]


def test_beside_each_stands_what_became_of_it_outside(cast: Cast, as_: As) -> None:
    told(cast["lan"])
    told(cast["lan"], 1)
    told(cast["lan"], channel=Channel.MAIL, status=Status.ACCEPTED)
    told(cast["hong"], channel=Channel.WECOM, status=Status.REFUSED)
    found = [n for day in as_("lan").get("/inbox/").context["days"] for n in day.notices]
    assert [[(other.channel, other.status) for other in n.beside] for n in found] == [[("mail", "accepted")], []]


def test_opening_one_marks_it_as_read_and_leads_to_its_page(cast: Cast, as_: As) -> None:
    first, second = told(cast["lan"], path="/tasks/?show=overdue"), told(cast["lan"], 1)
    lan = as_("lan")
    assert lan.post("/inbox/read/", {"notice": first.pk, "open": "1"})["Location"] == "/tasks/?show=overdue"
    assert lan.post("/inbox/read/", {"notice": first.pk})["Location"] == "/inbox/"
    assert list(Notice.objects.unread()) == [second]
    lan.post("/inbox/read/")
    assert not Notice.objects.unread().exists()


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_no_notice_leads_out_of_the_house(cast: Cast, as_: As, path: str) -> None:
    wrong = told(cast["lan"], path=path)
    assert as_("lan").post("/inbox/read/", {"notice": wrong.pk, "open": "1"})["Location"] == "/inbox/"
    assert "evil" not in as_("lan").get("/inbox/").content.decode()


@pytest.mark.parametrize("number", ["theirs", "x", "9" * 30, "\0"])
def test_nobody_reads_for_others(cast: Cast, as_: As, number: str) -> None:
    theirs = told(cast["hong"], path="/campaigns/")
    chosen = theirs.pk if number == "theirs" else number
    assert as_("lan").post("/inbox/read/", {"notice": chosen, "open": "1"})["Location"] == "/inbox/"
    theirs.refresh_from_db()
    assert theirs.read_at is None


def test_the_inbox_takes_as_many_queries_for_one_as_for_thirty(cast: Cast, as_: As) -> None:
    lan = as_("lan")
    lan.get("/inbox/")
    counted = []
    for n in (1, 29):
        for number in range(n):
            told(cast["lan"], number, rule=f"r-{n}-{number}")
        with CaptureQueriesContext(connection) as captured:
            lan.get("/inbox/")
        counted.append(len(captured))
    assert counted[0] == counted[1] <= 7
    assert COUNTY not in lan.get("/inbox/").content.decode()
