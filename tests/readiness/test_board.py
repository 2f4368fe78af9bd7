"""The board's page: where it opens, what it shows of what was asked for, how it follows, how it looks back."""

import csv
import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import ticks
from checklists.models import Campaign, Change, DayTally, Phase, Responsibility, Tally, Task
from checklists.models.tally import tell_days
from readiness.boards import figures
from readiness.boards.light import Light
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, OTHER_VILLAGE, WEST, WILLOW, line
from tests.readiness.test_boards import figures_with_links
from villages.models import Cadre, Unit

As = Callable[[str], Client]
Cast = dict[str, Cadre]

SPEECH = [
    line("a-1", section="一", kind="action", responsible="各村", veto=True),
    line("a-2", section="一", kind="ledger", responsible="各村", due={"before": 20}),
    line("b-1", section="二", kind="ledger", responsible="乡镇", owed_by=["village", "township"], points=0),
    line("b-2", section="二", kind="action", owed_by=["department"]),
]


@pytest.fixture
def speech(cast: Cast) -> Campaign:
    """Two sections, two kinds, three words for who is responsible; one task late, one claimed, one verified."""
    today = timezone.localdate()
    campaign = factories.campaign(on=today, of=factories.template("sections", SPEECH))
    Phase.objects.create(campaign=campaign, key="p", title="动员", starts_on=today, ends_on=campaign.inspects_on)
    campaign.items.filter(number__in=["a-1", "b-1"]).update(phase=campaign.phases.get())
    late(campaign, WILLOW, "a-1")
    claim(campaign, cast["hong"], MAPLE, "a-2")
    verify(campaign, cast, LAKE, "b-1")
    return campaign


def late(campaign: Campaign, unit: str, number: str) -> None:
    day = timezone.localdate() - timedelta(days=1)
    Task.objects.filter(campaign=campaign, unit=unit, item__number=number).update(due_on=day)


def claim(campaign: Campaign, by: Cadre, unit: str, number: str) -> None:
    task = factories.task(campaign, number, unit)
    ticks.record(task, by=by, event=uuid.uuid4(), state="done")


def verify(campaign: Campaign, cast: Cast, unit: str, number: str) -> None:
    Task.objects.filter(campaign=campaign, unit=unit, item__number=number).update(
        state="verified",
        done_by=cast["lan"],
        done_at=timezone.now(),
        verified_by=cast["su"],
        verified_at=timezone.now(),
    )


# --- where it opens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at"),
    [("mei", COUNTY), ("bao", EAST), ("lan", None), ("lin", None), ("deng", None)],
)
def test_it_opens_at_the_highest_unit_that_the_reader_covers(speech: Campaign, as_: As, name: str, at: str) -> None:
    page = as_(name).get(f"/campaigns/{speech.pk}/")
    assert page.context["board"].at == at


