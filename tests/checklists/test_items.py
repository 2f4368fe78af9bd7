"""The checklist of a campaign: items added, changed in their row, struck, put in order, changed together, pasted."""

import html
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import launch, scope
from checklists.models import Campaign, Change, Item, Phase
from tests import factories
from tests.factories import COUNTY
from villages.access import Role
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    """The small speech as a draft of the county, inspected in forty days."""
    today = timezone.localdate()
    county = Unit.objects.get(pk=COUNTY)
    return launch.draft(factories.template(), county, inspects_on=today + timedelta(days=40), on=today)


@pytest.fixture
def ada(as_: LogIn) -> Client:
    return as_("ada")


def numbers(campaign: Campaign) -> list[str]:
    return list(campaign.items.values_list("number", flat=True))


def by_number(campaign: Campaign, number: str) -> Item:
    return campaign.items.get(number=number)


def address(campaign: Campaign, rest: object = "") -> str:
    return f"/campaigns/{campaign.pk}/setup/items/{rest}"


def open_form(client: Client, item: Item, **headers: str) -> dict[str, Any]:
    """What a browser would send of the form that the page shows, untouched."""
    return sent(client.get(address(item.campaign, f"{item.pk}/"), **headers))  # type: ignore[arg-type]


def sent(page: HttpResponse) -> dict[str, Any]:
    """All that the form on the page would send."""
    form = page.context["form"]
    fields: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        if value not in (None, False, ""):
            fields[bound.html_name] = value if isinstance(value, list) else str(value)
    text = page.content.decode()
    for name, value in set(re.findall(r'<input type="hidden" name="(initial-[^"]+)" value="([^"]*)"', text)):
        fields.setdefault(name, []).append(html.unescape(value))
    return fields


def edit(item: Item, **changes: object) -> dict[str, object]:
    """The names of an item's form."""
    return {f"item-{item.pk}-{name}": value for name, value in changes.items()}


def changes(campaign: Campaign) -> list[tuple[str, dict[str, list[str]]]]:
    return [(change.item.number, change.fields) for change in campaign.changes.order_by("pk") if change.item]


# ---- One item -----------------------------------------------------------------------------------------------------


def test_the_list_says_all_of_an_item_without_its_form(draft: Campaign, ada: Client) -> None:
    draft.items.filter(number="v-2").update(gate=True, veto=True, points=7, responsible="村支书")
    Item.objects.filter(number="t-1").update(owed_by=["site"])
    Unit.objects.filter(kind="site").delete()
    text = ada.get(address(draft)).content.decode()
    assert text.count("<textarea") == 3  # of the new item and of the paste; none for each row
    row = text[text.index(f'id="item-{by_number(draft, "v-2").pk}"') :].split("</tr>")[0]
    for words in ("第v-2项", "v-2", "门槛", "一票否决", "村（社区）", ">7<", "村支书", ">3<"):
        assert words in row, words
    idle = text[text.index(f'id="item-{by_number(draft, "t-1").pk}"') :].split("</tr>")[0]
    assert re.search(r'class="bad">0 ', idle)
    assert "measured" in text or "有指标" in text


