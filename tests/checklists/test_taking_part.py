"""Step 4: a tree of units; left out and taken back in, one or several; sites and departments on the way."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext

from checklists import launch, scope, sync, taking_part
from checklists.models import Campaign, Change, Task
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, MARKET, OTHER_TOWNSHIP, WEST, WILLOW
from villages.models import Cadre, Kind, Unit
from villages.units import add_department, add_site

LogIn = Callable[[str], Client]


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    """The small speech as a draft of the county, inspected in forty days."""
    today = timezone.localdate()
    host = Unit.objects.get(pk=COUNTY)
    return launch.draft(factories.template(), host, inspects_on=today + timedelta(days=40), on=today)


@pytest.fixture
def ada(draft: Campaign, as_: LogIn) -> Client:
    return as_("ada")


def url(draft: Campaign, query: str = "") -> str:
    return f"/campaigns/{draft.pk}/setup/units/{query}"


def listed(client: Client, draft: Campaign, query: str = "") -> dict[str, tuple[bool, str, int, int]]:
    """What each line says: left out, with whom, how many below, how many of those take part."""
    lines = client.get(url(draft, query)).context["lines"]
    return {line.unit.pk: (line.is_out, line.out_with, line.below, line.part) for line in lines}


def left_out(draft: Campaign) -> set[str]:
    return set(draft.excluded.values_list("pk", flat=True))


def test_the_tree_is_opened_level_by_level(draft: Campaign, ada: Client) -> None:
    assert listed(ada, draft) == {EAST: (False, "", 3, 3), WEST: (False, "", 1, 1), BUREAU: (False, "", 0, 0)}
    assert set(listed(ada, draft, f"?at={EAST}")) == {WILLOW, MAPLE}
    assert set(listed(ada, draft, f"?at={WILLOW}")) == {MARKET}
    assert not listed(ada, draft, f"?at={MARKET}")
    page = ada.get(url(draft, f"?at={WILLOW}"))
    assert [unit.pk for unit in page.context["path"]] == [COUNTY, EAST, WILLOW]  # and nothing above the host
    assert (page.context["at"].below, page.context["at"].part) == (1, 1)


@pytest.mark.parametrize("at", ["5115", "51", OTHER_TOWNSHIP, "511504199", "x", "9" * 30, "%00", f"{EAST}%0A", "5%"])
def test_what_is_not_below_the_host_cannot_be_opened(at: str, draft: Campaign, ada: Client) -> None:
    assert ada.get(url(draft, f"?at={at}")).status_code == 404
    assert ada.post(url(draft, f"?at={at}"), {"new-kind": "site", "new-name": "集市"}).status_code == 404


def test_a_unit_left_out_takes_everything_below_along(draft: Campaign, ada: Client) -> None:
    ada.post(url(draft, f"?at={EAST}"), {"code": WILLOW})
    assert listed(ada, draft)[EAST] == (False, "", 3, 1)
    ada.post(url(draft), {"code": EAST})
    assert listed(ada, draft)[EAST] == (True, "", 3, 0)
    assert listed(ada, draft, f"?at={EAST}") == {WILLOW: (True, "东镇", 1, 0), MAPLE: (False, "东镇", 0, 0)}
    ada.post(url(draft), {"code": EAST, "takes_part": "on"})
    assert listed(ada, draft, f"?at={EAST}") == {WILLOW: (True, "", 1, 0), MAPLE: (False, "", 0, 0)}


def test_the_counts_are_what_is_there(draft: Campaign) -> None:
    """Also where one that was left out lies under another, or under one that the county has a number of."""
    add_site(Unit.objects.get(pk=BUREAU), "办事大厅")
    units = list(Unit.objects.under("51"))
    for out in ([], [WILLOW], [MARKET, WILLOW], [EAST, MARKET], [BUREAU, EAST, WEST], [COUNTY, WILLOW]):
        draft.excluded.set(out)
        for unit in units:
            below = [other.pk for other in units if other.pk.startswith(unit.pk) and other != unit]
            part = [code for code in below if not code.startswith(tuple(out))]
            assert taking_part.counted_below(draft, [unit.pk, EAST])[unit.pk] == (len(below), len(part)), (out, unit.pk)


def test_what_the_page_counts_is_what_the_launch_makes(draft: Campaign) -> None:
    for name in ("区教育局", "区水利局"):
        add_department(Unit.objects.get(pk=COUNTY), name)
    draft.items.filter(number="v-1").update(owed_by=["site", "county", "village"])
    draft.items.filter(number="v-2").update(owed_by=["department", "township"], departments=["教育局", "水利局"])
    draft.items.filter(number="v-3").update(struck=True)
    draft.excluded.set([WILLOW, Unit.objects.get(name="区水利局")])
    made, kinds = scope.tasks_by_item(draft), scope.units_by_kind(draft)
    launch.go_live(draft, on=timezone.localdate())
    tasks = Task.objects.filter(campaign=draft).select_related("unit")
    assert made == Counter(task.item_id for task in tasks)
    assert kinds == Counter(kind for _code, kind in {(task.unit_id, task.unit.kind) for task in tasks})
    assert (kinds["department"], kinds["village"], sum(made.values())) == (2, 2, 3 + 3 + 4)


def test_search_and_the_list_of_those_left_out(draft: Campaign, ada: Client) -> None:
    assert set(listed(ada, draft, "?q=村")) == {WILLOW, MAPLE, LAKE, MARKET}
    assert set(listed(ada, draft, f"?q={EAST}")) == {EAST, WILLOW, MAPLE, MARKET}
    for nothing in ("南街", "%25", "_", "泸州"):
        assert not listed(ada, draft, f"?q={nothing}"), nothing
    for odd in ("%00", "村" * 500, "村&page=999999999999999999999999", "村&page=x"):
        assert ada.get(url(draft, f"?q={odd}")).status_code == 200
    ada.post(url(draft), {"code": [WEST, WILLOW]})
    assert set(listed(ada, draft, "?left=1")) == {WEST, WILLOW}


def test_several_at_once_and_each_in_the_history(draft: Campaign, ada: Client) -> None:
    answer = ada.post(url(draft, f"?at={EAST}&page=1"), {"code": [WILLOW, MAPLE]})
    assert answer["Location"] == url(draft, f"?at={EAST}&page=1#units")
    ada.post(url(draft), {"code": [WILLOW, WEST]})
    assert left_out(draft) == {WILLOW, MAPLE, WEST}
    ada.post(url(draft), {"code": [WILLOW, WEST, LAKE], "takes_part": "on"})
    assert left_out(draft) == {MAPLE}
    told = [
        (change.unit_id, change.fields["excluded"][1], change.by.name if change.by else "")
        for change in Change.objects.filter(campaign=draft).order_by("pk")
    ]
    out, back = gettext("takes no part"), gettext("takes part")
    assert told == [
        (WILLOW, out, "Ada"), (MAPLE, out, "Ada"), (WEST, out, "Ada"), (WILLOW, back, "Ada"), (WEST, back, "Ada"),
    ]  # fmt: skip


def test_all_others_of_their_kind_are_left_out(draft: Campaign, ada: Client) -> None:
    """Of the townships only West stays; the county's departments are no townships."""
    south = Unit.objects.create(code=f"{COUNTY}103", name="南镇", parent_id=COUNTY)
    draft.excluded.add(WEST)
    ada.post(url(draft), {"code": [WEST], "only": "on"})
    assert left_out(draft) == {EAST, south.pk}
    ada.post(url(draft, "?at=" + EAST), {"code": [WILLOW], "only": "on"})
    assert left_out(draft) == {EAST, south.pk, MAPLE}
    assert set(scope.units_by_kind(draft)) == {"township", "village", "department"}