def test_each_unit_opens_the_one_below_and_leads_back(speech: Campaign, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{speech.pk}/"
    county = mei.get(address).content.decode()
    assert f'href="?unit={EAST}"' in county
    township = mei.get(f"{address}?unit={EAST}")
    assert f'<a href="?unit={COUNTY}">叙州区</a>' in township.content.decode()
    assert f'href="{address}units/{WILLOW}/"' in township.content.decode()
    village = mei.get(f"{address}units/{WILLOW}/").content.decode()
    assert f'href="{address}?unit={EAST}">东镇</a>' in village
    # Bao does not see the county, so nothing leads there.
    assert COUNTY + '"' not in as_("bao").get(f"{address}?unit={EAST}").content.decode()


@pytest.mark.parametrize(
    ("name", "unit", "status"),
    [
        ("mei", EAST, 200),
        ("mei", WILLOW, 302),
        ("mei", BUREAU, 302),
        ("bao", WEST, 404),
        ("bao", COUNTY, 404),
        ("mei", OTHER_VILLAGE, 404),
        ("mei", "510502", 404),
        ("mei", "0", 404),
        ("mei", "51", 404),
        ("mei", "x\x00", 404),
        ("mei", "5" * 3000, 404),
        ("mei", "511504999", 404),
    ],
)
def test_a_unit_out_of_sight_is_not_there(speech: Campaign, as_: As, name: str, unit: str, status: int) -> None:
    client = as_(name)
    assert client.get(f"/campaigns/{speech.pk}/", {"unit": unit}).status_code == status
    assert client.get(f"/campaigns/{speech.pk}/table/", {"unit": unit}).status_code == (200 if status == 200 else 404)


def test_the_whole_country_from_the_ministry_down(cast: Cast) -> None:
    factories.units({"": "全国"})
    ministry = factories.cadre("Bu", "supervisor", "")
    campaign = factories.campaign("", on=timezone.localdate())
    client = Client()
    client.force_login(ministry)
    page, codes = client.get(f"/campaigns/{campaign.pk}/"), ["", "51", "5115", COUNTY, EAST]
    for code, below in zip(codes, [*codes[1:], None], strict=True):
        assert page.context["board"].at == code
        assert [name for name, _ in page.context["board"].path] == [upper for upper in codes if len(upper) < len(code)]
        if below:
            assert f'href="?unit={below}' in page.content.decode()
            page = client.get(f"/campaigns/{campaign.pk}/?unit={below}")
    assert client.get("/units/0/").context["unit"].name == "全国"
    # The national campaign reaches everybody, each at their own height.
    client.force_login(cast["mei"])
    assert client.get(f"/campaigns/{campaign.pk}/").context["board"].at == COUNTY


# --- what it says -----------------------------------------------------------------------------------------


def test_the_answer_in_one_line(speech: Campaign, as_: As) -> None:
    page = as_("mei").get(f"/campaigns/{speech.pk}/").content.decode()
    assert "还剩30天；6个村和部门中1个红灯；自报待核实8%；已核实8%" in page
    english = as_("mei")
    english.cookies["django_language"] = "en"
    page = english.get(f"/campaigns/{speech.pk}/?unit={EAST}").content.decode()
    assert "30 days left; 1 of 3 villages are red; 14% claimed and not yet verified; 0% verified" in page


def test_with_five_working_days_of_data_it_says_what_will_be_claimed(speech: Campaign, cast: Cast, as_: As) -> None:
    today = timezone.localdate()
    Campaign.objects.update(starts_on=today - timedelta(days=14))
    DayTally.objects.update(day=F("day") - timedelta(days=14))
    claim(speech, cast["hong"], MAPLE, "a-1")
    assert "预计到期自报完成" in as_("mei").get(f"/campaigns/{speech.pk}/").content.decode()


def test_all_waived_is_not_all_done(speech: Campaign, as_: As) -> None:
    Task.objects.update(state="waived", done_by=None, done_at=None, verified_by=None, verified_at=None)
    page = as_("mei").get(f"/campaigns/{speech.pk}/")
    assert "没有要办的任务" in page.content.decode()
    assert page.context["board"].total.verified_percent == 0
    assert dict(page.context["board"].lights) == {Light.RED: 0, Light.AMBER: 0, Light.GREEN: 0}
    Campaign.objects.update(ranking=True, decided_by=page.wsgi_request.user)
    assert as_("mei").get(f"/campaigns/{speech.pk}/?show=ranking").context["ranking"] == []


@pytest.mark.parametrize("show", ["", "battle", "curve", "ranking", "weak"])
@pytest.mark.parametrize("name", ["mei", "bao", "lan"])
def test_a_campaign_without_a_task_has_a_board(cast: Cast, as_: As, name: str, show: str) -> None:
    campaign = factories.campaign(
        on=timezone.localdate(), of=factories.template("p", [line("p", owed_by=["province"])])
    )
    Campaign.objects.update(ranking=True, decided_by=cast["mei"])
    for query in (f"show={show}", f"show={show}&by=sections", f"show={show}&section=x"):
        page = as_(name).get(f"/campaigns/{campaign.pk}/?{query}")
        assert page.status_code == 200
        assert "没有要办的任务" in page.content.decode()
        assert as_(name).get(f"/campaigns/{campaign.pk}/table/?{query}").status_code == 200


def test_units_whose_items_have_no_points_have_no_place(speech: Campaign, cast: Cast, as_: As) -> None:
    Campaign.objects.update(ranking=True, decided_by=cast["mei"])
    Task.objects.filter(unit__code__startswith=WEST).update(points=0)
    page = as_("mei").get(f"/campaigns/{speech.pk}/?show=ranking")
    assert [place.row.code for place in page.context["ranking"]] == [EAST]


def test_weak_places_name_reason_and_people(speech: Campaign, cast: Cast, as_: As) -> None:
    page = as_("mei").get(f"/campaigns/{speech.pk}/?show=weak")
    (place,) = page.context["weak"]
    assert (place.cell.code, place.upper, place.why) == (WILLOW, "东镇", "红灯：逾期1项")
    assert f'<a href="tel:{cast["lan"].phone}">' in page.content.decode()
    # Who checks but does not call sees less of the number.
    masked = as_("su").get(f"/campaigns/{speech.pk}/?show=weak").content.decode()
    assert cast["lan"].phone not in masked
    assert cast["lan"].masked_phone in masked
    Responsibility.objects.filter(unit=WILLOW).delete()
    assert "没有责任人。" in as_("mei").get(f"/campaigns/{speech.pk}/?show=weak").content.decode()


# --- filters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("section=一", "a-1 a-2"),
        ("section=二", "b-1 b-2"),
        ("kind=ledger", "a-2 b-1"),
        ("responsible=各村", "a-1 a-2"),
        ("phase=PHASE", "a-1 b-1"),
        ("phase=PHASE&section=一", "a-1"),
        ("section=一&kind=ledger&responsible=各村", "a-2"),
        ("section=二&responsible=各村", ""),
    ],
)
@pytest.mark.parametrize("name", ["mei", "bao", "lin"])
def test_a_filter_counts_its_items_only_and_each_figure_still_opens(
    speech: Campaign, as_: As, name: str, query: str, numbers: str
) -> None:
    query = query.replace("PHASE", str(speech.phases.get().pk))
    Campaign.objects.update(vetoes=True, gates=True, decided_by=Cadre.objects.get(username="mei"))
    client, address = as_(name), f"/campaigns/{speech.pk}/"
    page = client.get(f"{address}?{query}")
    seen = Task.objects.visible_to(page.wsgi_request.user).filter(item__number__in=numbers.split())
    assert page.context["board"].total.total == seen.count()
    links = figures_with_links(page.content.decode())
    assert len(links) >= 7
    for link, number in links:
        if "beside" not in link and "under" not in link.split("show=")[0]:
            assert client.get(link).context["page"].paginator.count == number, link
    sections = client.get(f"{address}?{query}&by=sections").context["cells"]
    assert sum(row.counts.total for row in sections.rows) == seen.count()


