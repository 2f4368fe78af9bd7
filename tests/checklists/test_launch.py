"""Campaign → tasks: who owes what by when, who answers, and that launching again harms nothing."""

import io
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from checklists import launch
from checklists.models import Campaign, Item, Responsibility, Task, Template
from tests import factories
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, MARKET, OTHER_COUNTY, TODAY, WEST, WILLOW, line
from villages.access import Role
from villages.models import Cadre, Unit

PHASES = [{"key": "prepare", "title": "准备", "title_en": "Prepare", "starts": -20, "ends": -5}]


def launched(*lines: dict[str, Any], host: str = COUNTY, days: int = 30, on: date = TODAY) -> Campaign:
    """A campaign of these items alone."""
    template = factories.template(f"of-{Template.objects.count()}", list(lines))
    template.body["phases"] = PHASES
    template.save()
    return factories.campaign(host, on=on, days=days, of=template)


def owing(campaign: Campaign, number: str) -> set[str]:
    return set(Task.objects.filter(campaign=campaign, item__number=number).values_list("unit_id", flat=True))


def answering(campaign: Campaign, unit: str) -> dict[str, str]:
    found = Responsibility.objects.filter(campaign=campaign, unit=unit)
    return dict(found.values_list("kind", "cadre__name"))


@pytest.mark.parametrize(
    ("fields", "before"),
    [
        ({}, 0),
        ({"vague": "及时"}, 0),
        ({"phase": "prepare"}, 5),
        ({"due": {"before": 12}}, 12),
        ({"due": {"before": 12}, "phase": "prepare"}, 12),
        ({"due": {"phase": "prepare", "edge": "start"}}, 20),
        ({"due": {"phase": "prepare", "edge": "end"}}, 5),
        ({"due": {"every": "quarter", "says": "每季度"}}, 0),
        ({"due": {"before": 300}}, 30),  # never before the campaign began
    ],
)
def test_an_item_is_due_by_its_own_deadline_else_its_phase_else_the_inspection(
    fields: dict[str, Any], before: int, cast: dict[str, Cadre]
) -> None:
    campaign = launched(line("a", **fields))
    assert factories.task(campaign, "a").due_on == campaign.inspects_on - timedelta(days=before)
    assert campaign.items.get().due_says == fields.get("vague", fields.get("due", {}).get("says", ""))


def test_each_item_falls_on_every_unit_of_its_kinds_under_the_host(cast: dict[str, Cadre]) -> None:
    campaign = launched(
        line("v"),
        line("tv", owed_by=["township", "village"]),
        line("s", owed_by=["site"]),
        line("c", owed_by=["county"]),
        line("d", owed_by=["department"]),
        line("d1", owed_by=["department", "site"], departments=["经科局"]),
        line("d2", owed_by=["department"], departments=["发改局", "财政局"]),
    )
    assert owing(campaign, "v") == {WILLOW, MAPLE, LAKE}
    assert owing(campaign, "tv") == {EAST, WEST, WILLOW, MAPLE, LAKE}
    assert owing(campaign, "s") == {MARKET}
    assert owing(campaign, "c") == {COUNTY}
    assert owing(campaign, "d") == {BUREAU}
    assert owing(campaign, "d1") == {BUREAU, MARKET}
    assert owing(campaign, "d2") == set()


def test_a_township_and_a_city_run_campaigns_of_their_own(cast: dict[str, Cadre]) -> None:
    assert owing(launched(line("v"), host=EAST), "v") == {WILLOW, MAPLE}
    assert owing(launched(line("v"), host="5115"), "v") == {WILLOW, MAPLE, LAKE}
    assert owing(launched(line("v"), host=OTHER_COUNTY), "v") == {factories.OTHER_VILLAGE}


def test_a_shared_target_is_no_target_of_one_unit(cast: dict[str, Cadre]) -> None:
    campaign = launched(line("a", target=factories.AWARENESS), line("b", target=factories.AWARENESS | {"share": True}))
    measured = dict(campaign.items.values_list("number", "target"))
    assert measured == {"a": 90, "b": None}
    assert campaign.items.get(number="a").asks_value


