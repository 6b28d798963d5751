"""The ledger as a run works with it: asynchronous, each operation with a name of its own.

No SQL runs in the event loop's thread: what is written waits for the group commit, what is read is
read by a thread of its own. What a write returns is on disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from pipeline.domain import Event
from pipeline.domain.states import State
from pipeline.ledger import (
    budgets,
    commands,
    event_log,
    fallbacks,
    jobs,
    lane_shares,
    outputs,
    owners,
    plan_totals,
    purchases,
    upload_cache,
)
from pipeline.ledger.budgets import BudgetLimits, Denied
from pipeline.ledger.commands import Command
from pipeline.ledger.fallbacks import Leaving
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.jobs import Job, Purchase, WantedItem
from pipeline.ledger.lane_history import LaneHistory, lane_history, record_history
from pipeline.ledger.lane_shares import LaneDemand, LaneShare
from pipeline.ledger.lease import Lease
from pipeline.ledger.outputs import Clip, Landing, View
from pipeline.ledger.owners import OpenWork
from pipeline.ledger.price_confirmations import PriceClass, SeenPrice, seen_prices
from pipeline.ledger.purchases import Booking

if TYPE_CHECKING:
    from pipeline.ledger.repository import Ledger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """How operations reach the database."""

    write: Callable[[Operation[Any]], asyncio.Future[Any]]
    """Runs the operation in the next transaction; its result is there once it is on disk."""
    read: Callable[[Operation[Any]], Any]
    """Returns what the operation reads from what is committed; called in any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """Where the jobs of a campaign stand, and its money, after a run."""

    counts: Mapping[tuple[State, str], int]
    left_behind: Sequence[tuple[str, str, State]]
    spent_usd: Decimal
    """Charged for what was bought in the run."""
    bound_usd: Decimal
    """Charged + reserved + possible for what was bought in the run."""
    committed_usd: Decimal
    """Charged + reserved + possible, over the campaign's life."""


