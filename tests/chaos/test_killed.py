"""Everything that takes part is killed while notices go out: nothing doubled, nothing lost without a word."""

import time
from collections.abc import Callable, Iterator

import pytest

from readiness.models import Channel, Notice, Sender
from readiness.reminders import restored
from tests import live
from tests.chaos import size, world
from tests.chaos.reckoning import Reckoning
from tests.chaos.stack import Stack, ended, rows
from tests.chaos.storm import EXPIRED, LEFT, SENDERS, Storm
from tests.platforms import Platform

pytestmark = pytest.mark.slow
NOTICES = size(2000, 60)  # by each of two channels, and as many in the inbox
KILLS = {"sender": size(50, 4), "planner": size(5, 1), "postgres": size(20, 1), "redis": size(20, 1)}
CONTROL, CONTROL_KILLS = size(500, 40), size(20, 3)
SLOW = "slow:0.03"  # seconds between a platform's taking of a notice and its saying so


@pytest.fixture
def platform(stack: Stack) -> Iterator[Platform]:
    with Platform(secret="willow") as outside:
        outside.mood = SLOW
        stack.env["OUTGOING_HOSTS"] = outside.host
        yield outside


def test_whatever_is_killed_nothing_is_doubled_and_nothing_silently_lost(
    stack: Stack, platform: Platform, tell: Callable[[str], None]
) -> None:
    """By a webhook, where a repeat is a second message, and by Feishu, which knows a repeat by its key."""
    began = time.monotonic()
    campaign = world.owed_by(NOTICES)
    world.gateway(Channel.WEBHOOK, platform.host)
    world.gateway(Channel.FEISHU, platform.host)
    world.accounts(Channel.FEISHU)
    storm = Storm(stack, platform, 2 * NOTICES, KILLS)
    with ended(*storm.programs):
        storm.rage()
        storm.calm()
    webhook, feishu = (Reckoning(platform, campaign, channel) for channel in (Channel.WEBHOOK, Channel.FEISHU))
    tell(f"chaos: killed {dict(storm.done)}; {webhook}; {feishu}; {time.monotonic() - began:.0f} s")

    assert len(webhook.inbox) == len(dict(webhook.inbox)) == NOTICES
    assert {status for _, status in webhook.inbox} == {"delivered"}
    assert len(webhook.states) == len(feishu.states) == NOTICES
    assert (webhook.doubled, webhook.lost) == ([], [])
    assert len(webhook.unknown) <= storm.done.total() * SENDERS
    assert webhook.on_the_page == len(webhook.unknown)
    assert set(feishu.shown.values()) == {1}
    assert (len(feishu.shown), feishu.lost, feishu.unknown) == (NOTICES, [], set())


def test_what_another_sender_hands_over_meanwhile_is_no_restore(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the storm: one that looked while another noted took the database for one from a backup."""
    assert restored.may_send()
    lies_in = restored.lies_in

    def meanwhile() -> str:
        restored.remember(3)
        return lies_in()

    monkeypatch.setattr(restored, "lies_in", meanwhile)
    assert restored.may_send()


def test_what_was_sent_from_an_earlier_database_is_no_restore(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by tests that ran by turns: one that looked while another settled down in an emptied database."""
    restored.release()
    restored.remember(3)
    Sender.objects.all().delete()
    remembered = restored._remembered

    def settled_down_meanwhile(place: str) -> int:
        found = remembered(place)
        restored._settled_down(place)
        return found

    monkeypatch.setattr(restored, "_remembered", settled_down_meanwhile)
    assert restored.may_send()


def test_whoever_sends_again_blindly_doubles(stack: Stack, platform: Platform, tell: Callable[[str], None]) -> None:
    """The control."""
    campaign = world.owed_by(CONTROL)
    world.gateway(Channel.WEBHOOK, platform.host)
    part = CONTROL // (CONTROL_KILLS + 1)
    for number in range(1, CONTROL_KILLS + 1):
        with ended(stack.program("unsafe", "-m", "tests.chaos.unsafe")):
            live.wait_for(lambda number=number: len(platform.arrivals) >= part * number, 60, what="for notices")
        rows(EXPIRED)
    with ended(stack.program("unsafe", "-m", "tests.chaos.unsafe")):
        live.wait_for(lambda: not rows(LEFT), 60, what="for the rest")
    found = Reckoning(platform, campaign, Channel.WEBHOOK)
    tell(f"chaos, control that sends again what the dead had begun: {CONTROL_KILLS} kills; {found}")
    assert found.doubled
    assert Notice.objects.filter(channel=Channel.WEBHOOK, status="accepted").count() == CONTROL
