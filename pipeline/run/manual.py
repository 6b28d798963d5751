"""A person's word on a task whose outcome no machine can find out: adopt, buy again, give up.

Money that may have been spent stays counted, as possible: a word is no proof. A task that a person
names is asked for before it is believed: a slip of the pen would bind the item to one that nobody
has, and be polled until its deadline. Nothing else is sent here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from random import Random

import orjson

from pipeline.clock import RealClock
from pipeline.domain.states import BY_WORD, POLICY, FaultKind, Phase, State
from pipeline.errors import Undecidable
from pipeline.ledger.fast_sql import Clashed
from pipeline.ledger.jobs import Job
from pipeline.ledger.purchases import Booking, purchase_of
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import usd
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Absent, Fault, Provider, TaskRef
from pipeline.run.provider_client import ProviderClient
from pipeline.run.retry import retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a person says: this provider's task is the item's."""

    address: str
    provider: str
    client_id: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A task that was sent and has no known end: all that is known of it."""

    address: str
    provider: str
    state: State
    message: str
    prompt: str
    """As it was sent."""
    reserved_usd: Decimal
    sent_at: datetime
    client_id: str
    task: str = ""


def list_sent(ledger: Ledger, campaign: str) -> list[Sent]:
    """Return what was sent for a campaign, under this plan or an earlier one, and has not ended."""
    return [
        Sent(
            address=job.address,
            provider=job.provider,
            state=job.state,
            message=job.message,
            prompt=orjson.loads(job.payload)["sent_prompt"],
            reserved_usd=usd(purchase_of(job).reserved_microusd),
            sent_at=datetime.fromtimestamp(purchase_of(job).intent_at, UTC),
            client_id=purchase_of(job).client_id,
            task=purchase_of(job).task,
        )
        for job in ledger.sent_jobs(campaign)
    ]


_TRIES = 4
RESUBMITTED = "resubmitted"
ABANDONED = "abandoned"


def find_claim(ledger: Ledger, campaign: str, address: str, task: str) -> Claim:
    """Return what is to be asked before an item in doubt is taken for this task (`adopt`).

    `address` may be empty where one item alone is in doubt. Raise Undecidable if the item is not
    in doubt, or no task is named.
    """
    job = _find_adopting(ledger, campaign, address, task)
    client_id = purchase_of(job).client_id
    named = {"address": job.address, "provider": job.provider, "client_id": client_id}
    return Claim(**named, task=task.strip())


async def verify_claims(
    claims: Sequence[Claim], *, providers: Mapping[str, Provider], lanes: Mapping[str, Lane]
) -> None:
    """Ask for each task; raise Undecidable for those that are not there, or cannot be asked for."""
    async with Transport() as transport:
        denied = await asyncio.gather(
            *(
                _disbelieve(claim, providers[claim.provider], lanes[claim.provider], transport)
                for claim in claims
            )
        )
    told = [why for why in denied if why]
    if told:
        raise Undecidable(f"{'; '.join(told)}; nothing was changed")


async def _disbelieve(claim: Claim, provider: Provider, lane: Lane, transport: Transport) -> str:
    """Return why a claim is not believed; empty if the provider has such a task."""
    task = TaskRef(task=claim.task, client_id=claim.client_id)
    state = await retry(
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


def adopt_task(ledger: Ledger, campaign: str, address: str, *, task: str, now: datetime) -> None:
    """Write that the item in doubt is the provider's task of that id; it is collected from there.

    `address` may be empty where one item alone is in doubt. Raise Undecidable if the item is not
    in doubt, or the task is another item's, or none.
    """
    job, task = _find_adopting(ledger, campaign, address, task), task.strip()
    try:
        ledger.accept(job, task=task, at=now.timestamp())
    except Clashed:
        raise Undecidable(f"task {task} belongs to another item: see `callsheet status`") from None


def resubmit_item(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Write that the item is to be bought again, whatever became of its first task."""
    _end(ledger, campaign, address, after=State.PLANNED, outcome=RESUBMITTED, now=now)


def abandon_item(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Write that the item is given up: it is neither asked for nor bought again."""
    _end(ledger, campaign, address, after=State.ABANDONED, outcome=ABANDONED, now=now)


def _end(
    ledger: Ledger, campaign: str, address: str, *, after: State, outcome: str, now: datetime
) -> None:
    job = _find_doubted(ledger, campaign, address, after)
    booking = Booking(
        possible_microusd=purchase_of(job).reserved_microusd,
        outcome=outcome,
        at=now.timestamp(),
        cause="" if after is State.PLANNED else outcome,
        message=job.message,
    )
    ledger.close_purchase(job, after, booking)


def _find_doubted(ledger: Ledger, campaign: str, address: str, after: State) -> Job:
    """Return the one job that an address, or the id it was sent under, can mean."""
    found = ledger.sent_jobs(campaign, address)
    if not found:
        raise Undecidable(f"{address} is not in doubt, overdue or in flight: nothing is to decide")
    fitting = [job for job in found if after in BY_WORD[job.state]]
    if not fitting:
        last = found[-1]
        doing = {State.WAITING: "given a task", State.PLANNED: "bought again"}
        word, stands = doing.get(after, "given up"), last.state.replace("_", " ")
        raise Undecidable(f"{last.address} is {stands}: it cannot be {word}")
    if len(fitting) > 1:
        ids = ", ".join(purchase_of(job).client_id for job in fitting)
        raise Undecidable(f"{address} was sent {len(fitting)} times: say which, as one of {ids}")
    return fitting[0]


def check_decidable(ledger: Ledger, campaign: str, address: str, after: State) -> None:
    """Raise Undecidable unless a person's word can put what was sent for an address there."""
    _find_doubted(ledger, campaign, address, after)


def _find_adopting(ledger: Ledger, campaign: str, address: str, task: str) -> Job:
    if not task.strip():
        raise Undecidable("no task is named: say which one the provider has, as --task ADDRESS=ID")
    if address:
        return _find_doubted(ledger, campaign, address, State.WAITING)
    doubts = [job for job in ledger.sent_jobs(campaign) if job.state is State.IN_DOUBT]
    if len(doubts) != 1:
        count = f"{len(doubts)} items are" if doubts else "no item is"
        raise Undecidable(f"{count} in doubt: say which one, as --task ADDRESS=ID")
    return doubts[0]
