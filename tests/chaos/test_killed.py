"""Everything that takes part is killed while notices go out: nothing doubled, nothing lost without a word."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.db.models import Q

from checklists.models import Campaign
from readiness.models import Notice
from tests import live
from tests.chaos import size, world
from tests.chaos.outside import PostOffice, Received
from tests.chaos.stack import Program, Stack, ended, rows

pytestmark = pytest.mark.slow
SEED = 511504
NOTICES = size(2000, 120)
KILLS = {"sender": size(50, 5), "postgres": size(20, 1), "redis": size(20, 1)}
SENDERS = 2
SLOW = 0.03  # seconds between a platform's taking of a notice and its saying so
PATIENCE = 120
Status = Notice.Status
SETTLED_WITHOUT_ARRIVING = {Status.UNKNOWN, Status.REFUSED, Status.FAILED}


@dataclass
class Storm:
    """Kills in a random order, one in each equal part of the work, so that every one falls among notices."""

    stack: Stack
    senders: list[Program]
    received: Received
    kills: dict[str, int] = field(default_factory=lambda: dict(KILLS))
    done: Counter[str] = field(default_factory=Counter)

    def rage(self, notices: int) -> None:
        dice = random.Random(SEED)
        victims = [name for name, many in self.kills.items() for _ in range(many)]
        dice.shuffle(victims)
        part = notices / (len(victims) + 1)
        for number, victim in enumerate(victims, 1):
            moment = int(part * number)
            live.wait_for(lambda moment=moment: len(self.received) >= moment, PATIENCE, what=f"for notice {moment}")
            if victim == "sender":
                sender = self.senders[self.done["sender"] % len(self.senders)]
                sender.kill()
                sender.start()
            elif victim == "postgres":
                self.stack.kill_postgres()
            else:
                self.stack.kill_redis()
            self.done[victim] += 1

    def calm(self) -> None:
        """Waits for the end of the work; the leases of the dead run out at once, not in minutes."""
        self.stack.wait_for_postgres()

        def nothing_waits() -> bool:
            rows("UPDATE readiness_notice SET due_at = now() WHERE status = 'pending' AND due_at > now() RETURNING 1")
            return not rows("SELECT 1 FROM readiness_notice WHERE status = 'pending'")

        live.wait_for(nothing_waits, PATIENCE, what="for the last notices")
        time.sleep(1)  # those who still live end what they have begun
        rows(
            "UPDATE readiness_notice SET leased_until = now() - interval '1 second' WHERE status = 'sending' RETURNING 1"
        )
        live.wait_for(lambda: not rows("SELECT 1 FROM readiness_notice WHERE status IN ('sending', 'pending')"), 60)


@dataclass
class Reckoning:
    """What the rows say, held against what the outside has."""

    received: Received
    campaign: Campaign

    @property
    def outside(self) -> "list[tuple[str, str]]":
        return list(Notice.objects.exclude(channel="inbox").values_list("cadre__username", "status"))

    def doubled(self) -> list[str]:
        return [who for who, times in self.received.by.items() if times > 1]

    def lost(self) -> list[tuple[str, str]]:
        """Not arrived, and nobody says so."""
        return [
            (who, status)
            for who, status in self.outside
            if not self.received.by[who] and status not in SETTLED_WITHOUT_ARRIVING
        ]

    def unknown_on_the_page(self) -> int:
        return Notice.objects.of_campaign(self.campaign).filter(status=Status.UNKNOWN).count()

    def __str__(self) -> str:
        states = Counter(status for _, status in self.outside)
        told = ", ".join(f"{many} {state}" for state, many in states.most_common())
        return (
            f"{len(self.received)} arrived at {len(self.received.by)}, {len(self.doubled())} doubled, "
            f"{len(self.lost())} lost; rows: {told}"
        )


def workers(stack: Stack, app: str = "readiness") -> list[Program]:
    """Two that send, killed by turns."""
    quiet = ["-W", "ignore:You're running the worker"]
    options = ["worker", "--pool=threads", "--concurrency=2", "--without-gossip", "--without-mingle"]
    return [
        stack.program(f"sender{n}", *quiet, "-m", "celery", "--quiet", "-A", app, *options, f"--hostname=sender{n}@%h")
        for n in range(SENDERS)
    ]


def beat(stack: Stack, number: int = 0) -> Program:
    schedule = f"--schedule={stack.home / f'beat{number}'}"
    return stack.program(f"beat{number}", "-m", "celery", "--quiet", "-A", "readiness", "beat", schedule, "--pidfile=")


def test_whatever_is_killed_nothing_is_doubled_and_nothing_silently_lost(
    stack: Stack, tell: Callable[[str], None]
) -> None:
    campaign = world.owed_by(NOTICES)
    began = time.monotonic()
    with PostOffice(slow=SLOW) as office:
        stack.env |= office.env
        senders = workers(stack)
        with ended(*senders, beat(stack)):
            storm = Storm(stack, senders, office.received)
            storm.rage(NOTICES)
            storm.calm()
    reckoning = Reckoning(office.received, campaign)
    unknown = Notice.objects.filter(status=Status.UNKNOWN).count()
    tell(f"chaos, mail: {dict(storm.done)} kills; {reckoning}; {time.monotonic() - began:.0f} s")
    inbox = Notice.objects.filter(channel="inbox")
    assert inbox.count() == inbox.values("cadre").distinct().count() == NOTICES
    assert not inbox.filter(~Q(status=Status.DELIVERED)).exists()
    assert len(reckoning.outside) == NOTICES
    assert (reckoning.doubled(), reckoning.lost()) == ([], [])
    assert unknown <= storm.done.total() * SENDERS
    assert reckoning.unknown_on_the_page() == unknown
