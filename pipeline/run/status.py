"""Where an item stands before a run, in one word: as plans, lists and selections tell it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pipeline.run.lifecycle import State


class Status(StrEnum):
    """Where an item stands before a run, as a plan tells it."""

    NEW = "new"
    CHANGED = "changed"
    """To be made, and its address was made from something else before."""
    AGAIN = "again"
    """Failed, known to be free and transient."""
    HELD = "held"
    IN_FLIGHT = "in_flight"
    IN_DOUBT = "in_doubt"
    OVERDUE = "overdue"
    FAILED = "failed"
    ABANDONED = "abandoned"
    OFF_SPEC = "off_spec"
    REUSED = "reused"
    SHARED = "shared"
    """The same work as an earlier item of the plan: bought once."""


MAKES = frozenset({Status.NEW, Status.CHANGED, Status.AGAIN, Status.HELD})
"""What the next run would buy."""
UNSETTLED = frozenset({Status.IN_FLIGHT, Status.IN_DOUBT, Status.OVERDUE})
"""What a run settles before it buys anything new."""

_STATUS: Mapping[State, Status] = MappingProxyType(
    {
        State.PLANNED: Status.NEW,
        State.HELD: Status.HELD,
        State.STAGING: Status.IN_FLIGHT,
        State.SUBMITTING: Status.IN_FLIGHT,
        State.IN_DOUBT: Status.IN_DOUBT,
        State.WAITING: Status.IN_FLIGHT,
        State.OVERDUE: Status.OVERDUE,
        State.FETCHING: Status.IN_FLIGHT,
        State.DONE: Status.REUSED,
        State.OFF_SPEC: Status.OFF_SPEC,
        State.FAILED: Status.FAILED,
        State.ABANDONED: Status.ABANDONED,
    }
)


def status_of(state: State, *, again: bool, shared: bool, changed: bool) -> Status:
    """Return the status of an item whose job is in this state.

    `again`: it failed and is bought again; `shared`: an earlier item has the same job; `changed`:
    its address was made from something else before. `ledger.summary.stands` tells all three.
    """
    if shared:
        return Status.SHARED
    if state is State.PLANNED and changed:
        return Status.CHANGED
    return Status.AGAIN if again else _STATUS[state]
