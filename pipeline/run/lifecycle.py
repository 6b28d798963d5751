"""The life of a job as a table: which state may follow which, and what each fault means.

Everything that decides what happens next to a job lives here, and nothing that does it. The
diagram in docs/lifecycle.md is generated from TRANSITIONS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pipeline.providers.base import FaultKind


class State(StrEnum):
    """Where a job stands."""

    PLANNED = "planned"
    HELD = "held"
    STAGING = "staging"
    SUBMITTING = "submitting"
    IN_DOUBT = "in_doubt"
    WAITING = "waiting"
    OVERDUE = "overdue"
    FETCHING = "fetching"
    DONE = "done"
    OFF_SPEC = "off_spec"
    FAILED = "failed"
    ABANDONED = "abandoned"


_S = State

TRANSITIONS: Mapping[State, Mapping[State, str]] = MappingProxyType(
    {
        _S.PLANNED: {
            _S.STAGING: "a slot is free",
            _S.HELD: "budget, pause, or lane stopped",
            _S.DONE: "a clip that lies there is adopted: paid earlier",
        },
        _S.HELD: {_S.PLANNED: "run again"},
        _S.STAGING: {
            _S.SUBMITTING: "the intent: client id, request and reservation, one transaction",
            _S.PLANNED: "crash or transit",
            _S.HELD: "budget, or lane stopped",
            _S.FAILED: "a reference is refused",
        },
        _S.SUBMITTING: {
            _S.WAITING: "accepted",
            _S.PLANNED: "proven not accepted: never connected, 429, busy",
            _S.FAILED: "refused for good",
            _S.IN_DOUBT: "anything else: lost reply, 3xx, 408, 5xx, unreadable, crash",
        },
        _S.IN_DOUBT: {
            _S.WAITING: "found, or accepted under the same client id",
            _S.PLANNED: "proven absent, or a person says: buy again",
            _S.ABANDONED: "a person's word",
        },
        _S.WAITING: {
            _S.FETCHING: "finished",
            _S.FAILED: "the provider failed it",
            _S.OVERDUE: "deadline passed",
            _S.ABANDONED: "a person's word",
        },
        _S.OVERDUE: {
            _S.WAITING: "asked again",
            _S.FETCHING: "finished",
            _S.FAILED: "the provider failed it",
            _S.ABANDONED: "a person's word",
        },
        _S.FETCHING: {
            _S.DONE: "verified on disk",
            _S.OFF_SPEC: "plays, kept, shown, not in spec",
            _S.WAITING: "link expired, or no whole clip comes: ask again",
            _S.OVERDUE: "paid: link dead, or each time cut or too slow",
            _S.FAILED: "no clip can be had",
        },
        _S.DONE: {},
        _S.OFF_SPEC: {},
        _S.FAILED: {_S.PLANNED: "bought again: free and transient, or --retry"},
        _S.ABANDONED: {},
    }
)

LANE = "lane"
"""The cause of a job that is held since its provider's lane stopped."""

CRASHED: Mapping[State, State] = MappingProxyType(
    {_S.STAGING: _S.PLANNED, _S.SUBMITTING: _S.IN_DOUBT},
)
"""What a state means when nobody works on it any more: the process that did has ended."""


class Phase(StrEnum):
    """What was being done with a job when something went wrong."""

    STAGING = "staging"
    SUBMITTING = "submitting"
    POLLING = "polling"
    FETCHING = "fetching"


class Signal(StrEnum):
    """What a fault tells the provider's lane."""

    GO = "go"
    SLOW = "slow"
    """Wait as told, or back off; fewer at once."""
    STOP = "stop"
    """Nothing more is sent: a person must act. Said once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a fault means: try again in place (if `again`), and when that is used up, `then`.

    `again` lasts until the job's deadline while polling, elsewhere for the policy's
    number of free repeats. A submit is never tried again in place.
    """

    then: State
    lane: Signal = Signal.GO
    again: bool = False


