"""The ledger of findings, the pages around it, and the figures that lead there."""

import csv
import io
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from checklists import course, help
from checklists.findings import open_finding, verbs
from checklists.models import Campaign, Finding, FindingEvent, HelpRequest, State
from readiness.boards import live
from tests import factories
from tests.checklists.conftest import queries
from tests.factories import BUREAU, EAST, LAKE, MAPLE, WILLOW
from villages.models import Cadre, Unit

Cast = dict[str, Cadre]
As = Callable[[str], Client]
DAY = timedelta(days=1)


def found(campaign: Campaign, by: Cadre, unit: str = WILLOW, **fields: Any) -> Finding:
    one: dict[str, Any] = {"source": "leader", "what": "路灯不亮", "event": uuid.uuid4()}
    return open_finding(by=by, campaign=campaign, unit=Unit.objects.get(pk=unit), **one | fields)


def do(finding: Finding, what: str, by: Cadre, **sent: Any) -> None:
    verbs.record(finding, what, by=by, event=uuid.uuid4(), note="因为", **sent)


@pytest.fixture
def many(campaign: Campaign, cast: Cast) -> Campaign:
    """Of every sort some, of every age, at several places."""
    today = timezone.localdate()
    su = cast["su"]
    for n, days in enumerate((0, 7, 8, 14, 15, 30, 31, 90)):
        unit = (WILLOW, MAPLE, LAKE, BUREAU)[n % 4]
        found(campaign, su, unit, found_on=today - days * DAY, severity=1 + n % 3, due_on=today + (4 - n) * DAY)
    fixed, shut, back, gone = (found(campaign, su, source="complaint", found_on=today - DAY) for _ in range(4))
    for one in (fixed, shut, back):
        do(one, "fixed", cast["lan"])
    Finding.objects.filter(pk=fixed.pk).update(fixed_at=timezone.now() - 15 * DAY)
    for one in (shut, back):
        do(one, "answered", cast["lin"])
        do(one, "confirmed", cast["lin"])
    do(back, "reopened", cast["lin"])
    do(gone, "answered", cast["lin"])
    do(gone, "disputed", cast["lan"])
    do(gone, "dropped", cast["mei"])
    Finding.objects.filter(pk=shut.pk).update(look_back_on=today)
    return campaign


def test_every_figure_of_the_ledger_opens_to_as_many(many: Campaign, as_: As) -> None:
    mei = as_("mei")
    for start in ("", "?severity=2", f"?under={EAST}", "?source=complaint", "?responsible=Lan"):
        page = mei.get(f"/campaigns/{many.pk}/findings/{start}")
        body = page.content.decode()
        figures = re.findall(r'href="(\?[^"]*(?:show|age)=[^"]*)"[^>]*>(?:[^<]*<b>)?(\d+)', body)
        assert len(figures) >= 12
        for address, n in figures:
            there = mei.get(f"/campaigns/{many.pk}/findings/" + address.replace("&amp;", "&"))
            assert there.context["page"].paginator.count == int(n), (start, address)
    sums = dict((show, n) for show, _label, n in mei.get(f"/campaigns/{many.pk}/findings/").context["sums"])  # noqa: C402
    assert sums == {
        "unsettled": 10, "overdue": 3, "fixed": 1, "unlooked": 1, "look": 1, "back": 1, "unanswered": 1,
        "closed": 1, "all": 12,
    }  # fmt: skip


def test_ages_count_days_since_it_was_found_of_what_is_not_settled(many: Campaign, as_: As) -> None:
    ages = dict(as_("mei").get(f"/campaigns/{many.pk}/findings/").context["ages"])
    assert ages == {"0-7": 4, "8-14": 2, "15-30": 2, "31-": 2}


def test_by_need_overdue_and_grave_ones_come_first(many: Campaign, as_: As) -> None:
    rows = as_("mei").get(f"/campaigns/{many.pk}/findings/?show=all").context["rows"]
    late = [row.is_overdue for row in rows]
    assert late == sorted(late, reverse=True)
    grave = [row.finding.severity for row in rows if row.is_overdue]
    assert grave == sorted(grave, reverse=True)
    assert rows[-1].finding.state == "dropped"
    assert rows[late.count(True)].is_unlooked, "after these what has waited too long for a look"


@pytest.mark.parametrize("query", ["show=nonsense", "severity=9", "under=%27%20OR", "age=1", "page=x", "source=x"])
def test_a_filter_that_makes_no_sense_shows_what_is_not_settled(many: Campaign, as_: As, query: str) -> None:
    page = as_("mei").get(f"/campaigns/{many.pk}/findings/?{query}")
    assert page.status_code == 200
    assert page.context["page"].paginator.count == 10


