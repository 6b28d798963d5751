"""Every state, status, kind of fault, cause and exit code, and the rules between them as tables.

Everything that decides what happens next to a job lives here, and nothing that does it. The
diagram in docs/lifecycle.md is generated from TRANSITIONS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


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

UNSETTLED = (State.IN_DOUBT, State.WAITING, State.OVERDUE, State.FETCHING)
"""Sent, and not ended: a run settles these before it buys anything new."""
UNKNOWN_STATES = frozenset(
    {State.IN_DOUBT, State.OVERDUE, State.SUBMITTING, State.WAITING, State.FETCHING}
)
"""Paid for or perhaps paid for, and without an end: exit code 13."""
ENDED = frozenset({State.DONE, State.OFF_SPEC, State.FAILED, State.ABANDONED})
"""Nothing more is done with such a job in this run."""
FINISHED = frozenset({State.DONE, State.OFF_SPEC})
"""A clip is there."""
UNBOUGHT = frozenset({State.PLANNED, State.HELD})
"""Nothing was ever sent, or all that was sent was free."""
UNSENT = frozenset({*UNBOUGHT, State.STAGING, State.FAILED})
"""A job in these states was bought only if a provider took one of its tries."""
SENT = frozenset(State) - UNSENT
AT_WORK = frozenset({State.SUBMITTING, State.WAITING, State.FETCHING})
"""Under way, as a live view counts it."""
IN_FLIGHT = frozenset({State.WAITING, State.IN_DOUBT})
"""The provider has such a task, or may have it: whoever takes it up has it in flight."""
AT_REST = frozenset(State) - AT_WORK - {State.STAGING}
"""Not under way: nothing happens to such a job until somebody, or a run, takes it up."""
GIVEN_UP_BY_WORD = frozenset({State.OVERDUE, State.WAITING})
"""What a person may want to be done with: a clip that is finished only has to be fetched."""
HAVING_TASKS = frozenset({State.WAITING, State.OVERDUE, State.FETCHING})
"""The provider named a task, which is asked for."""
BOUGHT = frozenset({State.SUBMITTING, State.IN_DOUBT, *HAVING_TASKS, *FINISHED, State.ABANDONED})
"""There is a purchase, or the ledger is damaged."""
OWNED = frozenset({State.STAGING, *UNKNOWN_STATES})
"""Somebody has taken up such a job, or has to: nobody but its owner changes it."""
UNFINISHED = frozenset({State.PLANNED, State.STAGING, *UNKNOWN_STATES})
"""What a run that was interrupted has left to do."""
WENT_WRONG = frozenset({State.FAILED, State.OFF_SPEC, State.IN_DOUBT})
"""What the brake of a lane counts."""
LEFT_OPEN = frozenset({State.OVERDUE, State.IN_DOUBT})
"""What an earlier run could not settle: that it is still there says nothing new of a provider."""
ENDED_BADLY = frozenset({State.FAILED, State.OFF_SPEC, State.ABANDONED})
REPLANNED = frozenset({State.PLANNED, State.HELD, State.FAILED})
"""A job in these states is made as the latest plan says; in all others it was sent, or made."""
ADOPTABLE = REPLANNED
"""Nothing is under way: a clip that lies there may become the item's."""

TRANSITIONS: Mapping[State, Mapping[State, str]] = MappingProxyType(
    {
        _S.PLANNED: {
            _S.STAGING: "a slot is free",
            _S.HELD: "budget, pause, or lane stopped",
            _S.DONE: "a clip that lies there is adopted: paid earlier, or elsewhere",
            _S.OFF_SPEC: "a clip that lies there is adopted, and was off spec where it was made",
        },
        _S.HELD: {_S.PLANNED: "run again"},
        _S.STAGING: {
            _S.SUBMITTING: "the intent: client id, request and reservation, one transaction",
            _S.PLANNED: "crash, transit, or no room at the provider",
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

BY_WORD: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        _S.IN_DOUBT: frozenset({_S.WAITING, _S.PLANNED, _S.ABANDONED}),
        # Its task may have been named wrongly before.
        _S.OVERDUE: frozenset({_S.WAITING, _S.ABANDONED}),
        _S.WAITING: frozenset({_S.ABANDONED}),
        # Its clip is made and paid for: it is fetched, whoever says what.
        _S.FETCHING: frozenset(),
    }
)
"""Where a person's word can put what was sent: less than the lifecycle allows a worker."""

DECIDED_TOGETHER: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        _S.PLANNED: frozenset({_S.IN_DOUBT}),
        # What is in flight is made and paid for: it is given up by its own address only.
        _S.ABANDONED: frozenset({_S.IN_DOUBT, _S.OVERDUE}),
    }
)
"""What one word of a person decides of many items, by where it puts them."""

