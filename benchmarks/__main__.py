"""Measures every promise, prints one table, writes results.json; exits 1 if a promise does not hold.

    python -m benchmarks                       all of them, in the small worlds
    python -m benchmarks NAME …                only these; results.json stays as it is
    python -m benchmarks --country             those of the whole country (see benchmarks/country.py)
    python -m benchmarks --country --drop      removes the countries that were kept

Works in databases of its own, next to the one in DATABASE_URL, or on embedded servers if that is unset.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

from benchmarks import Bench
from readiness import embedded

RESULTS = Path(__file__).with_name("results.json")
SMALL = ("imports", "launch", "county", "prefecture", "reminders")


@dataclass(frozen=True)
class Result:
    """One line of results.json. What is not a time stands under `…_ms` all the same, in the bench's own unit."""

    name: str
    ratio: float
    limit: float
    holds: bool
    median_ms: float
    floor_ms: float
    runs: int


@dataclass(frozen=True)
class Line:
    """One line of the table for people."""

    result: Result
    lowest: float
    highest: float
    unit: str
    at_least: bool


def main() -> int:
    """The exit code: 0 if every promise holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what is promised.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure only these")
    parser.add_argument("--country", action="store_true", help="in the whole country")
    parser.add_argument(
        "--scale", type=int, default=int(os.environ.get("SCALE") or 1), metavar="N", help="one county in N of it"
    )
    parser.add_argument("--drop", action="store_true", help="remove the countries that were kept")
    options = parser.parse_args()
    django_set_up()
    if options.country:
        from benchmarks import country

        if options.drop:
            print("\n".join(country.drop()) or "none was kept")
            return 0
        lines = country.measured(lambda benches: measure(benches, options.names), options.scale)
    else:
        lines = small(options.names)
    print(table(lines))
    if options.country and options.scale > 1:
        print(f"one county in {options.scale}: to try things out; results.json stays as it is")
    elif not options.names:
        write([line.result for line in lines])
    return 0 if all(line.result.holds for line in lines) else 1


def django_set_up() -> None:
    """Django in this process, without the memory of every query that DEBUG keeps."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")
    os.environ.setdefault("DEBUG", "1")
    import django
    from django.conf import settings

    django.setup()
    settings.DEBUG = False


def small(names: list[str]) -> list[Line]:
    """What is measured in the small worlds; each file in its own."""
    modules = [import_module(f"benchmarks.{name}") for name in SMALL]
    if unknown := set(names) - {bench.name for module in modules for bench in module.BENCHES}:
        sys.exit(f"no such bench: {', '.join(sorted(unknown))}")
    lines = []
    for module in modules:
        if not names or any(bench.name in names for bench in module.BENCHES):
            around: Callable[[], AbstractContextManager[object]] = module.world
            with around():
                lines += measure(module.BENCHES, names)
    return lines


def measure(benches: list[Bench], names: list[str]) -> list[Line]:
    """The benches of these names, or all."""
    return [measured(bench) for bench in benches if not names or bench.name in names]


def measured(bench: Bench) -> Line:
    """The medians of all runs, and how far the runs lie apart."""
    bench.setup()
    figures = []
    for run in range(bench.runs):
        print(f"{bench.name}: {run + 1} of {bench.runs}", file=sys.stderr)
        figures.append(bench.run())
    ours, floor = median(first for first, _ in figures), median(second for _, second in figures)
    ratios = [first / second for first, second in figures]
    ratio = ours / floor
    result = Result(
        name=bench.name,
        ratio=round(ratio, 2),
        limit=bench.limit,
        holds=ratio >= bench.limit if bench.at_least else ratio <= bench.limit,
        median_ms=round(ours, 1),
        floor_ms=round(floor, 1),
        runs=bench.runs,
    )
    return Line(result, min(ratios), max(ratios), bench.unit, bench.at_least)


def write(results: list[Result]) -> None:
    """Into results.json, beside the lines of other names."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    names = {result.name for result in results}
    lines = [line for line in kept if line["name"] not in names] + [asdict(result) for result in results]
    RESULTS.write_text(json.dumps(lines, indent=2) + "\n")


def table(lines: list[Line]) -> str:
    """For people."""
    width = max([len("promise"), *(len(line.result.name) for line in lines)])
    told = [
        f"{'promise':{width}}  {'ours':>9}  {'floor':>9}  {'':7}  {'ratio':>6}  {'(spread)':13}  limit          holds"
    ]
    for line in lines:
        r = line.result
        limit = f"{'at least' if line.at_least else 'at most'} {r.limit:g}"
        told.append(
            f"{r.name:{width}}  {r.median_ms:>9,.1f}  {r.floor_ms:>9,.1f}  {line.unit:7}  {r.ratio:>6.2f}  "
            f"{f'({line.lowest:.2f}–{line.highest:.2f})':13}  {limit:13}  {'yes' if r.holds else 'NO'}"
        )
    return "\n".join(told)


if __name__ == "__main__":
    try:
        with embedded.servers():
            sys.exit(main())
    except embedded.Trouble as trouble:
        sys.exit(str(trouble))
