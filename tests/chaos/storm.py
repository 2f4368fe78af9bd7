"""Kills in a random order, one in each equal part of the work, so that every one falls among notices."""

import random
from collections import Counter
from dataclasses import dataclass, field

from tests import live
from tests.chaos.stack import PROCESSES, Program, Stack, rows
from tests.platforms import Platform

SEED = 511504
PATIENCE = 300  # for a machine that does much else; nothing is faster for a shorter one
WORKERS = 2  # that send, killed by turns
SENDERS = WORKERS * PROCESSES  # each has one notice of a lane under way


@dataclass
class Storm:
    """For as long as there is somebody to kill; then `calm` waits for the end of the work."""

    stack: Stack
    platform: Platform
    notices: int
    kills: dict[str, int]
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.senders = [self.stack.worker(f"sender{n}", "sending") for n in range(WORKERS)]
        self.planner = self.stack.worker("planner", "planning,reports")
        self.programs = [*self.senders, self.planner, self.stack.beat()]

    def rage(self) -> None:
        victims = [name for name, many in self.kills.items() for _ in range(many)]
        random.Random(SEED).shuffle(victims)
        part = self.notices / (len(victims) + 1)
        for number, victim in enumerate(victims, 1):
            self._wait_for(int(part * number))
            getattr(self, f"kill_{victim}")()
            self.done[victim] += 1

    def kill_sender(self) -> None:
        self._again(self.senders[self.done["sender"] % WORKERS])

    def kill_planner(self) -> None:
        self._again(self.planner)

    def kill_postgres(self) -> None:
        self.stack.kill_postgres()

    def kill_redis(self) -> None:
        self.stack.kill_redis()

    @staticmethod
    def _again(program: Program) -> None:
        program.kill()
        program.start()

    def _wait_for(self, arrivals: int) -> None:
        what = f"for notice {arrivals} of {self.notices}, after {dict(self.done)}"
        live.wait_for(lambda: len(self.platform.arrivals) >= arrivals, PATIENCE, what=what)

    def calm(self) -> None:
        """What is put off for minutes, and the leases of the dead, which run for minutes, are due at once."""
        self.stack.wait_for_postgres()
        live.wait_for(lambda: not self._waiting(), PATIENCE, what="for the last notices")
        live.wait_for(lambda: not rows(FRESH), 15, what="for those who live to end what they have begun")
        rows(EXPIRED)
        live.wait_for(lambda: not rows(LEFT), PATIENCE, what="for the leases of the dead")

    def _waiting(self) -> bool:
        rows("UPDATE readiness_notice SET due_at = now() WHERE status = 'pending' AND due_at > now() RETURNING id")
        return bool(rows("SELECT 1 FROM readiness_notice WHERE status = 'pending' LIMIT 1"))


# Claimed in these five seconds, for five minutes; no platform here takes that long.
FRESH = "SELECT 1 FROM readiness_notice WHERE status = 'sending' AND leased_until > now() + interval '295 s' LIMIT 1"
EXPIRED = "UPDATE readiness_notice SET leased_until = now() - interval '1 s' WHERE status = 'sending' RETURNING id"
LEFT = "SELECT 1 FROM readiness_notice WHERE status IN ('pending', 'sending') LIMIT 1"