def _rule(then: State, lane: Signal = Signal.GO) -> Ruling:
    return Ruling(then=then, lane=lane)


def _retry(then: State, lane: Signal = Signal.GO) -> Ruling:
    return Ruling(then=then, lane=lane, again=True)


_F = FaultKind
_L = Signal

_STAGING: Mapping[FaultKind, Ruling] = {
    # Nothing was bought: what may pass is tried again by the next run.
    **{kind: _retry(_S.HELD) for kind in FaultKind},
    _F.REJECTED: _rule(_S.FAILED),
    _F.REFUSED: _rule(_S.FAILED),
    _F.THROTTLED: _retry(_S.HELD, _L.SLOW),
    _F.CAPACITY: _retry(_S.HELD, _L.SLOW),
    _F.UNAUTHORISED: _rule(_S.HELD, _L.STOP),
    _F.UNPAID: _rule(_S.HELD, _L.STOP),
    _F.DAMAGED: _retry(_S.FAILED),
    _F.OFF_SPEC: _rule(_S.FAILED),
}

_SUBMITTING: Mapping[FaultKind, Ruling] = {
    _F.REJECTED: _rule(_S.FAILED),
    _F.REFUSED: _rule(_S.FAILED),
    _F.THROTTLED: _rule(_S.PLANNED, _L.SLOW),
    _F.CAPACITY: _rule(_S.PLANNED, _L.SLOW),
    _F.UNAVAILABLE: _rule(_S.IN_DOUBT),
    _F.UNAUTHORISED: _rule(_S.PLANNED, _L.STOP),
    _F.UNPAID: _rule(_S.PLANNED, _L.STOP),
    _F.LOST: _rule(_S.IN_DOUBT),
    _F.EXPIRED: _rule(_S.FAILED),
    _F.UNREADABLE: _rule(_S.IN_DOUBT),
    _F.DAMAGED: _rule(_S.IN_DOUBT),
    _F.OFF_SPEC: _rule(_S.IN_DOUBT),
    _F.PROVIDER: _rule(_S.FAILED),
}

_POLLING: Mapping[FaultKind, Ruling] = {
    # A question that is refused says nothing about the task, which was accepted and costs money.
    **{kind: _retry(_S.OVERDUE) for kind in FaultKind},
    _F.THROTTLED: _retry(_S.OVERDUE, _L.SLOW),
    _F.CAPACITY: _retry(_S.OVERDUE, _L.SLOW),
    _F.UNAUTHORISED: _rule(_S.WAITING, _L.STOP),
    _F.UNPAID: _rule(_S.WAITING, _L.STOP),
}

_FETCHING: Mapping[FaultKind, Ruling] = {
    # The clip is paid for: whatever is wrong with the link, the status may give a fresh one. One
    # that was cut is never final: the whole of it may lie at the provider.
    **{kind: _retry(_S.WAITING) for kind in FaultKind},
    _F.LOST: _rule(_S.WAITING),
    _F.EXPIRED: _rule(_S.WAITING),
    _F.UNAUTHORISED: _rule(_S.WAITING),
    _F.OFF_SPEC: _rule(_S.OFF_SPEC),
}

POLICY: Mapping[Phase, Mapping[FaultKind, Ruling]] = MappingProxyType(
    {
        Phase.STAGING: MappingProxyType(_STAGING),
        Phase.SUBMITTING: MappingProxyType(_SUBMITTING),
        Phase.POLLING: MappingProxyType(_POLLING),
        Phase.FETCHING: MappingProxyType(_FETCHING),
    }
)
"""What follows a fault, by what was being done. Total: every kind in every phase."""

TRANSIENT = frozenset({_F.THROTTLED, _F.CAPACITY, _F.UNAVAILABLE, _F.PROVIDER})
"""Failures that may not come again: bought again if known to be free."""
