"""The run, deliberately broken: what the crash kit must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.domain.states import CRASHED, State
from pipeline.ledger import owners
from pipeline.ledger.jobs import Purchase
from pipeline.providers.base import Accepted
from pipeline.run import submit as buying
from pipeline.run.job import ActiveJob
from tests.crash.points import put


def intent_after_submit() -> None:
    """Send the request first, and write the intent once it was answered."""

    async def intended(active: ActiveJob, purchase: Purchase) -> None:
        active.job = replace(active.job, purchase=purchase)
        reply = await buying.send_purchase(active)
        assert isinstance(reply, Accepted)
        context = active.context
        written = await context.ledger.intend(
            active.job, purchase, run_id=context.run_id, limits=context.limits
        )
        assert isinstance(written, Purchase)
        active.set_state(State.SUBMITTING, purchase=written)
        await buying.record_task(active, reply.task)

    put(buying, "_intend", intended)


def a_crash_proves_nothing_was_sent() -> None:
    """Take what was being submitted when the process ended for never sent."""
    put(owners, "CRASHED", {**CRASHED, State.SUBMITTING: State.PLANNED})


MUTANTS: Mapping[str, Callable[[], None]] = {
    "intent-after-submit": intent_after_submit,
    "crash-means-not-sent": a_crash_proves_nothing_was_sent,
}