@pytest.mark.parametrize(
    "query",
    [
        "section=九",
        "kind=nothing",
        "phase=999999",
        "phase=x",
        "responsible=%00",
        "light=purple",
        "show=nonsense",
        "by=colour",
        "on=2020-01-01",
        "on=2999-01-01",
        "on=yesterday",
        "section=" + "长" * 5000,
    ],
)
def test_a_filter_that_does_not_exist_is_named_and_everything_is_shown(speech: Campaign, as_: As, query: str) -> None:
    page = as_("mei").get(f"/campaigns/{speech.pk}/?{query}")
    assert page.status_code == 200
    assert 'class="complaint"' in page.content.decode()
    assert page.context["board"].total.total == speech.tasks.count()
    assert as_("mei").get(f"/campaigns/{speech.pk}/table/?{query}").status_code == 200


def test_an_address_sent_to_others_shows_them_their_own_part(speech: Campaign, as_: As) -> None:
    address = f"/campaigns/{speech.pk}/?section=一&light=red"
    assert as_("mei").get(address).context["board"].total.total == 6
    assert as_("bao").get(address).context["board"].total.total == 4
    assert as_("lin").get(address).context["board"].total.total == 4
    assert as_("chen").get(address).status_code == 404


# --- following --------------------------------------------------------------------------------------------


def ask(client: Client, address: str, tag: str = "") -> Any:
    return client.get(address, headers={"If-None-Match": tag, "Readiness-Follows": "1"})