def test_the_file_has_the_same_rows_and_runs_no_formula(many: Campaign, cast: Cast, as_: As) -> None:
    found(many, cast["su"], what="=HYPERLINK(1)")
    mei = as_("mei")
    for query in ("", "?show=all", "?show=overdue", f"?under={EAST}&show=all"):
        answer = mei.get(f"/campaigns/{many.pk}/findings/table/{query}")
        _header, *rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        page = mei.get(f"/campaigns/{many.pk}/findings/{query}")
        assert [int(row[0]) for row in rows] == [row.finding.number for row in page.context["rows"]]
    assert "'=HYPERLINK(1)" in mei.get(f"/campaigns/{many.pk}/findings/table/").content.decode()


@pytest.mark.parametrize(("name", "unit"), [("mei", ""), ("mei", EAST), ("bao", ""), ("lin", ""), ("lan", "")])
def test_the_board_counts_what_its_ledger_shows(many: Campaign, as_: As, name: str, unit: str) -> None:
    client = as_(name)
    board = client.get(f"/campaigns/{many.pk}/" + (f"?unit={unit}" if unit else "")).content.decode()
    ways = re.findall(r'href="(/campaigns/\d+/findings/\?[^"]+)">\D*?(\d+)', board)
    assert len(ways) == (2 if name == "lan" else 3), "no way to what is not there: nothing of Lan's is overdue"
    for way, n in ways:
        assert client.get(way.replace("&amp;", "&")).context["page"].paginator.count == int(n)
    assert client.get(f"/campaigns/{many.pk}/?section=一(一)").context is not None


def test_a_finding_changes_the_board_that_is_kept(
    many: Campaign, cast: Cast, as_: As, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MINUTES", 10**8)  # the clock turns no page here
    memory = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {name: {"BACKEND": memory, "LOCATION": f"{name}-findings"} for name in ("default", "boards")}
    bao, mei, address = as_("bao"), as_("mei"), f"/campaigns/{many.pk}/"
    before = {client: client.get(address).headers["ETag"] for client in (bao, mei)}
    found(many, cast["su"], LAKE)
    assert bao.get(address).headers["ETag"] == before[bao], "in the other township"
    assert mei.get(address).headers["ETag"] != before[mei]
    found(many, cast["su"])
    assert bao.get(address).headers["ETag"] != before[bao]


def test_a_units_page_a_tasks_page_and_my_tasks_show_theirs(many: Campaign, cast: Cast, as_: As) -> None:
    task = factories.task(many)
    about = found(many, cast["su"], task=task, source="check")
    assert f'href="/findings/{about.pk}/"' in as_("lan").get(f"/tasks/{task.pk}/").content.decode()
    unit = as_("lan").get(f"/campaigns/{many.pk}/units/{WILLOW}/")
    assert {row.finding.pk for row in unit.context["findings"]} == set(
        Finding.objects.filter(unit=WILLOW).unsettled().values_list("pk", flat=True)
    )
    mine = {row.finding.pk for row in as_("lan").get("/tasks/").context["findings"]}
    assert mine == set(Finding.objects.filter(responsible=cast["lan"], state="open").values_list("pk", flat=True))
    looks = [row.finding.state for row in as_("lin").get("/tasks/").context["findings"]]
    assert looks == ["fixed", "closed"], "to be confirmed and answered; to be looked at again, after Lin's look"


def test_a_check_that_failed_and_its_finding_close_independently(many: Campaign, cast: Cast) -> None:
    task = factories.task(many)
    finding = found(many, cast["su"], task=task, source="check")
    do(finding, "fixed", cast["lan"])
    do(finding, "confirmed", cast["lin"])
    task.refresh_from_db()
    assert task.state == State.OPEN


# ---- Entering from a page -----------------------------------------------------------------------------------------


def body(**fields: Any) -> dict[str, Any]:
    one = {"event": str(uuid.uuid4()), "unit": WILLOW, "source": "inspection", "severity": "2", "what": "厕所脏"}
    return one | {"found_on": timezone.localdate().isoformat()} | fields


def test_entered_by_form_with_what_is_usual(campaign: Campaign, cast: Cast, as_: As) -> None:
    lin, address = as_("lin"), f"/campaigns/{campaign.pk}/findings/new/"
    assert lin.get(address).status_code == 200
    assert lin.get(f"{address}?unit={WILLOW}").status_code == 200
    task = factories.task(campaign)
    sent = body(task=task.pk)
    for _ in range(2):  # a double tap
        assert lin.post(address, sent).status_code == 302
    finding = Finding.objects.get()
    assert (finding.source, finding.task, finding.item, finding.responsible) == (
        "inspection", task, task.item, cast["lan"])  # fmt: skip


def test_once_the_campaign_is_closed_what_the_inspection_found_is_entered_and_nothing_else(
    campaign: Campaign, cast: Cast, as_: As
) -> None:
    course.steer(campaign, "closed", by=cast["ada"])
    lin, address = as_("lin"), f"/campaigns/{campaign.pk}/findings/new/"
    for page in (f"/campaigns/{campaign.pk}/findings/", f"/campaigns/{campaign.pk}/units/{WILLOW}/"):
        assert address in lin.get(page).content.decode()
    form = lin.get(f"{address}?unit={WILLOW}&about={factories.task(campaign).pk}").context["form"]
    assert [value for value, _label in form["source"].field.choices] == [form["source"].value()] == ["inspection"]
    assert set(lin.post(address, body(source="leader")).context["form"].errors) == {"source"}
    assert as_("lan").post(address, body()).status_code == 403
    assert lin.post(address, body()).status_code == 302
    assert Finding.objects.get().source == "inspection"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"what": ""}, "what"),
        ({"what": "字" * 10_000}, "what"),
        ({"due_on": "2020-01-01"}, "due_on"),
        ({"due_on": "9999-12-31"}, "due_on"),
        ({"found_on": "2999-01-01"}, "found_on"),
        ({"severity": "4"}, "severity"),
        ({"source": "rumour"}, "source"),
        ({"responsible": "999999"}, "responsible"),
        ({"task": "999999"}, "task"),
        ({"event": "1"}, "event"),
    ],
)
def test_a_wrong_form_is_shown_again_with_what_was_typed(
    campaign: Campaign, as_: As, sent: dict[str, str], field: str
) -> None:
    answer = as_("lin").post(f"/campaigns/{campaign.pk}/findings/new/", body(**sent))
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert (sent.get("what") or "厕所脏" if sent.get("what") != "" else 'name="what"') in answer.content.decode()
    assert not Finding.objects.exists()


