"""Rules that bite are a named leader's decision with a day; a gate holds its phase open until it is done everywhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from checklists import course, phases
from checklists.models import Campaign, Change, Item, Phase, Task
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import LAKE, MAPLE, WILLOW
from villages.models import Cadre

Cast = dict[str, Cadre]
As = Callable[[str], Client]
ONE = timedelta(days=1)


def gated(campaign: Campaign, mei: Cadre, **fields: Any) -> Phase:
    """A phase with v-1 as its gate, gates on."""
    phase = Phase(
        campaign=campaign, key="all", title="动员", starts_on=campaign.starts_on, ends_on=campaign.inspects_on
    )
    phase.save()
    Item.objects.filter(campaign=campaign, number__in=("v-1", "v-2")).update(phase=phase)
    Item.objects.filter(campaign=campaign, number="v-1").update(gate=True)
    on = {"gates": True, "gates_from": campaign.starts_on, "decided_by": mei}
    Campaign.objects.filter(pk=campaign.pk).update(**on | fields)
    return phase


def gates(campaign: Campaign) -> QuerySet[Task]:
    return Task.objects.filter(campaign=campaign, item__number="v-1")


def claim(campaign: Campaign, by: Cadre) -> None:
    gates(campaign).update(state="done", done_by=by, done_at=timezone.now())


# ---- Closing a phase -----------------------------------------------------------------------------------------------


def test_a_phase_closes_once_its_gate_items_are_done_everywhere(campaign: Campaign, cast: Cast, as_: As) -> None:
    phase, ada = gated(campaign, cast["mei"]), as_("ada")
    url = f"/campaigns/{campaign.pk}/setup/phases/"
    assert f"{phase.pk}/close/" in ada.get(url).text
    refused = ada.post(f"{url}{phase.pk}/close/")
    assert refused.status_code == 422
    assert all(name in refused.text for name in ("柳村", "枫村", "湖村"))
    gates(campaign).exclude(unit=LAKE).update(state="done", done_by=cast["bao"], done_at=timezone.now())
    gates(campaign).filter(unit=LAKE).update(state="returned")
    refused = ada.post(f"{url}{phase.pk}/close/")
    assert refused.status_code == 422
    assert "湖村" in refused.context["phases"][0].words
    assert "柳村" not in refused.context["phases"][0].words
    gates(campaign).filter(unit=LAKE).update(state="waived")
    gates(campaign).filter(unit=MAPLE).update(state="verified", verified_by=cast["su"], verified_at=timezone.now())
    assert ada.post(f"{url}{phase.pk}/close/").status_code == 302
    phase.refresh_from_db()
    assert (phase.is_closed, phase.closed_by) == (True, cast["ada"])
    noted = Change.objects.get(campaign=campaign, fields__has_key="closing")
    assert noted.fields == {"closing": ["动员: 未关闭", "已关闭"]}
    assert "已核实1项，自报未核实1项" in noted.note, "claimed and verified are two numbers"
    assert ada.post(f"{url}{phase.pk}/close/").status_code == 302, "it is so already"
    assert Change.objects.filter(fields__has_key="closing").count() == 1
    assert "Ada" in ada.get(url).text
    assert "已关闭" in as_("mei").get(f"/campaigns/{campaign.pk}/", {"show": "battle"}).text


def test_a_leader_can_have_it_closed_although_gate_items_are_owed(campaign: Campaign, cast: Cast, as_: As) -> None:
    """Named, with a reason, in the history with what was owed; on the page as long as it is closed."""
    phase, ada, mei = gated(campaign, cast["mei"]), as_("ada"), cast["mei"]
    claim(campaign, cast["bao"])
    gates(campaign).filter(unit=LAKE).update(state="open", done_by=None, done_at=None)
    url = f"/campaigns/{campaign.pk}/setup/phases/"
    assert "close-leader" not in ada.get(url).text
    refused = ada.post(f"{url}{phase.pk}/close/").text
    assert "湖村" in refused
    assert 'id="close-leader"' in refused
    for wrong in ({"leader": mei.pk}, {"despite": "道路中断"}, {"despite": "道路中断", "leader": cast["su"].pk},
                  {"despite": "长" * 401, "leader": mei.pk}):  # fmt: skip
        assert ada.post(f"{url}{phase.pk}/close/", wrong).status_code == 422
    phase.refresh_from_db()
    assert not phase.is_closed
    assert ada.post(f"{url}{phase.pk}/close/", {"despite": "道路中断", "leader": mei.pk}).status_code == 302
    phase.refresh_from_db()
    assert (phase.closed_by, phase.despite_by, phase.closed_despite) == (cast["ada"], mei, "道路中断")
    noted = Change.objects.get(campaign=campaign, fields__has_key="closing").note
    assert "Mei决定" in noted
    assert "湖村" in noted
    assert "道路中断" in noted
    assert "道路中断" in ada.get(url).text
    phases.reopen(phase, by=cast["ada"], reason="路通了")
    claim(campaign, cast["bao"])
    assert phases.close(phase, by=cast["ada"], despite="道路中断", leader=mei)
    phase.refresh_from_db()
    assert (phase.despite_by, phase.closed_despite) == (None, ""), "nothing was owed"


def test_opening_it_again_needs_a_reason(campaign: Campaign, cast: Cast, as_: As) -> None:
    phase, ada = gated(campaign, cast["mei"]), as_("ada")
    claim(campaign, cast["bao"])
    phases.close(phase, by=cast["ada"])
    url = f"/campaigns/{campaign.pk}/setup/phases/{phase.pk}/reopen/"
    for wrong in ({}, {"reason": "  "}, {"reason": "长" * 401}):
        assert ada.post(url, wrong).status_code == 422
    assert ada.post(url, {"reason": "门槛项被退回"}).status_code == 302
    phase.refresh_from_db()
    assert not phase.is_closed
    assert Change.objects.filter(fields__has_key="closing").order_by("-pk")[0].note == "门槛项被退回"
    assert phases.reopen(phase, by=cast["ada"], reason="再来") is False


@pytest.mark.parametrize("off", ["off", "not yet", "retired", "no gate", "before the campaign"])
def test_what_does_not_hold_a_phase_open(off: str, campaign: Campaign, cast: Cast) -> None:
    phase = gated(campaign, cast["mei"])
    match off:
        case "off":
            Campaign.objects.update(gates=False, gates_from=None)
        case "not yet":
            Campaign.objects.update(gates_from=timezone.localdate() + ONE)
        case "retired":
            gates(campaign).update(retired_at=timezone.now())
        case "no gate":
            Item.objects.update(gate=False)
        case _:
            Campaign.objects.update(gates_from=None, starts_on=timezone.localdate() + ONE)
    assert phases.close(phase, by=cast["ada"])


def test_a_gate_without_a_day_counts_from_the_campaigns_first(campaign: Campaign, cast: Cast) -> None:
    phase = gated(campaign, cast["mei"], gates_from=None)
    with pytest.raises(phases.CannotChange):
        phases.close(phase, by=cast["ada"])


def test_the_database_keeps_a_gated_phase_open_by_itself(campaign: Campaign, cast: Cast) -> None:
    phase = gated(campaign, cast["mei"])
    closing = {"closed_at": timezone.now(), "closed_by": cast["ada"]}
    with pytest.raises(IntegrityError, match="gate items"), transaction.atomic():
        Phase.objects.filter(pk=phase.pk).update(**closing)
    claim(campaign, cast["bao"])
    assert Phase.objects.filter(pk=phase.pk).update(**closing) == 1
    gates(campaign).update(state="open", done_by=None, done_at=None)  # a second look may still send it back
    assert Phase.objects.filter(pk=phase.pk).update(title="新名") == 1


def test_a_draft_closes_no_phase_and_a_closed_campaign_none(campaign: Campaign, cast: Cast, as_: As) -> None:
    phase = gated(campaign, cast["mei"])
    Campaign.objects.update(status="draft")
    with pytest.raises(phases.CannotChange):
        phases.close(phase, by=cast["ada"])
    Campaign.objects.update(status="active")
    course.steer(campaign, "closed", by=cast["ada"])
    assert as_("ada").post(f"/campaigns/{campaign.pk}/setup/phases/{phase.pk}/close/").status_code == 403


def closing_beside_an_untick(elsewhere: Elsewhere, *, waits: bool) -> tuple[Exception | None, Phase]:
    """Willow's gate is being undone in another transaction while the phase is closed."""
    factories.units()
    cast = factories.cast()
    campaign = factories.campaign(on=timezone.localdate())
    phase = gated(campaign, cast["mei"])
    claim(campaign, cast["bao"])
    task = gates(campaign).get(unit=WILLOW)
    undo = "UPDATE checklists_task SET state = 'open', done_by_id = NULL, done_at = NULL WHERE id = %s"
    elsewhere.run(undo, task.pk)
    future = elsewhere.start(lambda: phases.close(phase, by=cast["ada"]))
    if waits:
        elsewhere.wait_for_waiting()
    else:
        future.result(30)
    elsewhere.commit()
    error = future.exception(30)
    phase.refresh_from_db()
    return error if isinstance(error, Exception) else None, phase