@pytest.mark.parametrize("codes", [["510502"], [COUNTY], ["5115"], [WEST, "999999"], [WEST, "x"], [WEST, "\0"], [""]])
def test_units_out_of_reach_change_nothing(codes: list[str], draft: Campaign, ada: Client) -> None:
    for button in ({}, {"takes_part": "on"}, {"only": "on"}):
        assert ada.post(url(draft), {"code": codes} | button).status_code == 404
    assert not left_out(draft)


def test_nothing_chosen_is_said(draft: Campaign, ada: Client) -> None:
    answer = ada.post(url(draft, f"?at={EAST}"), {"only": "on"})
    assert (answer.status_code, answer.context["at"].unit.pk) == (422, EAST)
    assert answer.context["complaint"]
    assert not Change.objects.filter(campaign=draft).exists()


def test_a_site_is_added_on_the_way_and_owes_its_items(draft: Campaign, ada: Client) -> None:
    draft.items.filter(number="v-1").update(owed_by=["site"])
    answer = ada.post(url(draft, f"?at={MAPLE}"), {"new-kind": "site", "new-name": "枫村公厕"})
    assert answer["Location"] == url(draft, f"?at={MAPLE}&page=1#unit-{MAPLE}S0001")
    assert Unit.objects.get(pk=f"{MAPLE}S0001").name == "枫村公厕"
    assert scope.units_by_kind(draft)["site"] == 2
    change = Change.objects.get(campaign=draft)
    assert (change.unit_id, change.fields) == (f"{MAPLE}S0001", {"name": ["", "枫村公厕"]})
    ada.post(url(draft), {"new-kind": "department", "new-name": "区教育局"})
    assert Unit.objects.get(name="区教育局").pk == f"{COUNTY}D002"


