"""A newer version of a campaign's template: shown line by line, taken over line by line, and nothing else changes."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import catalog, launch, newer
from checklists.models import Campaign, Change, Item, Task, Template
from tests import factories
from tests.factories import COUNTY
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]
PHASE = {"key": "late", "title": "收尾", "title_en": "Finish", "starts": -5, "ends": -1}


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    today = timezone.localdate()
    county = Unit.objects.get(pk=COUNTY)
    return launch.draft(factories.template(), county, inspects_on=today + timedelta(days=40), on=today)


def version(campaign: Campaign, change: Callable[[dict[str, Any]], object] = lambda body: None) -> Template:
    """The next version of the campaign's template, after `change`."""
    assert campaign.template
    body = copy.deepcopy(campaign.template.body)
    change(body)
    return catalog.save(body)


def second(body: dict[str, Any]) -> None:
    """v-1 gets another standard, v-2 another deadline, v-3 is dropped, v-9 is new in a phase that is new."""
    one, two, three, _four = body["items"]
    one["standard"] = "做得更好"
    two["due"] = {"before": 9}
    body["items"].remove(three)
    body["phases"].append(PHASE)
    body["items"].append(factories.line("v-9", phase="late"))


def shown(campaign: Campaign) -> dict[tuple[str, str, str], newer.Line]:
    later = newer.latest(Campaign.objects.get(pk=campaign.pk))
    assert later
    return {(line.what, line.number, line.field): line for line in newer.lines(campaign, later)}


def rows(campaign: Campaign) -> dict[str, dict[str, Any]]:
    return {row["number"]: row for row in campaign.items.values()}


def test_there_is_a_link_where_there_is_a_newer_version_and_only_there(draft: Campaign, as_: LogIn) -> None:
    ada, items, page = as_("ada"), f"/campaigns/{draft.pk}/setup/items/", f"/campaigns/{draft.pk}/setup/newer/"
    assert page not in ada.get(items).text
    assert ada.get(page).status_code == 200
    assert ada.post(page, {"done": "1"}).status_code == 409
    version(draft, second)
    assert page in ada.get(items).text
    assert page not in ada.get(f"/campaigns/{draft.pk}/setup/units/").text


def test_every_difference_is_a_line_with_what_stands_here_and_what_would(draft: Campaign) -> None:
    version(draft, second)
    found = shown(draft)
    assert set(found) == {
        ("change", "v-1", "standard"),
        ("change", "v-2", "due_on"),
        ("strike", "v-3", ""),
        ("add", "v-9", ""),
        ("phase_add", "late", ""),
    }
    standard, due = found["change", "v-1", "standard"], found["change", "v-2", "due_on"]
    assert ("做到位" in standard.before, "做得更好" in standard.after) == (True, True)
    days = [str(draft.inspects_on - timedelta(days=n)) for n in (20, 9)]
    assert [due.before, due.after] == days
    assert not any(line.by_hand for line in found.values())


def test_only_the_chosen_lines_are_taken_over_and_the_others_stay_shown(draft: Campaign, as_: LogIn) -> None:
    later = version(draft, second)
    found, before = shown(draft), rows(draft)
    ada, url = as_("ada"), f"/campaigns/{draft.pk}/setup/newer/"
    assert ada.post(url, {"line": [found["change", "v-1", "standard"].key]})["Location"] == url
    after = rows(draft)
    assert after["v-1"] == before["v-1"] | {"standard": "做得更好"}
    assert {number: row for number, row in after.items() if number != "v-1"} == {
        number: row for number, row in before.items() if number != "v-1"
    }
    draft.refresh_from_db()
    assert draft.template_id != later.pk
    left = shown(draft)
    assert set(left) == set(found) - {("change", "v-1", "standard")}
    ada.post(url, {"line": [line.key for line in left.values()]})
    draft.refresh_from_db()
    assert draft.template_id == later.pk
    assert newer.latest(draft) is None
    new = draft.items.get(number="v-9")
    phase = draft.phases.get()
    assert (new.phase, new.due_on, phase.ends_on) == (phase, phase.ends_on, draft.inspects_on - timedelta(days=1))
    assert draft.items.get(number="v-3").struck
    assert draft.items.get(number="v-2").due_on == draft.inspects_on - timedelta(days=9)


