"""The life of one job: step after step, until it has ended or can only wait for the next run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from pipeline.domain.states import UNKNOWN_STATES as UNKNOWN
from pipeline.domain.states import State
from pipeline.run.collect import fetching, overdue, waiting
from pipeline.run.job import ActiveJob
from pipeline.run.reconcile import in_doubt
from pipeline.run.submit import planned, staging, submitting

Step = Callable[[ActiveJob], Awaitable[None]]

STEPS: Mapping[State, Step] = MappingProxyType(
    {
        State.PLANNED: planned,
        State.STAGING: staging,
        State.SUBMITTING: submitting,
        State.IN_DOUBT: in_doubt,
        State.WAITING: waiting,
        State.OVERDUE: overdue,
        State.FETCHING: fetching,
    }
)
"""What is done with a job in each state; a job in any other has nothing more to do."""


async def run_job(active: ActiveJob) -> None:
    """Work on a job until it has ended or is parked; then let the brake know."""
    try:
        while not active.suspended and (step := STEPS.get(active.job.state)):
            active.context.ledger.check_root()
            await step(active)
    finally:
        active.leave_slot()
        active.leave_price(settled=active.job.state not in UNKNOWN)
    # What an earlier run left behind, and is still overdue, says nothing new of the provider.
    if active.job.state is not State.OVERDUE or active.intended_at:
        active.break_circuit(active.queue.circuit_breaker.note(active.job.state, active.job.cause))
