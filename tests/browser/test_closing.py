"""A campaign is closed in a second step, with a reason, with JavaScript and without."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visits, World


def test_closing_takes_a_second_step_and_a_reason(visit: Visits, world: World, js: bool) -> None:
    page = visit("ada", f"/campaigns/{world.campaign.pk}/setup/launch/", js=js)
    close = page.locator("#close button")
    expect(close).to_be_hidden()
    page.locator("#close summary").click()
    expect(page.locator("#close li a").first).to_be_visible()
    close.click()
    expect(page.locator("#close-note-complaint")).to_be_visible()
    page.locator("#close-note").fill("检查已结束")
    close.click()
    expect(page).to_have_url(re.compile(f"/campaigns/{world.campaign.pk}/(#close)?$"))
    world.campaign.refresh_from_db()
    assert world.campaign.is_closed
