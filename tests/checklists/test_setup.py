"""A campaign is set up on one page, and what the page shows is what the launch makes."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import answers, course, launch, scope
from checklists.models import Campaign, Item, Responsibility, Task
from tests import factories
from tests.factories import COUNTY, EAST, LAKE, MAPLE, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    """The small speech as a draft of the county, inspected in forty days."""
    today = timezone.localdate()
    return launch.draft(
        factories.template(), Unit.objects.get(pk=COUNTY), inspects_on=today + timedelta(days=40), on=today
    )


def fields(item: Item, **changes: object) -> dict[str, object]:
    """What the form of an item sends."""
    names = ("title", "standard", "section", "owed_by", "due_on", "points")
    sent = {name: getattr(item, name) for name in names} | changes
    return {f"item-{item.pk}-{name}": value for name, value in sent.items()}


def test_an_admin_makes_a_draft_from_a_speech(cast: dict[str, Cadre], as_: LogIn) -> None:
    speech, day = factories.template(), timezone.localdate() + timedelta(days=60)
    sent = {"template": speech.pk, "host": COUNTY, "title": "", "inspects_on": day.strftime("%Y.%m.%d")}
    answer = as_("ada").post("/campaigns/new/create/", sent)
    campaign = Campaign.objects.get()
    assert answer["Location"] == f"/campaigns/{campaign.pk}/setup/"
    assert (campaign.title, campaign.inspects_on, campaign.status) == ("小活动", day, "draft")
    assert campaign.items.count() == 4
    assert not Task.objects.exists()
    again = as_("ada").post("/campaigns/new/create/", sent)
    assert again.status_code == 422
    assert Campaign.objects.count() == 1


def test_an_empty_campaign_gets_items_of_its_own(cast: dict[str, Cadre], as_: LogIn) -> None:
    day = timezone.localdate() + timedelta(days=60)
    as_("ada").post("/campaigns/new/create/", {"template": "", "host": COUNTY, "title": "厕所革命", "inspects_on": day})
    campaign = Campaign.objects.get()
    refused = as_("ada").post(f"/campaigns/{campaign.pk}/setup/launch/", follow=True)
    assert "没有" in refused.text or "No unit" in refused.text
    for title in ("公厕有人管", "公厕有水"):
        sent = {"title": title, "standard": "", "section": "", "owed_by": ["village"], "due_on": day, "points": 1}
        as_("ada").post(
            f"/campaigns/{campaign.pk}/setup/items/", {f"item-new-{name}": value for name, value in sent.items()}
        )
    assert list(campaign.items.values_list("number", "title")) == [("own-1", "公厕有人管"), ("own-2", "公厕有水")]
    as_("ada").post(f"/campaigns/{campaign.pk}/setup/launch/")
    assert Task.objects.count() == 2 * 3


@pytest.mark.parametrize("day", ["5月13日", "5/13", "月底前", "2027-02-30", "20260", "2020-01-01", ""])
def test_a_day_that_is_none_is_refused_with_what_was_typed(day: str, cast: dict[str, Cadre], as_: LogIn) -> None:
    answer = as_("ada").post(
        "/campaigns/new/create/", {"template": "", "host": COUNTY, "title": "甲", "inspects_on": day}
    )
    assert answer.status_code == 422
    assert f'value="{day}"' in answer.text or not day
    assert not Campaign.objects.exists()


def test_a_draft_is_seen_by_its_admin_alone(draft: Campaign, as_: LogIn) -> None:
    for name in ("lan", "bao", "tang", "mei", "su", "an", "chen", "nobody"):
        assert as_(name).get(f"/campaigns/{draft.pk}/setup/").status_code == 404, name
        assert as_(name).get(f"/campaigns/{draft.pk}/").status_code == 404, name
    assert as_("ada").get(f"/campaigns/{draft.pk}/setup/").status_code == 200


def test_a_township_admin_sets_up_campaigns_of_the_township_only(draft: Campaign, cast: dict[str, Cadre]) -> None:
    eve = factories.cadre("Eve", Role.CAMPAIGN_ADMIN, EAST)
    client = Client()
    client.force_login(eve)
    day = timezone.localdate() + timedelta(days=9)
    assert client.get(f"/campaigns/{draft.pk}/setup/").status_code == 404
    sent = {"template": draft.template_id, "inspects_on": day, "title": ""}
    assert client.post("/campaigns/new/create/", sent | {"host": COUNTY}).status_code == 422
    assert client.post("/campaigns/new/create/", sent | {"host": WEST}).status_code == 422
    assert client.post("/campaigns/new/create/", sent | {"host": EAST}).status_code == 302
    assert Campaign.objects.get(host=EAST).created_by == eve


def test_an_item_is_changed_and_struck_and_stays_struck(draft: Campaign, as_: LogIn) -> None:
    first, second = draft.items.all()[:2]
    ada, day = as_("ada"), draft.starts_on + timedelta(days=3)
    url = f"/campaigns/{draft.pk}/setup/items/{first.pk}/"
    sent = fields(first, title="新题目", owed_by=["village", "township"], due_on=day, points=3)
    assert ada.post(url, sent)["Location"].endswith(f"#item-{first.pk}")
    first.refresh_from_db()
    assert (first.title, first.owed_by, first.due_on, first.points) == ("新题目", ["village", "township"], day, 3)
    ada.post(f"/campaigns/{draft.pk}/setup/items/{second.pk}/", fields(second) | {f"item-{second.pk}-struck": "on"})
    made = scope.tasks_by_item(draft)
    assert (made[first.pk], second.pk in made) == (5, False)
    launch.go_live(draft, on=timezone.localdate())
    launched = launch.launch(draft.template, draft.host, inspects_on=draft.inspects_on, on=timezone.localdate())
    assert (launched.items, launched.tasks) == (0, 0)
    assert not Task.objects.filter(item=second).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("owed_by", []), ("due_on", "2020-01-01"), ("due_on", "2099-01-01"), ("title", ""), ("title", "长" * 121),
     ("points", "-1"), ("points", "x"), ("owed_by", ["planet"])],
)  # fmt: skip
def test_a_bad_item_changes_nothing_and_keeps_what_was_typed(
    field: str, value: object, draft: Campaign, as_: LogIn
) -> None:
    item = draft.items.first()
    assert item is not None
    before = Item.objects.filter(pk=item.pk).values().get()
    sent = fields(item, standard="写了一半的标准") | {f"item-{item.pk}-{field}": value}
    answer = as_("ada").post(f"/campaigns/{draft.pk}/setup/items/{item.pk}/", sent)
    assert answer.status_code == 422
    assert "写了一半的标准" in answer.text
    assert Item.objects.filter(pk=item.pk).values().get() == before


def test_an_item_of_another_campaign_is_not_found(draft: Campaign, campaign: Campaign, as_: LogIn) -> None:
    other = campaign.items.first()
    assert other is not None
    assert as_("ada").post(f"/campaigns/{draft.pk}/setup/items/{other.pk}/", fields(other)).status_code == 404


def test_moving_the_inspection_moves_deadlines_and_phases(draft: Campaign, as_: LogIn) -> None:
    due = dict(draft.items.values_list("number", "due_on"))
    later = draft.inspects_on + timedelta(days=10)
    sent = {"title": "改了名", "title_en": "", "inspects_on": later, "inspected_by": "", "inspects_until": ""}
    assert as_("ada").post(f"/campaigns/{draft.pk}/setup/", sent).status_code == 302
    draft.refresh_from_db()
    assert (draft.title, draft.inspects_on) == ("改了名", later)
    moved = {number: day + timedelta(days=10) for number, day in due.items()}
    assert dict(draft.items.values_list("number", "due_on")) == moved
    sent["inspects_on"] = draft.starts_on
    as_("ada").post(f"/campaigns/{draft.pk}/setup/", sent)
    assert set(draft.items.values_list("due_on", flat=True)) == {draft.starts_on}
    sent["inspects_on"] = date(2020, 1, 1)
    assert as_("ada").post(f"/campaigns/{draft.pk}/setup/", sent).status_code == 422


def test_a_township_is_left_out_with_its_villages_and_comes_back(draft: Campaign, as_: LogIn) -> None:
    ada, url = as_("ada"), f"/campaigns/{draft.pk}/setup/units/"
    assert scope.units_by_kind(draft) == {"village": 3, "township": 2, "department": 1}
    ada.post(url, {"code": WEST})
    assert scope.units_by_kind(draft) == {"village": 2, "township": 1, "department": 1}
    ada.post(url, {"code": WEST, "takes_part": "on"})
    assert scope.units_by_kind(draft)["village"] == 3
    for code in ("510502", "999999", "x", ""):
        assert ada.post(url, {"code": code}).status_code == 404


def test_the_launch_makes_exactly_what_the_page_showed(draft: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    ada.post(f"/campaigns/{draft.pk}/setup/units/", {"code": MAPLE})
    made, kinds = scope.tasks_by_item(draft), scope.units_by_kind(draft)
    vacant = {(unit.code, kind) for unit, kinds in answers.vacancies(draft, on=timezone.localdate()) for kind in kinds}
    page = ada.get(f"/campaigns/{draft.pk}/setup/launch/")
    assert (page.context["tasks"], page.context["units"]) == (sum(made.values()), sum(kinds.values()))
    assert ada.post(f"/campaigns/{draft.pk}/setup/launch/")["Location"] == f"/campaigns/{draft.pk}/"
    tasks = Task.objects.filter(campaign=draft)
    assert {item: tasks.filter(item=item).count() for item in tasks.values_list("item", flat=True)} == made
    assert tasks.values("unit").distinct().count() == sum(kinds.values())
    assert set(tasks.values_list("unit", flat=True)) == {EAST, WEST, WILLOW, LAKE, factories.BUREAU}
    held = set(Responsibility.objects.filter(campaign=draft).values_list("unit_id", "kind"))
    units = set(tasks.values_list("unit", flat=True))
    assert {(unit, kind) for unit in units for kind in ("first", "direct") if (unit, kind) not in held} == vacant
    assert vacant  # West Township and Lake have nobody
    assert as_("lan").get(f"/campaigns/{draft.pk}/").status_code == 200


STEPS = ("", "items/", "phases/", "units/", "answers/", "rules/", "launch/")


def test_a_campaign_under_way_can_be_changed_and_a_closed_one_no_more(
    draft: Campaign, cast: dict[str, Cadre], as_: LogIn
) -> None:
    ada = as_("ada")
    ada.post(f"/campaigns/{draft.pk}/setup/launch/")
    item = draft.items.all()[0]
    addresses = [f"/campaigns/{draft.pk}/setup/{step}" for step in (*STEPS, f"items/{item.pk}/")]
    assert ada.post(addresses[-1], fields(item, title="改了")).status_code == 302
    course.steer(draft, "closed", by=cast["ada"])
    for address in addresses:
        assert ada.post(address, fields(item, title="又改了") | {"code": WEST}).status_code in (403, 405), address
    shown = {step: ada.get(f"/campaigns/{draft.pk}/setup/{step}").status_code for step in STEPS}
    assert shown == dict.fromkeys(STEPS, 403) | {"launch/": 200}
    item.refresh_from_db()
    assert item.title == "改了"


@pytest.mark.parametrize("status", ["draft", "active"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_costs_the_same_whatever_the_size(step: str, status: str, draft: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    if status == "active":
        launch.go_live(draft, on=timezone.localdate())

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(f"/campaigns/{draft.pk}/setup/{step}").status_code == 200
        return len(captured)

    queries()  # the first page of a session notes when it began
    few = queries()
    Unit.objects.bulk_create(
        [Unit(code=f"{EAST}{n}", name=f"第{n}村村民委员会", parent_id=EAST) for n in range(300, 700)]
    )
    Item.objects.bulk_create(
        [
            Item(campaign=draft, number=f"x-{n}", title="多", owed_by=["village"], due_on=draft.inspects_on)
            for n in range(60)
        ]
    )
    assert queries() == few <= 15