LANE = "lane"
"""The cause of a job that is held since its provider's lane stopped."""
BUDGET_CAUSES = frozenset(
    {"budget", "per_run", "per_row", "per_item", "place_spend", "overcharged"}
)
"""The causes of jobs that are held for the sake of money."""

CRASHED: Mapping[State, State] = MappingProxyType(
    {_S.STAGING: _S.PLANNED, _S.SUBMITTING: _S.IN_DOUBT},
)
"""What a state means when nobody works on it any more: the process that did has ended."""


class FaultKind(StrEnum):
    """Why something did not work; the policy of each is POLICY."""

    REJECTED = "rejected"
    REFUSED = "refused"
    THROTTLED = "throttled"
    CAPACITY = "capacity"
    UNAVAILABLE = "unavailable"
    UNAUTHORISED = "unauthorised"
    UNPAID = "unpaid"
    LOST = "lost"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    OFF_SPEC = "off_spec"
    PROVIDER = "provider"
    """The provider's own failure after acceptance (`Failed` only): free and transient or not."""


class Phase(StrEnum):
    """What was being done with a job when something went wrong."""

    STAGING = "staging"
    SUBMITTING = "submitting"
    POLLING = "polling"
    FETCHING = "fetching"


class LaneAction(StrEnum):
    """What a fault tells the provider's lane."""

    GO = "go"
    SLOW = "slow"
    """Wait as told, or back off; fewer at once."""
    STOP = "stop"
    """Nothing more is sent: a person must act. Said once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPolicy:
    """What a fault means: try again in place (if `again`), and when that is used up, `then`.

    `again` lasts until the job's deadline while polling, elsewhere for the policy's
    number of free repeats. A submit is never tried again in place.
    """

    then: State
    lane: LaneAction = LaneAction.GO
    again: bool = False


def _rule(then: State, lane: LaneAction = LaneAction.GO) -> FaultPolicy:
    return FaultPolicy(then=then, lane=lane)


def _retry(then: State, lane: LaneAction = LaneAction.GO) -> FaultPolicy:
    return FaultPolicy(then=then, lane=lane, again=True)


_F = FaultKind
_L = LaneAction

_STAGING: Mapping[FaultKind, FaultPolicy] = {
    # Nothing was bought: what may pass is tried again by the next run.
    **{kind: _retry(_S.HELD) for kind in FaultKind},
    _F.REJECTED: _rule(_S.FAILED),
    _F.REFUSED: _rule(_S.FAILED),
    _F.THROTTLED: _retry(_S.PLANNED, _L.SLOW),
    _F.CAPACITY: _retry(_S.PLANNED, _L.SLOW),
    _F.UNAUTHORISED: _rule(_S.HELD, _L.STOP),
    _F.UNPAID: _rule(_S.HELD, _L.STOP),
    _F.DAMAGED: _retry(_S.FAILED),
    _F.OFF_SPEC: _rule(_S.FAILED),
}

_SUBMITTING: Mapping[FaultKind, FaultPolicy] = {
    _F.REJECTED: _rule(_S.FAILED),
    _F.REFUSED: _rule(_S.FAILED),
    _F.THROTTLED: _rule(_S.PLANNED, _L.SLOW),
    _F.CAPACITY: _rule(_S.PLANNED, _L.SLOW),
    # Whatever does not prove a refusal is a doubt: to send it anew might pay for it twice.
    _F.UNAVAILABLE: _rule(_S.IN_DOUBT),
    # Back to the plan: another account or provider may buy it; if none may, its next step holds it.
    _F.UNAUTHORISED: _rule(_S.PLANNED, _L.STOP),
    _F.UNPAID: _rule(_S.PLANNED, _L.STOP),
    _F.LOST: _rule(_S.IN_DOUBT),
    _F.EXPIRED: _rule(_S.FAILED),
    _F.UNREADABLE: _rule(_S.IN_DOUBT),
    _F.DAMAGED: _rule(_S.IN_DOUBT),
    _F.OFF_SPEC: _rule(_S.IN_DOUBT),
    _F.PROVIDER: _rule(_S.FAILED),
}

_POLLING: Mapping[FaultKind, FaultPolicy] = {
    # A question that is refused says nothing about the task, which was accepted and costs money.
    **{kind: _retry(_S.OVERDUE) for kind in FaultKind},
    _F.THROTTLED: _retry(_S.OVERDUE, _L.SLOW),
    _F.CAPACITY: _retry(_S.OVERDUE, _L.SLOW),
    # The task goes on without us: a run that has the right key collects it.
    _F.UNAUTHORISED: _rule(_S.WAITING, _L.STOP),
    _F.UNPAID: _rule(_S.WAITING, _L.STOP),
}

_FETCHING: Mapping[FaultKind, FaultPolicy] = {
    # The clip is paid for: whatever is wrong with the link, the status may give a fresh one. One
    # that was cut is never final: the whole of it may lie at the provider.
    **{kind: _retry(_S.WAITING) for kind in FaultKind},
    # A link that is gone or refused stays so, and a host of results never sees a key: the same link
    # is not tried again.
    _F.LOST: _rule(_S.WAITING),
    _F.EXPIRED: _rule(_S.WAITING),
    _F.UNAUTHORISED: _rule(_S.WAITING),
    _F.OFF_SPEC: _rule(_S.OFF_SPEC),
}

POLICY: Mapping[Phase, Mapping[FaultKind, FaultPolicy]] = MappingProxyType(
    {
        Phase.STAGING: MappingProxyType(_STAGING),
        Phase.SUBMITTING: MappingProxyType(_SUBMITTING),
        Phase.POLLING: MappingProxyType(_POLLING),
        Phase.FETCHING: MappingProxyType(_FETCHING),
    }
)
"""What follows a fault, by what was being done. Total: every kind in every phase."""

BUSY = frozenset({_F.THROTTLED, _F.CAPACITY})
"""The provider has no room now, which says nothing of the item: it is waited for."""
TRANSIENT = frozenset({_F.THROTTLED, _F.CAPACITY, _F.UNAVAILABLE, _F.PROVIDER})
"""Failures that may not come again: bought again if known to be free."""


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
HAVING_CLIPS = frozenset({Status.REUSED, Status.OFF_SPEC, Status.SHARED})
"""The clip of such an item is there."""
UNSETTLED_STATUSES = frozenset({Status.IN_FLIGHT, Status.IN_DOUBT, Status.OVERDUE})
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


class Exit(IntEnum):
    """Exit codes; of several at once: DAMAGED, UNKNOWN, STOPPED, HELD, FAILURES, WAITING."""

    OK = 0
    """All that was asked for is done and in spec."""
    BUG = 1
    """A bug in callsheet."""
    WORK = 2
    """Only `plan --detailed-exitcode`: there is work."""
    INVALID = 3
    """The manifest, a table, a file or the command is wrong, a key is missing, or nobody is there
    to ask and `--yes` was not said. Nothing was sent."""
    FAILURES = 10
    """Finished, but some clips failed, were refused, or are off spec and not approved."""
    HELD = 11
    """Some items are held by the budget."""
    STOPPED = 12
    """Stopped: no credit, a bad key, the brake, a disk that is full, another run at work, a root
    that is a copy or a rehearsal's, a person who said no, or something that `doctor` found."""
    UNKNOWN = 13
    """The outcome of some items is unknown, or overdue."""
    STALE = 14
    """The saved plan is stale: the world has moved since."""
    DAMAGED = 15
    """A clip of the store is gone or is not what was received, the ledger is damaged, or a bill and
    the ledger differ."""
    WAITING = 20
    """All that may be bought now is made, and decisions are waited for: `accept` goes on once clips
    are approved or rejected, with the same command."""
    INTERRUPTED = 130
    """Interrupted with Ctrl-C. What was done is saved; run again to go on."""
    TERMINATED = 143
    """Ended from outside (SIGTERM), or the terminal was closed. What was done is saved; run again
    to go on."""


