"""Measured promises, one file each: `python -m benchmarks` finds every module here and runs its BENCHES.

A promise is a ratio: how much longer our operation takes than the least that the database could do for the
same result, the floor. Both are timed alternately in one run, so that the machine's moods hit both.
"""

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """For a bench that needs no preparation."""


@dataclass(frozen=True)
class Bench:
    """One promise.

    Attributes:
        name: a sentence's worth, in snake case.
        limit: the promise holds while median(ours) is at most this many times median(floor).
        ours: the operation; timed.
        floor: the least that gives the same rows; timed.
        setup: runs once, before everything else.
        reset: runs before every timed call.
        runs: how often each is timed.
    """

    name: str
    limit: float
    ours: Callable[[], object]
    floor: Callable[[], object]
    setup: Callable[[], object] = nothing
    reset: Callable[[], object] = nothing
    runs: int = 3
