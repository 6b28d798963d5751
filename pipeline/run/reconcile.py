"""Doubts: a submit whose outcome nobody knows, settled as far as the offer allows.

The same client id and the same frozen body may be sent again, but only while young enough that
the provider still knows them. Absence in a look-up proves nothing. Nothing else is ever sent.
"""

from __future__ import annotations

from typing import cast

from pipeline.errors import TransportFault
from pipeline.model import Feature
from pipeline.providers.base import Absent, Accepted, Fault, FaultKind, Finds
from pipeline.run.buying import accepted, post, request_of
from pipeline.run.life import Life
from pipeline.run.lifecycle import POLICY, Phase, State

_LOOK_UPS = frozenset({Feature.FIND, Feature.LISTING})


async def in_doubt(life: Life) -> None:
    """Find out whether it was accepted; what cannot be found out waits for a person."""
    task = await _sent_again(life) or await _looked_up(life)
    if task:
        await accepted(life, task)
    # Also where the task turned out to be another purchase's.
    life.parked = life.job.state is State.IN_DOUBT


async def _sent_again(life: Life) -> str:
    """Send the same request with the same client id; return the task, empty if still unknown."""
    while _deduplicated(life) and await life.take_slot() and _deduplicated(life):
        outcome = await post(life)
        if isinstance(outcome, Accepted):
            return outcome.task
        fault = outcome if isinstance(outcome, Fault) else _unreachable(str(outcome))
        life.heed(POLICY[Phase.SUBMITTING][fault.kind].lane, fault)
        life.tell("still_in_doubt", cause=fault.kind.value, message=fault.message)
        # A refusal of the second says nothing of the first: only a look-up may still help.
        if fault.kind in {FaultKind.REJECTED, FaultKind.REFUSED}:
            return ""
        if life.used_up(Phase.SUBMITTING):
            return ""
        if not await life.rest(life.pause_s(Phase.SUBMITTING, fault)):
            return ""
    return ""


def _deduplicated(life: Life) -> bool:
    """Tell whether the provider still knows the client id; not if the clock was turned back."""
    offer = life.station.provider.offer
    age_s = life.now() - life.purchase.intent_at
    return Feature.IDEMPOTENT in offer.features and 0 <= age_s < offer.dedupe_for_s


async def _looked_up(life: Life) -> str:
    """Ask the provider for the task by our client id; return it, empty if it is not found."""
    if not _LOOK_UPS & life.station.provider.offer.features:
        return ""
    while True:
        found = await _found(life)
        match found:
            case Accepted(task=task):
                return task
            case Absent():
                return ""
        life.heed(POLICY[Phase.POLLING][found.kind].lane, found)
        if not POLICY[Phase.POLLING][found.kind].again or life.used_up(Phase.POLLING):
            return ""
        await life.means.clock.sleep(life.pause_s(Phase.POLLING, found))


async def _found(life: Life) -> Accepted | Absent | Fault:
    purchase, lane = life.purchase, life.station.lane
    provider = cast("Finds", life.station.provider)
    steps = provider.find(purchase.client_id, request_of(purchase), purchase.intent_at)
    try:
        request = next(steps)
        while True:
            request = steps.send(await life.means.transport.send(lane, request))
    except StopIteration as end:
        found: Accepted | Absent | Fault = end.value
        return found
    except TransportFault as lost:
        return _unreachable(str(lost))


def _unreachable(message: str) -> Fault:
    return Fault(kind=FaultKind.UNAVAILABLE, message=message, accepted=None)