def test_nothing_changed_is_said_in_no_bytes_and_three_queries(kept: None, speech: Campaign, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{speech.pk}/?unit={EAST}"
    first = ask(mei, address)
    assert first.headers["ETag"] in first.content.decode().replace("&quot;", '"')
    with CaptureQueriesContext(connection) as captured:
        again = ask(mei, address, first.headers["ETag"])
    assert (again.status_code, again.content, len(captured)) == (304, b"", 3)
    assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("name", ["mei", "bao", "lin"])
def test_a_tick_in_sight_changes_the_answer_and_one_out_of_sight_does_not(
    speech: Campaign, cast: Cast, as_: As, name: str
) -> None:
    client, address = as_(name), f"/campaigns/{speech.pk}/"
    tag = ask(client, address).headers["ETag"]
    verify(speech, cast, LAKE, "a-1")  # in the other township
    assert ask(client, address, tag).status_code == (200 if name == "mei" else 304)
    tag = ask(client, address).headers["ETag"]
    claim(speech, cast["lan"], WILLOW, "a-1")
    answer = ask(client, address, tag)
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_whatever_else_a_board_depends_on_changes_the_answer(speech: Campaign, cast: Cast, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{speech.pk}/"
    seen = {ask(mei, address).headers["ETag"]}

    def is_new(client: Client = mei, at: str = address) -> bool:
        tag = ask(client, at).headers["ETag"]
        was = tag in seen
        seen.add(tag)
        return not was

    assert not is_new()
    Change.objects.create(campaign=speech, by=cast["ada"], what=Change.What.EDITED, fields={"title": ["a", "b"]})
    assert is_new()
    assert is_new(at=f"{address}?light=red")
    assert is_new(client=as_("su"))
    factories.appoint(cast["mei"], "auditor", EAST)
    assert is_new()
    mei.cookies["django_language"] = "en"
    assert is_new()
    Campaign.objects.update(status="paused")
    assert is_new()
    assert not is_new()


def test_above_the_county_any_county_below_counts(cast: Cast) -> None:
    people = [factories.cadre("Xi", "auditor", "51"), factories.cadre("Du", "auditor", "5105")]
    campaign = factories.campaign("51", on=timezone.localdate())
    clients = []
    for person in people:
        client = Client()
        client.force_login(person)
        clients.append(client)
    tags = [ask(client, f"/campaigns/{campaign.pk}/").headers["ETag"] for client in clients]
    claim(campaign, cast["lan"], WILLOW, "v-1")
    answers = [ask(client, f"/campaigns/{campaign.pk}/", tag) for client, tag in zip(clients, tags, strict=True)]
    assert [answer.status_code for answer in answers] == [200, 304]


def test_a_screen_that_follows_keeps_nobody_logged_in(speech: Campaign, as_: As) -> None:
    mei, address = as_("mei"), f"/campaigns/{speech.pk}/"
    mei.get(address)
    session = mei.session
    session["seen"] = before = (timezone.now() - timedelta(minutes=20)).isoformat()
    session.save()
    ask(mei, address)
    assert mei.session["seen"] == before
    mei.get(address)
    assert mei.session["seen"] != before


@pytest.fixture
def kept(settings: Any) -> None:
    """Boards are kept, as by a web process."""
    memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {name: memory | {"LOCATION": f"{name} {uuid.uuid4()}"} for name in ("default", "boards")}


def test_a_board_is_written_once_for_all_who_see_the_same(kept: None, speech: Campaign, cast: Cast, as_: As) -> None:
    factories.cadre("Min", "county_leader", COUNTY)
    min_ = Client()
    min_.force_login(Cadre.objects.get(username="min"))
    address = f"/campaigns/{speech.pk}/"
    first = as_("mei").get(address)
    min_.get("/campaigns/")
    with CaptureQueriesContext(connection) as captured:
        second = min_.get(address)
    assert len(captured) <= 5
    assert "Min" in second.content.decode() and "Mei" not in second.content.decode()
    main = [page.content.decode().split("<main")[1] for page in (first, second)]
    assert main[0] == main[1]
    # Who sees less, or with other rights, gets their own; and so does everybody after a change.
    assert as_("bao").get(address).content.decode().split("<main")[1] != main[0]
    assert cast["lan"].phone not in as_("su").get(f"{address}?show=weak").content.decode()
    assert cast["lan"].phone in as_("mei").get(f"{address}?show=weak").content.decode()
    claim(speech, cast["lan"], WILLOW, "a-1")
    assert as_("mei").get(address).content.decode().split("<main")[1] != main[0]


# --- looking back -----------------------------------------------------------------------------------------


def a_day_passes() -> None:
    """What was written today was written yesterday."""
    for day in DayTally.objects.order_by("day").values_list("day", flat=True).distinct():
        DayTally.objects.filter(day=day).update(day=day - timedelta(days=1))


def test_what_a_board_said_on_a_day_is_what_is_seen_for_that_day_later(speech: Campaign, cast: Cast, as_: As) -> None:
    """Ticks, a moved deadline, a new unit, one that is left out, a waived task: each day as it was."""
    today = timezone.localdate()
    mei = as_("mei")
    Campaign.objects.update(starts_on=today - timedelta(days=9))

    def tick() -> None:
        claim(speech, cast["lan"], WILLOW, "a-2")

    def move() -> None:
        Task.objects.filter(item__number="a-2", unit=LAKE).update(due_on=today + timedelta(days=3))

    def add() -> None:
        factories.units({"511504102202": "石村村民委员会"})
        item = speech.items.get(number="a-1")
        Task.objects.create(campaign=speech, item=item, unit_id="511504102202", due_on=item.due_on)

    def leave() -> None:
        Task.objects.filter(unit=MAPLE).update(retired_at=timezone.now())

    def waive() -> None:
        Task.objects.filter(unit=LAKE, item__number="b-1").update(
            state="waived", done_by=None, done_at=None, verified_by=None, verified_at=None
        )

    said = []
    for happens in (tick, move, add, leave, waive):
        happens()
        said.append(mei.get(f"/campaigns/{speech.pk}/").context["board"])
        a_day_passes()
    assert len({board.total for board in said}) == 4, "a moved deadline moves no total"
    for ago, board in enumerate(reversed(said), start=1):
        day = today - timedelta(days=ago)
        past = mei.get(f"/campaigns/{speech.pk}/?on={day}").context["board"]
        # Overdue is as of that day; everything was said on one and the same day here.
        assert past.total._replace(overdue=0, vetoes=0) == board.total._replace(overdue=0, vetoes=0)
        assert {row.code: row.counts.done for row in past.rows} == {row.code: row.counts.done for row in board.rows}
        user = mei.get("/campaigns/").wsgi_request.user
        as_then = figures.board(speech, user, at=COUNTY, on=today, as_of=day)
        assert (as_then.total, as_then.rows) == (board.total, board.rows)


def test_overdue_of_a_past_day_is_what_was_overdue_then(speech: Campaign, as_: As) -> None:
    today = timezone.localdate()
    Campaign.objects.update(starts_on=today - timedelta(days=9))
    Task.objects.filter(item__number="a-2").update(due_on=today - timedelta(days=2))
    for _ in range(5):
        a_day_passes()
    shown = [
        as_("mei").get(f"/campaigns/{speech.pk}/?on={today - timedelta(days=ago)}").context["board"].total.overdue
        for ago in (3, 2, 1)
    ]
    assert shown == [0, 0, 2]


def test_the_days_are_what_the_history_of_the_tasks_tells(speech: Campaign, cast: Cast) -> None:
    Task.objects.filter(campaign=speech, unit=LAKE, item__number="b-1").update(
        state="open", done_by=None, done_at=None, verified_by=None, verified_at=None
    )
    claim(speech, cast["lan"], WILLOW, "a-2")
    ticks.record(factories.task(speech, "a-2", WILLOW), by=cast["lan"], event=uuid.uuid4(), state="open")
    claim(speech, cast["lan"], WILLOW, "a-1")

    def kept() -> list[Any]:
        rows = DayTally.objects.order_by("unit", "due_on", "day").values_list()
        return [row for row in rows if any(row[:10])]

    before = kept()
    tell_days(speech)
    assert kept() == before
    assert Tally.objects.get(unit=COUNTY, due_on=speech.items.get(number="a-1").due_on).done == 0


def test_a_past_day_offers_no_tasks_and_no_filters_of_today(speech: Campaign, as_: As) -> None:
    today = timezone.localdate()
    Campaign.objects.update(starts_on=today - timedelta(days=9))
    for _ in range(3):
        a_day_passes()
    page = as_("mei").get(f"/campaigns/{speech.pk}/?on={today - timedelta(days=1)}")
    assert "终了时的数据" in page.content.decode()
    assert "show=verified" not in page.content.decode()
    before = as_("mei").get(f"/campaigns/{speech.pk}/?on={today - timedelta(days=8)}")
    assert before.context["board"].total.total == 0


# --- files ------------------------------------------------------------------------------------------------


def rows_of(response: Any) -> list[list[str]]:
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))