def exit_code_for(
    counts: Mapping[tuple[State, str], int],
    *,
    stopped: bool = False,
    overcharged: bool = False,
    not_shown: bool = False,
    damaged: bool = False,
    gave_up: bool = False,
    waits: bool = False,
) -> Exit:
    """Return the exit code of jobs that stand like this, counted by state and cause.

    `gave_up` and `waits` are of places that have a loop of takes: nothing goes on at some without a
    person, or there are clips to decide on.
    """
    held_by_budget = sum(counts.get((State.HELD, cause), 0) for cause in BUDGET_CAUSES)
    ranked = (
        (Exit.DAMAGED, damaged),
        (Exit.UNKNOWN, count_states(counts, *UNKNOWN_STATES)),
        (Exit.STOPPED, stopped or count_states(counts, State.HELD) > held_by_budget),
        (Exit.STOPPED, count_states(counts, State.PLANNED, State.STAGING)),
        (Exit.HELD, held_by_budget or overcharged),
        (Exit.FAILURES, count_states(counts, *ENDED_BADLY) or not_shown or gave_up),
        (Exit.WAITING, waits),
    )
    return next((code for code, applies in ranked if applies), Exit.OK)


def count_states(counts: Mapping[tuple[State, str], int], *states: State) -> int:
    """Count the jobs in these states, whatever the cause."""
    return sum(number for (state, _), number in counts.items() if state in states)
