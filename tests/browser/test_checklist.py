"""An admin puts the checklist in order, by keyboard and by dragging, and changes items in their rows."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from checklists import launch
from checklists.models import Campaign, Change
from tests import factories
from tests.browser.conftest import DESK, Visit, World
from tests.browser.test_accessibility import faults
from tests.factories import COUNTY
from villages.models import Unit


@pytest.fixture
def draft(world: World) -> Campaign:
    """Five items in two sections."""
    lines = [factories.line(number, section="甲" if number < "d" else "乙") for number in "abcde"]
    county = Unit.objects.get(pk=COUNTY)
    day = world.today + timedelta(days=40)
    return launch.draft(factories.template("five", lines), county, inspects_on=day, on=world.today)


def numbers(draft: Campaign) -> str:
    return "".join(draft.items.values_list("number", flat=True))


def shown(page: Page) -> str:
    return "".join(page.locator("tr.line .facts span:first-child").all_inner_texts())


def row(page: Page, draft: Campaign, number: str) -> Locator:
    return page.locator(f"#item-{draft.items.get(number=number).pk}")


def test_an_item_goes_up_and_down_by_keyboard_and_keeps_the_focus(
    visit: Visit, draft: Campaign, width: int, js: bool
) -> None:
    page = visit("ada", f"/campaigns/{draft.pk}/setup/items/", width=width, js=js)
    down = row(page, draft, "a").locator("button[name=down]")
    down.focus()
    page.keyboard.press("Enter")
    if js:
        expect(page.locator("#moved")).to_have_text(re.compile("第a项.*2.*5"))
        expect(down).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#moved")).to_have_text(re.compile("第a项.*3.*5"))
        page.keyboard.press("Enter")  # it is the last of its section
        assert shown(page) == numbers(draft) == "bcade"
        expect(row(page, draft, "a").locator(".nth")).to_have_text("3")
    else:
        expect(page).to_have_url(re.compile(f"#{row(page, draft, 'a').get_attribute('id')}$"))
        expect(page.locator("#alerts")).to_contain_text(re.compile("第a项.*2.*5"))
        assert shown(page) == numbers(draft) == "bacde"


def drag(page: Page, grip: Locator, onto: Locator, *, above: bool, drop: bool = True) -> None:
    begin, end = grip.bounding_box(), onto.bounding_box()
    assert begin and end
    page.mouse.move(begin["x"] + begin["width"] / 2, begin["y"] + begin["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 90, end["y"] + end["height"] * (0.2 if above else 0.8), steps=5)
    if not drop:
        page.keyboard.press("Escape")
    page.mouse.up()


def test_an_item_is_dragged_also_into_another_section(visit: Visit, draft: Campaign) -> None:
    page = visit("ada", f"/campaigns/{draft.pk}/setup/items/", width=DESK)
    drag(page, row(page, draft, "c").locator(".grip"), row(page, draft, "a"), above=True)
    expect(page.locator("#moved")).to_have_text(re.compile("第c项.*1.*5"))
    assert shown(page) == numbers(draft) == "cabde"
    drag(page, row(page, draft, "a").locator(".grip"), row(page, draft, "d"), above=False)
    expect(page.locator("#moved")).to_have_text(re.compile("第a项.*4.*5"))
    assert shown(page) == numbers(draft) == "cbdae"
    assert draft.items.get(number="a").section == "乙"
    drag(page, row(page, draft, "b").locator(".grip"), row(page, draft, "e"), above=False, drop=False)
    page.reload()
    assert shown(page) == numbers(draft) == "cbdae"


def test_a_row_is_changed_in_its_place(visit: Visit, draft: Campaign, width: int) -> None:
    page = visit("ada", f"/campaigns/{draft.pk}/setup/items/", width=width)
    line = row(page, draft, "b")
    line.locator(".what a").click()
    title = line.get_by_label(re.compile("标题|title"), exact=False).first
    expect(title).to_be_focused()
    title.fill("改了名")
    line.locator("[type=number][name$=-points]").fill("5000")
    assert faults(page) == []
    page.keyboard.press("Enter")
    expect(line.locator("[name$=-points][aria-invalid=true]")).to_be_focused()  # what is wrong
    assert faults(page) == []
    line.locator("[type=number][name$=-points]").fill("5")
    line.locator("[type=checkbox][value=township]").check()
    page.keyboard.press("Enter")
    expect(line.locator(".what a")).to_contain_text("改了名")
    expect(line).to_be_focused()
    expect(page.locator("#made")).to_contain_text(str(5 * 3 + 2))
    line.locator("button[value=on]").click()
    expect(line).to_have_class(re.compile("struck"))
    expect(page.locator("#made")).to_contain_text(str(4 * 3))
    assert Change.objects.filter(campaign=draft).count() == 2


def test_several_are_chosen_by_section_and_changed(visit: Visit, draft: Campaign, width: int, js: bool) -> None:
    page = visit("ada", f"/campaigns/{draft.pk}/setup/items/", width=width, js=js)
    if js:
        page.locator("[data-all]").first.check()
        expect(page.locator("#how-many")).to_have_text("3")
    else:
        for box in page.locator(".line .pick input").all()[:3]:
            box.check()
    page.fill("#several [name=points]", "4")
    page.locator("#several button:not([name])").click()
    expect(page.locator("#alerts .alert-success")).to_contain_text("3")
    assert [item.points for item in draft.items.all()] == [4, 4, 4, 1, 1]


def test_rows_are_pasted_looked_at_and_added(visit: Visit, draft: Campaign, width: int, js: bool) -> None:
    page = visit("ada", f"/campaigns/{draft.pk}/setup/items/", width=width, js=js)
    page.locator("a[href='#paste']").click()
    if not js:
        page.locator("#paste summary").click()
    page.fill("#paste-text", "检查项\t责任单位\t完成时限\n公厕有人管\t村\t月底前\n公厕有水\t镇\t")
    page.locator("#paste form button").click()
    expect(page.locator(".faults")).to_contain_text("月底前")
    assert not js or faults(page) == []
    page.fill("#paste-text", '检查项\t标准\t责任单位\n公厕有人管\t"名单\n电话"\t村\n公厕有水\t\t镇')
    page.locator("#paste form button").click()
    expect(page.locator(".lines tbody tr")).to_have_count(2)
    page.locator("button[name=confirm]").click()
    expect(page.locator("tr.line")).to_have_count(7)
    assert draft.items.get(number="own-1").standard == "名单\n电话"
