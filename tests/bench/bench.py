"""What a benchmark is, how its figures are printed, and when one of them is a miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

_COLUMNS = "{:<46}{:>10}{:>10} {:<9}{:>9}  {}\n"
_FALL = 2.0
_SMALL_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: what was measured, against what, and what it has to reach.

    `value` is a ratio to the floor `against`, or an amount in `unit`. One without a limit is there
    to be compared with.
    """

    work: str
    value: float
    unit: str = ""
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def missed(self) -> bool:
        """Tell whether the target is not reached."""
        low = self.at_least is not None and self.value < self.at_least
        return low or (self.at_most is not None and self.value > self.at_most)

    def is_better(self, other: Figure) -> bool:
        """Tell whether it is nearer to its target than another measurement of the same work."""
        return self.value > other.value if self.at_least is not None else self.value < other.value

    def has_fallen(self, usual: float) -> bool:
        """Tell whether it is worse than usual by more than twice, whatever the target."""
        if self.at_least is not None:
            return self.value * _FALL < usual
        return self.value > _FALL * usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A benchmark: `measure` takes a size (its number of items) and returns the figures.

    `size` is that of the table, `full` that of the drill, which makes `full_runs` of them. One
    that names a `small` size is part of `.ci/run`: `usual` has the ratios that were measured at
    that size, by the name of the work, and one that is worse by more than twice fails.
    """

    name: str
    measure: Callable[[int], Iterable[Figure]]
    size: int
    full: int
    full_runs: int = 3
    small: int = 0
    usual: Mapping[str, float] = field(default_factory=dict)


def print_figures(runs: Sequence[Sequence[Figure]], write: Callable[[str], object]) -> int:
    """Print the medians of some runs of one benchmark; return how many targets are missed.

    Of several runs the least and the greatest value stand beside the median.
    """
    missed = 0
    for same in zip(*runs, strict=True):
        first, values = same[0], [figure.value for figure in same]
        middle = Figure(
            work=first.work,
            value=median(values),
            unit=first.unit,
            at_least=first.at_least,
            at_most=first.at_most,
        )
        spread = f"{min(values):.3g}–{max(values):.3g}" if len(values) > 1 else ""
        limit = _limit_text(first)
        missed += middle.missed
        note = f"against {first.against}" if first.against else ""
        line = (first.work, f"{middle.value:.3g}", spread, first.unit, limit)
        write(_COLUMNS.format(*line, f"{note}{'  MISSED' if middle.missed else ''}"))
    return missed


def print_falls(bench: Bench, size: int, write: Callable[[str], object]) -> int:
    """Measure a small size, print the ratios beside the usual ones; return how many have fallen.

    What another process takes of the machine makes a ratio worse and never better, a change of the
    code is there each time: while one has fallen the whole is measured again, at most three times,
    and the best value of each counts. A usual ratio whose work was not measured has fallen as
    well: else a benchmark that lost its lines would pass.
    """
    best: dict[str, Figure] = {}
    fallen: list[str] = []
    for _ in range(_SMALL_RUNS):
        for figure in bench.measure(size):
            if figure.work not in best or figure.is_better(best[figure.work]):
                best[figure.work] = figure
        fallen = [
            work
            for work, usual in bench.usual.items()
            if work not in best or best[work].has_fallen(usual)
        ]
        if not fallen:
            break
    for work, usual in bench.usual.items():
        value = f"{best[work].value:.3g}" if work in best else "-"
        told = "FALLEN by more than twice" if work in fallen else ""
        write(_COLUMNS.format(work, value, f"{usual:.3g}", "usually", "", told))
    return len(fallen)


def print_head(write: Callable[[str], object]) -> None:
    """Print what the columns are."""
    write(_COLUMNS.format("work", "value", "spread", "unit", "target", ""))


def _limit_text(figure: Figure) -> str:
    if figure.at_least is not None:
        return f"≥ {figure.at_least:g}"
    return "" if figure.at_most is None else f"≤ {figure.at_most:g}"