def test_everything_taken_over_is_in_the_history(draft: Campaign, as_: LogIn) -> None:
    version(draft, second)
    sent = {"line": [line.key for line in shown(draft).values()]}
    as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", sent)
    told = {(change.item.number if change.item else ""): change for change in Change.objects.filter(campaign=draft)}
    assert set(told) == {"", "v-1", "v-2", "v-3", "v-9"}
    assert "做得更好" in told["v-1"].fields["standard"][1]
    assert all(change.fields["template"] == ["1", "2"] for change in told.values())
    assert {change.by.username for change in told.values() if change.by} == {"ada"}


def test_what_was_changed_by_hand_is_marked_and_not_ticked_beforehand(draft: Campaign, as_: LogIn) -> None:
    ada, first = as_("ada"), draft.items.get(number="v-1")
    Item.objects.filter(pk=first.pk).update(standard="我们自己的标准")
    Item.objects.filter(number="v-3").update(points=9)
    Change.objects.create(  # changed, and changed back
        campaign=draft, what="edited", item=draft.items.get(number="v-2"), fields={"due_on": ["a", "b"]}
    )
    version(draft, second)
    found = shown(draft)
    assert {key for key, line in found.items() if line.by_hand} == {
        ("change", "v-1", "standard"),
        ("change", "v-2", "due_on"),
        ("strike", "v-3", ""),
    }
    text = ada.get(f"/campaigns/{draft.pk}/setup/newer/").text
    ticked = {key for key, line in found.items() if f'value="{line.key}" checked' in text}
    assert ticked == {("add", "v-9", ""), ("phase_add", "late", "")}


def test_what_was_taken_over_is_no_change_by_hand(draft: Campaign, as_: LogIn) -> None:
    for standard in ("第二版", "第三版"):
        later = Campaign.objects.get(pk=draft.pk)
        version(later, lambda body, words=standard: body["items"][0].update(standard=words))  # type: ignore[misc]
        line = shown(draft)["change", "v-1", "standard"]
        assert (line.after, line.by_hand) == (standard, False)
        as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"line": [line.key]})


def test_what_the_newer_version_leaves_alone_is_not_shown(draft: Campaign) -> None:
    """A change by hand is no difference between two versions."""
    Item.objects.filter(campaign=draft, number="v-1").update(title="我们自己的题目", points=4, due_on=draft.starts_on)
    Item.objects.filter(campaign=draft, number="t-1").update(struck=True)
    version(draft, lambda body: body["items"][3].update(title="划掉的改了"))
    assert shown(draft) == {}


def test_declined_lines_are_decided_and_a_declined_item_does_not_come_back(draft: Campaign, as_: LogIn) -> None:
    later = version(draft, second)
    before = rows(draft)
    as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"done": "1"})
    draft.refresh_from_db()
    assert draft.template_id == later.pk
    assert draft.items.get(number="v-9").struck
    assert {number: row for number, row in rows(draft).items() if number != "v-9"} == before
    again = launch.launch(later, draft.host, inspects_on=draft.inspects_on, on=timezone.localdate())
    assert (again.campaign, again.items) == (draft, 0)
    version(Campaign.objects.get(pk=draft.pk), lambda body: body.update(title="又一版"))
    assert shown(draft) == {}


def test_an_item_that_was_dropped_and_is_asked_for_again_comes_back(draft: Campaign, as_: LogIn) -> None:
    url = f"/campaigns/{draft.pk}/setup/newer/"
    for change in (lambda body: body["items"].pop(0), lambda body: body["items"].append(factories.line("v-1"))):
        version(Campaign.objects.get(pk=draft.pk), change)
        as_("ada").post(url, {"line": [line.key for line in shown(Campaign.objects.get(pk=draft.pk)).values()]})
    assert not draft.items.get(number="v-1").struck
    assert draft.items.count() == 4


