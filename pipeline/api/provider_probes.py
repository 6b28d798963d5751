"""What providers answer when they are asked for nothing but a balance; nothing is bought by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from pipeline.clock import Clock
from pipeline.domain import Feature
from pipeline.domain.states import FaultKind
from pipeline.errors import TransportFault
from pipeline.net.client import Limits, Transport
from pipeline.net.lane import Lane
from pipeline.providers import PROVIDERS
from pipeline.providers.base import Charge, Fault, Request, Response
from pipeline.run.provider_client import ProviderClient

LIMITS = Limits(connect_s=5, read_s=10, total_s=15)
"""Somebody waits for the answer: a run has more patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReply:
    """What one account's provider answered."""

    lane: Lane
    answer: Charge | Fault | None
    """What the account has left, or why that is not known; None where no balance is told."""
    ahead_s: float | None
    """By how much this machine's clock is ahead of the provider's; None where it told no time."""


def probe_lanes(lanes: Sequence[Lane], clock: Clock) -> Sequence[ProbeReply]:
    """Ask through each lane, all at once; whoever does not answer is given up after 15 s."""

    async def probe_all() -> Sequence[ProbeReply]:
        async with Transport(limits=LIMITS) as transport:
            return await asyncio.gather(*(_probe(lane, transport, clock) for lane in lanes))

    return asyncio.run(probe_all())


async def _probe(lane: Lane, transport: Transport, clock: Clock) -> ProbeReply:
    provider, ahead_s = PROVIDERS[lane.provider], None

    def read_time(reply: Response) -> None:
        nonlocal ahead_s
        # It is a header of HTTP, but nobody has to send it, or to send a date in it.
        with suppress(KeyError, ValueError):
            told = parsedate_to_datetime(reply.headers["date"])
            told = told if told.tzinfo else told.replace(tzinfo=UTC)
            ahead_s = (clock.now() - told).total_seconds()

    answer: Charge | Fault | None = None
    if Feature.BALANCE in provider.offer.features:
        answer = await ProviderClient(provider, lane, transport).balance(arrived=read_time)
    else:
        try:
            # Whatever it says of that address, it answers.
            read_time(await transport.send(lane, Request(method="GET", path="/")))
        except TransportFault as lost:
            answer = Fault(kind=FaultKind.UNAVAILABLE, message=str(lost))
    return ProbeReply(lane=lane, answer=answer, ahead_s=ahead_s)