def test_an_item_is_changed_in_its_row_and_the_counts_follow(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    form = ada.get(address(draft, f"{item.pk}/"), **HTMX)
    assert form.content.decode().lstrip().startswith("<tr")
    assert "hx-post" in form.content.decode()
    data = sent(form) | edit(item, owed_by=["village", "township"], title="改了名")
    answer = ada.post(address(draft, f"{item.pk}/"), data, **HTMX)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert text.lstrip().startswith(f'<tr id="item-{item.pk}"')
    assert "改了名" in text
    made = sum(scope.tasks_by_item(draft).values())
    assert made == 3 * 3 + 3 + 2
    assert re.search(rf'id="made" hx-swap-oob="true">[^<]*{made}', text)
    assert changes(draft) == [
        ("v-1", {"title": ["第v-1项", "改了名"], "owed_by": ["村（社区）", "村（社区）、乡镇（街道）"]})
    ]


def test_thinking_better_of_it_brings_the_row_back(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    text = ada.get(address(draft, f"{item.pk}/?row"), **HTMX).content.decode()
    assert 'class="line"' in text
    assert "<form" not in text


def test_without_a_script_the_form_is_a_page_and_leads_back(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    page = ada.get(address(draft, f"{item.pk}/"))
    assert "<!DOCTYPE html>" in page.content.decode()
    answer = ada.post(address(draft, f"{item.pk}/"), sent(page) | edit(item, points=5))
    assert answer["Location"] == address(draft, f"#item-{item.pk}")
    assert by_number(draft, "v-1").points == 5
    wrong = ada.post(address(draft, f"{item.pk}/"), sent(page) | edit(item, points="很多"))
    assert wrong.status_code == 422
    assert 'value="很多"' in wrong.content.decode()


def test_an_item_that_goes_to_another_section_is_shown_there(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    data = open_form(ada, item, **HTMX)
    stays = ada.post(address(draft, f"{item.pk}/"), data | edit(item, points=2), **HTMX)
    goes = ada.post(address(draft, f"{item.pk}/"), data | edit(item, section="二"), **HTMX)
    assert ("HX-Refresh" in stays, goes.get("HX-Refresh")) == (False, "true")


def test_phase_gate_veto_and_proof_are_kept(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    phase = Phase.objects.create(
        campaign=draft, key="p", title="自查", starts_on=draft.starts_on, ends_on=draft.inspects_on + timedelta(days=9)
    )
    last = phase.ends_on  # a phase may run on after the inspection
    data = open_form(ada, item) | edit(item, phase=phase.pk, gate="on", veto="on", proof="照片", due_on=last)
    assert ada.post(address(draft, f"{item.pk}/"), data).status_code == 302
    item = by_number(draft, "v-1")
    assert (item.phase, item.gate, item.veto, item.proof, item.due_on) == (phase, True, True, "照片", last)
    assert ada.post(address(draft, f"{item.pk}/"), open_form(ada, item)).status_code == 302
    assert len(changes(draft)) == 1  # what is sent untouched changes nothing
    other = factories.campaign(on=timezone.localdate(), days=99)
    theirs = Phase.objects.create(campaign=other, key="p", title="别家", starts_on=last, ends_on=last)
    data = open_form(ada, item) | edit(item, phase=theirs.pk)
    assert ada.post(address(draft, f"{item.pk}/"), data).status_code == 422


def test_a_day_without_a_year_is_one_of_the_campaign(draft: Campaign, ada: Client) -> None:
    item, day = by_number(draft, "v-1"), draft.starts_on + timedelta(days=3)
    data = open_form(ada, item) | edit(item, due_on=f"{day.month}月{day.day}日")
    assert ada.post(address(draft, f"{item.pk}/"), data).status_code == 302
    assert by_number(draft, "v-1").due_on == day


# ---- What is measured ---------------------------------------------------------------------------------------------

MEASURED = {"metric": "知晓率", "operator": ">=", "target": "95", "measured_in": "%", "total": "", "every": "week"}


def test_a_target_is_set_and_changed(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    assert ada.post(address(draft, f"{item.pk}/"), open_form(ada, item) | edit(item, **MEASURED)).status_code == 302
    item = by_number(draft, "v-1")
    assert (item.metric, item.operator, item.target, item.every) == ("知晓率", ">=", Decimal(95), "week")
    assert item.asks_value
    text = ada.get(address(draft, f"{item.pk}/")).content.decode()
    assert f'name="item-{item.pk}-target" value="95"' in text
    for typed, unit, kept, said in (("９０．５％", "%", "90.5", "%"), ("80%", "", "80", "%"), (".5", "件", ".5", "件")):
        data = open_form(ada, item) | edit(item, target=typed, measured_in=unit)
        assert ada.post(address(draft, f"{item.pk}/"), data).status_code == 302
        item = by_number(draft, "v-1")
        assert (item.target, item.measured_in) == (Decimal(kept), said)
    cleared = edit(item, metric="", operator="", target="", every="")
    assert ada.post(address(draft, f"{item.pk}/"), open_form(ada, item) | cleared).status_code == 302
    item = by_number(draft, "v-1")
    assert (item.target, item.target_is_stated) == (None, False)


@pytest.mark.parametrize(
    "wrong",
    [{"target": "-1"}, {"target": "很多"}, {"target": "1e400"}, {"target": "150"}, {"target": "150%"},
     {"target": "NaN"}, {"target": "1.23456"}, {"target": "9" * 30}, {"target": "9" * 4000}, {"total": "-1"},
     {"total": "150"}, {"target": "95%", "measured_in": "件"}, {"metric": ""}, {"operator": ""}, {"operator": "~"},
     {"target": ""}, {"statistic": "on"}, {"statistic": "on", "target": "", "total": "9"}, {"every": "hour"}],
)  # fmt: skip
def test_a_measure_that_is_none_is_refused_in_words(wrong: dict[str, str], draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    before = Item.objects.filter(pk=item.pk).values().get()
    data = open_form(ada, item) | edit(item, **MEASURED | wrong, standard="写了一半")
    answer = ada.post(address(draft, f"{item.pk}/"), data)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "写了一半" in text
    assert all(value in text for value in wrong.values())
    assert "Constraint" not in text
    assert "约束" not in text
    assert Item.objects.filter(pk=item.pk).values().get() == before


def test_a_statistic_is_recorded_and_carries_no_target(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-3")  # has a target
    data = open_form(ada, item) | edit(item, statistic="on")
    refused = ada.post(address(draft, f"{item.pk}/"), data, HTTP_ACCEPT_LANGUAGE="en")
    assert refused.status_code == 422
    assert len(refused.context["form"].errors["target"]) == 1
    assert ada.post(address(draft, f"{item.pk}/"), data | edit(item, target="")).status_code == 302
    item = by_number(draft, "v-3")
    assert (item.statistic, item.target, item.operator, item.metric) == (True, None, "", "知晓率")


# ---- Two at once --------------------------------------------------------------------------------------------------


def test_two_admins_change_different_fields_and_both_stand(draft: Campaign, ada: Client, as_: LogIn) -> None:
    item, bea = by_number(draft, "v-1"), as_("ada")
    hers, his = open_form(ada, item), open_form(bea, item, **HTMX)
    assert ada.post(address(draft, f"{item.pk}/"), hers | edit(item, title="她的题目")).status_code == 302
    assert bea.post(address(draft, f"{item.pk}/"), his | edit(item, points=9), **HTMX).status_code == 200
    item.refresh_from_db()
    assert (item.title, item.points) == ("她的题目", 9)


@pytest.mark.parametrize(
    ("name", "hers", "his"),
    [("title", "她的题目", "他的题目"), ("target", "95", "85"), ("owed_by", ["township"], ["department"])],
)
def test_the_second_is_shown_what_the_first_wrote_and_loses_nothing(
    name: str, hers: Any, his: Any, draft: Campaign, ada: Client
) -> None:
    zhao = factories.cadre("Zhao", Role.CAMPAIGN_ADMIN, COUNTY)
    second = Client()
    second.force_login(zhao)
    item = by_number(draft, "v-3")
    one, two = open_form(ada, item), open_form(second, item)
    assert ada.post(address(draft, f"{item.pk}/"), one | edit(item, **{name: hers})).status_code == 302
    refused = second.post(address(draft, f"{item.pk}/"), two | edit(item, **{name: his}))
    assert refused.status_code == 422
    (words,) = refused.context["form"].errors[name]
    assert "Ada" in words
    assert Change.objects.get().fields[name][1] in words
    again = sent(refused)
    assert again[f"item-{item.pk}-{name}"] == his
    assert second.post(address(draft, f"{item.pk}/"), again).status_code == 302
    change = Change.objects.order_by("-pk")[0]
    assert (change.by, list(change.fields)) == (zhao, [name])


def test_a_gate_that_somebody_else_set_stays(draft: Campaign, ada: Client, as_: LogIn) -> None:
    item, second = by_number(draft, "v-1"), as_("ada")
    one, two = open_form(ada, item), open_form(second, item)
    assert ada.post(address(draft, f"{item.pk}/"), one | edit(item, gate="on")).status_code == 302
    assert second.post(address(draft, f"{item.pk}/"), two | edit(item, points=3)).status_code == 302
    assert (by_number(draft, "v-1").gate, by_number(draft, "v-1").points) == (True, 3)


# ---- Adding and striking ------------------------------------------------------------------------------------------


def fresh(**changes: object) -> dict[str, object]:
    fields = {"title": "公厕有水", "owed_by": ["village"], "due_on": timezone.localdate(), "points": 1} | changes
    return {f"item-new-{name}": value for name, value in fields.items()}


def test_own_items_get_numbers_that_nobody_has(draft: Campaign, ada: Client) -> None:
    Item.objects.filter(number="v-2").update(number="own-7")
    for number in (8, 9):
        answer = ada.post(address(draft), fresh())
        assert answer["Location"].endswith(f"#item-{by_number(draft, f'own-{number}').pk}")
    assert numbers(draft) == ["v-1", "own-7", "v-3", "t-1", "own-8", "own-9"]


def test_a_bad_new_item_keeps_what_was_typed(draft: Campaign, ada: Client) -> None:
    for wrong in (
        {"title": "长" * 121},
        {"due_on": "月底前"},
        {"points": "1001"},
        {"standard": "长" * 4001},
        {"title": "a\0b"},
    ):
        answer = ada.post(address(draft), fresh(**{"responsible": "写了一半"} | wrong))
        assert answer.status_code == 422
        assert "写了一半" in answer.content.decode()
    assert len(numbers(draft)) == 4


def test_an_item_is_struck_and_taken_back_with_one_button(draft: Campaign, ada: Client) -> None:
    item = by_number(draft, "v-1")
    url = address(draft, f"{item.pk}/strike/")
    assert ada.post(url, {"struck": "on"})["Location"].endswith(f"#item-{item.pk}")
    assert item.pk not in scope.tasks_by_item(draft)
    ada.post(url, {"struck": "on"})  # twice is once
    answer = ada.post(url, {"struck": "off"}, **HTMX)
    assert answer.content.decode().lstrip().startswith(f'<tr id="item-{item.pk}" class="line"')
    assert [fields for _number, fields in changes(draft)] == [{"struck": ["否", "是"]}, {"struck": ["是", "否"]}]
    assert ada.post(url, {"struck": "x"}).status_code == 422
    assert ada.post(address(draft, "987654321/strike/"), {"struck": "on"}).status_code == 404


# ---- Points -------------------------------------------------------------------------------------------------------


def test_points_that_add_up_to_nothing_are_refused_everywhere(draft: Campaign, ada: Client) -> None:
    Item.objects.exclude(number="v-1").update(points=0)
    item, zero = by_number(draft, "v-1"), by_number(draft, "v-2")
    refused = [
        ada.post(address(draft, f"{item.pk}/"), open_form(ada, item) | edit(item, points=0)),
        ada.post(address(draft, f"{item.pk}/"), open_form(ada, item) | edit(item, struck="on")),
        ada.post(address(draft, f"{item.pk}/strike/"), {"struck": "on"}),
        ada.post(address(draft, f"{item.pk}/strike/"), {"struck": "on"}, **HTMX),
        ada.post(address(draft, "bulk/"), {"items": [item.pk, zero.pk], "points": 0}),
    ]
    for answer in refused:
        assert answer.status_code == 422
        assert re.search("add up to 0|加起来", answer.content.decode())
    assert (by_number(draft, "v-1").points, by_number(draft, "v-1").struck, changes(draft)) == (1, False, [])
    everything = [one.pk for one in draft.items.all()]
    assert ada.post(address(draft, "bulk/"), {"items": everything, "struck": "on"}).status_code == 302  # none is left
    assert ada.post(address(draft), fresh(points=0)).status_code == 422
    paste = "甲\t\t村\t\t0"
    assert ada.post(address(draft, "paste/"), {"text": paste}).status_code == 422


# ---- The order ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sections(draft: Campaign) -> Campaign:
    """a-1 a-2 a-3 in one section, b-1 b-2 in another; b-2 was added to the end of the first part."""
    draft.items.all().delete()
    lines = [("a-1", "甲"), ("a-2", "甲"), ("b-2", "乙"), ("a-3", "甲"), ("b-1", "乙")]
    Item.objects.bulk_create(
        Item(campaign=draft, number=number, title=number, section=section, position=7, owed_by=["village"],
             due_on=draft.inspects_on)
        for number, section in lines
    )  # fmt: skip
    return draft


@pytest.mark.parametrize(
    ("sent", "order", "section"),
    [
        ({"up": "a-2"}, "a-2 a-1 a-3 b-2 b-1", "甲"),
        ({"down": "a-2"}, "a-1 a-3 a-2 b-2 b-1", "甲"),
        ({"up": "a-1"}, "a-1 a-2 a-3 b-2 b-1", "甲"),
        ({"down": "a-3"}, "a-1 a-2 a-3 b-2 b-1", "甲"),
        ({"down": "b-2"}, "a-1 a-2 a-3 b-1 b-2", "乙"),
        ({"item": "a-3", "before": "a-1"}, "a-3 a-1 a-2 b-2 b-1", "甲"),
        ({"item": "a-1", "after": "b-2"}, "a-2 a-3 b-2 a-1 b-1", "乙"),
        ({"item": "b-1", "before": "a-1"}, "b-1 a-1 a-2 a-3 b-2", "甲"),
        ({"item": "a-1", "after": "a-1"}, "a-1 a-2 a-3 b-2 b-1", "甲"),
    ],
)
def test_an_item_moves(sent: dict[str, str], order: str, section: str, sections: Campaign, ada: Client) -> None:
    keys = {item.number: item.pk for item in sections.items.all()}
    moved = next(iter(sent.values()))
    answer = ada.post(address(sections, "order/"), {name: keys[number] for name, number in sent.items()})
    assert answer["Location"] == address(sections, f"#item-{keys[moved]}")
    assert numbers(sections) == order.split()
    assert by_number(sections, moved).section == section
    assert list(sections.items.values_list("position", flat=True)) == [1, 2, 3, 4, 5]


def test_the_new_place_is_told_and_noted(sections: Campaign, ada: Client) -> None:
    item = by_number(sections, "a-3")
    answer = ada.post(address(sections, "order/"), {"item": item.pk, "after": by_number(sections, "b-1").pk}, **HTMX)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert re.search("a-3.*5.*5", answer.content.decode())
    assert changes(sections) == [("a-3", {"position": ["3", "5"], "section": ["甲", "乙"]})]


@pytest.mark.parametrize("sent", [{}, {"up": "x"}, {"up": "9" * 30}, {"item": "1"}, {"before": "1"}, {"up": "1\0"}])
def test_what_is_not_there_does_not_move(sent: dict[str, str], sections: Campaign, ada: Client) -> None:
    before = numbers(sections)
    assert ada.post(address(sections, "order/"), sent).status_code == 422
    assert numbers(sections) == before


# ---- Several at once ----------------------------------------------------------------------------------------------


def test_several_items_change_at_once_and_each_is_noted(draft: Campaign, ada: Client) -> None:
    one, two = by_number(draft, "v-1"), by_number(draft, "v-3")
    day = draft.starts_on + timedelta(days=5)
    sent = {"items": [one.pk, two.pk], "due_on": day, "points": 4, "responsible": "包村干部"}
    assert ada.post(address(draft, "bulk/"), sent).status_code == 302
    for number, changed in (("v-1", True), ("v-2", False), ("v-3", True)):
        item = by_number(draft, number)
        assert ((item.due_on, item.points, item.responsible) == (day, 4, "包村干部")) is changed
    assert [number for number, _fields in changes(draft)] == ["v-1", "v-3"]
    assert changes(draft)[0][1] == {
        "due_on": [str(one.due_on), str(day)], "points": ["1", "4"], "responsible": ["", "包村干部"]
    }  # fmt: skip
    shifted = {"items": [one.pk, by_number(draft, "v-2").pk], "shift": "-2", "struck": "on"}
    assert ada.post(address(draft, "bulk/"), shifted).status_code == 302
    assert by_number(draft, "v-1").due_on == day - timedelta(days=2)
    assert [item.number for item in draft.items.filter(struck=True)] == ["v-1", "v-2"]


def test_one_fault_and_nothing_changes_and_each_fault_is_named(draft: Campaign, ada: Client) -> None:
    everything = list(draft.items.all())
    Item.objects.filter(number="v-2").update(due_on=draft.starts_on)
    before = list(draft.items.values())
    sent = {"items": [item.pk for item in everything], "shift": 1, "responsible": "写了一半"}
    answer = ada.post(address(draft, "bulk/"), sent)
    text = answer.content.decode()
    assert answer.status_code == 422
    complaints = answer.context["several"].complaints
    assert [re.match(r"\S+", words)[0] for words in complaints] == ["v-1", "v-3", "t-1"]  # type: ignore[index]
    assert all(words in text for words in complaints)
    assert text.count(" checked") == 4
    assert 'value="写了一半"' in text
    assert (list(draft.items.values()), changes(draft)) == (before, [])


@pytest.mark.parametrize(
    "wrong",
    [{"items": []}, {"items": ["x"]}, {"items": ["9" * 30]}, {"items": ["1\0"]}, {"due_on": "月底前"},
     {"due_on": "2020-1-1"}, {"shift": "x"}, {"shift": "9" * 30}, {"points": "-1"}, {"points": "1001"},
     {"responsible": "长" * 121}, {"struck": "x"}, {"due_on": str(date(2027, 1, 1)), "shift": "1"},
     {"points": "", "responsible": ""}],
)  # fmt: skip
def test_a_bad_change_of_several_changes_none(wrong: dict[str, Any], draft: Campaign, ada: Client) -> None:
    before = list(draft.items.values())
    first = by_number(draft, "v-1")
    answer = ada.post(address(draft, "bulk/"), {"items": [first.pk], "points": "2", "responsible": "甲"} | wrong)
    assert answer.status_code == 422
    assert answer.context["several"].complaints
    assert (list(draft.items.values()), changes(draft)) == (before, [])


def test_items_of_another_campaign_do_not_change(draft: Campaign, campaign: Campaign, ada: Client) -> None:
    theirs = campaign.items.all()[0]
    assert ada.post(address(draft, "bulk/"), {"items": [theirs.pk], "points": 9}).status_code == 422
    theirs.refresh_from_db()
    assert theirs.points == 1


# ---- Pasting ------------------------------------------------------------------------------------------------------

ROWS = (
    "检查项\t标准\t责任单位\t完成时限\t分值\t板块\n"
    '公厕有人管\t"有名单\n有电话"\t村、镇\t\t3\t三、厕所\n'
    "公厕有水\t\t\t\t\t\n"
)


def test_pasted_rows_are_looked_at_first_and_then_added(draft: Campaign, ada: Client) -> None:
    before = numbers(draft)
    preview = ada.post(address(draft, "paste/"), {"text": ROWS})
    assert preview.status_code == 200
    assert "公厕有人管" in preview.content.decode()
    assert numbers(draft) == before
    answer = ada.post(address(draft, "paste/"), {"text": preview.context["text"], "confirm": "on"})
    assert answer.status_code == 302
    assert numbers(draft) == [*before, "own-1", "own-2"]
    for item in draft.items.filter(number__startswith="own"):
        assert (item.section, item.owed_by, item.due_on) == ("三、厕所", ["village", "township"], draft.inspects_on)
    assert [fields["title"][1] for _number, fields in changes(draft)] == ["公厕有人管", "公厕有水"]


@pytest.mark.parametrize("confirm", ["", "on"])
def test_with_one_fault_nothing_is_added_and_nothing_typed_is_lost(confirm: str, draft: Campaign, ada: Client) -> None:
    text = ROWS + "有路\t</textarea>\t村\t月底前\t很多\t\n"
    answer = ada.post(address(draft, "paste/"), {"text": text, "confirm": confirm})
    assert answer.status_code == 422
    assert answer.context["text"] == text
    page = answer.content.decode()
    assert "&lt;/textarea&gt;\t村\t月底前\t很多" in page
    assert [(fault.row, fault.value) for fault in answer.context["pasted"].faults] == [(4, "月底前"), (4, "很多")]
    assert len(numbers(draft)) == 4


def test_a_number_that_is_taken_is_refused(draft: Campaign, ada: Client) -> None:
    text = "检查项\t责任单位\t编号\n甲\t村\tv-1\n乙\t村\town-5\n丙\t村\t"
    answer = ada.post(address(draft, "paste/"), {"text": text, "confirm": "on"})
    assert [fault.value for fault in answer.context["pasted"].faults] == ["v-1"]
    assert ada.post(address(draft, "paste/"), {"text": text.replace("v-1", "x"), "confirm": "on"}).status_code == 302
    assert numbers(draft)[4:] == ["x", "own-5", "own-6"]


def test_five_thousand_rows_are_refused_politely(draft: Campaign, ada: Client) -> None:
    row = "公厕有人管，每天清扫\t" + "有专人、有台账、有标识，" * 25 + "\t村\n"
    answer = ada.post(address(draft, "paste/"), {"text": row * 5000, "confirm": "on"})
    assert answer.status_code == 422
    assert "5000" in answer.context["pasted"].faults[0].reason
    assert len(numbers(draft)) == 4


# ---- Size ---------------------------------------------------------------------------------------------------------


def test_a_long_list_costs_as_many_queries_as_a_short_one(draft: Campaign, ada: Client) -> None:
    def queries(ask: Callable[[], HttpResponse]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ask().status_code in (200, 422)
        return len(captured)

    item = by_number(draft, "v-1")
    asks: list[Callable[[], HttpResponse]] = [
        lambda: ada.get(address(draft)),  # type: ignore[list-item]
        lambda: ada.get(address(draft, f"{item.pk}/")),
        lambda: ada.get(address(draft, f"{item.pk}/"), **HTMX),
        lambda: ada.post(address(draft, "paste/"), {"text": ROWS}),
        lambda: ada.post(address(draft, "bulk/"), {"items": [item.pk], "points": 0, "shift": 99}),
    ]
    asks[0]()
    few = [queries(ask) for ask in asks]
    Item.objects.bulk_create(
        Item(campaign=draft, number=f"x-{n}", title="多", owed_by=["village"], due_on=draft.inspects_on)
        for n in range(300)
    )
    assert [queries(ask) for ask in asks] == few
    assert max(few) <= 15
