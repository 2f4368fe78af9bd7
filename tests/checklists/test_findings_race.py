"""Findings that two enter, or close, at the same moment."""

import uuid
from concurrent.futures import Future
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

import checklists.findings
from checklists.findings import Refused, open_finding, verbs
from checklists.models import Campaign, Finding, FindingEvent
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import WILLOW
from villages.models import Cadre, Unit

What = FindingEvent.What


def both(elsewhere: Elsewhere, campaign_id: int) -> list[Future[Any]]:
    """Two connections that enter a finding and come as far as they can while nothing is inserted; then let go."""
    campaign, unit = Campaign.objects.get(pk=campaign_id), Unit.objects.get(pk=WILLOW)
    su = Cadre.objects.get(username="su")
    elsewhere.run("LOCK TABLE checklists_finding IN SHARE MODE")

    def enter() -> int:
        return open_finding(
            by=su, event=uuid.uuid4(), campaign=campaign, unit=unit, source="leader", what="路灯不亮"
        ).number

    calls = [elsewhere.start(enter) for _ in range(2)]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    return calls


@pytest.fixture
def ledger(elsewhere: Elsewhere) -> int:
    factories.units()
    factories.cast()
    return factories.campaign(on=timezone.localdate()).pk


def test_two_who_enter_at_once_get_two_numbers(elsewhere: Elsewhere, ledger: int) -> None:
    assert sorted(call.result(30) for call in both(elsewhere, ledger)) == [1, 2]
    assert list(Finding.objects.values_list("number", flat=True)) == [1, 2]


def test_without_the_lock_one_of_them_is_turned_away(
    elsewhere: Elsewhere, ledger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both have read the same last number before either has entered anything."""

    class Unguarded:
        def __enter__(self) -> Any:
            return self

        def execute(self, statement: str, values: Any) -> None:
            assert "pg_advisory_xact_lock" in statement

        def __exit__(self, *_: object) -> None:
            pass

    class Connection:
        cursor = Unguarded

    monkeypatch.setattr(checklists.findings, "connection", Connection)
    failed = [call.exception(30) for call in both(elsewhere, ledger)]
    assert [type(error) for error in failed if error] == [IntegrityError]
    assert Finding.objects.count() == 1


def test_of_two_who_confirm_at_once_one_closes_it_and_the_other_is_told(elsewhere: Elsewhere, ledger: int) -> None:
    people = {one.username: one for one in Cadre.objects.all()}
    finding = open_finding(
        by=people["su"], event=uuid.uuid4(), campaign=Campaign.objects.get(pk=ledger),
        unit=Unit.objects.get(pk=WILLOW), source="leader", what="路灯不亮",
    )  # fmt: skip
    verbs.record(finding, What.FIXED, by=people["lan"], event=uuid.uuid4(), note="好了")
    elsewhere.run("SELECT FROM checklists_finding WHERE id = %s FOR UPDATE", finding.pk)

    def confirm(who: str) -> str:
        try:
            verbs.record(finding, What.CONFIRMED, by=people[who], event=uuid.uuid4(), seen=1)
        except Refused as refused:
            return type(refused).__name__
        return "closed"

    calls = [elsewhere.start(lambda who=who: confirm(who)) for who in ("lin", "tang")]  # type: ignore[misc]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(call.result(30) for call in calls) == ["Conflict", "closed"]
    assert FindingEvent.objects.filter(what=What.CONFIRMED).count() == 1


def test_a_round_that_returns_a_task_first_and_one_that_enters_by_hand_do_not_lock_each_other_out(
    elsewhere: Elsewhere, ledger: int
) -> None:
    """Whoever ticks holds a share of the campaign's row: two such transactions both get a number."""
    elsewhere.run("SELECT FROM checklists_campaign WHERE id = %s FOR SHARE", ledger)
    campaign, unit = Campaign.objects.get(pk=ledger), Unit.objects.get(pk=WILLOW)
    su = Cadre.objects.get(username="su")

    def in_a_round() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM checklists_campaign WHERE id = %s FOR SHARE", [ledger])
            cursor.execute("SELECT pg_sleep(0.2)")
            return open_finding(
                by=su, event=uuid.uuid4(), campaign=campaign, unit=unit, source="mock", what="路灯不亮"
            ).number

    calls = [elsewhere.start(in_a_round) for _ in range(2)]
    assert sorted(call.result(30) for call in calls) == [1, 2]
    elsewhere.commit()
