"""Measures every promise, prints one table, writes results.json; exits 1 if a promise does not hold.

    python -m benchmarks              all of them
    python -m benchmarks NAME …       only these; results.json stays as it is

Works in a database of its own, next to the one in DATABASE_URL, or on embedded servers if that is unset.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from statistics import median

import benchmarks
from benchmarks import Bench
from readiness import embedded

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Result:
    """One line of the table; times in milliseconds."""

    name: str
    ratio: float
    limit: float
    holds: bool
    median_ms: float
    floor_ms: float
    runs: int


def main() -> int:
    """The exit code: 0 if every promise holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what is promised.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure only these")
    names = parser.parse_args().names
    with own_database():
        benches = found()
        if unknown := set(names) - {bench.name for bench in benches}:
            parser.error(f"no such bench: {', '.join(sorted(unknown))}")
        results = [measured(bench) for bench in benches if not names or bench.name in names]
    print(table(results))
    if not names:
        RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    return 0 if all(result.holds for result in results) else 1


@contextmanager
def own_database() -> Iterator[None]:
    """Django on an empty, migrated database `<name>_bench`, which is dropped afterwards."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")
    os.environ.setdefault("DEBUG", "1")
    with embedded.servers():
        import django
        from django.conf import settings
        from django.db import connection

        django.setup()
        settings.DEBUG = False  # would keep every query in memory
        name = connection.settings_dict["NAME"]
        connection.settings_dict["TEST"]["NAME"] = f"{name}_bench"
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)


def found() -> list[Bench]:
    """The benches of all modules of this package."""
    names = [module.name for module in iter_modules(benchmarks.__path__) if module.name != "__main__"]
    return [bench for name in sorted(names) for bench in import_module(f"benchmarks.{name}").BENCHES]


def measured(bench: Bench) -> Result:
    """Times ours and floor alternately."""
    bench.setup()
    ours: list[float] = []
    floor: list[float] = []
    for run in range(bench.runs):
        print(f"{bench.name}: {run + 1} of {bench.runs}", file=sys.stderr)
        for operation, times in ((bench.ours, ours), (bench.floor, floor)):
            bench.reset()
            times.append(milliseconds(operation))
    ratio = median(ours) / median(floor)
    return Result(
        name=bench.name,
        ratio=round(ratio, 2),
        limit=bench.limit,
        holds=ratio <= bench.limit,
        median_ms=round(median(ours), 1),
        floor_ms=round(median(floor), 1),
        runs=bench.runs,
    )


def milliseconds(operation: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    operation()
    return (time.perf_counter() - start) * 1000


def table(results: list[Result]) -> str:
    """For people."""
    width = max([len("promise"), *(len(result.name) for result in results)])
    lines = [f"{'promise':{width}}  {'ours ms':>10}  {'floor ms':>10}  {'ratio':>6}  {'limit':>6}  holds"]
    for r in results:
        lines.append(
            f"{r.name:{width}}  {r.median_ms:>10,.1f}  {r.floor_ms:>10,.1f}  {r.ratio:>6.2f}  {r.limit:>6g}  "
            + ("yes" if r.holds else "NO")
        )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except embedded.Trouble as trouble:
        sys.exit(str(trouble))