@pytest.mark.parametrize(
    ("at", "kind", "name"),
    [(WILLOW, "site", "柳村集市"), (WILLOW, "site", ""), (WILLOW, "site", "长" * 81), (WILLOW, "site", "零\0"),
     (WILLOW, "department", "村办"), (WILLOW, "planet", "火星"), (WILLOW, "", "集市"), (MARKET, "site", "摊位")],
)  # fmt: skip
def test_a_bad_unit_is_not_added_and_stays_typed(at: str, kind: str, name: str, draft: Campaign, ada: Client) -> None:
    before = Unit.objects.count()
    answer = ada.post(url(draft, f"?at={at}"), {"new-kind": kind, "new-name": name})
    assert answer.status_code == 422
    assert name in answer.text or "\0" in name
    assert Unit.objects.count() == before
    assert not Change.objects.filter(campaign=draft).exists()


def test_the_page_goes_to_where_the_new_unit_stands(draft: Campaign, ada: Client) -> None:
    codes = [f"{EAST}{n}" for n in range(300, 500)]
    Unit.objects.bulk_create([Unit(code=code, name=f"第{code[-3:]}村", parent_id=EAST) for code in codes])
    answer = ada.post(url(draft, f"?at={EAST}"), {"new-kind": "site", "new-name": "大集"})
    assert answer["Location"].endswith(f"&page=3#unit-{EAST}S0001")
    assert f'id="unit-{EAST}S0001"' in ada.get(answer["Location"]).text


def test_a_township_admin_adds_and_leaves_out_in_the_township_only(draft: Campaign) -> None:
    client = Client()
    client.force_login(factories.cadre("Eve", "campaign_admin", EAST))
    today = timezone.localdate()
    own = launch.draft(draft.template, Unit.objects.get(pk=EAST), inspects_on=today + timedelta(days=9), on=today)
    assert client.post(url(own, f"?at={WILLOW}"), {"new-kind": "site", "new-name": "渡口"}).status_code == 302
    for at in (COUNTY, WEST, LAKE):
        assert client.post(url(own, f"?at={at}"), {"new-kind": "site", "new-name": "渡口"}).status_code == 404
        assert client.post(url(own), {"code": at}).status_code == 404
    assert client.post(url(draft, f"?at={WILLOW}"), {"new-kind": "site", "new-name": "码头"}).status_code == 404
    assert Unit.objects.filter(name__in=["渡口", "码头"]).count() == 1


def test_what_nobody_owes_is_said(draft: Campaign, ada: Client) -> None:
    assert not ada.get(url(draft)).context["unowed"]
    draft.items.filter(number="v-1").update(owed_by=["village", "site", "city"])
    draft.items.filter(number="t-1").update(owed_by=["department"], departments=["教育局"])
    draft.items.filter(number="v-2").update(owed_by=["site"], struck=True)
    draft.excluded.add(WILLOW)
    unowed = ada.get(url(draft)).context["unowed"]
    assert {kind: [item.number for item in items] for kind, items in unowed.items()} == {
        Kind.SITE.label: ["v-1"], Kind.CITY.label: ["v-1"], Kind.DEPARTMENT.label: ["t-1"],
    }  # fmt: skip
    draft.excluded.set([EAST, WEST, BUREAU])
    page = ada.get(url(draft))
    assert not page.context["by_kind"]
    assert 'class="bad"' in page.text


def test_departments_of_a_name_that_none_has(draft: Campaign, ada: Client) -> None:
    draft.items.filter(number="v-1").update(owed_by=["department"], departments=["教育局", "水利局"])
    assert list(ada.get(url(draft)).context["unowed"]) == ["教育局、水利局"]


def test_a_campaign_under_way_follows_when_brought_up_to_date(draft: Campaign, ada: Client) -> None:
    launch.go_live(draft, on=timezone.localdate())
    draft.items.filter(number="v-1").update(owed_by=["village", "site"])
    ada.post(url(draft), {"code": WEST})
    ada.post(url(draft, f"?at={MAPLE}"), {"new-kind": "site", "new-name": "枫村公厕"})
    assert sync.plan(draft).add == 2  # the market, too
    sync.sync(draft, by=Cadre.objects.get(username="ada"))
    units = set(Task.objects.asked_for().filter(campaign=draft).values_list("unit", flat=True))
    assert units == {EAST, WILLOW, MAPLE, MARKET, f"{MAPLE}S0001", BUREAU}


def test_the_page_costs_the_same_whatever_the_size(draft: Campaign, ada: Client) -> None:
    def queries(query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(url(draft, query)).status_code == 200
        return len(captured)

    looks = ("", f"?at={EAST}", "?q=村", "?left=1")
    draft.excluded.add(MAPLE)
    queries("")  # the first page of a session notes when it began
    few = [queries(look) for look in looks]
    Unit.objects.bulk_create(
        [Unit(code=f"{EAST}{n}", name=f"第{n}村村民委员会", parent_id=EAST) for n in range(300, 700)]
    )
    draft.excluded.add(*[f"{EAST}{n}" for n in range(300, 450)])
    assert [queries(look) for look in looks] == few
    assert max(few) <= 15
    assert len(listed(ada, draft, f"?at={EAST}")) == 100
    assert len(listed(ada, draft, f"?at={EAST}&page=5")) == 2
    assert taking_part.counted_below(draft, [EAST]) == {EAST: (403, 252)}
