"""Measured promises, one topic a file: `python -m benchmarks` finds every module here and runs its BENCHES.

A promise is a ratio: how much longer our operation takes than the least that could give the same result, the floor.
Both are measured alternately in one run, so that the machine's moods hit both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

Figures = tuple[float, float]  # ours and the floor's, of one run, in the unit of the bench


def nothing() -> None:
    """For a bench that needs no preparation."""


@dataclass(frozen=True)
class Bench:
    """One promise.

    Attributes:
        name: a sentence's worth, in snake case.
        limit: the promise holds while median(ours) is at most this many times median(floor).
        run: measures both once.
        setup: runs once, before everything else.
        runs: how often `run` is called.
        unit: what the figures are; milliseconds unless something else is counted.
        at_least: the limit is the least, not the most.
    """

    name: str
    limit: float
    run: Callable[[], Figures]
    setup: Callable[[], object] = nothing
    runs: int = 3
    unit: str = "ms"
    at_least: bool = False


def timed(
    ours: Callable[[], object], floor: Callable[[], object], reset: Callable[[], object] = nothing
) -> Callable[[], Figures]:
    """A run that times two operations, in milliseconds, each after a `reset`."""

    def run() -> Figures:
        reset()
        first = milliseconds(ours)
        reset()
        return first, milliseconds(floor)

    return run


def milliseconds(operation: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    operation()
    return (time.perf_counter() - start) * 1000
