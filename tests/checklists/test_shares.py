"""A target of all together is split level by level, exactly, and each task is held to its unit's part."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from checklists import launch, shares
from checklists.models import Campaign, Item, Share, Task
from checklists.models.task import read_along
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, WEST, WILLOW
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]
COUNTED = {"metric": "公厕数", "metric_en": "Toilets", "unit": "座", "unit_en": "toilets"}
TOILETS = COUNTED | {"operator": ">=", "value": 1000, "basis": "stated", "share": True}


@pytest.fixture
def campaign(cast: dict[str, Cadre]) -> Campaign:
    """A campaign with a target that all villages share, one that townships share, a percentage and a statistic."""
    items = [
        factories.line("v-1", target=TOILETS),
        factories.line("t-1", owed_by=["township", "department"], target=TOILETS | {"value": 12.5}),
        factories.line("p-1", target=factories.AWARENESS),
        factories.line("v-2"),
    ]
    made = factories.campaign(on=timezone.localdate(), of=factories.template("shared", items))
    Item.objects.filter(number="v-2").update(metric="人口", statistic=True)
    return made


def page_of(campaign: Campaign, number: str = "v-1", at: str = "") -> str:
    item = campaign.items.get(number=number)
    return f"/campaigns/{campaign.pk}/setup/items/{item.pk}/shares/" + (f"?at={at}" if at else "")


def hand(client: Client, campaign: Campaign, at: str = "", number: str = "v-1", **parts: str) -> HttpResponse:
    """Types into the inputs that the page shows, and sends all of them."""
    url = page_of(campaign, number, at)
    shown = {line.part.unit.code: line.saw for line, _, _ in client.get(url).context["lines"]}
    sent = {f"saw-{code}": saw for code, saw in shown.items()} | {f"part-{code}": saw for code, saw in shown.items()}
    return client.post(url, {"way": "hand"} | sent | {f"part-{code[1:]}": typed for code, typed in parts.items()})


def parts(item: str = "v-1") -> dict[str, Decimal]:
    return dict(Share.objects.filter(item__number=item).values_list("unit_id", "value"))


def test_a_shared_target_of_a_speech_is_the_total(campaign: Campaign) -> None:
    item = campaign.items.get(number="v-1")
    assert (item.total, item.target, item.metric, item.operator, item.measured_in) == (1000, None, "公厕数", ">=", "座")
    task = factories.task(campaign)
    assert (task.target, task.asks_value) == (None, False)


def test_by_hand_level_by_level(campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    assert "1,000" in ada.get(page_of(campaign)).text
    assert hand(ada, campaign, **{f"_{EAST}": "600", f"_{WEST}": " ３８０ "}).status_code == 302
    assert parts() == {EAST: 600, WEST: 380}
    level = ada.get(page_of(campaign)).context
    assert (level["whole"], level["given"], level["difference"]) == ("1,000", "980", "20")
    assert hand(ada, campaign, EAST, **{f"_{WILLOW}": "250.5", f"_{MAPLE}": "1,000"}).status_code == 302
    below = ada.get(page_of(campaign, at=EAST)).context
    assert (below["whole"], below["given"], below["difference"]) == ("600", "1,250.5", "650.5")
    (east, *_), (west, *_) = ada.get(page_of(campaign)).context["lines"]
    assert (east.part.difference, west.part.below) == (Decimal("-650.5"), None)
    hand(ada, campaign, EAST, **{f"_{MAPLE}": ""})  # taken back
    assert parts() == {EAST: 600, WEST: 380, WILLOW: Decimal("250.5")}
    changes = list(campaign.changes.filter(item__number="v-1").values_list("unit_id", "by__username", "fields"))
    assert changes[0] == (EAST, "ada", {"shares": ["枫村 1,000", ""]})
    assert changes[-1] == (COUNTY, "ada", {"shares": ["", "东镇 600、西镇 380"]})


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_difference_is_told_in_words(language: str, campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    ada.cookies["django_language"] = language
    hand(ada, campaign, **{f"_{EAST}": "600", f"_{WEST}": "380"})
    text = ada.get(page_of(campaign)).text
    assert "1,000" in text
    assert "980" in text
    assert "叙州区 1,000; its parts add up to 980, 20 short" in text or language == "zh-hans"


def test_a_task_is_held_to_its_units_part(campaign: Campaign, as_: LogIn) -> None:
    ada, lan = as_("ada"), as_("lan")
    hand(ada, campaign, EAST, **{f"_{WILLOW}": "40"})
    task = factories.task(campaign)
    assert (task.target, task.asks_value) == (40, True)
    url = f"/tasks/{task.pk}/tick/"
    assert "≥ 40座" in " ".join(lan.get(task.get_absolute_url()).text.split())
    assert 'placeholder="&gt;= 40"' in lan.get("/tasks/").text
    assert lan.post(url, factories.body()).status_code == 422
    assert lan.post(url, factories.body(value="39")).status_code == 422
    assert lan.post(url, factories.body(value="40")).status_code == 302
    other = factories.task(campaign, unit=MAPLE)  # no part of its own: any value, or none
    assert as_("hong").post(f"/tasks/{other.pk}/tick/", factories.body()).status_code == 302


def test_a_list_reads_the_parts_along(campaign: Campaign, as_: LogIn) -> None:
    lan = as_("lan")
    hand(as_("ada"), campaign, EAST, **{f"_{WILLOW}": "40", f"_{MAPLE}": "41"})
    with CaptureQueriesContext(connection) as captured:
        tasks = read_along(Task.objects.for_list().filter(item__number="v-1"), [campaign])
        shown = {task.unit_id: task.target for task in tasks}
    assert shown == {WILLOW: 40, MAPLE: 41, LAKE: None}
    assert len(captured) == 3  # tasks, people, parts
    assert Task.objects.get(item__number="v-1", unit=WILLOW).target == 40  # and without reading along
    assert lan.get(f"/campaigns/{campaign.pk}/units/{WILLOW}/").status_code == 200


def test_evenly_and_exactly(campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    assert ada.post(page_of(campaign), {"way": "evenly"}).status_code == 302
    assert parts() == {EAST: 500, WEST: 500}
    Unit.objects.create(code=EAST + "203", name="新村", parent_id=EAST)
    ada.post(page_of(campaign, at=EAST), {"way": "evenly"})
    assert sorted(value for code, value in parts().items() if len(code) == 12) == [166, 167, 167]
    ada.post(page_of(campaign, "t-1"), {"way": "evenly"})
    assert parts("t-1") == {EAST: Decimal("4.2"), WEST: Decimal("4.2"), BUREAU: Decimal("4.1")}


@given(
    whole=st.decimals(0, 10**11, places=4, allow_nan=False),
    weights=st.lists(st.decimals(0, 10**9, places=4, allow_nan=False), min_size=1, max_size=60).filter(any),
)
def test_a_split_adds_up_and_keeps_to_proportion(whole: Decimal, weights: list[Decimal]) -> None:
    values = shares.split(whole, weights)
    assert sum(values) == whole
    places = max(0, -int(whole.normalize().as_tuple().exponent))
    for value, weight in zip(values, weights, strict=True):
        assert value >= 0
        assert abs(value - whole * weight / sum(weights)) <= Decimal(1).scaleb(-places)


def test_in_proportion_and_by_pasting(campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    pasted = "单位\t户数\r\n东镇\t2,000\r\n" + WEST + "\t 1000 \r\n\r\n"
    assert ada.post(page_of(campaign), {"way": "proportion", "pasted": pasted}).status_code == 302
    assert parts() == {EAST: 667, WEST: 333}
    assert ada.post(page_of(campaign), {"way": "paste", "pasted": '"东镇"\t70\n西镇 30'}).status_code == 302
    assert parts() == {EAST: 70, WEST: 30}
    assert ada.post(page_of(campaign), {"way": "paste", "pasted": "西镇\t31"}).status_code == 302  # others stay
    assert parts() == {EAST: 70, WEST: 31}


@pytest.mark.parametrize(
    ("way", "pasted", "says"),
    [
        ("paste", "东镇\t1\n北镇\t2", "Row 2: “北镇” is not among"),
        ("paste", "东镇\t1\n东镇\t2", "Row 2: “东镇” stands here twice"),
        ("paste", f"东镇\t1\n{EAST}\t2", "Row 2"),
        ("paste", "东镇\t一百", "Row 1: “一百” is not a number"),
        ("paste", "东镇\t-1", "Row 1: A value cannot be below 0"),
        ("paste", "东镇\t1e400", "Row 1"),
        ("paste", "东镇\t1.23456", "Row 1: Write at most four"),
        ("paste", "东镇\t99999999999999", "too large"),
        ("paste", "东镇\t1\t2", "Row 1: “东镇”: two columns"),
        ("paste", "东镇", "two columns"),
        ("paste", "", "Paste rows"),
        ("paste", "单位\t数", "Paste rows"),
        ("paste", "柳村\t5", "Row 1: “柳村” is not among"),  # not at this level
        ("paste", "\n".join(f"第{n}镇\t1" for n in range(5000)), "and 4980 more"),
        ("paste", "东镇\0\t1", "Null"),
        ("paste", "长" * 200_001, "too much at once"),
        ("proportion", "东镇\t1", "No figure for: 西镇"),
        ("proportion", "东镇\t0\n西镇\t0", "add up to 0"),
        ("sideways", "", "Say how"),
        ("", "", "Say how"),
    ],
)
def test_what_does_not_fit_is_named_by_row_and_kept(
    way: str, pasted: str, says: str, campaign: Campaign, as_: LogIn
) -> None:
    ada = as_("ada")
    ada.cookies["django_language"] = "en"
    answer = ada.post(page_of(campaign), {"way": way, "pasted": pasted})
    assert answer.status_code == 422
    assert says in answer.text
    assert "\0" in pasted or pasted[:20] in answer.text
    assert parts() == {}


@pytest.mark.parametrize("typed", ["-1", "一百", "1e5", "99999999999999", "1.23456", "1,00", "5" * 4000, "1\0"])
def test_a_number_that_is_none_is_named_at_its_unit(typed: str, campaign: Campaign, as_: LogIn) -> None:
    answer = hand(as_("ada"), campaign, **{f"_{EAST}": "12", f"_{WEST}": typed})
    assert answer.status_code == 422
    assert f'aria-describedby="wrong-{WEST}"' in answer.text
    assert 'value="12"' in answer.text
    assert parts() == {}


def test_two_at_once_lose_nothing(campaign: Campaign, as_: LogIn) -> None:
    ada, url = as_("ada"), page_of(campaign)
    hand(ada, campaign, **{f"_{EAST}": "600", f"_{WEST}": "400"})
    seen = ada.get(url).context["seen"]
    old = {f"saw-{EAST}": "600", f"part-{EAST}": "600", f"saw-{WEST}": "400", f"part-{WEST}": "390", "way": "hand"}
    hand(ada, campaign, **{f"_{EAST}": "650"})
    assert ada.post(url, old).status_code == 302  # what the second left alone stays as the first saved it
    assert parts() == {EAST: 650, WEST: 390}
    told = ada.post(url, old | {f"part-{EAST}": "610"})
    assert told.status_code == 422
    assert "650" in told.text
    assert 'value="610"' in told.text
    assert "Ada" in told.text
    again = {name: told.context["lines"][0][0].saw if name == f"saw-{EAST}" else value for name, value in old.items()}
    assert ada.post(url, again | {f"part-{EAST}": "610"}).status_code == 302
    assert parts() == {EAST: 610, WEST: 390}
    assert ada.post(url, {"way": "evenly", "seen": seen}).status_code == 422
    assert parts() == {EAST: 610, WEST: 390}


@pytest.mark.parametrize(("number", "word"), [("v-2", "statistic"), ("p-1", "percentage")])
def test_what_cannot_be_split_says_why(number: str, word: str, campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    ada.cookies["django_language"] = "en"
    assert word in ada.get(page_of(campaign, number)).text
    for sent in ({"way": "evenly"}, {"way": "total", "total-total": "5"}):
        answer = ada.post(page_of(campaign, number), sent)
        assert answer.status_code == 422
        assert word in answer.text
    assert not Share.objects.exists()


def test_the_total_is_set_and_kept_in_the_history(campaign: Campaign, as_: LogIn) -> None:
    ada, url = as_("ada"), page_of(campaign)
    sent = {"way": "total", "total-metric": "公厕数", "total-operator": ">=", "total-measured_in": "座"}
    for wrong in ("", "-1", "很多", "1e400", "1.23456", "9" * 30):
        assert ada.post(url, sent | {"total-total": wrong}).status_code == 422
    assert ada.post(url, sent | {"total-total": "5", "total-measured_in": "%"}).status_code == 422
    assert ada.post(url, sent | {"total-total": "1200"}).status_code == 302
    item = campaign.items.get(number="v-1")
    assert item.total == 1200
    assert "total" in campaign.changes.filter(item=item)[0].fields
    Item.objects.filter(pk=item.pk).update(total=None, operator="", metric="")
    assert ada.post(url, {"way": "evenly"}).status_code == 422  # nothing to split
    assert ada.get(url).status_code == 200


def test_an_item_that_measured_nothing_gets_a_total(campaign: Campaign, as_: LogIn) -> None:
    ada, url = as_("ada"), page_of(campaign)
    Item.objects.filter(number="v-1").update(total=None, operator="", metric="", measured_in="")
    names = ("metric", "operator", "total", "measured_in")
    sent = {f"initial-total-{name}": "" for name in names}
    sent |= {"way": "total", "total-metric": "公厕数", "total-operator": ">=", "total-total": "5"}
    assert all(f'name="initial-total-{name}"' in ada.get(url).text for name in names)
    assert ada.post(url, sent | {"total-measured_in": "座"}).status_code == 302
    assert ada.post(url, sent | {"total-measured_in": "座", "total-total": "6"}).status_code == 422  # it is 5 by now
    assert campaign.items.get(number="v-1").total == 5


def test_only_units_that_owe_the_item_have_parts(campaign: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    hand(ada, campaign, **{f"_{EAST}": "600", f"_{WEST}": "400"})
    campaign.excluded.add(WEST)
    page = ada.get(page_of(campaign)).context
    assert [line.part.unit.code for line, *_ in page["lines"]] == [EAST]
    assert page["difference"] == "400"
    assert parts() == {EAST: 600, WEST: 400}  # kept, should it take part again
    assert ada.post(page_of(campaign, at=EAST), {"way": "evenly"}).status_code == 302
    Item.objects.filter(number="v-1").update(struck=True)
    assert ada.get(page_of(campaign)).context["lines"] == []
    assert ada.post(page_of(campaign), {"way": "evenly"}).status_code == 422
    for at in ("9", "510502", "x", "5" * 30, "51\0", factories.OTHER_VILLAGE):
        assert ada.get(page_of(campaign, at=at.replace("\0", "%00"))).status_code == 404


def test_a_level_without_a_part_of_its_own_cannot_be_split_evenly(campaign: Campaign, as_: LogIn) -> None:
    answer = as_("ada").post(page_of(campaign, at=EAST), {"way": "evenly"})
    assert answer.status_code == 422
    assert "东镇" in answer.text


def test_the_page_costs_the_same_whatever_the_size(cast: dict[str, Cadre], as_: LogIn) -> None:
    speech, today = factories.template("shared", [factories.line("v-1", target=TOILETS)]), timezone.localdate()
    host = Unit.objects.get(pk=COUNTY)
    draft = launch.draft(speech, host, inspects_on=today + timedelta(days=40), on=today)
    ada = as_("ada")

    def queries(at: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(page_of(draft, at=at)).status_code == 200
        return len(captured)

    queries("")  # the first page of a session notes when it began
    few = queries(""), queries(EAST)
    towns = [Unit(code=f"{COUNTY}{n}", name=f"第{n}镇", parent_id=COUNTY) for n in range(200, 230)]
    Unit.objects.bulk_create(towns)
    Unit.objects.bulk_create(
        [Unit(code=f"{t.code}{n}", name=f"第{n}村", parent_id=t.code) for t in towns for n in range(200, 300)]
    )
    assert ada.post(page_of(draft), {"way": "evenly"}).status_code == 302
    assert (queries(""), queries(EAST)) == few
    assert max(few) <= 15


def test_reading_pasted_rows_by_full_and_short_name() -> None:
    units = [Unit(code="511504101201", name="柳村村民委员会"), Unit(code="511504101202", name="柳村社区居民委员会")]
    rows: dict[str, Any] = shares.read("柳村\t1\n柳村社区\t2", units)
    assert rows == {"511504101201": 1, "511504101202": 2}
    twins = [Unit(code="511504101201", name="柳村"), Unit(code="511504101202", name="柳村")]
    with pytest.raises(ValidationError):
        shares.read("柳村\t1", twins)
    assert shares.read("511504101202\t1", twins) == {"511504101202": 1}
