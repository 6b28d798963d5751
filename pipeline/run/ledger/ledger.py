"""The ledger of one output root: what was asked for, what happened, and what was paid.

It, not any engine, keeps "never paid twice". Opening it for work takes the root's lock and
settles what a crash left behind; nothing is sent by that.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection

from pipeline.errors import LedgerDamaged
from pipeline.model import Record
from pipeline.run.clock import Clock, RealClock
from pipeline.run.ledger import (
    budgets,
    events,
    jobs,
    outputs,
    records,
    scratch,
    summary,
    uploads,
)
from pipeline.run.ledger.events import Notable
from pipeline.run.ledger.root import FOLDER, LEDGER, Occupancy, missing, prepare
from pipeline.run.ledger.sqlite import be_patient, connect, quickly_checked, told
from pipeline.run.ledger.tables import VERSION, Foreign, Newer, migrate, version
from pipeline.run.ledger.writer import Operation, Writer
from pipeline.run.lifecycle import State

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
        occupancy: Occupancy | None = None,
    ) -> None:
        self.path = path
        self._writer = Writer(writing)
        self._reading = reading
        # Those who link clips read from threads of their own.
        self._reading_turn = Lock()
        self._occupancy = occupancy

    @classmethod
    def open(cls, root: Path, *, clock: Clock | None = None, anew: bool = False) -> Self:
        """Open the root's ledger for work, made if there is none.

        Raises LedgerInUse if another process works in this root, LedgerDamaged or Unusable. `anew`
        is for who takes in clips whose ledger is lost: a new one is begun beside them.
        """
        path = prepare(root, anew=anew)
        with ExitStack() as undo:
            occupancy = Occupancy(root, since=(clock or RealClock()).now())
            undo.callback(occupancy.release)
            with told(path):
                reading = undo.enter_context(closing(connect(path, readonly=True)))
                # First of all: what is damaged, or not ours, is not written to.
                with reading.begin():
                    quickly_checked(reading)
                    _version(path, reading)
                writing = undo.enter_context(closing(connect(path)))
                ledger = cls(path, writing=writing, reading=reading, occupancy=occupancy)
                ledger.write_now(_begin)
            undo.pop_all()
        return ledger

    @classmethod
    def memory(cls, root: Path | None = None) -> Self:
        """Open a private ledger that knows what the root's knows, and writes nothing to it."""
        ledger = cls(None, writing=connect(None))
        ledger.write_now(migrate)
        path = root / FOLDER / LEDGER if root else None
        if path and not missing(path):
            with told(path), closing(connect(path, readonly=True)) as source, source.begin():
                if _version(path, source):
                    ledger.write_now(partial(scratch.copy, source))
        return ledger

    @classmethod
    def reader(cls, root: Path) -> Self | None:
        """Open the root's ledger to read, beside whoever works in it; None if there is none."""
        path = root / FOLDER / LEDGER
        if missing(path):
            return None
        with ExitStack() as undo, told(path):
            reading = undo.enter_context(closing(connect(path, readonly=True)))
            with reading.begin():
                found = _version(path, reading)
            if found == VERSION:
                undo.pop_all()
                return cls(path, writing=reading)
        # Only who works in a root brings its ledger up to date.
        return cls.memory(root) if found else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger and of the root."""
        if self._reading is not None:
            self._reading.close()
        self._writer.close()
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
        pages = partial(records.page, campaign=campaign, selected=selected)
        after: int | None = -1
        while after is not None:
            page, after = self.read(partial(pages, after=after))
            yield from page

    def notable(self, campaign: str) -> list[Notable]:
        """Return what was written down about the campaign's lanes: lanes stopped, limits met."""
        return self.read(partial(events.notable, campaign=campaign))

    def same_clips(self, campaign: str) -> list[list[str]]:
        """Return the addresses of the plan's works that received one and the same file."""
        return self.read(partial(outputs.same_clips, campaign=campaign))

    def left_behind(self, campaign: str) -> list[tuple[str, str, State]]:
        """Return address, provider and state of what earlier plans sent, and has not ended."""
        return self.read(partial(summary.left_behind, campaign=campaign))

    def committed_usd(self, campaign: str) -> Decimal:
        """Return what is charged, reserved and possible over a campaign's life."""
        return self.read(partial(budgets.committed, campaign=campaign))

    def uploaded(self, digest: str, provider: str, account: str) -> tuple[str, float | None] | None:
        """Return where a medium is at a provider and when that dies (unix seconds), if known."""
        return self.read(
            partial(uploads.uploaded, digest=digest, provider=provider, account=account)
        )

    async def record_upload(
        self, digest: str, provider: str, account: str, *, uri: str, expires_at: float | None
    ) -> None:
        """Remember where a medium is at a provider."""
        place = {"digest": digest, "provider": provider, "account": account}
        await self.write(partial(uploads.record, place=place, uri=uri, expires_at=expires_at))


def _forget(future: Future[None]) -> None:
    """Look at the result of what nobody waits for, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()


def _begin(connection: Connection) -> None:
    """Make the ledger ready for work: up to date, and what a crash left behind settled."""
    migrate(connection)
    jobs.recover(connection)
    be_patient(connection)


def _version(path: Path, connection: Connection) -> int:
    try:
        return version(connection)
    except Newer as newer:
        raise LedgerDamaged(
            f"{path}: it was written by a newer Callsheet: update Callsheet, then run again"
        ) from newer
    except Foreign as foreign:
        raise LedgerDamaged(
            f"{path}: it is another program's database, and is left as it is: put a backup of the"
            " ledger in its place"
        ) from foreign
