"""The table of states, and the table of what a fault means."""

from __future__ import annotations

import itertools

import pytest

from pipeline.domain.states import (
    CRASHED,
    POLICY,
    TRANSIENT,
    TRANSITIONS,
    FaultKind,
    LaneAction,
    Phase,
    State,
)
from pipeline.run.lane_worker import STEPS

WORKED_ON = {
    Phase.STAGING: State.STAGING,
    Phase.SUBMITTING: State.SUBMITTING,
    Phase.POLLING: State.WAITING,
    Phase.FETCHING: State.FETCHING,
}
EVERY = list(itertools.product(Phase, FaultKind))


def test_every_state_has_its_line() -> None:
    """The table names every state, and leads only to states."""
    assert set(State) == set(TRANSITIONS)
    assert set(State) >= {after for line in TRANSITIONS.values() for after in line}


def test_every_transition_says_why() -> None:
    """Each arrow of the diagram has words."""
    assert all(why for line in TRANSITIONS.values() for why in line.values())


def test_finished_is_finished() -> None:
    """Nothing leads out of done, off-spec or abandoned: what exists is not made again."""
    assert {State.DONE, State.OFF_SPEC, State.ABANDONED} == {
        state for state, line in TRANSITIONS.items() if not line
    }


def test_nothing_in_doubt_is_bought_without_proof_or_a_person() -> None:
    """From in doubt there is no way to submitting: only back to planned, or to waiting."""
    assert {State.WAITING, State.PLANNED, State.ABANDONED} == set(TRANSITIONS[State.IN_DOUBT])


def test_every_state_can_end() -> None:
    """From every state some way leads to an end."""
    ends = {State.DONE, State.OFF_SPEC, State.FAILED, State.ABANDONED}
    reached = set(ends)
    while more := {s for s, line in TRANSITIONS.items() if reached & set(line)} - reached:
        reached |= more

    assert set(State) == reached


@pytest.mark.parametrize(("phase", "kind"), EVERY)
def test_the_policy_is_total(phase: Phase, kind: FaultKind) -> None:
    """Every kind of fault in every phase has a ruling that the state table allows."""
    ruling = POLICY[phase][kind]
    here = WORKED_ON[phase]

    assert ruling.then in TRANSITIONS[here] or ruling.then is here


@pytest.mark.parametrize("kind", FaultKind)
def test_a_submit_is_never_tried_again_in_place(kind: FaultKind) -> None:
    """Whatever goes wrong with a paid request, it is not simply repeated."""
    assert not POLICY[Phase.SUBMITTING][kind].again


@pytest.mark.parametrize("kind", FaultKind)
def test_an_accepted_task_is_never_failed_by_a_question(kind: FaultKind) -> None:
    """A status request that fails says nothing of the task: it stays waiting, or is overdue."""
    assert POLICY[Phase.POLLING][kind].then in {State.WAITING, State.OVERDUE}


@pytest.mark.parametrize("kind", FaultKind)
def test_a_paid_clip_is_never_failed_by_a_download(kind: FaultKind) -> None:
    """A fetch that fails leads back to the status, or keeps what there is."""
    assert POLICY[Phase.FETCHING][kind].then in {State.WAITING, State.OFF_SPEC}


@pytest.mark.parametrize("phase", [Phase.STAGING, Phase.SUBMITTING, Phase.POLLING])
@pytest.mark.parametrize("kind", [FaultKind.UNAUTHORISED, FaultKind.UNPAID])
def test_a_bad_key_and_no_credit_stop_the_lane(phase: Phase, kind: FaultKind) -> None:
    """One hit stops the provider, not every item in turn."""
    assert POLICY[phase][kind].lane is LaneAction.STOP


def test_what_a_crash_leaves_is_allowed() -> None:
    """A crash moves jobs along the table, and never to where something would be sent twice."""
    assert all(after in TRANSITIONS[before] for before, after in CRASHED.items())
    assert State.IN_DOUBT is CRASHED[State.SUBMITTING]


def test_every_state_is_worked_on_or_left_alone() -> None:
    """The worker has a step for each state but those that end or wait for the next run."""
    resting = {State.HELD, State.DONE, State.OFF_SPEC, State.FAILED, State.ABANDONED}

    assert set(State) - resting == set(STEPS)


def test_a_refusal_is_not_transient() -> None:
    """What the content policy refuses, or what is wrong, is not bought again by itself."""
    assert not TRANSIENT & {FaultKind.REFUSED, FaultKind.REJECTED, FaultKind.UNPAID}
