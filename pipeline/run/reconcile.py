"""Doubts: a submit whose outcome nobody knows, settled as far as the offer allows.

The same client id and the same frozen body may be sent again, but only while young enough that
the provider still knows them. Absence in a look-up proves nothing. Nothing else is ever sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.clock import boot
from pipeline.domain import Feature
from pipeline.domain.states import POLICY, FaultKind, Phase, State
from pipeline.providers.base import Absent, Accepted, Fault
from pipeline.run.job import Life
from pipeline.run.submit import LOOK_UPS, accepted, look_up, post


async def in_doubt(life: Life) -> None:
    """Find out whether it was accepted; what cannot be found out waits for a person."""
    task, seen = await _sent_again(life) or await _looked_up(life), set[str]()
    while task and task not in seen:
        seen.add(task)
        await accepted(life, task)
        # Another doubt of the same kind may have claimed this task first: there may be one more.
        task = await _looked_up(life) if life.job.state is State.IN_DOUBT else ""
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
    """Tell whether the provider still knows the client id; not if the clock was turned back.

    Another account than the one it was sent from never did.
    """
    offer, kept = life.station.provider.offer, orjson.loads(life.purchase.request)
    age_s = life.now() - life.purchase.intent_at
    passed_s = _passed_s(life, kept.get("uptime") or {})
    young = 0 <= age_s < offer.dedupe_for_s and passed_s < offer.dedupe_for_s
    account = life.station.lane.account
    same = kept.get("account", account) == account
    return Feature.IDEMPOTENT in offer.features and young and same


def _passed_s(life: Life, began: Mapping[str, Any]) -> float:
    """Return the time since the intent by the clock that nobody sets; 0 if that began anew."""
    same_boot = began.get("boot") == boot() != ""
    return life.means.clock.monotonic() - began["s"] if same_boot else 0.0


async def _looked_up(life: Life) -> str:
    """Ask the provider for the task by our client id; return it, empty if it is not found."""
    if not LOOK_UPS & life.station.provider.offer.features:
        return ""
    while True:
        found = await look_up(life, life.purchase)
        match found:
            case Accepted(task=task):
                return task
            case Absent():
                return ""
        life.heed(POLICY[Phase.POLLING][found.kind].lane, found)
        if not POLICY[Phase.POLLING][found.kind].again or life.used_up(Phase.POLLING):
            return ""
        await life.means.clock.sleep(life.pause_s(Phase.POLLING, found))


def _unreachable(message: str) -> Fault:
    return Fault(kind=FaultKind.UNAVAILABLE, message=message, accepted=None)
