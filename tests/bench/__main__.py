"""Run the benchmarks, all or those that are named; it exits with 1 where a target is missed.

Without an option it makes the table: one run of each. `--full` is a drill: some runs at the full
size, with medians and the spread. `--small` is a step of `.ci/run`: it looks for a fall of a ratio
by more than twice, and for nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.bench import (
    clips,
    cluster,
    durable,
    inflight,
    lanes,
    noop,
    overhead,
    page,
    plan,
    report,
    startup,
)
from tests.bench.bench import Bench, print_falls, print_figures, print_head

BENCHES: Sequence[Bench] = (
    startup.BENCH,
    plan.BENCH,
    noop.BENCH,
    lanes.BENCH,
    overhead.BENCH,
    clips.BENCH,
    inflight.BENCH,
    durable.BENCH,
    report.BENCH,
    page.BENCH,
    cluster.BENCH,
)
"""In the order of the table. A new one is a module with a `BENCH`, and its place here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 if a target is missed, or a ratio has fallen."""
    by_name = {bench.name: bench for bench in BENCHES}
    words = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    words.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(by_name)}")
    words.add_argument("--size", type=int, help="so many items instead of the table's number")
    words.add_argument("--runs", type=int, help="so many runs of each, and their medians")
    how = words.add_mutually_exclusive_group()
    how.add_argument("--full", action="store_true", help="the drill: some runs at full size")
    how.add_argument("--small", action="store_true", help="the step of .ci/run")
    given = words.parse_args(arguments)
    if unknown := set(given.names) - set(by_name):
        words.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    chosen = [by_name[name] for name in given.names or by_name]
    write = sys.stdout.write
    print_head(write)
    bad = 0
    for bench in chosen:
        if given.small:
            if bench.small:
                bad += print_falls(bench, given.size or bench.small, write)
        else:
            size = given.size or (bench.full if given.full else bench.size)
            runs = given.runs or (bench.full_runs if given.full else 1)
            measured = [tuple(bench.measure(size)) for _ in range(runs)]
            bad += print_figures(measured, write)
        sys.stdout.flush()
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
