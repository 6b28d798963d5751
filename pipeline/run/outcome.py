"""What a run came to, and the exit code that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.states import UNFINISHED, Exit, State, count_states, exit_code_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where the jobs of the plan stand after a run, and the money of the campaign."""

    campaign: str
    run_id: int
    """Which of the ledger's runs it was: `RunRecord.id`."""
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
    landed: int = 0
    """Clips that came in this run, whichever run ordered them."""
    restored: int = 0
    """Clips put back at their output path from the store."""
    not_shown: int = 0
    """Clips that exist, but could not be put at their output path."""
    damaged: int = 0
    """Clips of the store that were gone or were not what was received, healed or not."""
    places: PlaceTotals | None = None
    """Where places stand, if any shot has a loop of takes."""
    allowed_off_spec: int = 0
    """Jobs that are off spec and no failure, beside those of places."""
    left_out: int = 0
    """Items that a person left out of this run; the next one makes them."""
    overcharged: bool = False
    interrupted: bool = False

    def count(self, *states: State) -> int:
        """Count the jobs in these states."""
        return count_states(self.counts, *states)

    @property
    def states(self) -> Mapping[State, int]:
        """Return the number of jobs by state."""
        return {state: self.count(state) for state, _ in self.counts}

    @property
    def exit_code(self) -> Exit:
        """Return the exit code: of several that apply, what matters most."""
        counts = Counter(self.counts)
        counts[State.PLANNED, ""] = max(0, counts[State.PLANNED, ""] - self.left_out)
        if self.places is not None:
            # A take that failed is no failure of its place, which tells its own.
            counts.subtract(self.places.ended_badly)
        counts[State.OFF_SPEC, ""] -= self.allowed_off_spec
        unfinished = count_states(counts, *UNFINISHED)
        if self.interrupted and unfinished:
            return Exit.INTERRUPTED
        return exit_code_for(
            counts,
            stopped=bool(self.stopped),
            overcharged=self.overcharged,
            not_shown=bool(self.not_shown),
            damaged=bool(self.damaged),
            gave_up=bool(self.places and self.places.gave_up),
            waits=bool(self.places and self.places.goes_on),
        )
