"""Twenty endpoints, three of them in trouble: the other seventeen do not notice."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.utils import timezone

from readiness.models import Channel, Gateway, Notice
from tests import live
from tests.chaos import FULL, size, world
from tests.chaos.stack import Stack, ended
from tests.platforms import Platform
from villages.models import Cadre, Unit

pytestmark = pytest.mark.slow
TROUBLES = {"/0/": "hang:30", "/1/": "500", "/2/": "html"}
ENDPOINTS, EACH = 20, size(100, 12)
WELL = ENDPOINTS - len(TROUBLES)
# One run of a sender, in a process of its own; it says when it begins.
RUN = (
    "import django, time; django.setup(); from readiness.reminders import sender; "
    "print('began', time.time(), flush=True); sender.deliver({options})"
)


@pytest.fixture
def platform(stack: Stack) -> Iterator[Platform]:
    """Twenty at one address, each in its mood."""
    world.owed_by(ENDPOINTS * world.IN_A_TOWNSHIP)
    with Platform(secret="willow") as outside:
        outside.mood = "slow:0.02"
        outside.moods = TROUBLES
        stack.env["OUTGOING_HOSTS"] = outside.host
        townships = Unit.objects.filter(kind="township", name__startswith="2").order_by("pk")
        for number, unit in enumerate(townships):
            world.gateway(Channel.WEBHOOK, outside.host, unit.pk, path=f"/{number}/")
        yield outside


def seconds(stack: Stack, platform: Platform, *, troubled: bool, options: str = "", patience: float = 300) -> float:
    """How long it takes until those that are well have all that is theirs, beside the three in trouble or without."""
    Notice.objects.all().delete()
    platform.requests.clear()
    gateways = Gateway.objects.order_by("unit")[0 if troubled else len(TROUBLES) :]
    Notice.objects.bulk_create(
        Notice(cadre=person, gateway=each, rule=f"to-{each.unit_id}", on=timezone.localdate(), channel=each.channel)
        for person in Cadre.objects.order_by("pk")[:EACH]
        for each in gateways
    )

    with connection.cursor() as cursor:  # what the run before has left behind is no cost of this one
        cursor.execute("VACUUM ANALYZE readiness_notice")

    def arrived() -> int:
        return sum(not any(address.endswith(part) for part in TROUBLES) for address in list(platform.requests))

    run = stack.program("run", "-c", RUN.format(options=options))
    with ended(run):
        (began,) = live.wait_for(lambda: re.findall(r"^began (\S+)\n", run.said(), re.MULTILINE), 60)
        live.wait_for(lambda: arrived() >= WELL * EACH, patience, what="for those that are well")
        over = time.time()
    run.log.unlink()
    return over - float(began)


def test_an_endpoint_in_trouble_holds_up_nobody_else(
    stack: Stack, platform: Platform, tell: Callable[[str], None]
) -> None:
    alone = seconds(stack, platform, troubled=False)
    beside = seconds(stack, platform, troubled=True)
    tell(
        f"chaos, {ENDPOINTS} endpoints, one hangs, one answers 500, one HTML: the other {WELL} have {EACH} notices "
        f"each after {beside:.2f} s, without them after {alone:.2f} s: ratio {beside / alone:.2f}"
    )
    # A small run is over in a second or two, where any pause of the machine counts; a lane that waits costs five.
    assert beside <= (1.2 * alone if FULL else max(2.5 * alone, alone + 4))


def test_one_after_the_other_all_would_wait(stack: Stack, platform: Platform) -> None:
    """The control: one thread for all."""
    alone = seconds(stack, platform, troubled=False)
    with pytest.raises(AssertionError, match="in vain"):
        seconds(stack, platform, troubled=True, options="threads=1", patience=1.2 * alone)
