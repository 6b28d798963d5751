"""Doubts: a submit whose outcome nobody knows, settled as far as the offer allows.

The same client id and the same frozen body may be sent again, but only while young enough that
the provider still knows them. Absence in a look-up proves nothing. Nothing else is ever sent.
"""

from __future__ import annotations

from functools import partial

from pipeline.domain.states import POLICY, FaultKind, Phase, State
from pipeline.errors import NotSent
from pipeline.providers.base import Absent, Accepted, Fault
from pipeline.run.job import ActiveJob
from pipeline.run.retry import retry
from pipeline.run.submit import LOOK_UPS, is_remembered, look_up, record_task, send_purchase


async def handle_in_doubt(active: ActiveJob) -> None:
    """Find out whether it was accepted; what cannot be found out waits for a person."""
    # Sending again comes first: its answer is a proof, and "not found" in a look-up is none.
    task, seen = await _send_again(active) or await _look_up_task(active), set[str]()
    # Each task once: a provider that names the same one again would keep this going for ever.
    while task and task not in seen:
        seen.add(task)
        await record_task(active, task)
        # Another doubt of the same kind may have claimed this task first: there may be one more.
        task = await _look_up_task(active) if active.job.state is State.IN_DOUBT else ""
    active.suspended = active.job.state is State.IN_DOUBT


async def _send_again(active: ActiveJob) -> str:
    """Send the same request with the same client id; return the task, empty if still unknown.

    It is repeated for as long as the provider knows the id, and a task may take, also while the
    brake holds the lane: a gateway that is down for minutes makes no doubt that a person must
    decide.
    """
    context = active.context
    until = context.clock.monotonic() + context.policy.deadline_s

    async def attempt() -> Accepted | Absent | Fault:
        # It may have grown too old while it waited for a slot.
        if not (
            is_remembered(active, active.purchase)
            and await active.take_slot(settling=True)
            and is_remembered(active, active.purchase)
        ):
            return Absent()
        outcome = await send_purchase(active)
        if isinstance(outcome, NotSent):
            # That the second never left says nothing of the first.
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(outcome), accepted=None)
        return outcome

    def again(fault: Fault, tries: int) -> bool:
        policy = POLICY[Phase.SUBMITTING][fault.kind]
        active.apply_action(policy.lane, fault)
        if not tries:
            # Said once: what follows says the same. A doubt that is settled at once is none.
            active.emit("still_in_doubt", cause=fault.kind.value, message=fault.message)
            active.doubted = True
            breaker = active.queue.circuit_breaker
            active.break_circuit(breaker.note(active.job.state, active.job.cause))
        # A refusal of the second says nothing of the first: only a look-up may still help.
        refused = fault.kind in {FaultKind.REJECTED, FaultKind.REFUSED}
        return not refused and context.clock.monotonic() < until

    found = await retry(
        attempt,
        again=again,
        clock=context.clock,
        chance=context.chance,
        rest=partial(active.rest, settling=True),
    )
    return found.task if isinstance(found, Accepted) else ""


async def _look_up_task(active: ActiveJob) -> str:
    """Ask the provider for the task by our client id; return it, empty if it is not found."""
    if not LOOK_UPS & active.queue.provider.offer.features:
        return ""

    def again(fault: Fault, _: int) -> bool:
        policy = POLICY[Phase.POLLING][fault.kind]
        active.apply_action(policy.lane, fault)
        active.emit("unanswered", cause=fault.kind.value, message=fault.message)
        return policy.again and not active.exhausts(Phase.POLLING)

    found = await retry(
        partial(look_up, active, active.purchase),
        again=again,
        clock=active.context.clock,
        chance=active.context.chance,
    )
    return found.task if isinstance(found, Accepted) else ""
