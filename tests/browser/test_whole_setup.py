"""The whole set-up as an admin, from the log-in to the launched campaign of a district, and a change after it."""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from checklists import catalog
from checklists.models import Campaign, Change, Responsibility, Task, TaskEvent
from readiness.demo import DEPARTMENTS, HOST, UNITS
from readiness.demo.people import PASSWORD, Roster
from tests import live
from tests.browser.conftest import DESK, Visits
from tests.checklists.test_tallies import drift
from villages.importing import import_units
from villages.models import Cadre, Unit


@dataclass
class Hand:
    """Does what an admin does, and counts it."""

    page: Page
    did: Counter[str] = field(default_factory=Counter)

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()
        self.did["clicks"] += 1

    def fill(self, selector: str, text: str) -> None:
        self.page.locator(selector).first.fill(text)
        self.did["fields"] += 1

    def choose(self, selector: str, value: str) -> None:
        self.page.locator(selector).first.select_option(value)
        self.did["fields"] += 1

    def check(self, selector: str) -> None:
        self.page.locator(selector).first.check()
        self.did["clicks"] += 1

    def press(self, selector: str, key: str) -> None:
        self.page.locator(selector).first.press(key)
        self.did["keys"] += 1

    def onward(self, step: str) -> None:
        self.click(".onward a")
        expect(self.page).to_have_url(re.compile(f"/setup/{step}/$"))
        self.page.wait_for_load_state()


@pytest.fixture
def people(committed: None) -> dict[str, Cadre]:
    """Xuzhou district with its townships, villages and departments, and people in them but for a few places."""
    import_units(UNITS)
    Unit.objects.bulk_create(
        [Unit(code=f"{HOST}D{n:03}", name=name, parent_id=HOST) for n, name in enumerate(DEPARTMENTS, start=1)]
    )
    catalog.load()
    roster = Roster(random.Random(1), since=timezone.localdate() - timedelta(days=365))
    roster.fill(list(Unit.objects.under(HOST).order_by("code")))
    return {cadre.username: cadre for cadre in roster.cadres}


def test_a_campaign_is_set_up_by_keyboard_and_mouse_and_launched(
    chromium: Browser, web: live.Web, people: dict[str, Cadre], tell: Callable[[str], None]
) -> None:
    visit = Visits(chromium, web.url, people)
    page = visit(width=DESK)
    hand, day = Hand(page), timezone.localdate() + timedelta(days=90)
    page.goto("/login/")
    hand.fill("[name=username]", "admin")
    hand.fill("[name=password]", PASSWORD)
    hand.press("[name=password]", "Enter")
    expect(page).to_have_url(re.compile("/campaigns/$"))

    hand.click("a[href='/campaigns/new/']")
    page.wait_for_load_state()  # a choice that comes before the scripts is not heard
    speech = page.locator("select[name=template] option", has_text="区第七次人口普查").first.get_attribute("value")
    hand.choose("select[name=template]", str(speech))
    expect(page.locator("#chosen")).to_contain_text("统计督察")
    hand.fill("[name=inspects_on]", day.isoformat())
    hand.click("input[name=go]")
    expect(page).to_have_url(re.compile(r"/setup/$"))
    campaign = Campaign.objects.get()

    hand.choose("[name=inspected_by]", "province")
    hand.click("main form .btn-primary")
    expect(page.locator("#alerts")).to_contain_text("已保存")

    hand.onward("items")
    count = campaign.items.count()
    first, second = campaign.items.all()[:2]
    hand.click(f"#item-{first.pk} button[name=struck]")
    expect(page.locator(f"#item-{first.pk}")).to_have_class(re.compile("struck"))
    hand.press(f"#up-{second.pk}", "Enter")
    hand.click("#item-new summary")
    hand.fill("#item-new [name$=-title]", "宣传栏更新")
    hand.check("#item-new input[value=village]")
    hand.click("#item-new .btn-primary")
    expect(page.locator("tr.line")).to_have_count(count + 1)

    hand.onward("phases")
    expect(page.locator("#timeline svg")).to_be_visible()
    hand.onward("units")
    out = Unit.objects.filter(parent=HOST, kind="township")[0]
    hand.click(f"#unit-{out.pk} button")
    expect(page.locator(f"#unit-{out.pk}")).to_have_class("out")

    hand.onward("answers")
    gap = page.locator("table.who tr", has=page.locator(".bad")).locator("th a").first
    name = gap.inner_text()
    gap.click()
    hand.did["clicks"] += 1
    hand.fill("#newcomer [name$=name]", "田新人")
    hand.fill("#newcomer [name$=phone]", "13911112222")
    hand.click("#newcomer button")
    expect(page.locator("#answers h2").first).to_have_text(name)
    expect(page.locator("#answers")).to_contain_text("田新人")

    hand.onward("rules")
    hand.check("[name=ranking]")
    hand.choose("[name=decided_by]", str(people["leader"].pk))
    hand.click("main form .btn-primary")
    expect(page.locator("#alerts")).to_contain_text("已保存")

    hand.onward("launch")
    foreseen = int(re.sub(r"\D", "", re.search(r"共生成([\d,]+)项", page.locator("#launch").inner_text())[1]))  # type: ignore[index]
    hand.click("#launch .btn-primary")
    expect(page).to_have_url(re.compile(rf"/campaigns/{campaign.pk}/$"))
    page.get_by_role("link", name="排名").click()
    expect(page.locator("#ranking tbody tr")).to_have_count(16)

    tasks = Task.objects.filter(campaign=campaign)
    assert tasks.count() == foreseen > 4000
    assert not tasks.filter(unit__code__startswith=out.pk).exists()
    assert not tasks.filter(item=first).exists()
    assert tasks.filter(item__title="宣传栏更新").values("unit").count() == tasks.filter(unit__kind="village").values(
        "unit").distinct().count()  # fmt: skip
    assert Responsibility.objects.filter(campaign=campaign, cadre__name="田新人").exists()
    assert visit.complaints == []
    tell(
        f"set up from log-in to launch: {hand.did['clicks']} clicks, {hand.did['fields']} fields, "
        f"{hand.did['keys']} keys; {foreseen} tasks"
    )

    # Life goes on: the township joins after all; nothing that was done is lost.
    village = tasks.filter(unit__kind="village").order_by("pk")[0]
    page.goto(f"/campaigns/{campaign.pk}/setup/units/")
    page.click(f"#unit-{out.pk} button")
    page.goto(f"/campaigns/{campaign.pk}/setup/launch/")
    page.click("#launch .btn-primary")
    expect(page.locator("#launch")).to_contain_text("任务与方案一致")
    assert tasks.filter(unit__code__startswith=out.pk).exists()
    assert Task.objects.filter(pk=village.pk).exists()
    assert not TaskEvent.objects.exists()
    assert Change.objects.filter(campaign=campaign, what="synced").count() == 1
    assert drift() == []
