"""A process that is frozen is not dead, and is missed all the same."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from readiness import health
from readiness.reminders import state
from tests import live
from tests.chaos.stack import Stack, ended
from villages.models import Cadre

pytestmark = pytest.mark.slow
# Instead of five minutes; a living sender is heard of every other second here.
PATIENCE = timedelta(seconds=3)


def missed() -> set[str]:
    return {part for part, _since in state.look(Cadre(pk=0))[1].silent}


def test_whoever_is_frozen_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]) -> None:
    promised = health.SILENT
    assert promised <= timedelta(minutes=5)
    monkeypatch.setattr(health, "SILENT", PATIENCE)
    programs = {
        "worker": stack.worker("worker", "planning,reports"),
        "sender": stack.worker("sender", "sending"),
        "beat": stack.beat(),
    }
    with ended(*programs.values()):
        live.wait_for(lambda: not missed(), 30, what="for all three to be heard of")
        for name, program in programs.items():
            with program.frozen():
                live.wait_for(lambda name=name: name in missed(), 15, what=f"for {name} to be missed")
            live.wait_for(lambda: not missed(), 30, what=f"for {name} to be heard of again")
    tell(
        "chaos: worker, sender and beat frozen one after the other: each is named when silent for longer than allowed "
        f"({promised.total_seconds():.0f} s; here {PATIENCE.total_seconds():.0f} s)"
    )