def test_a_gate_undone_at_the_same_moment_holds_its_phase_open(elsewhere: Elsewhere) -> None:
    error, phase = closing_beside_an_untick(elsewhere, waits=True)
    assert isinstance(error, phases.CannotChange)
    assert "柳村" in str(error)
    assert not phase.is_closed


def test_the_control_without_the_lock_closes_it_over_an_open_gate(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the verb's lock the database's own still holds; without both the phase closes."""
    monkeypatch.setattr(phases, "_held", lambda phase: Campaign.objects.get(pk=phase.campaign_id))
    close = phases.close

    def unguarded(phase: Phase, *, by: Cadre) -> bool:
        with pgtrigger.ignore("checklists.Phase:gates_hold"):
            return close(phase, by=by)

    monkeypatch.setattr(phases, "close", unguarded)
    error, phase = closing_beside_an_untick(elsewhere, waits=False)
    assert error is None
    assert phase.is_closed
    assert Task.objects.filter(item__gate=True, state="open").count() == 1


# ---- Switching on --------------------------------------------------------------------------------------------------


def send(client: Client, campaign: Campaign, **fields: Any) -> Any:
    return client.post(f"/campaigns/{campaign.pk}/setup/rules/", {"red_percent": 10, "last_places": 0} | fields)


def test_everything_that_bites_is_off_by_default(campaign: Campaign) -> None:
    off = ("gates", "vetoes", "ranking", "last_places", "ladder_from", "ladder_by", "decided_by")
    assert not any(getattr(campaign, name) for name in off)


@pytest.mark.parametrize("rule", ["gates", "vetoes", "ranking"])
def test_each_switch_needs_a_leader_and_has_a_day(rule: str, campaign: Campaign, cast: Cast, as_: As) -> None:
    ada, today, mei = as_("ada"), timezone.localdate(), cast["mei"].pk
    assert send(ada, campaign, **{rule: "on"}).status_code == 422, "nobody decided it"
    assert send(ada, campaign, **{rule: "on"}, decided_by=cast["lan"].pk).status_code == 422, "no leader"
    past = {rule: "on", f"{rule}_from": today - ONE, "decided_by": mei}
    assert send(ada, campaign, **past).status_code == 422, "nobody is held to a rule that they could not know"
    assert send(ada, campaign, **past | {f"{rule}_from": "soon"}).status_code == 422
    assert send(ada, campaign, **past | {f"{rule}_from": today + ONE}).status_code == 302
    campaign.refresh_from_db()
    assert not campaign.counts(rule, today)
    assert campaign.counts(rule, today + ONE)
    noted = campaign.changes.all()[0]
    assert noted.by == cast["ada"]
    assert noted.fields[rule] == ["否", "是"]
    assert noted.fields["decided_by"] == ["", "Mei"]
    assert noted.fields[f"{rule}_from"] == ["", (today + ONE).isoformat()]
    assert send(ada, campaign).status_code == 302
    campaign.refresh_from_db()
    assert (getattr(campaign, rule), getattr(campaign, f"{rule}_from")) == (False, None)


def test_a_switch_without_a_day_counts_from_today_and_keeps_its_day(campaign: Campaign, cast: Cast, as_: As) -> None:
    ada, today, mei = as_("ada"), timezone.localdate(), cast["mei"].pk
    on = {"vetoes": "on", "decided_by": mei}
    assert send(ada, campaign, **on).status_code == 302
    campaign.refresh_from_db()
    assert campaign.vetoes_from == today
    Campaign.objects.update(vetoes_from=today - 9 * ONE)  # nine days later
    assert send(ada, campaign, **on, vetoes_from=today - 9 * ONE, red_percent=20).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.vetoes_from, campaign.red_percent) == (today - 9 * ONE, 20)


def test_the_ladder_needs_a_day_and_a_leader(campaign: Campaign, cast: Cast, as_: As) -> None:
    ada, today, mei = as_("ada"), timezone.localdate(), cast["mei"].pk
    for wrong in (
        {"ladder_from": today},
        {"ladder_by": mei},
        {"ladder_from": today, "ladder_by": cast["ada"].pk},
        {"ladder_from": today - ONE, "ladder_by": mei},
    ):
        assert send(ada, campaign, **wrong).status_code == 422, wrong
    assert send(ada, campaign, ladder_from=today, ladder_by=mei).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.ladder_from, campaign.ladder_by) == (today, cast["mei"])
    assert set(campaign.changes.all()[0].fields) == {"ladder_from", "ladder_by"}
    page = ada.get(f"/campaigns/{campaign.pk}/setup/launch/").text
    assert "从何日起提出措施建议" in page
    assert send(ada, campaign).status_code == 302
    campaign.refresh_from_db()
    assert campaign.ladder_from is None


def test_last_places_are_warned_with_their_rule_once_a_leader_ranks(campaign: Campaign, cast: Cast, as_: As) -> None:
    ada, mei = as_("ada"), as_("mei")
    assert send(ada, campaign, last_places=1).status_code == 422, "there is no ranking"
    assert send(ada, campaign, ranking="on", last_places=1, decided_by=cast["mei"].pk).status_code == 302
    page = mei.get(f"/campaigns/{campaign.pk}/", {"show": "ranking"}).text
    assert "末1名（含并列）由系统建议预警，由领导决定" in page
    assert "Mei" in page
    Campaign.objects.update(ranking_from=timezone.localdate() + ONE)
    assert "ranking" not in mei.get(f"/campaigns/{campaign.pk}/", {"show": "ranking"}).context
