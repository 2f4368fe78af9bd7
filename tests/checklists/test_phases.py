"""Step 3: phases are added, moved and removed; items belong to them and are their gates."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import launch, phases, workdays
from checklists.models import Campaign, Change, Item, Phase
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import COUNTY
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    """The small speech as a draft of the county, inspected in forty days, in two phases of twenty."""
    today = timezone.localdate()
    draft = launch.draft(
        factories.template(), Unit.objects.get(pk=COUNTY), inspects_on=today + timedelta(days=40), on=today
    )
    middle = today + timedelta(days=20)
    first = draft.phases.create(key="one", title="动员", title_en="Start", starts_on=today, ends_on=middle)
    draft.phases.create(key="two", title="整改", starts_on=middle, ends_on=draft.inspects_on)
    draft.items.filter(number__in=["v-1", "v-2"]).update(phase=first)
    return draft


@pytest.fixture
def ada(draft: Campaign, as_: LogIn) -> Client:
    return as_("ada")


def url(draft: Campaign, rest: str = "") -> str:
    return f"/campaigns/{draft.pk}/setup/phases/{rest}"


def fields(phase: Phase | None, **changes: object) -> dict[str, object]:
    """What the form of a phase sends, with what its sender saw."""
    prefix = f"phase-{phase.pk}" if phase else "phase-new"
    there = {name: getattr(phase, name, "") for name in ("title", "title_en", "starts_on", "ends_on")}
    saw = {f"initial-{prefix}-{name}": value for name, value in there.items()} if phase else {}
    return saw | {f"{prefix}-{name}": value for name, value in (there | changes).items()}


def history(draft: Campaign) -> list[tuple[str | None, dict[str, list[str]]]]:
    """The item and the fields of each change, the oldest first."""
    return [
        (change.item.number if change.item else None, change.fields)
        for change in Change.objects.filter(campaign=draft).order_by("pk").select_related("item")
    ]


def test_a_phase_is_added_renamed_moved_and_removed(draft: Campaign, ada: Client) -> None:
    day = draft.starts_on + timedelta(days=5)
    for n in (1, 2):
        answer = ada.post(url(draft), fields(None, title=f"自查{n}", starts_on=day, ends_on=f"{day:%Y.%m.%d}"))
        added = draft.phases.get(key=f"own-{n}")
        assert answer["Location"] == url(draft) + f"#phase-{added.pk}"
    assert (added.title, added.starts_on, added.ends_on) == ("自查2", day, day)
    ada.post(url(draft, f"{added.pk}/"), fields(added, title="互查", ends_on=day + timedelta(days=2)))
    added.refresh_from_db()
    assert (added.title, added.ends_on) == ("互查", day + timedelta(days=2))
    first = draft.phases.get(key="own-1")
    assert ada.post(url(draft, f"{first.pk}/remove/")).status_code == 302
    ada.post(url(draft), fields(None, title="再查", starts_on=day, ends_on=day))
    assert set(draft.phases.values_list("key", flat=True)) == {"one", "two", "own-2", "own-3"}
    told = [change["phase"] for _item, change in history(draft)]
    assert [[one.split(",")[0] for one in pair] for pair in told] == [
        ["", "自查1"], ["", "自查2"], ["自查2", "互查"], ["自查1", ""], ["", "再查"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", ""), ("title", "长" * 121), ("title", "零\0"), ("starts_on", "月底前"), ("starts_on", "2027-02-30"),
     ("starts_on", "0001-01-01"), ("ends_on", "9999-12-31"), ("ends_on", "2020-01-01"), ("ends_on", ""),
     ("ends_on", date(2024, 1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("is_new", [True, False])
def test_a_bad_phase_changes_nothing_and_keeps_what_was_typed(
    field: str, value: object, is_new: bool, draft: Campaign, ada: Client
) -> None:
    before = list(Phase.objects.values())
    phase = None if is_new else draft.phases.get(key="one")
    sent = fields(phase, **{"title_en": "half written", "title": "自查", "starts_on": draft.starts_on,
                            "ends_on": draft.inspects_on} | {field: value})  # fmt: skip
    answer = ada.post(url(draft, f"{phase.pk}/" if phase else ""), sent)
    assert answer.status_code == 422
    assert "half written" in answer.text
    assert list(Phase.objects.values()) == before
    assert not history(draft)


def test_two_admins_move_a_phase_and_lose_nothing(draft: Campaign, ada: Client) -> None:
    phase, other = draft.phases.all()
    seen = fields(phase)
    day = phase.ends_on + timedelta(days=1)
    eve = factories.cadre("Eve", "campaign_admin", COUNTY)
    client = Client()
    client.force_login(eve)
    client.post(url(draft, f"{phase.pk}/"), fields(phase, ends_on=day))
    ada.post(url(draft, f"{other.pk}/"), fields(other, ends_on=day + timedelta(days=9)))
    ada.post(url(draft, f"{phase.pk}/"), seen | {f"phase-{phase.pk}-title": "宣传"})
    phase.refresh_from_db()
    assert (phase.title, phase.ends_on) == ("宣传", day)
    refused = ada.post(url(draft, f"{phase.pk}/"), seen | {f"phase-{phase.pk}-ends_on": day + timedelta(days=3)})
    assert refused.status_code == 422
    phase.refresh_from_db()
    assert phase.ends_on == day


def test_the_history_of_a_phase_names_who_changed_it(draft: Campaign, ada: Client) -> None:
    """Not who changed another phase later."""
    phase, other = draft.phases.all()
    eve = factories.cadre("Eve", "campaign_admin", COUNTY)
    client = Client()
    client.force_login(eve)
    seen, day = fields(phase), phase.ends_on + timedelta(days=1)
    client.post(url(draft, f"{phase.pk}/"), fields(phase, ends_on=day))
    ada.post(url(draft, f"{other.pk}/"), fields(other, ends_on=day + timedelta(days=9)))
    refused = ada.post(url(draft, f"{phase.pk}/"), seen | {f"phase-{phase.pk}-ends_on": day + timedelta(days=3)})
    assert "Eve" in refused.text.split('id="phases"')[1]


def test_a_phase_in_use_stays_and_says_by_what(draft: Campaign, ada: Client) -> None:
    phase = draft.phases.get(key="one")
    draft.items.filter(number="v-1").update(struck=True)
    answer = ada.post(url(draft, f"{phase.pk}/remove/"))
    assert answer.status_code == 422
    assert "第v-1项; 第v-2项" in answer.text
    assert f"{phase.pk}/remove/" not in ada.get(url(draft)).text
    ada.post(url(draft, "items/"), {"places-items": draft.items.filter(phase=phase).values_list("pk", flat=True)})
    assert ada.post(url(draft, f"{phase.pk}/remove/")).status_code == 302
    assert list(draft.phases.values_list("key", flat=True)) == ["two"]
    assert draft.items.count() == 4


def test_gates_are_chosen_among_the_items_of_the_phase(draft: Campaign, ada: Client) -> None:
    phase = draft.phases.get(key="one")
    v1, v2, v3 = (draft.items.get(number=number) for number in ("v-1", "v-2", "v-3"))
    gates = url(draft, f"{phase.pk}/gates/")
    ada.post(gates, {f"gates-{phase.pk}-gates": [v1.pk, v2.pk]})
    assert set(draft.items.filter(gate=True)) == {v1, v2}
    ada.post(gates, {f"gates-{phase.pk}-gates": [v2.pk], "seen": [v1.pk, v2.pk]})
    assert set(draft.items.filter(gate=True)) == {v2}
    assert [number for number, _fields in history(draft)] == ["v-1", "v-2", "v-1"]
    answer = ada.post(gates, {f"gates-{phase.pk}-gates": [v3.pk], "seen": [v2.pk]})  # of no phase
    assert answer.status_code == 422
    for wrong in ("x", "9" * 30, "\0"):
        assert ada.post(gates, {f"gates-{phase.pk}-gates": wrong, "seen": wrong}).status_code == 422
    assert set(draft.items.filter(gate=True)) == {v2}


def test_gates_of_two_admins_come_together(draft: Campaign, ada: Client) -> None:
    """Both saw no gate; each chose another. Then one takes a gate away that the other did not see."""
    phase = draft.phases.get(key="one")
    v1, v2 = draft.items.filter(phase=phase)
    gates = url(draft, f"{phase.pk}/gates/")
    ada.post(gates, {f"gates-{phase.pk}-gates": [v1.pk]})
    ada.post(gates, {f"gates-{phase.pk}-gates": [v2.pk]})
    assert set(draft.items.filter(gate=True)) == {v1, v2}
    ada.post(gates, {"seen": [v2.pk]})
    assert set(draft.items.filter(gate=True)) == {v1}


def test_items_go_into_a_phase_and_a_gate_needs_one(draft: Campaign, ada: Client) -> None:
    one, two = draft.phases.all()
    v1, v2, v3 = (draft.items.get(number=number) for number in ("v-1", "v-2", "v-3"))
    Item.objects.filter(pk=v1.pk).update(gate=True)
    places = url(draft, "items/")
    assert ada.post(places, {"places-items": [v1.pk, v3.pk], "places-phase": two.pk}).status_code == 302
    assert set(two.items.all()) == {v1, v3}
    assert history(draft) == [("v-1", {"phase": ["动员", "整改"]}), ("v-3", {"phase": ["", "整改"]})]
    v1.refresh_from_db()
    assert v1.gate
    answer = ada.post(places, {"places-items": [v1.pk, v2.pk], "places-phase": ""})
    assert answer.status_code == 422
    assert "第v-1项" in answer.text
    assert set(one.items.all()) == {v2}
    for sent in ({}, {"places-items": [v1.pk], "places-phase": "9" * 30}, {"places-items": ["x"]}):
        assert ada.post(places, sent).status_code == 422
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.filter(pk=v1.pk).update(phase=None)


def test_what_looks_odd_is_said_but_not_forbidden(draft: Campaign, ada: Client) -> None:
    late = draft.inspects_on + timedelta(days=3)
    ada.post(url(draft), fields(None, title="回头看", starts_on=late, ends_on=late))
    ada.post(url(draft), fields(None, title="自查", starts_on=draft.starts_on, ends_on=late))
    found = {line.phase.title: line.faults for line in ada.get(url(draft)).context["phases"]}
    assert len(found["回头看"]) == 1  # after the inspection
    assert "动员; 整改" in found["自查"][0]
    assert ["自查" in fault for fault in found["整改"]] == [True]  # that it begins when the other ends is usual
    assert [any(sign.isdecimal() for sign in fault) for fault in found["动员"]] == [False, True]  # v-1 is due after it


def test_the_page_shows_every_deadline_and_what_day_it_is(draft: Campaign, ada: Client) -> None:
    Campaign.objects.filter(pk=draft.pk).update(starts_on=date(2026, 9, 1), inspects_on=date(2026, 10, 20))
    for number, day in {"v-1": (10, 2), "v-2": (10, 10), "v-3": (9, 19), "t-1": (9, 30)}.items():
        draft.items.filter(number=number).update(due_on=date(2026, *day))
    draft.phases.all().update(starts_on=date(2026, 9, 1), ends_on=date(2026, 9, 2))
    page = ada.get(url(draft))
    days = {day.day: day for day in page.context["days"]}
    holiday, made_up, sunday, plain = (
        days[date(2026, *day)] for day in ((10, 2), (10, 10), (9, 19), (9, 30))
    )  # fmt: skip
    assert (holiday.kind, holiday.workday_before) == ("国庆节", date(2026, 9, 30))
    assert "国庆节" in made_up.kind
    assert (made_up.workday_before, plain.workday_before, plain.kind) == (None, None, "")
    assert sunday.workday_before == date(2026, 9, 18)
    assert page.context["off"] == 2
    assert page.context["unknown_years"] == []
    assert 'style="' not in page.text
    draft.items.all().update(struck=True)
    assert not ada.get(url(draft)).context["days"]


def test_a_year_beyond_the_known_ones_is_said(draft: Campaign, ada: Client) -> None:
    year = workdays.KNOWN_YEARS[-1] + 1
    Campaign.objects.filter(pk=draft.pk).update(inspects_on=date(year, 5, 1))
    draft.items.all().update(due_on=date(year, 5, 1))
    assert ada.get(url(draft)).context["unknown_years"] == [year]
    Campaign.objects.filter(pk=draft.pk).update(inspects_on=date(9999, 12, 31))
    assert ada.get(url(draft)).status_code == 200


def test_a_phase_of_another_campaign_is_not_found(draft: Campaign, campaign: Campaign, ada: Client) -> None:
    other = campaign.phases.create(key="x", title="别处", starts_on=draft.starts_on, ends_on=draft.inspects_on)
    item = campaign.items.all()[0]
    for rest in ("", "remove/", "gates/"):
        assert ada.post(url(draft, f"{other.pk}/{rest}"), fields(other)).status_code == 404
    assert ada.post(url(draft, "items/"), {"places-items": [item.pk]}).status_code == 422
    mine = draft.items.all()[0]
    assert ada.post(url(draft, "items/"), {"places-items": [mine.pk], "places-phase": other.pk}).status_code == 422


def test_the_page_costs_the_same_whatever_the_size(draft: Campaign, ada: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(url(draft)).status_code == 200
        return len(captured)

    queries()  # the first page of a session notes when it began
    few = queries()
    for n in range(12):
        phase = draft.phases.create(key=f"p-{n}", title="多", starts_on=draft.starts_on, ends_on=draft.inspects_on)
        for m in range(8):
            draft.items.create(
                number=f"x-{n}-{m}", title="多", owed_by=["village"], phase=phase, gate=m == 0,
                due_on=draft.starts_on + timedelta(days=m),
            )  # fmt: skip
    assert queries() == few <= 15


@pytest.fixture
def live(elsewhere: Elsewhere) -> Phase:
    """A phase as a committed row, which no item uses."""
    factories.units()
    factories.cast()
    draft = factories.campaign(status=Campaign.Status.DRAFT)
    return draft.phases.create(key="one", title="动员", starts_on=draft.starts_on, ends_on=draft.inspects_on)


def test_a_phase_is_not_removed_under_an_item_just_put_into_it(live: Phase, elsewhere: Elsewhere) -> None:
    ada, item = Cadre.objects.get(username="ada"), live.campaign.items.all()[0]
    elsewhere.run("SELECT FROM checklists_phase WHERE id = %s FOR NO KEY UPDATE", live.pk)
    elsewhere.run("UPDATE checklists_item SET phase_id = %s WHERE id = %s", live.pk, item.pk)
    removing = elsewhere.start(lambda: phases.remove(live, by=ada))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    with pytest.raises(phases.CannotChange):
        removing.result(timeout=20)
    item.refresh_from_db()
    assert item.phase == live


def test_no_item_is_put_into_a_phase_just_removed(live: Phase, elsewhere: Elsewhere) -> None:
    ada, item = Cadre.objects.get(username="ada"), live.campaign.items.all()[0]
    elsewhere.run("DELETE FROM checklists_phase WHERE id = %s", live.pk)
    putting = elsewhere.start(lambda: phases.put_items(live.campaign, [item.pk], live, by=ada))
    removing = elsewhere.start(lambda: phases.remove(live, by=ada))
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    with pytest.raises(phases.CannotChange):
        putting.result(timeout=20)
    removing.result(timeout=20)
    item.refresh_from_db()
    assert item.phase is None
    assert not Change.objects.exists()