def test_launching_again_adds_what_is_missing_and_keeps_what_people_changed(cast: dict[str, Cadre]) -> None:
    campaign = factories.campaign()
    task = factories.task(campaign)
    later = task.due_on + timedelta(days=2)
    Task.objects.filter(pk=task.pk).update(due_on=later, state="waived")
    Responsibility.objects.filter(campaign=campaign, unit=WILLOW, kind="first").update(cadre=cast["bao"])
    campaign.items.filter(number="v-1").update(title="改过的题目")
    Task.objects.filter(campaign=campaign, unit=MAPLE, item__number="v-2").delete()
    Unit.objects.create(code=f"{EAST}203", name="新村村民委员会", parent_id=EAST)
    Item.objects.filter(campaign=campaign, number="t-1").delete()

    assert campaign.template is not None
    again = launch.launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=TODAY)
    assert again.campaign == campaign
    # One item with its three tasks, one task that was gone, three of the new village.
    assert (again.items, again.tasks) == (1, 3 + 1 + 3)
    task.refresh_from_db()
    assert (task.due_on, task.state) == (later, "waived")
    assert answering(campaign, WILLOW)["first"] == "Bao"
    assert campaign.items.get(number="v-1").title == "改过的题目"
    third = launch.launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=TODAY)
    assert (third.items, third.tasks, third.responsibilities) == (0, 0, 0)


def test_who_answers_follows_from_the_posts(cast: dict[str, Cadre]) -> None:
    factories.cadre("Deputy", Role.VILLAGE_CADRE, WILLOW, title="副主任")
    factories.cadre("Incharge", Role.TOWNSHIP_LEADER, EAST, title="分管副镇长")
    factories.cadre("Past", Role.VILLAGE_CADRE, LAKE, until=TODAY)
    campaign = factories.campaign()
    assert answering(campaign, WILLOW) == {"first": "Lan", "direct": "Deputy", "linked": "Lin", "lead": "Incharge"}
    assert answering(campaign, MAPLE) == {"first": "Hong", "direct": "Hong", "linked": "Lin", "lead": "Incharge"}
    assert answering(campaign, EAST) == {"first": "Tang", "direct": "Bao"}
    assert answering(campaign, BUREAU) == {"first": "Deng", "direct": "Deng"}
    assert answering(campaign, LAKE) == {}
    assert answering(campaign, WEST) == {}


def test_someone_appointed_later_answers_after_the_next_launch(cast: dict[str, Cadre]) -> None:
    campaign = factories.campaign()
    factories.cadre("Late", Role.VILLAGE_CADRE, LAKE, principal=True)
    assert campaign.template is not None
    again = launch.launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=TODAY)
    assert again.responsibilities == 2
    assert answering(campaign, LAKE) == {"first": "Late", "direct": "Late"}


def test_a_draft_has_items_and_no_tasks_until_it_goes_live(cast: dict[str, Cadre]) -> None:
    draft = factories.campaign(status=Campaign.Status.DRAFT)
    assert (draft.items.count(), draft.tasks.count(), draft.responsibilities.count()) == (4, 0, 0)
    live = factories.campaign()
    assert live == draft
    assert live.status == "active"
    assert live.tasks.count() == 3 * 3 + 3


def test_a_closed_campaign_is_not_launched_again(cast: dict[str, Cadre]) -> None:
    campaign = factories.campaign()
    campaign.close(by=cast["ada"])
    with pytest.raises(launch.CannotLaunch):
        factories.campaign()


def test_an_inspection_in_the_past_is_refused(cast: dict[str, Cadre]) -> None:
    with pytest.raises(launch.CannotLaunch):
        factories.campaign(days=-1)
    assert not Campaign.objects.exists()


def test_the_command_says_what_it_added(cast: dict[str, Cadre]) -> None:
    factories.template()
    out, day = io.StringIO(), (timezone.localdate() + timedelta(days=9)).isoformat()
    call_command("launch_campaign", "small", COUNTY, inspects_on=day, stdout=out)
    assert "4 items, 12 tasks" in out.getvalue()
    call_command("launch_campaign", "small", COUNTY, inspects_on=day, stdout=out)
    assert "0 items, 0 tasks" in out.getvalue()


@pytest.mark.parametrize(
    ("template", "unit", "day", "says"),
    [
        ("small", COUNTY, "31.12.2026", "2026-12-31"),
        ("small", COUNTY, "2027-02-30", "no date"),
        ("small", COUNTY, "2020-01-01", "2020-01-01"),
        ("huge", COUNTY, "2030-01-01", "There are: small"),
        ("small", "999999", "2030-01-01", "import_units"),
    ],
)
def test_the_command_says_what_is_wrong(template: str, unit: str, day: str, says: str, cast: dict[str, Cadre]) -> None:
    factories.template()
    with pytest.raises(CommandError, match=says):
        call_command("launch_campaign", template, unit, inspects_on=day)
    assert not Campaign.objects.exists()
