"""What a run came to, and the exit code that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.run.ledger.budgets import BUDGETS
from pipeline.run.lifecycle import State

DONE, FAILED, HELD, STOPPED, UNKNOWN, DAMAGED, INTERRUPTED = 0, 10, 11, 12, 13, 15, 130

UNKNOWN_STATES = frozenset(
    {State.IN_DOUBT, State.OVERDUE, State.SUBMITTING, State.WAITING, State.FETCHING}
)
_FAILED = frozenset({State.FAILED, State.OFF_SPEC, State.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where the jobs of the plan stand after a run, and the money of the campaign."""

    campaign: str
    counts: Mapping[tuple[State, str], int]
    """Jobs by state and cause; also those that earlier plans sent and that have not ended."""
    spent_usd: Decimal
    """Charged for what was bought in this run."""
    bound_usd: Decimal
    """Charged + reserved + possible for what was bought in this run."""
    committed_usd: Decimal
    """Charged + reserved + possible, over the campaign's life."""
    stopped: Mapping[str, str]
    """Providers whose lane stopped, and why."""
    restored: int = 0
    """Clips put back at their output path from the store."""
    not_shown: int = 0
    """Clips that exist, but could not be put at their output path."""
    damaged: int = 0
    """Clips of the store that were gone or were not what was received, healed or not."""
    overcharged: bool = False
    interrupted: bool = False

    def count(self, *states: State) -> int:
        """Count the jobs in these states."""
        return _count(self.counts, *states)

    @property
    def states(self) -> Mapping[State, int]:
        """Return the number of jobs by state."""
        return {state: self.count(state) for state, _ in self.counts}

    @property
    def exit_code(self) -> int:
        """Return the exit code: of several that apply, what matters most."""
        unfinished = self.count(State.PLANNED, State.STAGING, *UNKNOWN_STATES)
        if self.interrupted and unfinished:
            return INTERRUPTED
        return ending(
            self.counts,
            stopped=bool(self.stopped),
            overcharged=self.overcharged,
            not_shown=bool(self.not_shown),
            damaged=bool(self.damaged),
        )


def ending(
    counts: Mapping[tuple[State, str], int],
    *,
    stopped: bool = False,
    overcharged: bool = False,
    not_shown: bool = False,
    damaged: bool = False,
) -> int:
    """Return the exit code of jobs that stand like this, counted by state and cause."""
    held_by_budget = sum(counts.get((State.HELD, cause), 0) for cause in BUDGETS)
    ranked = (
        (DAMAGED, damaged),
        (UNKNOWN, _count(counts, *UNKNOWN_STATES)),
        (STOPPED, stopped or _count(counts, State.HELD) > held_by_budget),
        (STOPPED, _count(counts, State.PLANNED, State.STAGING)),
        (HELD, held_by_budget or overcharged),
        (FAILED, _count(counts, *_FAILED) or not_shown),
    )
    return next((code for code, applies in ranked if applies), DONE)


def _count(counts: Mapping[tuple[State, str], int], *states: State) -> int:
    return sum(number for (state, _), number in counts.items() if state in states)
