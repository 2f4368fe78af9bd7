"""How much to believe, as people see it: on a phone, on a desk and on the wall, in Chinese and in English."""

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import expect

from checklists.models import Task
from tests import factories
from tests.browser.conftest import HEIGHTS, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.browser.test_wall import HD, OUTSIDE, Open, quickly, screen
from tests.factories import EAST, WEST
from tests.readiness.believing import draw, look
from villages.models import Unit

__all__ = ["screen"]


@pytest.fixture
def drawn(world: World) -> World:
    """Ten villages of two townships, six of them looked at in the first draw, one in the second."""
    codes = [f"{upper}{n}" for upper in (EAST, WEST) for n in range(301, 306)]
    Unit.objects.bulk_create(Unit(code=code, name=f"{code[-3:]}村村民委员会", parent_id=code[:9]) for code in codes)
    campaign, people, today = world.campaign, world.people, timezone.localdate()
    factories.launch(campaign.template, campaign.host, inspects_on=campaign.inspects_on, on=today)
    Task.objects.filter(unit__in=codes).update(state="done", done_by=people["lan"], done_at=timezone.now())
    for title, seen in (("全县双随机抽查", codes[:3] + codes[5:8]), ("第二次抽查", codes[3:4])):
        made = draw(campaign, (people["su"], people["ada"]), {code: code[:9] for code in codes}, title=title)
        for n, task in enumerate(Task.objects.filter(unit__in=seen).order_by("pk")):
            look(task, made, people["su"], ("fails", "holds", "holds", "unseen")[n % 4])
    return world


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_everybody_can_read_it_and_nothing_sticks_out(visit: Visit, drawn: World, language: str) -> None:
    page = visit("mei", language=language)
    wrong = []
    for query in ("", "?show=belief", f"?show=belief&unit={EAST}"):
        page.goto(f"/campaigns/{drawn.campaign.pk}/{query}")
        expect(page.locator("#belief")).to_be_visible()
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            wrong += [f"{query} {width}: {fault}" for fault in faults(page) + layout(page, width)]
    assert wrong == []


def test_each_figure_opens_what_is_behind_it(visit: Visit, drawn: World) -> None:
    page = visit("mei", f"/campaigns/{drawn.campaign.pk}/")
    page.get_by_role("link", name="按单位、按次看").click()
    page.locator("#beliefs tfoot a").last.click()
    shown = page.locator("ul.tasks > li")
    expect(shown).to_have_count(Task.objects.filter(checks__result="fails").distinct().count())


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_it_fits_the_wall(screen: Open, drawn: World, language: str) -> None:
    page = screen(HD)
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": page.url}])
    page.reload()
    quickly(page, turn=999)
    expect(page.locator("p.belief")).to_be_visible()
    assert page.evaluate(OUTSIDE) == []
    assert faults(page) == []
