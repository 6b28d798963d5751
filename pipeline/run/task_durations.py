"""When a task is asked for: by how long its like took before, never more often than is advised.

Until enough has been seen the provider's own cadence holds, with growing gaps. Then the first
question comes when hardly any of its like had ended, and the next ones in even gaps: half a dozen
of them up to the mean make seven or eight questions for tasks whose ends scatter log-normally (0.5
in the logarithm), and an end is noticed a twentieth of a task's length late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.domain import Cadence
from pipeline.domain.item import Alike

_ENOUGH = 8
_MOST = 200
"""Ends that are remembered of each: a provider that becomes slower is believed after as many."""
_EARLY = 0.05
_LATE = 0.95
"""Shares of tasks that had ended at the first question, and when gaps begin to grow."""
_GAPS = 6
_FOUND_ENDED = 0.8
"""Where the first question finds a task ended, nobody knows since when: so much of its age."""
_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPace:
    """When to ask for one task, in seconds since its acceptance."""

    first_s: float
    gap_s: float
    late_s: float
    """From this age on gaps grow."""
    longest_gap_s: float

    def next_gap(self, gap_s: float, age_s: float) -> float:
        """Return the gap that follows one, at an age."""
        return gap_s if age_s < self.late_s else min(gap_s * _GROWTH, self.longest_gap_s)


class TaskDurations:
    """How long tasks took, in this run and as earlier ones remember."""

    def __init__(self) -> None:
        self._samples: dict[Alike, deque[float]] = {}
        self._learnt: set[Alike] = set()

    def recall(self, known: Mapping[Alike, Sequence[float]]) -> None:
        """Begin with what earlier runs learnt."""
        self._samples = {alike: deque(some, _MOST) for alike, some in known.items()}

    def learn(self, alike: Alike, age_s: float, gap_s: float | None) -> None:
        """Take in that a task was found ended at an age, `gap_s` after it was found going on.

        Without a gap it was never found going on.
        """
        ended_s = age_s * _FOUND_ENDED if gap_s is None else age_s - gap_s / 2
        self._samples.setdefault(alike, deque(maxlen=_MOST)).append(ended_s)
        self._learnt.add(alike)

    @property
    def learnt(self) -> Mapping[Alike, Sequence[float]]:
        """Return what is to be remembered: all that is known of what this run saw."""
        return {alike: tuple(self._samples[alike]) for alike in self._learnt}

    def pace(self, alike: Alike, cadence: Cadence) -> PollPace:
        """Return when a task of these is asked for."""
        known = sorted(self._samples.get(alike, ()))
        if len(known) < _ENOUGH:
            return PollPace(
                first_s=cadence.first_s,
                gap_s=cadence.every_s,
                late_s=0.0,
                longest_gap_s=cadence.max_s,
            )
        early_s, late_s = (known[int(share * len(known))] for share in (_EARLY, _LATE))
        gap_s = max(cadence.every_s, (fmean(known) - early_s) / _GAPS)
        return PollPace(
            first_s=max(cadence.first_s, early_s),
            gap_s=gap_s,
            late_s=late_s,
            longest_gap_s=max(cadence.max_s, gap_s),
        )