def test_a_task_of_another_unit_cannot_be_chosen(campaign: Campaign, as_: As) -> None:
    answer = as_("lin").post(
        f"/campaigns/{campaign.pk}/findings/new/", body(task=factories.task(campaign, unit=MAPLE).pk)
    )
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"task"}


@pytest.mark.parametrize(("unit", "status"), [(LAKE, 404), (factories.OTHER_VILLAGE, 404), ("x", 404), ("\0", 404)])
def test_a_unit_out_of_sight_is_not_there(campaign: Campaign, as_: As, unit: str, status: int) -> None:
    for answer in (
        as_("lin").post(f"/campaigns/{campaign.pk}/findings/new/", body(unit=unit)),
        as_("lin").get(f"/campaigns/{campaign.pk}/findings/new/", {"unit": unit}),
    ):
        assert answer.status_code == status
    assert as_("bao").post(f"/campaigns/{campaign.pk}/findings/new/", body(unit=EAST)).status_code == 403


def test_from_a_call_for_help_a_return_and_the_speechs_own_list(campaign: Campaign, cast: Cast, as_: As) -> None:
    lin, new = as_("lin"), f"/campaigns/{campaign.pk}/findings/new/"
    task = factories.task(campaign)
    reply = {"obstacle": "路不通", "need": "挖机", "reply_by": timezone.localdate()}
    help.ask(task, by=cast["lan"], event=uuid.uuid4(), **reply)
    call = HelpRequest.objects.get()
    page = lin.get(f"/tasks/{task.pk}/").content.decode()
    assert f"?help={call.pk}" in page
    form = lin.get(f"{new}?help={call.pk}").content.decode()
    assert "路不通" in form
    assert lin.post(new, body(help=call.pk, source="help")).status_code == 302
    finding = Finding.objects.get()
    assert (finding.help_request, finding.unit_id) == (call, WILLOW)
    assert lin.post(new, body(help=call.pk, source="help")).status_code == 409
    assert lin.get(f"{new}?about={task.pk}").context["form"]["source"].value() == "check"
    assert as_("chen").get(f"{new}?help={call.pk}").status_code == 404

    body_of = campaign.template
    assert body_of is not None
    line = {
        "id": "abc-p01",
        "text": "资料在临检前补",
        "text_en": "Filled in late",
        "responsible": "各村",
        "section": "一",
    }
    body_of.body["problems"] = [line]
    body_of.save(update_fields=["body"])
    mei = as_("mei")
    assert "abc-p01" in mei.get(f"/campaigns/{campaign.pk}/findings/").content.decode()
    assert "资料在临检前补" in mei.get(f"{new}?problem=abc-p01&unit={MAPLE}").content.decode()
    assert mei.post(new, body(unit=MAPLE, problem="abc-p01", source="speech")).status_code == 302
    assert mei.get(f"/campaigns/{campaign.pk}/findings/").context["problems"][0]["found"] == 1