def test_each_view_comes_as_a_file(speech: Campaign, cast: Cast, as_: As) -> None:
    Campaign.objects.update(ranking=True, decided_by=cast["mei"])
    mei, address = as_("mei"), f"/campaigns/{speech.pk}/table/"
    heat = rows_of(mei.get(address))
    assert heat[0] == ["上级单位", "单位", "红黄绿灯", "核实", "自报待核实", "待办", "退回", "逾期", "不涉及", "应办"]
    assert ["东镇", "柳村", "红灯", "0", "0", "3", "0", "1", "0", "3"] in heat
    sections = rows_of(mei.get(f"{address}?by=sections&unit={EAST}"))
    assert ["柳村", "一", "红灯", "0", "0", "2", "0", "1", "0", "2"] in sections
    assert rows_of(mei.get(f"{address}?show=weak"))[1][:4] == ["东镇", "柳村", "红灯", "红灯：逾期1项"]
    assert {row[1] for row in rows_of(mei.get(f"{address}?show=ranking"))[1:]} == {"东镇", "西镇"}
    assert len(rows_of(mei.get(f"{address}?show=curve"))) > 25
    assert sum(int(row[6]) for row in rows_of(mei.get(f"{address}?show=battle"))[1:]) == 9
    Unit.objects.filter(pk=WILLOW).update(name="=1+1")
    assert ["东镇", "'=1+1"] in [row[:2] for row in rows_of(mei.get(address))]
