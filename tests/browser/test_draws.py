"""A draw in the browser: from the form to what was drawn, on a phone and on a desk, in Chinese and in English."""

import pytest
from playwright.sync_api import Page, expect

from checklists.models import Draw, Round
from tests.browser.conftest import HEIGHTS, Visit, World
from tests.browser.test_accessibility import faults, layout


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_draw_is_announced_numbered_and_made(visit: Visit, world: World, language: str) -> None:
    wrong: list[str] = []
    ada, mei = (visit(who, language=language) for who in ("ada", "mei"))

    def look(page: Page, what: str) -> None:
        expect(page.locator("h1")).to_have_count(1)
        page.wait_for_load_state()  # its style, too
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            wrong.extend(f"{what} ({width} px): {fault}" for fault in [*layout(page, width), *faults(page)])

    ada.goto(f"/campaigns/{world.campaign.pk}/")
    ada.click(f"a[href='/campaigns/{world.campaign.pk}/draws/']")
    look(ada, "no draws")
    ada.click("main a.btn-primary")
    ada.fill("[name=title]", "抽查")
    ada.fill("[name=take]", "99")
    ada.select_option("[name=groups]", "township")
    ada.click("main form.draw-form > p button")
    expect(ada.locator(".complaint")).to_have_count(1)
    expect(ada.locator("[name=title]")).to_have_value("抽查")
    look(ada, "form with what is wrong")
    ada.fill("[name=take]", "2")
    ada.fill("[name=least]", "1")
    ada.fill("[name=seats]", "1")
    ada.click("main form.draw-form > p button")
    expect(ada.locator("#preview")).to_be_visible()
    look(ada, "preview")
    ada.click("[name=announce]")
    expect(ada.locator("#proof code")).to_have_count(2)
    look(ada, "announced")
    ada.fill("[name=number]", "20261129")
    ada.click("#number button")
    expect(ada.locator("#number")).to_have_count(0)
    mei.goto(ada.url)
    look(mei, "one number")
    mei.fill("[name=number]", "1,5")
    mei.click("#number button")
    expect(mei.locator(".complaint")).to_have_count(1)
    mei.fill("[name=number]", "15")
    mei.click("#number button")
    expect(mei.locator("ol.drawn > li")).to_have_count(2)
    look(mei, "drawn")
    mei.goto(f"/campaigns/{world.campaign.pk}/draws/")
    look(mei, "list")
    assert Round.objects.count() == 2
    # Nobody is warned; who cannot go is replaced; drawing beside it asks why.
    lan = visit("lan", language=language)
    lan.goto(f"/draws/{Draw.objects.get().pk}/")
    expect(lan.locator("#drawn .hint")).to_have_count(1)
    expect(lan.locator("ol.drawn")).to_have_count(0)
    look(lan, "held back")
    one = Round.objects.order_by("pk")[0]
    ada.goto(one.get_absolute_url())
    ada.click("a[href$='/inspectors/']")
    ada.locator("ul.people").first.locator("input").uncheck()
    ada.locator("details ul.people input").first.check()
    ada.click("#people button")
    look(ada, "why others go")
    ada.fill("[name=reason]", "住院")
    ada.click("#send button")
    expect(ada.locator(".relief q")).to_have_text("住院")
    ada.goto(f"/draws/{Draw.objects.get().pk}/")
    expect(ada.locator(".relief q")).to_have_text("住院")
    ada.goto(f"/campaigns/{world.campaign.pk}/draws/new/")
    ada.fill("[name=title]", "再抽")
    ada.fill("[name=take]", "1")
    ada.fill("[name=seats]", "1")
    ada.click("main form.draw-form > p button")
    expect(ada.locator("#why .complaint")).to_have_count(1)
    look(ada, "why again")
    ada.fill("[name=reason]", "先去远的")
    ada.click("main form.draw-form > p button")
    expect(ada.locator("#preview")).to_be_visible()
    assert not wrong, "\n".join(["", *wrong])