class RunLedger:
    """A campaign's jobs, purchases and clips in the ledger; `Ledger.for_run` opens it."""

    def __init__(self, access: Access, readers: ThreadPoolExecutor, in_threads: Ledger) -> None:
        self._access = access
        self._readers = readers
        self.in_threads = in_threads
        """Its synchronous side, for work that has a thread of its own already."""
        self.check_root = in_threads.check_root

    # A run's own line.

    async def begin_run(self, *, campaign: str, at: float) -> int:
        """Write that a run begins; return its id.

        LedgerInUse where another process has planned something else since this one has planned.
        """
        beginning = partial(purchases.begin, campaign=campaign, at=at, shared=self.is_shared)
        return await self._write(beginning)

    async def end_run(self, *, run_id: int, exit_code: int, at: float) -> None:
        """Write how a run ended."""
        await self._write(partial(purchases.end, run_id=run_id, exit_code=exit_code, at=at))

    async def run_totals(self, *, campaign: str, run_id: int) -> RunTotals:
        """Return where the campaign's jobs stand, and what the run has bound."""
        return await self._read(partial(_run_totals, campaign=campaign, run_id=run_id))

    async def lane_history(self) -> LaneHistory:
        """Return what earlier runs learnt of the providers."""
        return await self._read(lane_history)

    async def record_history(self, learnt: LaneHistory, *, at: float) -> None:
        """Remember what this run has learnt of the providers."""
        await self._write(partial(record_history, learnt=learnt, at=at))

    async def recover(self) -> None:
        """Put every job that a worker of this process held where its end leaves it."""
        await self._write(owners.recover_own)
        if self.is_shared:
            await self._write(lane_shares.release)

    async def revive(
        self,
        *,
        campaign: str,
        providers: Iterable[str],
        purchases_allowed: int,
        causes: Iterable[str] = (),
    ) -> None:
        """Plan again what is held, failed free, or failed for one of the causes."""
        revival = partial(jobs.revive, campaign=campaign, providers=providers, causes=causes)
        await self._write(partial(revival, purchases_allowed=purchases_allowed))

    # What there is to do.

    async def plan_extent(self, *, campaign: str) -> tuple[int, int] | None:
        """Return the campaign's id and the last position of its plan; None for an empty one."""
        return await self._read(partial(plan_totals.plan_extent, campaign=campaign))

    async def planned_jobs(
        self,
        *,
        campaign: str,
        provider: str,
        after: int,
        limit: int,
        upto: int | None = None,
        without: Iterable[PriceClass] = (),
    ) -> list[Job]:
        """Return a provider's next selected jobs to be made, in plan order."""
        window = partial(jobs.planned_jobs, campaign=campaign, provider=provider, without=without)
        return await self._read(partial(window, after=after, upto=upto, limit=limit))

    async def claim_unsettled(
        self,
        *,
        campaign: str,
        provider: str,
        after: int,
        limit: int,
        without: Collection[tuple[str, State]] = (),
    ) -> list[Job]:
        """Take up a provider's next jobs that were sent and have not ended, and are free."""
        window = partial(jobs.claim_unsettled, campaign=campaign, provider=provider)
        return await self._write(partial(window, after=after, limit=limit, without=without))

    async def seen_prices(self) -> dict[PriceClass, SeenPrice]:
        """Return every price that was seen."""
        return await self._read(seen_prices)

    async def tasks(self, *, provider: str, since: float) -> frozenset[str]:
        """Return a provider's tasks that were accepted since then: each is some purchase's."""
        return await self._read(partial(purchases.tasks, provider=provider, since=since))

    async def bound_beside(self, purchase: Purchase, *, since: float) -> int:
        """Return what others of the same account bind that had not ended by then."""
        return await self._read(partial(purchases.bound_beside, purchase=purchase, since=since))

    async def reassign(self, leaving: Leaving) -> Counter[str]:
        """Move some of what a stopped lane has not bought to others; return how many to whom.

        Nobody is returned once there are no more, or where another process may still buy it.
        """
        moving = partial(fallbacks.reassign, leaving=leaving)
        where = {"campaign": leaving.campaign, "provider": leaving.provider}
        return await self._write(self._as_last(moving, **where, otherwise=Counter()))

    # Beside others who work with it.

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes may work with it meanwhile."""
        return self.in_threads.database.is_remote

    @property
    def away_s(self) -> float:
        """Return for how long its server has been waited for, in seconds; 0 while it answers."""
        return self.in_threads.away_s

    @property
    def lease(self) -> Lease:
        """Return what this process has on the jobs that it works on."""
        return self.in_threads.lease

    async def leave(self, taken_up: Iterable[Job]) -> None:
        """Leave jobs that were taken up to whoever can go on with them."""
        await self._write(partial(owners.leave, keys=[job.key for job in taken_up]))

    async def end_leases(self, *, silent: bool) -> frozenset[str]:
        """Free what owners had who are gone (`owners.end_leases`); return their names."""
        return await self._write(partial(owners.end_leases, silent=silent))

    async def find_free(self, *, campaign: str) -> frozenset[tuple[str, State]]:
        """Return a campaign's jobs that were sent, have not ended, and are nobody's."""
        return await self._read(partial(owners.find_free, campaign=campaign))

    async def count_open(self, *, campaign: str) -> OpenWork:
        """Count what a campaign has still to do, beside what this process has in hand."""
        counting = partial(owners.count_open, campaign=campaign, owner=self.lease.owner)
        return await self._read(counting)

    async def renew_shares(
        self, *, campaign: str, demands: Sequence[LaneDemand]
    ) -> list[LaneShare]:
        """Tell what this process wants of its lanes; return what it may use of each."""
        return await self._write(partial(lane_shares.renew, campaign=campaign, demands=demands))

    async def leave_lanes(self, *, campaign: str, known: Mapping[str, int]) -> bool:
        """Begin nothing more of a campaign; False where more is planned than is `known`."""
        return await self._write(partial(lane_shares.leave, campaign=campaign, known=known))

    async def note_anyway(self, event: Event, *, campaign: str) -> None:
        """Write an event down, also where this process may write nothing more; durably."""
        noting = partial(event_log.note, event=event, campaign=campaign)
        await asyncio.to_thread(self.lease.write_anyway, noting)

    # A job along the table.

    async def move(self, job: Job, after: State, *, cause: str = "", message: str = "") -> None:
        """Move a job; Moved if it is no longer where it was, Stale if planned otherwise by now."""
        moving = partial(jobs.move, key=job.key, before=job.state, after=after)
        if job.state is State.PLANNED:
            moving = partial(jobs.move_planned, job=job, after=after)
        await self._write(partial(moving, cause=cause, message=message))

    async def hold(
        self,
        *,
        campaign: str,
        provider: str,
        cause: str,
        message: str,
        price: PriceClass | None = None,
    ) -> None:
        """Hold what is selected and still planned for a provider; with a `price`, of that one.

        What another process may still make is left to it.
        """
        holding = partial(jobs.hold, campaign=campaign, provider=provider, price=price)
        holding = partial(holding, cause=cause, message=message)
        last = self._as_last(holding, campaign=campaign, provider=provider, otherwise=None)
        await self._write(last)

    async def intend(
        self, job: Job, purchase: Purchase, *, run_id: int, limits: BudgetLimits
    ) -> Purchase | Denied:
        """Write the intent to buy, with its reservation; from then on a POST may leave."""
        intent = partial(purchases.intend, job=job, purchase=purchase)
        return await self._write(partial(intent, run_id=run_id, limits=limits))

    async def accept(
        self, job: Job, *, task: str, at: float, native: str = "", unit: str = ""
    ) -> str:
        """Write the provider's task id; Clashed if another purchase already has it.

        It is written once: return the one that the purchase has, if that is another.
        """
        acceptance = partial(purchases.accept, job=job, task=task, at=at)
        return await self._write(partial(acceptance, native=native, unit=unit))

    async def close_purchase(
        self, job: Job, after: State, booking: Booking, *, run_id: int
    ) -> bool:
        """Move a job and book how its paid try ended; tell whether it cost more than reserved."""
        closing = partial(purchases.close, job=job, after=after, booking=booking)
        return await self._write(partial(closing, run_id=run_id))

    async def land(
        self, job: Job, clip: Clip, found: Landing, *, campaign: str, at: float
    ) -> Landing:
        """Write that the clip is in the store, verified, and return how it was taken."""
        landing = partial(outputs.land, campaign=campaign, job=job, clip=clip, found=found, at=at)
        return await self._write(landing)

    # Files.

    async def find_finished(self, client_ids: Collection[str]) -> frozenset[str]:
        """Return those of these client ids whose clip the ledger knows."""
        return await self._read(partial(purchases.find_finished, client_ids=client_ids))

    async def place(self, view: View, *, signature: str = "", mode: int | None = None) -> None:
        """Write that an item's clip stands at its output path now."""
        placing = partial(outputs.place, item_id=view.item_id, path=view.path)
        sha256 = view.clip.sha256 if view.clip else ""
        await self._write(partial(placing, sha256=sha256, signature=signature, mode=mode))

    async def vacate(self, view: View) -> None:
        """Write that nothing of ours stands at an item's output path any more."""
        await self._write(partial(outputs.vacate, item_id=view.item_id))

    async def sign(self, sha256: str, signature: str) -> None:
        """Write what a clip's file in the store is, its bytes being right."""
        await self._write(partial(outputs.sign, sha256=sha256, signature=signature))

    async def find_upload(
        self, digest: str, provider: str, account: str
    ) -> tuple[str, float | None] | None:
        """Return where a medium is at a provider and when that dies (unix seconds), if known."""
        known = partial(upload_cache.find_upload, digest=digest, provider=provider)
        return await self._read(partial(known, account=account))

    async def record_upload(
        self, digest: str, provider: str, account: str, *, uri: str, expires_at: float | None
    ) -> None:
        """Remember where a medium is at a provider."""
        place = {"digest": digest, "provider": provider, "account": account}
        await self._write(partial(upload_cache.record, place=place, uri=uri, expires_at=expires_at))

    # What is told, and what is commanded.

    def note(self, event: Event, *, campaign: str) -> None:
        """Write an event down in one of the next transactions; nobody waits for it."""
        noting = partial(event_log.note, event=event, campaign=campaign)
        self._access.write(noting).add_done_callback(_forget)

    async def wanted_items(self, *, campaign: str, address: str) -> list[WantedItem]:
        """Return the plan's selected items of an address, whose take may be left out."""
        return await self._read(partial(jobs.wanted_items, campaign=campaign, address=address))

    async def mark_unwanted(self, keys: Iterable[str]) -> frozenset[str]:
        """Mark those of these jobs that were submitted and have not ended; return their keys."""
        return await self._write(partial(jobs.mark_unwanted, keys=tuple(keys)))

    async def open_commands(self, *, campaign: str) -> list[Command]:
        """Return the commands to a campaign's run that nobody has answered, oldest first."""
        return await self._read(partial(commands.unanswered_commands, campaign=campaign))

    async def answer(self, command_id: int, text: str, *, at: float) -> None:
        """Answer a command."""
        await self._write(partial(commands.answer, command_id=command_id, text=text, at=at))

    def _as_last(
        self, operation: Operation[T], *, campaign: str, provider: str, otherwise: T
    ) -> Operation[T]:
        """Return an operation that gives up a provider's items, if nobody else goes on with them.

        A process that is alone with its ledger has nobody to ask for.
        """
        if not self.is_shared:
            return operation
        doing = partial(lane_shares.do_as_last, campaign=campaign, provider=provider)
        return partial(doing, operation=operation, otherwise=otherwise)

    async def _write(self, operation: Operation[T]) -> T:
        with self.in_threads.database.translate_errors():
            result: T = await self._access.write(operation)
        return result

    async def _read(self, operation: Operation[T]) -> T:
        loop = asyncio.get_running_loop()
        found: T = await loop.run_in_executor(self._readers, self._access.read, operation)
        return found


def _run_totals(connection: Connection, *, campaign: str, run_id: int) -> RunTotals:
    return RunTotals(
        counts=jobs.counts(connection, campaign=campaign),
        left_behind=plan_totals.find_left_behind(connection, campaign=campaign),
        spent_usd=purchases.spent(connection, run_id=run_id),
        bound_usd=purchases.bound(connection, run_id=run_id),
        committed_usd=budgets.sum_committed(connection, campaign=campaign),
    )


def _forget(future: asyncio.Future[None]) -> None:
    """Look at the result of what nobody waits for, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()
