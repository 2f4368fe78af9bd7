"""Whatever is done to findings in whatever order, by whomever: nobody confirms their own doing, and nothing is lost."""

import uuid
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

import checklists.findings
from checklists.findings import Refused, open_finding, verbs
from checklists.models import Campaign, Finding, FindingEvent, FindingStep
from tests import factories
from tests.checklists.conftest import Elsewhere, Undone
from tests.factories import WILLOW
from villages import posts
from villages.models import Cadre, Unit

DAY = timedelta(days=1)
What, State = FindingEvent.What, Finding.State
PEOPLE = ("lan", "lin", "bao", "tang", "mei", "su", "nobody", "hong")
STANDS_IN = [("nobody", "lan"), ("tang", "lin"), ("lin", "bao"), ("hong", "tang")]


class Findings(Undone):
    """Open, fix, confirm, send back, reopen, dispute, hand over and all else, by people who stand in for each other."""

    def __init__(self) -> None:
        super().__init__()
        factories.units()
        self.cast = factories.cast()
        self.today = timezone.localdate()
        self.campaign = factories.campaign(on=self.today)
        self.willow = Unit.objects.get(pk=WILLOW)
        self.made = 0
        self.events = 0
        self.stood: list[tuple[str, str]] = []

    def person(self, name: str) -> Cadre:
        return Cadre.objects.get(pk=self.cast[name].pk)

    @initialize()
    def first(self) -> None:
        self.open("su", "leader")

    @rule(who=st.sampled_from(PEOPLE), source=st.sampled_from(["leader", "complaint"]))
    def open(self, who: str, source: str) -> None:
        if self.made < 3:
            open_finding(by=self.person(who), event=uuid.uuid4(), campaign=self.campaign, unit=self.willow,
                         source=source, what="路灯不亮", found_on=self.today - 3 * DAY)  # fmt: skip
            self.made += 1
            self.events += 1

    @rule(pair=st.sampled_from(STANDS_IN))
    def stand_in(self, pair: tuple[str, str]) -> None:
        if pair not in self.stood:
            self.stood.append(pair)
            post = self.cast[pair[1]].posts.filter(stands_in_for=None).order_by("pk")[0]
            posts.stand_in(post, self.cast[pair[0]], self.today - DAY, self.today + DAY, by=self.cast["ada"])

    def do(self, n: int, what: str, who: str, to: str = "lin", days: int = 1) -> None:
        finding = Finding.objects.filter(number=n).first()
        if finding is None:
            return
        step = FindingStep.objects.filter(finding=finding, done_by=None).first()
        sent: dict[str, Any] = {"until": max(finding.due_on, self.today) + days * DAY, "to": self.person(to)}
        sent |= {"fix_now": f"做{days}", "new_step": "买灯", "step": step.pk if step else None}
        kept = {What.HANDED_OVER: {"to"}, What.STEPPED: {"step"}, What.PLANNED: {"fix_now", "new_step", "until"}}
        wanted = kept.get(What(what), {"until"})
        try:
            verbs.record(finding, what, by=self.person(who), event=uuid.uuid4(), note="因为",
                         **{name: value for name, value in sent.items() if name in wanted})  # fmt: skip
            self.events += 1
        except (Refused, PermissionDenied):
            return
        if what == What.CONFIRMED:
            fixed = finding.events.filter(what=What.FIXED).select_related("by").order_by("at").last()
            assert fixed is not None
            assert not self.hands(who) & self.hands(fixed.by.username), (who, fixed.by.username, self.stood)

    def hands(self, name: str) -> set[str]:
        """The person and whomever they stand in for, reckoned apart from the product."""
        return {name} | {principal for one, principal in self.stood if one == name}

    @rule(n=st.integers(1, 3), what=st.sampled_from(list(verbs.CHANGES)), who=st.sampled_from(PEOPLE),
          to=st.sampled_from(PEOPLE), days=st.integers(1, 9))  # fmt: skip
    def anything(self, n: int, what: str, who: str, to: str, days: int) -> None:
        self.do(n, what, who, to, days)

    @precondition(lambda self: self.made)
    @rule(fixer=st.sampled_from(["lan", "lin", "bao"]), looker=st.sampled_from(["lin", "bao", "tang"]))
    def fix_and_confirm(self, fixer: str, looker: str) -> None:
        """By people who do the work and look after it both."""
        self.do(1, What.FIXED, fixer)
        self.do(1, What.CONFIRMED, looker)

    @invariant()
    def nobody_both_fixes_and_confirms(self) -> None:
        for finding in Finding.objects.filter(state=State.CLOSED):
            looked = {finding.confirmed_by_id, finding.confirmed_for_id}
            assert {finding.fixed_by_id, finding.fixed_for_id} & looked <= {None}
        for event in FindingEvent.objects.filter(what=What.CONFIRMED):
            fixed = event.finding.events.filter(what=What.FIXED, at__lte=event.at).order_by("at").last()
            assert fixed is not None
            assert fixed.by_id != event.by_id

    @invariant()
    def nothing_is_lost_and_numbers_have_no_gaps(self) -> None:
        assert list(Finding.objects.values_list("number", flat=True)) == list(range(1, self.made + 1))
        assert FindingEvent.objects.count() == self.events
        for finding in Finding.objects.all():
            assert finding.events.filter(what=What.REOPENED).count() == finding.came_back
            assert finding.version == finding.events.count() - 1

    @invariant()
    def whoever_judged_was_not_who_asked(self) -> None:
        for asking, judging in ((What.DISPUTED, (What.UPHELD, What.DROPPED)), (What.ASKED_TIME, (What.REFUSED_TIME,))):
            for event in FindingEvent.objects.filter(what__in=judging):
                asked = event.finding.events.filter(what=asking, at__lte=event.at).order_by("at").last()
                assert asked is not None
                assert asked.by_id != event.by_id


@pytest.mark.django_db
def test_in_any_order_nobody_confirms_their_own_doing_and_nothing_is_lost() -> None:
    Findings.TestCase.settings = settings(
        max_examples=8, stateful_step_count=25, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    Findings.TestCase("runTest").runTest()


# ---- Two at once --------------------------------------------------------------------------------------------------


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
