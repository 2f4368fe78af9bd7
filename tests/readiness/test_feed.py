"""The calendar of one's own deadlines: what stands in it, for whom, and how little guessing its address is worth."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from icalendar import Calendar

from checklists import course, ticks
from checklists.models import Campaign, Item, Task
from readiness.models import Wishes
from readiness.reminders import feed
from tests import factories
from tests.access.world import fingerprint, said
from tests.factories import EAST, MAPLE, WILLOW
from villages.access import Role
from villages.models import Cadre, Post

As = Callable[[str], Client]
Cast = dict[str, Cadre]


def get(token: str) -> HttpResponse:
    """As a phone asks: nobody is logged in."""
    return Client().get(f"/calendar/{token}.ics")


def events(answer: HttpResponse) -> list[Any]:
    assert answer.status_code == 200
    return list(Calendar.from_ical(answer.content).walk("VEVENT"))


def told(answer: HttpResponse) -> set[str]:
    """Day and summary of each event."""
    return {f"{event['dtstart'].dt.isoformat()} {event['summary']}" for event in events(answer)}


def test_one_event_for_each_unit_and_day(cast: Cast, campaign: Campaign) -> None:
    """Willow owes two on the last day and one twenty days before; Lin is linked to Maple as well."""
    last, before = campaign.inspects_on, campaign.inspects_on - timedelta(days=20)
    willow = {f"{before} 东镇柳村：1项到期", f"{last} 东镇柳村：2项到期"}
    answer = get(feed.make(cast["lan"]))
    assert told(answer) == willow
    assert told(get(feed.make(cast["lin"]))) == willow | {line.replace("柳", "枫") for line in willow}
    assert told(get(feed.make(cast["bao"]))) == {f"{last} 东镇：1项到期"}
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Cache-Control"] == "no-store, private"
    event = events(answer)[0]
    assert event["url"] == f"http://testserver/campaigns/{campaign.pk}/units/{WILLOW}/"
    assert event["dtstamp"].dt - timezone.now() < timedelta(minutes=1)
    assert b"DTSTART;VALUE=DATE:" in answer.content


def test_the_link_goes_where_the_office_says(cast: Cast, campaign: Campaign, settings: Any) -> None:
    settings.SITE_URL = "https://ready.example.gov.cn"
    assert all(
        str(event["url"]).startswith("https://ready.example.gov.cn/c") for event in events(get(feed.make(cast["lan"])))
    )


def test_an_event_changes_and_vanishes_with_the_work(cast: Cast, campaign: Campaign) -> None:
    token = feed.make(cast["lan"])
    before = {event["uid"]: event["summary"] for event in events(get(token))}
    bring(campaign, "v-1", "done", cast["lan"])
    after = {event["uid"]: event["summary"] for event in events(get(token))}
    assert after.keys() == before.keys()
    assert sorted(after.values()) == ["东镇柳村：1项到期"] * 2
    bring(campaign, "v-2", "done", cast["lan"])
    assert len(events(get(token))) == 1
    bring(campaign, "v-2", "returned", cast["lin"], "台账缺签字")
    assert len(events(get(token))) == 2
    course.steer(campaign, "paused", by=cast["ada"], note="等通知")
    assert events(get(token)) == []


def bring(campaign: Campaign, number: str, to: str, by: Cadre, note: str = "") -> None:
    ticks.record(factories.task(campaign, number), by=by, event=factories.body()["event"], state=to, note=note)


def test_whatever_a_title_holds_stays_text(cast: Cast, campaign: Campaign) -> None:
    title = "普查;上门,\\n\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:假的 🙂" + "长" * 50
    Campaign.objects.update(title=title)
    answer = get(feed.make(cast["lan"]))
    found = events(answer)
    assert len(found) == 2
    assert {str(event["description"]).replace("\r", "") for event in found} == {title.replace("\r", "")}
    assert max(map(len, answer.content.split(b"\r\n"))) <= 75  # octets, RFC 5545 3.1


def test_no_numbers_to_call_and_no_names_of_people_leave_the_house(cast: Cast, campaign: Campaign) -> None:
    Item.objects.update(title="给 13812345678 打电话")
    body = get(feed.make(cast["lin"])).content.decode()
    assert not re.search(r"1\d{10}", re.sub(r"\d{4,}-\w+-\d{8}@|/units/\w+/|UID:\S+", "", body))
    assert not [one.name for one in cast.values() if one.name in body]


def test_who_has_left_has_an_empty_calendar(cast: Cast, campaign: Campaign) -> None:
    token = feed.make(cast["lan"])
    Post.objects.filter(cadre=cast["lan"]).update(until=timezone.localdate())
    assert events(get(token)) == []
    factories.appoint(cast["lan"], Role.VILLAGE_CADRE, MAPLE)
    assert len(events(get(token))) == 2
    Cadre.objects.filter(pk=cast["lan"].pk).update(is_active=False)
    assert events(get(token)) == []


def test_the_address_is_shown_once_and_the_one_before_opens_nothing(as_: As, cast: Cast, campaign: Campaign) -> None:
    lan = as_("lan")
    tokens = []
    for _ in range(2):
        page = lan.post("/me/notices/calendar/", {"do": "make"})
        (found,) = re.findall(r'value="http://testserver/calendar/([\w-]{43})\.ics"', page.content.decode())
        tokens.append(found)
        assert found not in lan.get("/me/notices/").content.decode()
        assert found not in str(vars(Wishes.objects.get()))
    old, new = tokens
    assert len(told(get(new))) == 2
    nothing = said(Client().get("/nowhere/"))
    assert said(get(old)) == nothing
    assert lan.post("/me/notices/calendar/", {"do": "end"}).status_code == 302
    assert {said(get(token)) == nothing for token in (new, old, "x", "%00", "%ff", "x" * 2000)} == {True}
    assert lan.post("/me/notices/calendar/", {"do": "end"}).status_code == 302
    assert lan.post("/me/notices/calendar/", {"do": "\0"}).status_code == 422


def test_it_takes_as_many_queries_whatever_is_owed(
    cast: Cast, campaign: Campaign, django_assert_num_queries: Any
) -> None:
    token = feed.make(cast["lin"])
    with django_assert_num_queries(5):
        assert len(events(get(token))) == 4
    for days in range(40, 60):
        factories.campaign(on=timezone.localdate(), days=days)
    with django_assert_num_queries(5):
        assert len(events(get(token))) == 84


def test_a_thousand_guesses_cost_nothing(
    cast: Cast, campaign: Campaign, caplog: pytest.LogCaptureFixture, tell: Callable[[str], None]
) -> None:
    token = feed.make(cast["lan"])
    client, before = Client(), fingerprint()
    logging.getLogger("django.request").filters[0].told_at = -1e9  # type: ignore[union-attr]
    began = perf_counter()
    with caplog.at_level(logging.INFO), CaptureQueriesContext(connection) as queries:
        tries = {client.get(f"/calendar/{token[:-4]}{n:04}.ics").status_code for n in range(1000)}
    took = (perf_counter() - began) / 1000
    tell(f"a wrong address of a calendar: refused in {1000 * took:.1f} ms")
    assert tries == {404}
    assert len(queries) == 1000  # one look into an index each
    assert took < 0.2  # no slow hash is made of it
    assert fingerprint() == before
    lines = [record.getMessage() for record in caplog.records if "/calendar/" in record.getMessage()]
    assert lines == ["Not Found: /calendar/…"]


def test_a_township_has_no_county_before_its_name(cast: Cast, campaign: Campaign) -> None:
    Task.objects.filter(unit=EAST).update(due_on=timezone.localdate() - timedelta(days=1))
    late = f"{timezone.localdate() - timedelta(days=1)} 东镇：1项到期"  # what is late stays on its day
    assert told(get(feed.make(cast["bao"]))) == {late}
