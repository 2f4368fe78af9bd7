"""Whatever is done, by whom and in whose place: claimed and verified, put right and confirmed stay two people's words.

The people, and what they try: two_people.py beside this. Each control breaks one rule, the database's guard off.
"""

import os
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from checklists import rounds, ticks
from checklists.findings import verbs
from checklists.models import Finding, State
from tests import factories
from tests.checklists.two_people import NAMES, TwoPeople
from villages import access
from villages.access import Role
from villages.access.verdicts import posts_for
from villages.models import Cadre

# A failure is printed as it was found: making it shorter takes minutes. Add Phase.shrink when there is one.
SEQUENCES = settings(
    max_examples=int(os.environ.get("TWO_PEOPLE", "6")),  # by hand: a few hundred
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def small(cast: dict[str, Cadre]) -> None:
    factories.campaign(on=timezone.localdate())


def test_no_path_leads_one_person_to_both_sides_and_nothing_is_lost(small: None) -> None:
    run_state_machine_as_test(TwoPeople, settings=SEQUENCES)  # type: ignore[no-untyped-call]


# --- Controls --------------------------------------------------------------------------------------------------------


def forgets_the_claimant(user: Any, task: Any) -> access.Verdict:
    """Whoever's post checks there may."""
    able = posts_for(user, access.Action.CHECK, task.unit_id)
    return access.YES if any(access.height_of(one) >= task.height for one in able) else access.Verdict(False)


def forgets_stand_ins(user: Any, task: Any) -> access.Verdict:
    """As it was before there were stand-ins."""
    return access.Verdict(task.done_by_id != user.pk and bool(forgets_the_claimant(user, task)))


def forgets_values(user: Any, task: Any) -> access.Verdict:
    """Only who ticked has claimed it, whatever others entered since or before."""
    return access.may_check(user, ticks._Anywhere(task.unit_id, task.height, task.done_by_id, task.done_for_id))


def values_are_notes(patch: pytest.MonkeyPatch) -> None:
    """As it was before: whoever enters a value on somebody else's claim leaves it theirs."""
    write = ticks._write
    patch.setattr(ticks, "_write", lambda *args, **named: write(*args, **named | {"counts": False}))


def forgets_heights(user: Any, task: Any) -> access.Verdict:
    """Any look will do."""
    low = ticks._Anywhere(task.unit_id, 1, task.done_by_id, task.done_for_id, tuple(task.rests_on))
    return access.may_check(user, low)


class FromNextDoor(TwoPeople):
    """So that it is soon tried: somebody linked with the village looks, however high the look has to come from."""

    @rule(who=TwoPeople.people_, which=TwoPeople.tasks_)
    def look_from_next_door(self, who: int, which: int) -> None:
        self._appoint(who, Role.LINKED, self._task(self.tasks[which]).unit_id)
        self.act(who, which, State.VERIFIED)


class FromAbove(TwoPeople):
    """So that it is soon tried: who sits in the township enters a value on a claim, and looks."""

    @rule(who=TwoPeople.people_, other=TwoPeople.people_, which=TwoPeople.tasks_)
    def look_from_above(self, who: int, other: int, which: int) -> None:
        self._appoint(who, Role.TOWNSHIP_STAFF, factories.EAST)
        self.look_at_ones_own_value(who, other, which, 7, State.VERIFIED)


class BothAtOneFinding(TwoPeople):
    """So that it is soon tried: Lin, who is linked with Willow, takes a step there, and looks when it is put right."""

    @rule(fixer=TwoPeople.people_)
    def lin_takes_a_step_and_looks(self, fixer: int) -> None:
        self.take_a_step_and_confirm(1, fixer, NAMES.index("lin"))


MACHINES = {"heights": FromNextDoor, "values": FromAbove, "steps": BothAtOneFinding}


def looks(broken: Any) -> Any:
    return lambda patch: [
        patch.setitem(ticks.MAY, verb, broken) for verb in (ticks.Verb.VERIFY, ticks.Verb.RETURN, ticks.Verb.LOOK)
    ]


def fixers_confirm(patch: pytest.MonkeyPatch) -> None:
    """Whoever looks after the unit may."""
    patch.setattr(verbs, "may", lambda user, finding, what, hands: access.YES)


def steps_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Only who reports it as put right is a fixer."""
    whole = verbs.hands_of

    def hands_of(user: Cadre, finding: Finding, *, on: date) -> verbs.Hands:
        return replace(whole(user, finding, on=on), fixers={finding.fixed_by_id or 0})

    patch.setattr(verbs, "hands_of", hands_of)


def inspectors_check_themselves(patch: pytest.MonkeyPatch) -> None:
    """Whoever was sent may, about whatever claim."""
    patch.setattr(rounds, "_is_own", lambda task, by: False)
    patch.setattr(rounds, "may_record", lambda user, visit: access.Verdict(rounds.is_inspector(user, visit)))


GUARDS = {
    "task": (
        "verified_by_someone_else",
        "verified_by_no_stand_in_of_the_claimant",
        "verified_by_nobody_it_rests_on",
    ),
    "finding": ("confirmed_by_someone_else", "confirmed_by_no_stand_in_of_who_fixed_it"),
}


@pytest.mark.parametrize(
    "broken",
    [
        *(looks(forgets_the_claimant), looks(forgets_stand_ins), looks(forgets_heights)),
        *(looks(forgets_values), values_are_notes, fixers_confirm, steps_are_forgotten, inspectors_check_themselves),
    ],
    ids=["claimant", "stand-ins", "heights", "values", "notes", "fixer", "steps", "inspector"],
)
def test_the_sequences_find_it_out_if_a_rule_is_broken(
    broken: Any, small: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    machine = MACHINES.get(request.node.callspec.id, TwoPeople)
    broken(monkeypatch)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, names in GUARDS.items():
            for name in names:
                cursor.execute(f"ALTER TABLE checklists_{table} DROP CONSTRAINT {table}_{name}")
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(SEQUENCES, max_examples=60))  # type: ignore[no-untyped-call]
