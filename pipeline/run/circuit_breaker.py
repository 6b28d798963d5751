"""The brake of a lane: stops it when too much goes wrong to go on paying blindly.

It counts how distinct items ended: the same cause so often in a row, or too large a share of all.
"""

from __future__ import annotations

from pipeline.domain import Policy
from pipeline.domain.states import BUDGET_CAUSES, BUSY, LANE, WENT_WRONG, FaultKind, State
from pipeline.run.first_purchases import PRICE

_BAD_CAUSES = frozenset({(State.OVERDUE, FaultKind.DAMAGED.value)})
"""Paid for, and nothing that plays came: more of it would be as bad."""
_NO_FAILURE = BUDGET_CAUSES | {LANE, PRICE} | {kind.value for kind in BUSY}
"""Held for a reason of ours, or until there is room: nothing went wrong with the item."""
_NOT_IN_A_ROW = frozenset({FaultKind.REFUSED.value})
"""A refusal is about the item's own content: it counts for the share only."""


class CircuitBreaker:
    """What one lane's items came to so far."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._ended = 0
        self._bad = 0
        self._cause = ""
        self._in_a_row = 0
        self._unreadable = 0

    def note(self, state: State, cause: str) -> str:
        """Count how an item ended; return why the lane must stop, empty if it need not."""
        if state is State.DONE:
            self._ended += 1
            self._cause, self._in_a_row = "", 0
            return ""
        bad = state in WENT_WRONG or (state, cause) in _BAD_CAUSES
        if not bad and (state is not State.HELD or cause in _NO_FAILURE):
            return ""
        self._ended += 1
        self._bad += 1
        if cause not in _NOT_IN_A_ROW:
            self._in_a_row = self._in_a_row + 1 if cause == self._cause else 1
            self._cause = cause
        policy = self._policy
        if not policy.stop:
            return ""
        if self._in_a_row >= policy.stop_same_cause:
            return f"the last {self._in_a_row} items ended alike ({self._cause})"
        if self._ended >= policy.stop_after and self._bad > policy.stop_share * self._ended:
            return f"{self._bad} of {self._ended} items went wrong"
        return ""

    def take_back(self) -> None:
        """Forget one that went wrong: a doubt that was settled since."""
        self._ended -= 1
        self._bad -= 1

    def read(self, *, readable: bool) -> str:
        """Count a status reply; return why the lane must stop, empty if it need not."""
        self._unreadable = 0 if readable else self._unreadable + 1
        if self._policy.stop and self._unreadable >= self._policy.stop_same_cause:
            return f"the last {self._unreadable} status replies were unreadable"
        return ""
