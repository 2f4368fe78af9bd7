"""Everything that takes part is killed while notices go out: nothing doubled, nothing lost without a word."""

import time
from collections.abc import Callable

import pytest

from readiness.models import Channel
from tests.chaos import size, world
from tests.chaos.reckoning import Reckoning
from tests.chaos.stack import Stack, ended
from tests.chaos.storm import SENDERS, Storm
from tests.platforms import Platform

pytestmark = pytest.mark.slow
NOTICES = size(2000, 80)
KILLS = {"sender": size(50, 4), "planner": size(5, 1), "postgres": size(20, 1), "redis": size(20, 1)}
FEW = size(300, 40)
FEW_KILLS = {"sender": size(20, 3)}
SLOW = "slow:0.03"  # seconds between a platform's taking of a notice and its saying so


def rage(
    stack: Stack, channel: Channel, notices: int, kills: dict[str, int], app: str = "tests.chaos.app"
) -> tuple[Storm, Reckoning]:
    """Notices to as many cadres by one channel, and what became of them."""
    campaign = world.owed_by(notices)
    with Platform(secret="willow") as platform:
        platform.mood = SLOW
        stack.env["OUTGOING_HOSTS"] = platform.host
        world.gateway(channel, platform.host)
        if channel != Channel.WEBHOOK:
            world.accounts(channel)
        storm = Storm(stack, platform, notices, kills, app)
        with ended(*storm.programs):
            storm.rage()
            storm.calm()
    return storm, Reckoning(platform, campaign, channel)


def test_whatever_is_killed_nothing_is_doubled_and_nothing_silently_lost(
    stack: Stack, tell: Callable[[str], None]
) -> None:
    began = time.monotonic()
    storm, found = rage(stack, Channel.WEBHOOK, NOTICES, KILLS)
    tell(f"chaos, webhook: killed {dict(storm.done)}; {found}; {time.monotonic() - began:.0f} s")
    assert len(found.inbox) == len(dict(found.inbox)) == NOTICES
    assert {status for _, status in found.inbox} == {"delivered"}
    assert len(found.states) == NOTICES
    assert (found.doubled, found.lost) == ([], [])
    assert len(found.unknown) <= storm.done.total() * SENDERS
    assert found.on_the_page == len(found.unknown)


def test_a_platform_that_knows_repeats_shows_each_once(stack: Stack, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    storm, found = rage(stack, Channel.FEISHU, NOTICES, KILLS)
    tell(f"chaos, Feishu: killed {dict(storm.done)}; {found}; {time.monotonic() - began:.0f} s")
    assert len(found.inbox) == len(dict(found.inbox)) == NOTICES
    assert set(found.shown.values()) == {1}
    assert len(found.shown) == NOTICES
    assert (found.lost, found.unknown) == ([], set())


def test_whoever_sends_again_blindly_doubles(stack: Stack, tell: Callable[[str], None]) -> None:
    """The control."""
    _, found = rage(stack, Channel.WEBHOOK, FEW, FEW_KILLS, "tests.chaos.unsafe")
    tell(f"chaos, control that sends again what the dead had begun: {found}")
    assert found.doubled