# ---- One finding's page -------------------------------------------------------------------------------------------


def test_a_verb_by_form_is_told_when_it_is_late_twice_or_wrong(campaign: Campaign, cast: Cast, as_: As) -> None:
    finding = found(campaign, cast["su"])
    page = f"/findings/{finding.pk}/"
    lan, lin = as_("lan"), as_("lin")
    sent = {"event": str(uuid.uuid4()), "seen": "0", "note": "换了灯泡"}
    assert lan.post(f"{page}fixed/", sent | {"note": "字" * 10_000}).status_code == 422
    for _ in range(2):
        assert lan.post(f"{page}fixed/", sent).headers["Location"] == page
    assert lan.post(f"{page}confirmed/", sent).status_code == 403
    late = as_("bao").post(f"{page}fixed/", sent | {"event": str(uuid.uuid4()), "note": "我也换了"})
    assert late.status_code == 409
    assert "我也换了" in late.content.decode()
    assert lin.post(f"{page}confirmed/", {"event": str(uuid.uuid4()), "until": "2020-01-01"}).status_code == 422
    assert lin.post(f"{page}opened/", sent).status_code == 404
    assert FindingEvent.objects.count() == 2


def test_whoever_looks_is_told_to_answer_first_and_has_the_form_at_hand(
    campaign: Campaign, cast: Cast, as_: As
) -> None:
    finding = found(campaign, cast["su"], source="complaint")
    page, words = f"/findings/{finding.pk}/", "请先答复"
    lin, sent = as_("lin"), {"seen": "1", "note": "已告知", "until": f"{timezone.localdate() + DAY:%Y-%m-%d}"}
    assert words not in lin.get(page).content.decode()
    do(finding, "fixed", cast["lan"])
    assert words not in as_("lan").get(page).content.decode()
    for answer in (lin.get(page), lin.post(f"{page}confirmed/", sent | {"event": str(uuid.uuid4())})):
        assert answer.content.decode().count(words) == 1
        assert [form.verb for form, _event, is_open in answer.context["forms"] if is_open] == ["answered", "sent_back"]
    assert answer.status_code == 409
    assert "已告知" in answer.content.decode()
    assert lin.post(f"{page}answered/", sent | {"event": str(uuid.uuid4())}).status_code == 302
    assert "do-confirmed" in lin.get(page).content.decode()


def test_pages_of_findings_cost_the_same_for_few_and_many(campaign: Campaign, cast: Cast, as_: As) -> None:
    one = found(campaign, cast["su"], found_on=timezone.localdate() - 40 * DAY)
    do(one, "planned", cast["lan"], new_step="买灯泡", until=timezone.localdate())
    ledger = f"/campaigns/{campaign.pk}/findings/"
    pages = [ledger, f"{ledger}?show=all", f"{ledger}table/", f"{ledger}new/?unit={WILLOW}", f"{ledger}new/"]
    pages += [
        f"/findings/{one.pk}/",
        f"/campaigns/{campaign.pk}/units/{WILLOW}/",
        "/tasks/",
        f"/tasks/{factories.task(campaign).pk}/",
    ]

    def costs() -> list[list[int]]:
        return [queries(as_(name), list(pages)) for name in ("lin", "bao", "tang", "su")]

    few = costs()
    for n in range(198):
        again = found(campaign, cast["su"], WILLOW if n % 2 else MAPLE, task=None, what=f"路灯{n}")
        if n % 5 == 0:
            do(again, "fixed", cast["lan"] if n % 2 else cast["hong"])
    for n in range(20):
        do(one, "planned", cast["lan"], new_step=f"买灯泡{n}", until=timezone.localdate())
    many = costs()
    assert few == many
    assert max(max(row) for row in many) <= 12, many
