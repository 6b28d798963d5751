"""The ledger of one output root: what was asked for, what happened, and what was paid.

It, not any engine, keeps "never paid twice". Opening it for work takes the root's lock and
settles what a crash left behind; nothing is sent by that.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection

from pipeline.clock import Clock, RealClock
from pipeline.domain import Record
from pipeline.domain.states import State
from pipeline.errors import LedgerDamaged
from pipeline.ledger import (
    budgets,
    dry_run,
    event_log,
    jobs,
    loss_detection,
    outputs,
    plan_totals,
    record_pages,
    upload_cache,
)
from pipeline.ledger.connection import (
    RESTORE,
    be_patient,
    checkpoint,
    connect,
    quickly_checked,
    told,
)
from pipeline.ledger.event_log import Notable
from pipeline.ledger.group_commit import Operation, Writer
from pipeline.ledger.intent_counter import IntentCounter, read_counters
from pipeline.ledger.loss_detection import (
    Loss,
    Traces,
    is_empty,
    is_missing,
    leftovers,
    read_traces,
    refuse_lost,
)
from pipeline.ledger.price_confirmations import PriceStanding, standings
from pipeline.ledger.root_identity import (
    RootIdentity,
    RootKind,
    identify,
    record_identity,
    refuse_other_kind,
)
from pipeline.ledger.root_lock import LEDGER, RootLock, explain, keep_strays, prepare, touch
from pipeline.ledger.sql_schema import VERSION, Foreign, Newer, migrate, version
from pipeline.storage.fs import STATE_FOLDER

T = TypeVar("T")
_KEYS_AT_ONCE = 500


class Ledger:
    """An open ledger; a context manager. Made by `open`, `reader` or `memory`."""

    def __init__(
        self,
        path: Path | None,
        *,
        writing: Connection,
        reading: Connection | None = None,
        occupancy: RootLock | None = None,
        counter: IntentCounter | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.path = path
        self._counter = counter
        self._writer = Writer(writing, counter.follow if counter else None)
        # A copy is held against what lay on disk before it was made.
        self._traces = traces
        self._reading = reading
        # Those who link clips read from threads of their own.
        self._reading_turn = Lock()
        self._occupancy = occupancy
        self.moved_from: Path | None = None
        """Where the root was before, if opening it for work found it in another place."""

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        clock: Clock | None = None,
        kind: RootKind | None = None,
        adopt: bool = False,
        anew: bool = False,
    ) -> Self:
        """Open the root's ledger for work, made if there is none.

        Without a `kind` every root will do, and a new one is real. `adopt` takes over a root that
        was moved or restored. `anew` makes a ledger where one was lost: what is left of that is
        set aside, and the new one knows of the loss (`find_loss`).
        Raises LedgerInUse if another process works in this root, RootRefused if it is a copy or of
        another kind, LedgerLost, LedgerDamaged or Unusable.
        """
        path, now = prepare(root), (clock or RealClock()).now()
        with ExitStack() as undo:
            occupancy = RootLock(root, since=now)
            undo.callback(occupancy.release)
            left = leftovers(root)
            if anew:
                keep_strays(path, now)
            else:
                is_missing(root)
            touch(path)
            with told(path):
                reading = undo.enter_context(closing(connect(path, readonly=True)))
                # First of all: what is damaged, or not ours, is not written to.
                with reading.begin():
                    quickly_checked(reading)
                    known = known_version(path, reading)
                    identity, moved_from = identify(reading, root, kind=kind, adopt=adopt)
                if not known and not anew:
                    refuse_lost(root, left)
                writing = undo.enter_context(closing(connect(path)))
                counter = IntentCounter(root)
                ledger = cls(
                    path, writing=writing, reading=reading, occupancy=occupancy, counter=counter
                )
                ledger.moved_from = moved_from
                gone = None if known else partial(_record_gone, root, left=left, at=now)
                ledger.write_now(partial(_begin, gone=gone, identity=identity))
            explain(path.parent)
            undo.pop_all()
        return ledger

    @classmethod
    def memory(cls, root: Path | None = None, *, kind: RootKind | None = None) -> Self:
        """Open a private ledger that knows what the root's knows, and writes nothing to it.

        Where the root's is lost it knows that, as one that is opened `anew` would. Raises
        RootRefused if the root is of another kind.
        """
        ledger = cls(None, writing=connect(None), traces=read_traces(root) if root else Traces())
        ledger.write_now(migrate)
        if root is None:
            return ledger
        path, left, known = root / STATE_FOLDER / LEDGER, leftovers(root), 0
        if not is_empty(path):
            with told(path), closing(connect(path, readonly=True)) as source, source.begin():
                known = known_version(path, source)
                refuse_other_kind(source, root, kind)
                if known:
                    ledger.write_now(partial(dry_run.copy, source))
        if not known:
            ledger.write_now(partial(_record_gone, root, left=left, at=RealClock().now()))
        return ledger

    @classmethod
    def reader(cls, root: Path, *, kind: RootKind | None = None) -> Self | None:
        """Open the root's ledger to read, beside whoever works in it; None if there is none.

        Raises RootRefused if the root is of another kind, LedgerLost where there is none, and
        was one.
        """
        path, left = root / STATE_FOLDER / LEDGER, leftovers(root)
        if is_missing(root):
            return None
        with ExitStack() as undo, told(path):
            reading = undo.enter_context(closing(connect(path, readonly=True)))
            with reading.begin():
                known = known_version(path, reading)
                refuse_other_kind(reading, root, kind)
            if known == VERSION:
                undo.pop_all()
                return cls(path, writing=reading)
        if not known:
            refuse_lost(root, left)
        # Only who works in a root brings its ledger up to date.
        return cls.memory(root) if known else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def check_root(self) -> None:
        """Raise Unusable if the root is not where it was when it was opened for work."""
        if self._occupancy is not None:
            self._occupancy.check()

    def close(self) -> None:
        """Let go of the ledger and of the root; the ledger's one file is whole then."""
        if self._reading is not None:
            self._reading.close()
        self._writer.close(checkpoint if self._occupancy is not None else None)
        if self._occupancy is not None:
            self._occupancy.release()

    async def write(self, operation: Operation[T]) -> T:
        """Run the operation in the next transaction; return once it is on disk."""
        with told(self.path):
            return await self._writer.write(operation)

    def soon(self, operation: Operation[None]) -> None:
        """Run the operation in one of the next transactions; nobody waits for it."""
        self._writer.soon(operation).add_done_callback(_forget)

    def write_now(self, operation: Operation[T]) -> T:
        """Run the operation in a transaction of its own; return once it is on disk."""
        with told(self.path):
            return self._writer.write_now(operation)

    def read(self, operation: Operation[T]) -> T:
        """Return what the operation reads from what is committed."""
        if self._reading is None:
            return self.write_now(operation)
        with told(self.path), self._reading_turn, self._reading.begin():
            return operation(self._reading)

    def states(self, keys: Iterable[str]) -> Mapping[str, State]:
        """Return the state of each of these keys that the ledger knows."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, State] = {}
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            found |= self.read(partial(jobs.states, keys=wanted[start : start + _KEYS_AT_ONCE]))
        return found

    def records(self, campaign: str, *, selected: bool = False) -> Iterator[Record]:
        """Yield the campaign's items in plan order, as they stand.

        `selected` leaves out those that the last admission did not select.
        """
        pages = partial(record_pages.page, campaign=campaign, selected=selected)
        after: int | None = -1
        while after is not None:
            page, after = self.read(partial(pages, after=after))
            yield from page

    def notable(self, campaign: str) -> list[Notable]:
        """Return what was written down about the campaign's lanes: lanes stopped, limits met."""
        return self.read(partial(event_log.notable, campaign=campaign))

    def same_clips(self, campaign: str) -> list[list[str]]:
        """Return the addresses of the plan's works that received one and the same file."""
        return self.read(partial(outputs.same_clips, campaign=campaign))

    def left_behind(self, campaign: str) -> list[tuple[str, str, State]]:
        """Return address, provider and state of what earlier plans sent, and has not ended."""
        return self.read(partial(plan_totals.left_behind, campaign=campaign))

    def prices(self, campaign: str) -> list[PriceStanding]:
        """Return how the prices of the campaign's items stand."""
        return self.read(partial(standings, campaign=campaign))

    def committed_usd(self, campaign: str) -> Decimal:
        """Return what is charged, reserved and possible over a campaign's life."""
        return self.read(partial(budgets.committed, campaign=campaign))

    def uploaded(self, digest: str, provider: str, account: str) -> tuple[str, float | None] | None:
        """Return where a medium is at a provider and when that dies (unix seconds), if known."""
        return self.read(
            partial(upload_cache.uploaded, digest=digest, provider=provider, account=account)
        )

    async def record_upload(
        self, digest: str, provider: str, account: str, *, uri: str, expires_at: float | None
    ) -> None:
        """Remember where a medium is at a provider."""
        place = {"digest": digest, "provider": provider, "account": account}
        await self.write(partial(upload_cache.record, place=place, uri=uri, expires_at=expires_at))

    def find_loss(self, campaign: str) -> Loss | None:
        """Return what the ledger has lost of a campaign, None if nothing is known to be lost."""
        return self.read(partial(loss_detection.find_loss, traces=self._seen(), campaign=campaign))

    def find_losses(self) -> list[Loss]:
        """Return what the ledger has lost, by campaign."""
        return self.read(partial(loss_detection.find_losses, traces=self._seen()))

    def settle_loss(self, loss: Loss, *, now: datetime, partly: bool = False) -> None:
        """Write down that a person agreed to go on without what is lost, or with some of it."""
        settle = partial(loss_detection.settle, loss=loss, at=now.timestamp(), partly=partly)
        self.write_now(settle)
        if self._counter is not None and not partly:
            self._counter.renew(loss.campaign)

    def _seen(self) -> Traces:
        """Return what lies outside the ledger: a copy's is that of when it was made."""
        if self._traces is None and self.path is not None:
            return read_traces(self.path.parent.parent)
        return self._traces or Traces()


def _forget(future: Future[None]) -> None:
    """Look at the result of what nobody waits for, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()


def _begin(connection: Connection, *, gone: Operation[None] | None, identity: RootIdentity) -> None:
    """Make the ledger ready for work: up to date, and what a crash left behind settled.

    `gone` writes down, in the same transaction, that a new one stands where another was lost.
    """
    migrate(connection)
    record_identity(connection, identity)
    if gone is not None:
        gone(connection)
    jobs.recover(connection)
    be_patient(connection)


def _record_gone(root: Path, connection: Connection, left: tuple[str, ...], at: datetime) -> None:
    if left:
        counters = read_counters(root)
        loss_detection.record_gone(connection, left=left, counters=counters, at=at.timestamp())


def known_version(path: Path, connection: Connection) -> int:
    """Return the version of a ledger, 0 for an empty one; LedgerDamaged if it is none of ours."""
    try:
        return version(connection)
    except Newer as newer:
        raise LedgerDamaged(
            f"{path}: it was written by a newer Callsheet: update Callsheet, then run again"
        ) from newer
    except Foreign as foreign:
        raise LedgerDamaged(
            f"{path}: it is another program's database, and is left as it is: {RESTORE}"
        ) from foreign
