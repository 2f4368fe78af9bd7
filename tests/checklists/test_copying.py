"""A campaign becomes a template or a copy and comes back the same; what must be decided anew stays behind."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from checklists import catalog, copying, course, launch
from checklists.models import Campaign, Change, Item, Phase, Responsibility, Template
from tests import factories
from tests.factories import COUNTY, EAST, MAPLE, OTHER_COUNTY, TODAY, WEST
from villages.access import Role
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]
SPEECHES = sorted(catalog.CATALOG.glob("*.yaml"))
DAYS = timedelta(days=250)


def content(campaign: Campaign) -> list[dict[str, Any]]:
    """The items that count, without what only names the row."""
    rows = []
    for item in campaign.items.filter(struck=False).select_related("phase"):
        names = {field.attname for field in Item._meta.concrete_fields} - {"id", "campaign_id", "phase_id", "position"}
        rows.append({name: getattr(item, name) for name in names} | {"phase": item.phase and item.phase.key})
    return rows


def dates(campaign: Campaign) -> list[tuple[Any, ...]]:
    return list(campaign.phases.values_list("key", "title", "title_en", "starts_on", "ends_on"))


def again(campaign: Campaign) -> Campaign:
    """A draft from what the campaign is as a template, for the same day."""
    body = copying.body_of(campaign) | {"slug": "own-again"}
    catalog.check(body, "again")
    saved = catalog.save(body, owner=campaign.host)
    return launch.draft(saved, campaign.host, inspects_on=campaign.inspects_on, on=campaign.starts_on)


@pytest.fixture
def own(cast: dict[str, Cadre]) -> Campaign:
    """A draft with one item of every sort that no speech of the catalog has."""
    today = timezone.localdate()
    county = Unit.objects.get(pk=COUNTY)
    campaign = launch.draft(None, county, inspects_on=today + DAYS, on=today, title="自己的活动")
    phase = Phase.objects.create(
        campaign=campaign, key="first-week", title="头一周", starts_on=today, ends_on=today + timedelta(days=7)
    )
    day = campaign.inspects_on
    common = {"campaign": campaign, "owed_by": ["village"], "due_on": day}
    measure = {"metric": "户数", "measured_in": "户"}
    Item.objects.create(**common | {"due_on": day + timedelta(days=9)}, number="own-1", title="检查之后", points=3)
    Item.objects.create(**common, **measure, number="own-2", title="统计", statistic=True, every="week")
    Item.objects.create(**common, **measure, number="own-3", title="合计", operator=">=", total=Decimal("12.5"))
    Item.objects.create(
        **common,
        number="own-4",
        title="门槛",
        phase=phase,
        gate=True,
        veto=True,
        proof="照片",
        points=0,
        looked_at_by=3,
    )
    Item.objects.create(**common, number="own-5", title="划掉", struck=True, points=7)
    return campaign


@pytest.mark.django_db
@pytest.mark.parametrize("path", SPEECHES, ids=lambda path: path.stem)
def test_a_speech_comes_back_the_same(path: Path) -> None:
    factories.units()
    catalog.load([path])
    template = Template.objects.get()
    drafted = launch.draft(template, Unit.objects.get(pk=COUNTY), inspects_on=TODAY + DAYS, on=TODAY)
    copied = again(drafted)
    assert content(copied) == content(drafted)
    assert dates(copied) == dates(drafted)
    assert len(content(copied)) == len(template.body["items"])
    body, source = copied.template.body if copied.template else {}, template.body
    assert [line.get("due") for line in body["items"]] == [line.get("due") for line in source["items"]]
    assert [line["basis"] for line in body["items"]] == [line["basis"] for line in source["items"]]
    assert sorted(body["phases"], key=str) == sorted(source["phases"], key=str)
    for part in ("roles", "rules", "problems", "left_out"):
        assert body[part] == source[part]


def test_what_an_office_wrote_itself_comes_back_the_same(own: Campaign) -> None:
    copied = again(own)
    assert content(copied) == content(own)
    assert dates(copied) == dates(own)
    assert [item.number for item in copied.items.all()] == ["own-1", "own-2", "own-3", "own-4"]
    added = Item(title="又一项", owed_by=["village"], due_on=own.inspects_on)
    assert [item.number for item in launch.add_own_items(copied, [added], by=factories.cadre("Kim"))] == ["own-5"]


def test_a_deadline_that_was_moved_comes_back_in_days(cast: dict[str, Cadre]) -> None:
    campaign = factories.campaign(days=40)
    campaign.items.filter(number="v-2").update(due_on=campaign.inspects_on - timedelta(days=5))
    lines = {line["id"]: line for line in copying.body_of(campaign)["items"]}
    assert lines["v-2"]["due"] == {"before": 5, "says": ""}
    assert "due" not in lines["v-1"]


def test_an_admin_saves_a_campaign_as_a_template_and_as_its_next_version(own: Campaign, as_: LogIn) -> None:
    ada, url = as_("ada"), f"/campaigns/{own.pk}/setup/template/"
    assert ada.get(url).status_code == 200
    answer = ada.post(url, {"title": "厕所革命模板", "newer_of": ""})
    first = Template.objects.get()
    assert answer["Location"] == f"/templates/{first.pk}/"
    assert (first.title, first.version, first.owner_id, first.created_by) == ("厕所革命模板", 1, COUNTY, own_admin())
    own.items.filter(number="own-1").update(title="改过的")
    ada.post(url, {"title": "厕所革命模板", "newer_of": first.pk})
    second = Template.objects.exclude(pk=first.pk).get()
    assert (second.slug, second.version) == (first.slug, 2)
    assert [body["items"][0]["title"] for body in (first.body, second.body)] == ["检查之后", "改过的"]


def own_admin() -> Cadre:
    return Cadre.objects.get(username="ada")


def test_a_campaign_follows_the_version_that_was_saved_from_it(own: Campaign, as_: LogIn) -> None:
    ada = as_("ada")
    first = copying.save_as(own, title="模板", by=own_admin())
    campaign = launch.draft(first, own.host, inspects_on=own.inspects_on, on=own.starts_on)
    ada.post(f"/campaigns/{campaign.pk}/setup/template/", {"title": "模板", "newer_of": first.pk})
    campaign.refresh_from_db()
    assert campaign.template and campaign.template.version == 2
    assert Change.objects.filter(campaign=campaign, fields={"template": ["1", "2"]}, by=own_admin()).count() == 1


def test_a_closed_campaign_can_still_be_saved(campaign: Campaign, as_: LogIn) -> None:
    course.steer(campaign, Change.What.CLOSED, by=own_admin())
    answer = as_("ada").post(f"/campaigns/{campaign.pk}/setup/template/", {"title": "用过的"})
    assert answer.status_code == 302, answer.text
    assert Template.objects.get(owner=COUNTY).title == "用过的"


@pytest.mark.parametrize(
    "sent", [{"title": ""}, {"title": "长" * 121}, {"title": "a\0b"}, {"title": "甲", "newer_of": "9" * 30}]
)
def test_a_bad_title_saves_nothing_and_keeps_what_was_typed(sent: dict[str, str], own: Campaign, as_: LogIn) -> None:
    answer = as_("ada").post(f"/campaigns/{own.pk}/setup/template/", sent)
    assert answer.status_code == 422
    assert not Template.objects.exists()


def test_a_text_that_no_template_holds_is_named(own: Campaign, as_: LogIn) -> None:
    own.items.filter(number="own-1").update(standard="长" * 4001)
    answer = as_("ada").post(f"/campaigns/{own.pk}/setup/template/", {"title": "甲"})
    assert answer.status_code == 422
    assert "“检查之后”" in answer.text


def test_the_template_of_another_office_is_no_version_of_ours(own: Campaign, as_: LogIn) -> None:
    body = copying.body_of(own) | {"slug": "own-elsewhere"}
    theirs = catalog.save(body, owner=Unit.objects.get(pk=EAST))
    speech = factories.template()
    for other in (theirs, speech):
        sent = {"title": "甲", "newer_of": other.pk}
        assert as_("ada").post(f"/campaigns/{own.pk}/setup/template/", sent).status_code == 422


def test_own_templates_are_seen_by_the_owner_above_and_below(own: Campaign, cast: dict[str, Cadre]) -> None:
    """The owner is East Township: its admin, the county above and the village below; not West, not another county."""
    mine = catalog.save(copying.body_of(own) | {"slug": "own-east"}, owner=Unit.objects.get(pk=EAST))
    places = {COUNTY: True, EAST: True, factories.WILLOW: True, WEST: False, OTHER_COUNTY: False}
    for number, (unit, sees) in enumerate(places.items()):
        client = Client()
        client.force_login(factories.cadre(f"Admin{number}", Role.CAMPAIGN_ADMIN, unit))
        assert client.get(f"/templates/{mine.pk}/").status_code == (200 if sees else 404), unit
        page = client.get("/campaigns/new/")
        assert (f'<option value="{mine.pk}">自己的活动 · 东镇</option>' in page.text) is sees, unit
        groups = page.context["form"].by_level()
        assert [[one.pk for one in members] for _name, members in groups] == ([[mine.pk]] if sees else [])


@pytest.fixture
def old(cast: dict[str, Cadre]) -> Campaign:
    """A campaign under way, with rules of its own, someone left out and someone named by hand."""
    campaign = factories.campaign(days=40, on=timezone.localdate() - timedelta(days=60))
    Phase.objects.create(
        campaign=campaign, key="all", title="全程", starts_on=campaign.starts_on, ends_on=campaign.inspects_on
    )
    campaign.items.filter(number="v-1").update(phase=campaign.phases.get(), title="改过的", points=5)
    campaign.items.filter(number="v-3").update(struck=True)
    campaign.excluded.add(WEST, MAPLE)
    Responsibility.objects.create(campaign=campaign, unit_id=WEST, kind="first", cadre=cast["hong"], by_hand=True)
    Campaign.objects.filter(pk=campaign.pk).update(
        red_percent=33,
        vetoes=True,
        gates=True,
        ranking=True,
        last_places=3,
        decided_by=cast["mei"],
        ladder_from=campaign.starts_on,
        ladder_by=cast["mei"],
        answers={"first": ["linked_cadre"]},
        inspected_by="city",
    )
    campaign.refresh_from_db()
    return campaign


def test_a_copy_shifts_every_date_and_decides_nothing(old: Campaign, as_: LogIn) -> None:
    day = timezone.localdate() + timedelta(days=100)
    until = day + timedelta(days=5)
    sent = {"template": f"copy-{old.pk}", "host": COUNTY, "title": "", "inspects_on": day, "inspects_until": until}
    answer = as_("ada").post("/campaigns/new/create/", sent)
    copied = Campaign.objects.exclude(pk=old.pk).get()
    assert answer["Location"] == f"/campaigns/{copied.pk}/setup/"
    shift = day - old.inspects_on
    shifted = {number: due + shift for number, due in old.items.values_list("number", "due_on")}
    assert dict(copied.items.values_list("number", "due_on")) == shifted
    assert [(p.starts_on, p.ends_on) for p in copied.phases.all()] == [
        (p.starts_on + shift, p.ends_on + shift) for p in old.phases.all()
    ]
    first = copied.items.get(number="v-1")
    assert (first.title, first.points, first.phase) == ("改过的", 5, copied.phases.get())
    assert list(copied.items.filter(struck=True).values_list("number", flat=True)) == ["v-3"]
    assert set(copied.excluded.values_list("code", flat=True)) == {WEST, MAPLE}
    assert (copied.red_percent, copied.answers, copied.inspected_by) == (33, {"first": ["linked_cadre"]}, "city")
    decided = (copied.vetoes, copied.gates, copied.ranking, copied.last_places, copied.decided_by)
    assert decided == (False, False, False, 0, None)
    assert (copied.ladder_from, copied.ladder_by) == (None, None)
    assert not copied.responsibilities.exists()
    assert not copied.tasks.exists()
    assert (copied.status, copied.inspects_until, copied.template) == ("draft", until, old.template)
    assert old.items.count() == copied.items.count() == 4


def test_nothing_in_a_copy_is_due_before_it_begins(old: Campaign) -> None:
    today = timezone.localdate()
    copied = copying.copy(old, old.host, inspects_on=today + timedelta(days=3), on=today)
    assert min(copied.items.values_list("due_on", flat=True)) == today


def test_a_copy_for_a_township_leaves_out_only_what_lies_there(old: Campaign) -> None:
    today = timezone.localdate()
    east = Unit.objects.get(pk=EAST)
    copied = copying.copy(old, east, inspects_on=today + timedelta(days=30), on=today)
    assert list(copied.excluded.values_list("code", flat=True)) == [MAPLE]
    west = copying.copy(old, Unit.objects.get(pk=WEST), inspects_on=today + timedelta(days=30), on=today)
    assert not west.excluded.exists()  # it takes no part in the county's, but in its own


def test_only_campaigns_that_one_runs_can_be_copied(old: Campaign, cast: dict[str, Cadre]) -> None:
    client = Client()
    client.force_login(factories.cadre("Eve", Role.CAMPAIGN_ADMIN, EAST))
    day = timezone.localdate() + timedelta(days=9)
    sent = {"template": f"copy-{old.pk}", "host": EAST, "title": "", "inspects_on": day}
    assert client.get(f"/campaigns/{old.pk}/").status_code == 200
    assert client.post("/campaigns/new/create/", sent).status_code == 422
    assert f'value="copy-{old.pk}"' not in client.get(f"/campaigns/new/?template=copy-{old.pk}").text
    for source in ("copy-", "copy-x", "copy-" + "9" * 30, "0", "-1", "9" * 30, "a\0b", "copy-١"):
        assert client.post("/campaigns/new/create/", sent | {"template": source}).status_code == 422, source
        assert client.get("/campaigns/new/", {"template": source}).status_code == 200, source
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "days"),
    [("inspects_on", 4000), ("inspects_on", 2_900_000), ("inspects_until", 5), ("inspects_until", 4000)],
)
def test_a_day_out_of_sight_and_a_window_turned_round_are_refused(
    field: str, days: int, old: Campaign, as_: LogIn
) -> None:
    today = timezone.localdate()
    sent = {"template": f"copy-{old.pk}", "host": COUNTY, "title": "打过的字", "inspects_on": today + timedelta(days=9)}
    answer = as_("ada").post("/campaigns/new/create/", sent | {field: today + timedelta(days=days)})
    assert answer.status_code == 422
    assert "打过的字" in answer.text
    assert Campaign.objects.count() == 1


def test_the_page_tells_of_the_chosen_speech_and_groups_all_by_level(cast: dict[str, Cadre], as_: LogIn) -> None:
    catalog.load()
    ada = as_("ada")
    speech = Template.objects.get(slug="provincial-sanitary-city")
    page = ada.get(f"/campaigns/new/?template={speech.pk}")
    chosen = page.text.split('id="chosen"')[1].split("</section>")[0]
    assert speech.body["occasion"][:20] in chosen
    assert "79" in chosen
    levels = {line.body["level"] for line in Template.objects.all()}
    assert len(page.context["form"].by_level()) == len(levels)
    assert f'<option value="{speech.pk}" selected>' in page.text


@pytest.mark.parametrize("path", SPEECHES, ids=lambda path: path.stem)
def test_every_speech_can_be_looked_at(path: Path, cast: dict[str, Cadre], as_: LogIn) -> None:
    catalog.load([path])
    speech = Template.objects.get()
    text = as_("ada").get(f"/templates/{speech.pk}/").text
    body = speech.body
    told = [line["title"] for line in body["items"]] + [line["what"] for line in body["left_out"]]
    told += [line["text"] for part in ("rules", "problems") for line in body[part]]
    assert [words for words in told if words.replace("'", "&#x27;").replace('"', "&quot;") not in text] == []
    assert ("没有核心" in text or "no core item" in text) is (path.stem == "district-publicity-work")
    assert as_("mei").get(f"/templates/{speech.pk}/").status_code == 404
