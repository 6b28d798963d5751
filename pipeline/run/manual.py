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
from pipeline.ledger.jobs import Job, Taken
from pipeline.ledger.purchases import Booking, Word, purchase_of
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import usd
from pipeline.net.client import Transport
from pipeline.net.lane import Lane, find_account
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
    account: str = ""
    """The name of the account it was sent from."""
    fingerprint: str = ""
    """Of the key it was sent with."""


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
    is_priced: bool = True
    """Whether its price was known: else nothing was reserved, and it may have cost anything."""
    sent_at: datetime
    client_id: str
    task: str = ""
    key: str = ""
    """Of its job: what an item's record has too."""


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
            is_priced=purchase_of(job).estimate_microusd is not None,
            sent_at=datetime.fromtimestamp(purchase_of(job).intent_at, UTC),
            client_id=purchase_of(job).client_id,
            task=purchase_of(job).task,
            key=job.key,
        )
        for job in ledger.sent_jobs(campaign)
    ]


_TRIES = 4
_UNCHANGED = "nothing was changed"
RESUBMITTED = "resubmitted"
ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person says of one item that was sent, by its address or its client id."""

    address: str
    """Empty where one item alone is in doubt, and a task is named."""
    after: State
    """WAITING: it is the task; PLANNED: it is bought again; ABANDONED: it is given up."""
    task: str = ""


def find_claim(ledger: Ledger, campaign: str, address: str, task: str) -> Claim:
    """Return what is to be asked before an item in doubt is taken for this task.

    `address` may be empty where one item alone is in doubt. Raise Undecidable if the item is not
    in doubt, or no task is named.
    """
    job = _find_adopting(ledger, campaign, address, task)
    purchase = purchase_of(job)
    return Claim(
        address=job.address,
        provider=job.provider,
        client_id=purchase.client_id,
        task=task.strip(),
        account=purchase.account,
        fingerprint=orjson.loads(purchase.request).get("account", ""),
    )


async def verify_claims(
    claims: Sequence[Claim], *, providers: Mapping[str, Provider], lanes: Mapping[str, Lane]
) -> None:
    """Ask for each task; raise Undecidable for those that are not there, or cannot be asked for."""
    async with Transport() as transport:
        denied = await asyncio.gather(
            *(
                _disbelieve(claim, providers[claim.provider], _lane_of(claim, lanes), transport)
                for claim in claims
            )
        )
    told = [why for why in denied if why]
    if told:
        raise Undecidable(f"{'; '.join(told)}; {_UNCHANGED}")


def _lane_of(claim: Claim, lanes: Mapping[str, Lane]) -> Lane | None:
    own = [lane for lane in lanes.values() if lane.provider == claim.provider]
    return find_account(own, claim.account, claim.fingerprint)


async def _disbelieve(
    claim: Claim, provider: Provider, lane: Lane | None, transport: Transport
) -> str:
    """Return why a claim is not believed; empty if the provider has such a task."""
    if lane is None:
        return f"{claim.address} was sent from another account, whose key is not here"
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


def decide(ledger: Ledger, campaign: str, decisions: Sequence[Decision], *, now: datetime) -> None:
    """Write what a person decided, in one transaction: all of it, or nothing.

    A task is collected from then on; what is bought again or given up stays counted as possible.
    Raise Undecidable where a word does not fit what was sent, or two do not fit each other.

        decide(ledger, "spring", [Decision(address="spin[a]", after=State.PLANNED)], now=now)
    """
    sent = {purchase_of(job).client_id: job for job in ledger.sent_jobs(campaign)}
    words: dict[str, Word] = {}
    tasks: dict[str, str] = {}
    for decision in decisions:
        known = sent.get(decision.address)
        word = _word(ledger, campaign, decision, known, now=now)
        job, task = word.job, word.task
        # By the job: an address and a client id may mean the same purchase.
        if words.setdefault(job.key, word) is not word:
            raise Undecidable(f"{job.address} is decided twice: say one thing of it; {_UNCHANGED}")
        if task and tasks.setdefault(f"{job.provider} {task}", job.address) != job.address:
            both = f"{tasks[f'{job.provider} {task}']} and {job.address}"
            raise Undecidable(f"task {task} is named for {both}: it is one's; {_UNCHANGED}")
    try:
        ledger.record_words([*words.values()], at=now.timestamp())
    except Clashed as clash:
        told = f"task {clash} belongs to another item: see `callsheet status`; {_UNCHANGED}"
        raise Undecidable(told) from None
    except Taken:
        told = "another run works on it now: wait for its end, or stop it"
        raise Undecidable(f"{told}; {_UNCHANGED}") from None


def _word(
    ledger: Ledger, campaign: str, decision: Decision, known: Job | None, *, now: datetime
) -> Word:
    """Return what is written for a decision; `known` is its job if it named one by client id."""
    after, task = decision.after, decision.task.strip()
    if after is State.WAITING:
        return Word(job=_find_adopting(ledger, campaign, decision.address, task), task=task)
    if known is None or after not in BY_WORD[known.state]:
        known = _find_doubted(ledger, campaign, decision.address, after)
    outcome = RESUBMITTED if after is State.PLANNED else ABANDONED
    booking = Booking(
        possible_microusd=purchase_of(known).reserved_microusd,
        outcome=outcome,
        at=now.timestamp(),
        cause="" if after is State.PLANNED else outcome,
        message=known.message,
    )
    return Word(job=known, after=after, booking=booking)


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
