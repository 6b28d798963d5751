"""A person's word on a task whose outcome no machine can find out: adopt, buy again, give up.

Nothing is sent here. Money that may have been spent stays counted, as possible: a word is no proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

import orjson

from pipeline.domain.states import State
from pipeline.errors import Undecidable
from pipeline.ledger.fast_sql import Clashed
from pipeline.ledger.jobs import Job
from pipeline.ledger.purchases import Booking, bought
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import usd
from pipeline.run.claiming import Claim


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


def sent(ledger: Ledger, campaign: str) -> list[Sent]:
    """Return what was sent for a campaign, under this plan or an earlier one, and has not ended."""
    return [_sent(job) for job in ledger.sent_jobs(campaign)]


def _sent(job: Job) -> Sent:
    purchase = bought(job)
    return Sent(
        address=job.address,
        provider=job.provider,
        state=job.state,
        message=job.message,
        prompt=orjson.loads(job.payload)["sent_prompt"],
        reserved_usd=usd(purchase.reserved_microusd),
        sent_at=datetime.fromtimestamp(purchase.intent_at, UTC),
        client_id=purchase.client_id,
        task=purchase.task,
    )


RESUBMITTED = "resubmitted"
ABANDONED = "abandoned"


def claim(ledger: Ledger, campaign: str, address: str, task: str) -> Claim:
    """Return what is to be asked before an item in doubt is taken for this task (`adopt`).

    `address` may be empty where one item alone is in doubt. Raise Undecidable if the item is not
    in doubt, or no task is named.
    """
    job = _adopted(ledger, campaign, address, task)
    client_id = bought(job).client_id
    named = {"address": job.address, "provider": job.provider, "client_id": client_id}
    return Claim(**named, task=task.strip())


def adopt(ledger: Ledger, campaign: str, address: str, *, task: str, now: datetime) -> None:
    """Write that the item in doubt is the provider's task of that id; it is collected from there.

    `address` may be empty where one item alone is in doubt. Raise Undecidable if the item is not
    in doubt, or the task is another item's, or none.
    """
    job, task = _adopted(ledger, campaign, address, task), task.strip()
    try:
        ledger.accept(job, task=task, at=now.timestamp())
    except Clashed:
        raise Undecidable(f"task {task} belongs to another item: see `callsheet status`") from None


def resubmit(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Write that the item is to be bought again, whatever became of its first task."""
    _end(ledger, campaign, address, after=State.PLANNED, outcome=RESUBMITTED, now=now)


def abandon(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Write that the item is given up: it is neither asked for nor bought again."""
    _end(ledger, campaign, address, after=State.ABANDONED, outcome=ABANDONED, now=now)


def _end(
    ledger: Ledger, campaign: str, address: str, *, after: State, outcome: str, now: datetime
) -> None:
    job = _doubted(ledger, campaign, address, after)
    booking = Booking(
        possible_microusd=bought(job).reserved_microusd,
        outcome=outcome,
        at=now.timestamp(),
        cause="" if after is State.PLANNED else outcome,
        message=job.message,
    )
    ledger.close_purchase(job, after, booking)


def _doubted(ledger: Ledger, campaign: str, address: str, after: State) -> Job:
    """Return the one job that an address, or the id it was sent under, can mean."""
    found = ledger.sent_jobs(campaign, address)
    if not found:
        raise Undecidable(f"{address} is not in doubt, overdue or in flight: nothing is to decide")
    fitting = [job for job in found if after in _BY_WORD[job.state]]
    if not fitting:
        raise _impossible(found[-1], after)
    if len(fitting) > 1:
        ids = ", ".join(bought(job).client_id for job in fitting)
        raise Undecidable(f"{address} was sent {len(fitting)} times: say which, as one of {ids}")
    return fitting[0]


def decidable(ledger: Ledger, campaign: str, address: str, after: State) -> None:
    """Raise Undecidable unless a person's word can put what was sent for an address there."""
    _doubted(ledger, campaign, address, after)


def _adopted(ledger: Ledger, campaign: str, address: str, task: str) -> Job:
    if not task.strip():
        raise Undecidable("no task is named: say which one the provider has, as --task ADDRESS=ID")
    if not address:
        return _only_doubt(ledger, campaign)
    return _doubted(ledger, campaign, address, State.WAITING)


def _only_doubt(ledger: Ledger, campaign: str) -> Job:
    found = ledger.sent_jobs(campaign)
    doubts = [job for job in found if job.state is State.IN_DOUBT]
    if len(doubts) != 1:
        count = f"{len(doubts)} items are" if doubts else "no item is"
        raise Undecidable(f"{count} in doubt: say which one, as --task ADDRESS=ID")
    return doubts[0]


def _impossible(job: Job, after: State) -> Undecidable:
    doing = {State.WAITING: "given a task", State.PLANNED: "bought again"}
    word = doing.get(after, "given up")
    return Undecidable(f"{job.address} is {job.state.replace('_', ' ')}: it cannot be {word}")


_BY_WORD: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.IN_DOUBT: frozenset({State.WAITING, State.PLANNED, State.ABANDONED}),
        # Its task may have been named wrongly before.
        State.OVERDUE: frozenset({State.WAITING, State.ABANDONED}),
        State.WAITING: frozenset({State.ABANDONED}),
        # Its clip is made and paid for: it is fetched, whoever says what.
        State.FETCHING: frozenset(),
    }
)
"""Where a person's word can put what was sent: less than the lifecycle allows a worker."""
