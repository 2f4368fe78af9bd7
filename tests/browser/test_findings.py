"""One finding from opened to closed to reopened, by people on their phones; and its pages for everyone."""

import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from checklists.findings import open_finding, verbs
from checklists.models import Finding, FindingEvent
from tests.browser.conftest import DESK, PHONE, Visit, World
from tests.browser.test_accessibility import faults, layout
from tests.factories import WILLOW
from villages.models import Unit


def found(world: World, **fields: object) -> Finding:
    return open_finding(
        by=world.people["su"],
        event=uuid.uuid4(),
        campaign=world.campaign,
        unit=Unit.objects.get(pk=WILLOW),
        **{"source": "complaint", "what": "路灯不亮", "severity": 3} | fields,  # type: ignore[arg-type]
    )


def test_from_opened_to_closed_to_reopened(visit: Visit, world: World, js: bool) -> None:
    ledger = f"/campaigns/{world.campaign.pk}/findings/"
    lin = visit("lin", f"/campaigns/{world.campaign.pk}/units/{WILLOW}/", js=js)
    lin.click("#findings a[href*='findings/new/']")
    lin.fill("#id_what", "路灯不亮")
    lin.select_option("#id_source", "complaint")
    lin.fill("#id_due_on", "2020-01-01")
    lin.eval_on_selector(".finding-form", "form => form.noValidate = true") if js else None
    lin.click(".finding-form button")
    expect(lin.locator("#id_due_on_error")).to_be_visible()
    expect(lin.locator("#id_what")).to_have_value("路灯不亮")
    lin.fill("#id_due_on", (world.today + timedelta(days=3)).isoformat())
    lin.click(".finding-form button")
    expect(lin.locator("h1")).to_contain_text("1号")
    page = f"/findings/{Finding.objects.get().pk}/"

    lan = visit("lan", "/tasks/", js=js)
    lan.click("#findings a")
    lan.click("summary:has-text('保存整改方案')")
    lan.fill("#planned-fix_now", "换灯泡")
    lan.fill("#planned-new_step", "买灯泡")
    lan.fill("#planned-until", world.today.isoformat())
    lan.click("#do-planned button")
    lan.click(".steps button")
    expect(lan.locator(".steps")).to_contain_text("Lan")
    lan.fill("#fixed-note", "换好了")
    lan.click("#do-fixed button")
    expect(lan.locator("#do-confirmed")).to_have_count(0)

    lin.goto("/tasks/")
    lin.click("#findings a")
    expect(lin.locator("#do-confirmed")).to_have_count(0)
    expect(lin.locator(".alert-warning")).to_contain_text("请先答复")
    lin.fill("#answered-note", "灯亮了，已告知")
    lin.click("#do-answered button")
    lin.click("#do-confirmed button")
    expect(lin.locator(".state")).to_have_text("已销号")
    lin.click("summary:has-text('重新打开')")
    lin.fill("#reopened-note", "又不亮了")
    lin.click("#do-reopened button")
    expect(lin.locator("h1")).to_contain_text("1号")
    expect(lin.locator(".heading .facts")).to_contain_text("反弹1次")
    lin.goto(ledger)
    expect(lin.locator(".ledger tbody tr")).to_have_count(1)
    lin.goto(f"{ledger}?show=closed")
    expect(lin.locator(".ledger")).to_have_count(0)
    assert [event.what for event in FindingEvent.objects.order_by("at")] == [
        "opened", "planned", "stepped", "fixed", "answered", "confirmed", "reopened",
    ]  # fmt: skip
    assert page == f"/findings/{Finding.objects.get(state='open', came_back=1).pk}/"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_are_for_everyone(visit: Visit, world: World, language: str) -> None:
    wrong: list[str] = []
    late = found(world, what="很长的问题" * 100, found_on=world.today - timedelta(days=40))
    Finding.objects.filter(pk=late.pk).update(due_on=world.today - timedelta(days=9), came_back=2)
    lan, lin = world.people["lan"], world.people["lin"]
    verbs.record(late, "planned", by=lan, event=uuid.uuid4(), fix_now="换" * 90, new_step="买", until=world.today)
    verbs.record(late, "asked_time", by=lan, event=uuid.uuid4(), note="等货", until=world.today + timedelta(days=9))
    fixed = found(world)
    verbs.record(fixed, "fixed", by=lan, event=uuid.uuid4(), note="换好了")
    verbs.record(found(world), "disputed", by=lin, event=uuid.uuid4(), note="不是我村")
    for line in (world.campaign.template.body,):  # type: ignore[union-attr]
        line["problems"] = [{"id": "abc-p01", "text": "资料临检前补", "text_en": "", "responsible": "", "section": ""}]
    world.campaign.template.save()  # type: ignore[union-attr]

    def look(page: Page, width: int) -> None:
        for summary in page.locator("details:not([open]) > summary").all():
            if summary.is_visible() and not summary.evaluate("it => !!it.closest('header')"):
                summary.click()
        wrong.extend(f"{page.url} {width}: {fault}" for fault in [*faults(page), *layout(page, width)])

    new = f"/campaigns/{world.campaign.pk}/findings/"
    for width in (PHONE, DESK):
        mei = visit("mei", width=width, language=language)
        here = f"/campaigns/{world.campaign.pk}/"
        asks = (f"{new}new/", f"{new}new/?unit={WILLOW}&problem=abc-p01")
        for path in (new, f"{new}?show=all", *asks, here, f"{here}units/{WILLOW}/"):
            mei.goto(path)
            look(mei, width)
        person = visit("lin", width=width, language=language)
        for path in ("/tasks/", *(f"/findings/{one.pk}/" for one in Finding.objects.all())):
            person.goto(path)
            look(person, width)
    assert not wrong, "\n".join(["", *wrong])
