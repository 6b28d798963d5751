"""A task that a person names for an item in doubt: its provider is asked before it is believed.

A slip of the pen would bind the item to a task that nobody has, and be polled until its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from pipeline.clock import RealClock
from pipeline.domain.states import POLICY, FaultKind, Phase
from pipeline.errors import Undecidable
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Absent, Fault, Provider, TaskRef
from pipeline.run.limiter import repeated
from pipeline.run.provider_client import ProviderClient

_TRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a person says: this provider's task is the item's."""

    address: str
    provider: str
    client_id: str
    task: str


async def verify(
    claims: Sequence[Claim], *, providers: Mapping[str, Provider], lanes: Mapping[str, Lane]
) -> None:
    """Ask for each task; raise Undecidable for those that are not there, or cannot be asked for."""
    async with Transport() as transport:
        denied = await asyncio.gather(
            *(
                _denied(claim, providers[claim.provider], lanes[claim.provider], transport)
                for claim in claims
            )
        )
    told = [why for why in denied if why]
    if told:
        raise Undecidable(f"{'; '.join(told)}; nothing was changed")


async def _denied(claim: Claim, provider: Provider, lane: Lane, transport: Transport) -> str:
    """Return why a claim is not believed; empty if the provider has such a task."""
    task = TaskRef(task=claim.task, client_id=claim.client_id)
    state = await repeated(
        partial(ProviderClient(provider, lane, transport).status, task),
        again=lambda fault, tries: POLICY[Phase.POLLING][fault.kind].again and tries < _TRIES,
        clock=RealClock(),
        chance=Random(),  # noqa: S311 - it spreads retries
    )
    match state:
        case Absent() | Fault(kind=FaultKind.LOST):
            return f"{claim.provider} knows no task '{claim.task}', named for {claim.address}"
        case Fault(message=message):
            return f"{claim.provider} could not be asked for task '{claim.task}' ({message})"
    return ""
