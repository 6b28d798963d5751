"""How long the short commands take, against the least that a program like them can take.

Each round runs every program once, after one another, so that what slows the machine slows all of
them; what counts is the ratio of medians. CPU seconds are measured as well as the clock's: on a
machine that is shared they are what a program costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.architecture.source import REPOSITORY

EXAMPLE = REPOSITORY / "manifests" / "spring-sneakers" / "campaign.yaml"
_BARE_TYPER = """\
import typer

app = typer.Typer()

@app.command()
def one(name: str, often: int = 1) -> None:
    "Say hello."

@app.command()
def two() -> None:
    "Say goodbye."

app()
"""
_CALLSHEET = (sys.executable, "-m", "pipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A program, what it is compared with, and by how much it may be slower."""

    words: Sequence[str]
    against: str = ""
    at_most: float = 0.0


def programs(root: Path, bare: Path) -> Mapping[str, Measured]:
    """Return what is measured, by name; the campaign in `root` was made before."""
    example, folder = str(EXAMPLE), str(root)
    return {
        "python -c pass": Measured(words=(sys.executable, "-c", "pass")),
        "import pipeline": Measured(
            words=(sys.executable, "-c", "import pipeline"), against="python -c pass", at_most=4
        ),
        "bare typer --help": Measured(words=(sys.executable, str(bare), "--help")),
        "callsheet --help": Measured(
            words=(*_CALLSHEET, "--help"), against="bare typer --help", at_most=2.5
        ),
        "callsheet check": Measured(
            words=(*_CALLSHEET, "check", example, "--root", folder),
            against="bare typer --help",
            at_most=10,
        ),
        "callsheet run, no-op": Measured(
            words=(*_CALLSHEET, "run", example, "--rehearse", "--root", folder),
            against="bare typer --help",
            at_most=12,
        ),
    }


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print the table, and return 1 where a target is missed."""
    words = argparse.ArgumentParser(prog="python -m tests.bench startup", description=__doc__)
    words.add_argument("--rounds", type=int, default=7)
    rounds: int = words.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(_BARE_TYPER, "utf-8")
        measured = programs(Path(folder) / "root", bare)
        # What is measured is the second time: the campaign is made, the frames are fitted.
        _seconds(measured["callsheet run, no-op"].words)
        times = {name: list[tuple[float, float]]() for name in measured}
        for _ in range(rounds):
            for name, each in measured.items():
                times[name].append(_seconds(each.words))
    return _print_table(measured, times)


def _seconds(words: Sequence[str]) -> tuple[float, float]:
    """Run a program; return the seconds of the clock and of the processor that it took."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def _print_table(
    measured: Mapping[str, Measured], times: Mapping[str, Sequence[tuple[float, float]]]
) -> int:
    medians = {
        name: (median(clock for clock, _ in each), median(cpu for _, cpu in each))
        for name, each in times.items()
    }
    missed = 0
    head = ("program", "s", "CPU s", "ratio", "CPU ratio", "at most", "against")
    sys.stdout.write("{:<22}{:>8}{:>8}{:>8}{:>11}{:>9}  {}\n".format(*head))
    for name, each in measured.items():
        clock, cpu = medians[name]
        line = f"{name:<22}{clock:>8.3f}{cpu:>8.3f}"
        if each.against:
            ratio, cpu_ratio = (
                own / other for own, other in zip(medians[name], medians[each.against], strict=True)
            )
            missed += ratio > each.at_most
            line += f"{ratio:>8.2f}{cpu_ratio:>11.2f}{each.at_most:>9}  {each.against}"
        sys.stdout.write(f"{line}\n")
    return 1 if missed else 0
