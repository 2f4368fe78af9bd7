"""Choosing what to start from, saving a template and taking over a newer version, with the keyboard and by hand."""

import copy

import pytest
from playwright.sync_api import expect

from checklists import catalog, launch
from checklists.models import Campaign, Template
from tests.browser.conftest import HEIGHTS, Visit, World, says
from tests.browser.test_accessibility import faults, layout
from tests.factories import COUNTY
from villages.models import Unit

SPEECH = "provincial-sanitary-city"


@pytest.fixture
def drafted(world: World) -> Campaign:
    """A draft of a speech that has a newer version, with an item that somebody here has changed."""
    catalog.load()
    speech = Template.objects.get(slug=SPEECH)
    day = world.campaign.inspects_on
    drafted = launch.draft(speech, Unit.objects.get(pk=COUNTY), inspects_on=day, on=world.today)
    body = copy.deepcopy(speech.body)
    first, second, third = body["items"][:3]
    first["standard"], second["title"] = "新的标准：每天两次", "新的题目"
    body["items"].remove(third)
    body["items"].append(first | {"id": "psc-99", "title": "新增的一项"})
    drafted.items.filter(number=second["id"]).update(title="我们自己的题目")
    catalog.save(body)
    catalog.save(body | {"slug": "own-1", "title": "我们区的模板"}, owner=drafted.host, by=world.people["ada"])
    return drafted


def test_the_chosen_speech_is_told_of_at_once(drafted: Campaign, visit: Visit, js: bool) -> None:
    page = visit("ada", "/campaigns/new/", js=js)
    speech = Template.objects.filter(slug=SPEECH).newest().get()
    chosen = page.locator("#chosen")
    expect(chosen).to_be_empty()
    if js:
        page.get_by_label(says("Start from")).select_option(str(speech.pk))
    else:
        page.get_by_role("link", name=speech.title).click()
        page.get_by_role("link", name=says("Set up a campaign with this")).click()
    expect(chosen).to_contain_text(speech.body["occasion"])
    expect(page.get_by_label(says("Start from"))).to_have_value(str(speech.pk))
    page.get_by_label(says("Inspection day"), exact=False).first.fill("2031-12-31")
    page.get_by_role("button", name=says("Set up")).click()
    expect(page.locator("h1")).to_contain_text(speech.title)


def test_lines_of_a_newer_version_are_chosen_and_taken_over(drafted: Campaign, visit: Visit, js: bool) -> None:
    page = visit("ada", f"/campaigns/{drafted.pk}/setup/items/", js=js)
    page.get_by_role("link", name=says("The template has a newer version: see what it would change")).click()
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(4)
    own = page.get_by_role("checkbox", name="我们自己的题目")
    expect(own).not_to_be_checked()
    own.focus()
    page.keyboard.press("Space")
    page.get_by_role("checkbox", name="新增的一项").uncheck()
    page.get_by_role("button", name=says("Take over the chosen lines"), exact=True).click()
    expect(boxes).to_have_count(1)
    page.get_by_role("button", name=says("Take over the chosen, decline the others for good")).click()
    expect(page).to_have_url(page.url.split("/setup/")[0] + "/setup/items/")
    drafted.refresh_from_db()
    assert drafted.template and drafted.template.version == 2
    assert drafted.items.filter(title="新的题目").exists()


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_are_for_everyone(drafted: Campaign, visit: Visit, language: str) -> None:
    speech = Template.objects.filter(slug=SPEECH).newest().get()
    hollow = Template.objects.get(slug="district-publicity-work")
    paths = [f"/campaigns/new/?template={one}" for one in (speech.pk, f"copy-{drafted.pk}")]
    paths += [f"/templates/{one.pk}/" for one in (speech, hollow)]
    paths += [f"/campaigns/{drafted.pk}/setup/{step}/" for step in ("newer", "template")]
    page = visit("ada", language=language)
    wrong = []
    for path in paths:
        page.goto(path)
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            # The row of steps is there to be pushed aside.
            found = [fault for fault in [*faults(page), *layout(page, width)] if 'class="steps"' not in fault]
            wrong += [f"{path} ({width} px): {fault}" for fault in found]
    assert not wrong, "\n".join(["", *wrong])
