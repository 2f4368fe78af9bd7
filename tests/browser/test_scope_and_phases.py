"""Steps 3 and 4 of the set-up, by hand: on a phone and on a desk, without JavaScript too."""

from datetime import timedelta

from playwright.sync_api import expect

from checklists import launch
from checklists.models import Campaign
from tests.browser.conftest import PHONE, Visit, World
from tests.browser.test_accessibility import WIDER, faults
from tests.factories import COUNTY, EAST, MAPLE, WEST, WILLOW
from villages.models import Unit


def draft(world: World, days: int) -> Campaign:
    """Inspected so many days from today, in two phases of which one is not used."""
    host = Unit.objects.get(pk=COUNTY)
    draft = launch.draft(world.campaign.template, host, inspects_on=world.today + timedelta(days=days), on=world.today)
    middle = world.today + timedelta(days=days // 2)
    first = draft.phases.create(key="one", title="动员部署", starts_on=world.today, ends_on=middle)
    draft.phases.create(key="two", title="整改", starts_on=middle, ends_on=draft.inspects_on)
    draft.items.filter(number__in=["v-1", "v-2"]).update(phase=first)
    return draft


def test_units_are_left_out_and_a_site_is_added(visit: Visit, world: World, width: int, js: bool) -> None:
    campaign = draft(world, 50)
    page = visit("ada", f"/campaigns/{campaign.pk}/setup/units/", width=width, js=js)
    page.click(f"#unit-{WEST} button")
    expect(page.locator(f"#unit-{WEST}")).to_have_class("out")
    page.click(f"#unit-{EAST} a")
    for code in (WILLOW, MAPLE):
        page.check(f"#unit-{code} input")
    page.click(".several button >> nth=0")
    expect(page.locator(".scope .out")).to_have_count(2)
    page.click(f"#unit-{MAPLE} button")
    expect(page.locator(".scope .out")).to_have_count(1)
    assert set(campaign.excluded.values_list("pk", flat=True)) == {WEST, WILLOW}
    page.click(f"#unit-{MAPLE} a")
    page.fill("#id_new-name", "枫村公厕")
    page.click("#new-unit button")
    expect(page.locator(f"#unit-{MAPLE}S0001")).to_contain_text("枫村公厕")
    if js:
        assert faults(page) == []


def test_a_phase_is_added_and_a_gate_chosen(visit: Visit, world: World, width: int, js: bool) -> None:
    campaign = draft(world, 50)
    page = visit("ada", f"/campaigns/{campaign.pk}/setup/phases/", width=width, js=js)
    expect(page.locator(".timeline rect.phase")).to_have_count(2)
    page.click("#phase-new summary")
    page.fill("#id_phase-new-title", "自查")
    for field in ("starts_on", "ends_on"):
        page.fill(f"#id_phase-new-{field}", world.today.isoformat())
    page.click("#phase-new button")
    expect(page.locator(".timeline rect.phase")).to_have_count(3)
    first = campaign.phases.get(key="one")
    page.click(f"#phase-{first.pk} summary")
    page.check(f"#phase-{first.pk} .boxes input >> nth=0")
    page.click(f"#phase-{first.pk} fieldset + button")
    expect(page.locator(".alert-success")).to_be_visible()
    assert list(campaign.items.filter(gate=True).values_list("number", flat=True)) == ["v-1"]
    if js:
        assert faults(page) == []


def test_a_timeline_of_any_length_stays_in_its_box(visit: Visit, world: World, width: int) -> None:
    for days in (3, 200, 730, 3000):
        campaign = draft(world, days)
        page = visit("ada", f"/campaigns/{campaign.pk}/setup/phases/", width=width)
        drawn = page.locator(".timeline svg").bounding_box()
        assert drawn is not None
        assert page.evaluate(WIDER) == []
        if width != PHONE and days <= 730:
            box = page.locator(".timeline").bounding_box()
            assert box is not None
            assert drawn["width"] <= box["width"]  # a desk shows all of two years
        assert faults(page) == []