@pytest.mark.parametrize("keys", [["change.v-1.standard.000000000000"], ["x"], ["a\0b"], ["…" * 9999]])
def test_a_line_that_is_not_as_it_was_shown_takes_nothing_over(keys: list[str], draft: Campaign, as_: LogIn) -> None:
    version(draft, second)
    before = rows(draft)
    good = shown(draft)["change", "v-2", "due_on"].key
    answer = as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"line": [good, *keys]})
    assert answer.status_code == 422
    assert f'value="{good}" checked' in answer.text
    assert rows(draft) == before


def test_the_second_of_two_admins_sees_what_the_first_changed(draft: Campaign, as_: LogIn) -> None:
    version(draft, second)
    seen = shown(draft)["change", "v-1", "standard"].key
    Item.objects.filter(campaign=draft, number="v-1").update(standard="别人刚改的")
    answer = as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"line": [seen]})
    assert answer.status_code == 422
    assert "别人刚改的" in answer.text
    assert draft.items.get(number="v-1").standard == "别人刚改的"


def test_nothing_chosen_is_said(draft: Campaign, as_: LogIn) -> None:
    version(draft, second)
    assert as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/").status_code == 422


def test_a_version_that_changes_nothing_here_is_followed_with_one_button(draft: Campaign, as_: LogIn) -> None:
    later = version(draft, lambda body: body.update(title="只改了题目"))
    assert shown(draft) == {}
    as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"done": "1"})
    draft.refresh_from_db()
    assert draft.template_id == later.pk


def test_the_tasks_of_a_running_campaign_follow_when_they_are_brought_up_to_date(
    campaign: Campaign, as_: LogIn
) -> None:
    version(campaign, second)
    ada, tasks = as_("ada"), Task.objects.filter(campaign=campaign)
    before = list(tasks.order_by("pk").values())
    ada.post(f"/campaigns/{campaign.pk}/setup/newer/", {"line": [line.key for line in shown(campaign).values()]})
    assert list(tasks.order_by("pk").values()) == before
    ada.post(f"/campaigns/{campaign.pk}/setup/launch/")
    assert tasks.filter(item__number="v-9").count() == 3
    assert not tasks.filter(item__number="v-3").exists()


def test_a_changed_file_leaves_campaigns_with_the_version_they_came_from(cast: dict[str, Cadre]) -> None:
    catalog.load()
    speech = Template.objects.get(slug="provincial-sanitary-city")
    drafted = factories.campaign(of=speech, days=200, status=Campaign.Status.DRAFT)
    version(drafted, lambda body: body["items"][0].update(title="换了题目"))
    drafted.refresh_from_db()
    assert drafted.template == speech
    assert [(line.what, line.field, line.after.split(" · ")[0]) for line in shown(drafted).values()] == [
        ("change", "title", "换了题目")
    ]


def test_a_measure_is_taken_over_whole(draft: Campaign, as_: LogIn) -> None:
    """From a target to a statistic without one: the database would refuse half of it."""
    measure = {"metric": "知晓率", "metric_en": "Awareness", "unit": "%", "unit_en": "%"}

    def change(body: dict[str, Any]) -> None:
        del body["items"][2]["target"]
        body["items"][2] |= {"measure": measure, "statistic": True, "every": "month"}

    version(draft, change)
    found = shown(draft)
    assert {field for _what, _number, field in found} == {"metric", "every"}
    as_("ada").post(f"/campaigns/{draft.pk}/setup/newer/", {"line": [line.key for line in found.values()]})
    item = draft.items.get(number="v-3")
    assert (item.metric, item.target, item.operator, item.statistic, item.every) == ("知晓率", None, "", True, "month")


def test_a_long_template_costs_no_more_queries(cast: dict[str, Cadre], as_: LogIn) -> None:
    catalog.load()
    speech = Template.objects.get(slug="provincial-sanitary-city")
    drafted = factories.campaign(of=speech, days=200, status=Campaign.Status.DRAFT)
    version(drafted, lambda body: [line.update(standard="全改了", standard_en="All changed") for line in body["items"]])
    ada = as_("ada")
    ada.get("/campaigns/")  # the first page of a session notes when it began
    for url in (f"/campaigns/{drafted.pk}/setup/newer/", "/campaigns/new/", f"/templates/{speech.pk}/"):
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(url).status_code == 200
        assert len(captured) <= 15, url
    assert len(shown(drafted)) == 79
