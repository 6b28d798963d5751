"""The ledger of one output root: what was asked for, what happened, and what was paid.

It, not any engine, keeps "never paid twice". Opening it for work takes the root's lock and
settles what a crash left behind; nothing is sent by that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from pipeline.clock import Clock, RealClock
from pipeline.domain import Media, Policy, Record, RunRecord
from pipeline.domain.changes import EarlierWork, ItemChange
from pipeline.domain.item import Alike
from pipeline.domain.lock import NOTHING_REMEMBERED, LockedClip, LockMemory
from pipeline.domain.loop_places import LoopTake, PlaceCost
from pipeline.domain.states import State
from pipeline.ledger import (
    adoptions,
    budgets,
    contradictions,
    event_log,
    item_changes,
    jobs,
    lock_rows,
    loop_takes,
    loss_detection,
    outputs,
    overlay,
    paid_elsewhere,
    plan_totals,
    price_quotes,
    purchases,
    record_pages,
    upload_cache,
)
from pipeline.ledger.adoptions import Adopter, PlacedFile
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.event_log import Notable
from pipeline.ledger.group_commit import Operation, Writer
from pipeline.ledger.intent_counter import IntentCounter
from pipeline.ledger.jobs import Job
from pipeline.ledger.lease import Lease, begin_work
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.loss_detection import (
    Loss,
    Traces,
    is_missing,
    leftovers,
    read_traces,
    record_gone,
    refuse_lost,
)
from pipeline.ledger.migrations import VERSION, migrate, read_version
from pipeline.ledger.outputs import Clip, View
from pipeline.ledger.owners import NOBODY
from pipeline.ledger.paid_elsewhere import AbsentClip
from pipeline.ledger.paid_tasks import PaidTask, paid_tasks
from pipeline.ledger.plan_totals import PlanTotals
from pipeline.ledger.plans import PlanDraft, plan_in_turn
from pipeline.ledger.price_confirmations import (
    PriceClass,
    PriceStanding,
    SeenPrice,
    record_price,
    seen_prices,
)
from pipeline.ledger.purchases import Word
from pipeline.ledger.record_pages import iter_pages
from pipeline.ledger.root_identity import (
    RootKind,
    identify,
    refuse_other_kind,
)
from pipeline.ledger.root_lock import RootLock, explain, prepare
from pipeline.ledger.run_ledger import Access, RunLedger
from pipeline.ledger.run_list import list_runs
from pipeline.ledger.session import LedgerSession, owning_session, reading_session
from pipeline.ledger.sql_schema import losses, set_aside, standing_plans
from pipeline.ledger.sqlite import SqliteFile
from pipeline.ledger.standing_plan_access import StandingPlanAccess

T = TypeVar("T")
_KEYS_AT_ONCE = 500


class Ledger:
    """An open ledger; a context manager. Made by `open`, `reader` or `memory`."""

    def __init__(
        self,
        database: LedgerDatabase,
        *,
        writing: LedgerSession,
        reading: LedgerSession | None = None,
        occupancy: RootLock | None = None,
        counter: IntentCounter | None = None,
        traces: Callable[[], Traces] = Traces,
        dry: bool = False,
    ) -> None:
        self.database = database
        self._counter = counter
        self._writer = Writer(writing, counter.follow if counter else None)
        self.lease = Lease(NOBODY, SqliteFile())
        """That of this process on what it works on."""
        # What lies outside the ledger: a copy is held against what lay there before it was made.
        self._traces = traces
        self._reading = reading
        # Those who link clips read from threads of their own.
        self._reading_turn = Lock()
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="ledger-read")
        self._dry = dry
        self._memory = NOTHING_REMEMBERED
        self._occupancy = occupancy
        self.moved_from: Path | None = None
        """Where the root was before, if opening it for work found it in another place."""

    @classmethod
    def open(
        cls,
        root: Where,
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
        where, now = LedgerLocation.of(root), (clock or RealClock()).now()
        database, root = where.database, where.root
        folder = prepare(root)
        with ExitStack() as undo:
            # On a server the ledger itself tells several processes apart.
            occupancy = RootLock(root, since=now, shared=database.is_remote)
            undo.callback(occupancy.release)
            # Before a file is made: what stands here now is what an earlier ledger has left.
            left = leftovers(root)
            if not anew:
                is_missing(where)
            database.make(now, anew=anew)
            with database.translate_errors():
                reading = undo.enter_context(closing(database.connect(readonly=True)))
                # First of all: what is damaged, or not ours, is not written to.
                with reading.begin():
                    dialect(reading).quickly_checked(reading)
                    known = read_version(database, reading)
                    identity, moved_from = identify(reading, root, kind=kind, adopt=adopt)
                # A file with something in it may hold no table all the same: it is lost as well.
                if not known and not anew:
                    refuse_lost(where, left)
                writing = undo.enter_context(closing(database.connect()))
                database.join(writing)
                lease = Lease.of_this_process(database)
                session = owning_session(database, writing, lease.owner)
                ledger = cls(
                    database,
                    writing=session,
                    reading=reading_session(database, reading),
                    occupancy=occupancy,
                    counter=IntentCounter(root),
                    traces=partial(read_traces, root),
                )
                ledger.lease = lease
                ledger.moved_from = moved_from
                gone = None if known else partial(record_gone, root=root, left=left, at=now)
                beginning = partial(begin_work, gone=gone, identity=identity, owner=lease.owner)
                ahead_s = ledger._write_now(partial(beginning, alone=not database.is_remote))
                session.is_registered = True
                lease.start(ahead_s)
            # Not earlier: they count as proof that there was a ledger (`leftovers`).
            where.remember()
            explain(folder)
            undo.pop_all()
        return ledger

    @classmethod
    def memory(cls, root: Where | None = None, *, kind: RootKind | None = None) -> Self:
        """Open a ledger that knows what the root's knows, and writes nothing to it.

        What is drafted on it stands in temporary tables; nothing is copied but the campaign that
        is planned, unless the root's ledger is of an earlier version. Where the root's is lost it
        knows that, as one that is opened `anew` would. RootRefused if the root is of another kind.
        """
        if root is None:
            return cls._private(Traces())
        where, known = LedgerLocation.of(root), 0
        database, root = where.database, where.root
        traces, left = read_traces(root), leftovers(root)
        if not database.is_empty():
            with ExitStack() as undo, database.translate_errors():
                source = undo.enter_context(closing(database.connect(readonly=True)))
                with source.begin():
                    known = read_version(database, source)
                    refuse_other_kind(source, root, kind)
                if known == VERSION:
                    dialect(source).allow_temporary(source)
                    undo.pop_all()
                    drafts = LedgerSession(source)
                    return cls(database, writing=drafts, traces=lambda: traces, dry=True)
                if known:
                    with source.begin():
                        older = partial(overlay.copy_older, source)
                        return cls._private(traces, older, dry=True)
        gone = partial(record_gone, root=root, left=left, at=RealClock().now())
        return cls._private(traces, gone, dry=True)

    @classmethod
    def _private(
        cls, traces: Traces, fill: Operation[None] | None = None, *, dry: bool = False
    ) -> Self:
        """Open an empty ledger that dies with its owner, and write into it what is known.

        One that stands for a root's is `dry`: what is drafted stays a draft beside what it knows.
        """
        scratch = SqliteFile()
        ledger = cls(
            scratch, writing=LedgerSession(scratch.connect()), traces=lambda: traces, dry=dry
        )
        ledger._write_now(migrate)
        if fill is not None:
            ledger._write_now(fill)
        return ledger

    @classmethod
    def reader(cls, root: Where, *, kind: RootKind | None = None) -> Self | None:
        """Open the root's ledger to read, beside whoever works in it; None if there is none.

        Raises RootRefused if the root is of another kind, LedgerLost where it is gone.
        """
        where = LedgerLocation.of(root)
        database, root = where.database, where.root
        left = leftovers(root)
        if is_missing(where):
            return None
        with ExitStack() as undo, database.translate_errors():
            reading = undo.enter_context(closing(database.connect(readonly=True)))
            with reading.begin():
                known = read_version(database, reading)
                refuse_other_kind(reading, root, kind)
            if known == VERSION:
                undo.pop_all()
                session = reading_session(database, reading)
                return cls(database, writing=session, traces=partial(read_traces, root))
        if not known:
            refuse_lost(where, left)
        # Only who works in a root brings its ledger up to date.
        return cls.memory(where) if known else None

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
        self.lease.stop()
        # Readers first, for they keep the -wal from being emptied; the root last, for whoever comes
        # next is to find one whole file.
        self._readers.shutdown(wait=True)
        if self._reading is not None:
            self._reading.close()
        self._writer.close(whole=self._occupancy is not None)
        if self._occupancy is not None:
            self._occupancy.release()

    def for_run(self) -> RunLedger:
        """Return the asynchronous side of it, for those who work in an event loop."""
        return RunLedger(Access(self._writer.soon, self._read), self._readers, self)

    def remember(self, memory: LockMemory) -> None:
        """Let every plan that is drafted from now on know what lock files remember."""
        self._memory = memory

    def draft_plan(self, campaign: str, *, purchases: int = Policy().purchases) -> PlanDraft:
        """Return a plan to be written; nobody sees it before it is published.

        One key may be bought `purchases` times. What lock files remember is written in any case.
        """
        return PlanDraft(
            self._writer,
            campaign,
            database=self.database,
            purchases=purchases,
            memory=self._memory,
            dry=self._dry,
        )

    def standing_plan(self, campaign: str) -> StandingPlanAccess:
        """Return the way to the campaign's plan as it stands, which need not be made again."""
        access = self._read, self._write_now
        return StandingPlanAccess(campaign, *access, memory=self._memory, dry=self._dry)

    def plan_in_turn(self, plan: Callable[[], T], campaign: str) -> T:
        """Return what `plan` comes to, which no other process disturbs; wait for one that plans.

        Whoever waited finds the plan of the other one. LedgerInUse after ten minutes. Where a draft
        was lost, for the server went away, it is called again.
        """
        is_alone = self._dry or not self.database.is_remote
        return plan() if is_alone else plan_in_turn(plan, campaign, self._writer, self.database)

    @property
    def away_s(self) -> float:
        """Return for how long its server has been waited for, in seconds; 0 while it answers."""
        return max(self._writer.away_s, self._reading.away_s if self._reading else 0.0)

    def _write_now(self, operation: Operation[T]) -> T:
        """Run the operation in a transaction of its own; return once it is on disk."""
        with self.database.translate_errors():
            return self._writer.write_now(operation)

    def _read(self, operation: Operation[T]) -> T:
        """Return what the operation reads from what is committed."""
        if self._reading is None:
            return self._write_now(operation)
        with self.database.translate_errors(), self._reading_turn:
            return self._reading.transact(operation)

    def states(self, keys: Iterable[str]) -> Mapping[str, State]:
        """Return the state of each of these keys that the ledger knows."""
        return self._by_key(jobs.states, keys)

    def records(
        self,
        campaign: str,
        *,
        selected: bool = False,
        review: record_pages.Judge | None = None,
        loops: Collection[str] = (),
        works: bool = False,
    ) -> Iterator[Record]:
        """Return the campaign's items in plan order, as they stand, read page by page.

        The parameters mean what they mean in `record_pages.page`.
        """
        asked = partial(record_pages.page, campaign=campaign, loops=loops, works=works)
        pages = partial(asked, selected=selected, review=review)
        return iter_pages(lambda after: self._read(partial(pages, after=after)), before=-1)

    def item_changes(self, campaign: str, *, address: str = "") -> Iterator[ItemChange]:
        """Return what a drafted plan does to its items, by address, read page by page.

        For a ledger that writes nothing: with others the draft is gone once it is published.
        """
        pages = partial(item_changes.page, campaign=campaign, address=address)
        return iter_pages(lambda after: self._read(partial(pages, after=after)), before="")

    def bought_work(self, key: str) -> EarlierWork | None:
        """Return what was bought under a key; None if nothing was."""
        return self._read(partial(item_changes.bought_works, keys=[key])).get(key)

    def sibling_work(self, campaign: str, address: str) -> EarlierWork | None:
        """Return what another profile of the manifest bought last under an address."""
        return self._read(partial(item_changes.sibling_work, campaign=campaign, address=address))

    def orphan_key(self, campaign: str, address: str) -> str:
        """Return the key that an address had in an earlier plan, if the latest has it no more."""
        return self._read(partial(item_changes.orphan_key, campaign=campaign, address=address))

    def addresses_of(self, campaign: str, key: str) -> list[str]:
        """Return the addresses of the latest plan that have a key."""
        return self._read(partial(item_changes.addresses_of, campaign=campaign, key=key))

    def notable(self, campaign: str) -> list[Notable]:
        """Return what was written down about the campaign's lanes: lanes stopped, limits met."""
        return self._read(partial(event_log.notable, campaign=campaign))

    def runs(self, campaign: str) -> list[RunRecord]:
        """Return the campaign's runs, the oldest first."""
        return self._read(partial(list_runs, campaign=campaign))

    def same_clips(self, campaign: str) -> list[list[str]]:
        """Return the addresses of the plan's works that received one and the same file."""
        return self._read(partial(outputs.same_clips, campaign=campaign))

    def find_left_behind(self, campaign: str) -> list[tuple[str, str, State]]:
        """Return address, provider and state of what earlier plans sent, and has not ended."""
        return self._read(partial(plan_totals.find_left_behind, campaign=campaign))

    def prices(self, campaign: str) -> list[PriceStanding]:
        """Return how the prices of the campaign's items stand."""
        return self._read(partial(plan_totals.standings, campaign=campaign))

    def committed_usd(self, campaign: str) -> Decimal:
        """Return what is charged, reserved and possible over a campaign's life."""
        return self._read(partial(budgets.sum_committed, campaign=campaign))

    def plan_totals(self, campaign: str) -> PlanTotals:
        """Return what the campaign's latest plan comes to."""
        return self._read(partial(plan_totals.totals, campaign=campaign))

    def seen_prices(self) -> dict[PriceClass, SeenPrice]:
        """Return every price that was seen."""
        return self._read(seen_prices)

    def record_price(self, seen: SeenPrice) -> None:
        """Remember what was seen of a price, instead of what was known before."""
        self._write_now(partial(record_price, seen=seen))

    def fresh_quotes(self, now: datetime) -> dict[Alike, Decimal]:
        """Return what providers' dry runs named within the last day, in USD."""
        return self._read(partial(price_quotes.fresh_quotes, now=now.timestamp()))

    def record_quotes(self, quotes: Iterable[tuple[Alike, Decimal]], now: datetime) -> None:
        """Remember what providers' dry runs named."""
        self._write_now(partial(price_quotes.record_quotes, quotes=[*quotes], at=now.timestamp()))

    def sent_jobs(self, campaign: str, address: str = "") -> list[Job]:
        """Return the campaign's jobs that were sent and have not ended, oldest first."""
        return self._read(partial(jobs.sent_jobs, campaign=campaign, address=address))

    def record_words(self, words: Sequence[Word], *, at: float) -> None:
        """Write what a person says of purchases, all or nothing; Clashed if a task is another's."""
        self._write_now(partial(purchases.record_words, words=words, at=at))

    def paid_tasks(self) -> list[PaidTask]:
        """Return what was sent and not turned away, of all campaigns, oldest first."""
        return self._read(paid_tasks)

    def views(self, **where: Any) -> list[View]:
        """Return the plan's output paths (`outputs.views`)."""
        return self._read(partial(outputs.views, **where))

    def open_references(self, campaign: str) -> Iterator[Media]:
        """Yield each local reference of what is still to be made, once."""
        pages = partial(upload_cache.open_references, campaign=campaign)
        found = iter_pages(lambda after: self._read(partial(pages, after=after)), before=-1)
        yield from {media.digest: media for media in found}.values()

    def place(self, view: View, *, signature: str, mode: int) -> None:
        """Write that an item's clip stands at its output path now."""
        self._write_now(partial(outputs.place_views, placed=[(view, signature, mode)]))

    def sign(self, sha256: str, signature: str) -> None:
        """Write what a clip's file in the store is, its bytes being right."""
        self._write_now(partial(outputs.sign, sha256=sha256, signature=signature))

    def places(self, digests: Sequence[str]) -> dict[str, list[str]]:
        """Return the output paths where these clips were put, whichever campaign they are of."""
        return self._read(partial(outputs.places, digests=digests))

    def loop_takes(self, campaign: str, shots: Collection[str]) -> Iterator[LoopTake]:
        """Yield the takes of these shots in plan order, read page by page."""
        pages = partial(loop_takes.page, campaign=campaign, shots=shots)
        return iter_pages(lambda after: self._read(partial(pages, after=after)), before=-1)

    def place_costs(self, campaign: str) -> Mapping[str, PlaceCost]:
        """Return what was paid at each place of a campaign, by its address."""
        return self._read(partial(loop_takes.place_costs, campaign=campaign))

    def last_takes(self, campaign: str) -> dict[str, int]:
        """Return the highest take that each place of a campaign ever had, by its address."""
        return self._read(partial(loop_takes.last_takes, campaign=campaign))

    def made_takes(self, campaign: str, address: str) -> list[outputs.MadeTake]:
        """Return the clip of an item of the latest plan, for it and for each that shares it."""
        return self._read(partial(outputs.made_takes, campaign=campaign, address=address))

    def clips_of(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Return the SHA-256 of the clip of each of these keys that has one."""
        return self._by_key(outputs.clips_of, keys)

    def _by_key(self, read: Callable[..., Mapping[str, T]], keys: Iterable[str]) -> dict[str, T]:
        """Return what an operation reads of some keys, so many at once as SQLite takes."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, T] = {}
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            found |= self._read(partial(read, keys=wanted[start : start + _KEYS_AT_ONCE]))
        return found

    def is_known_clip(self, sha256: str) -> bool:
        """Tell whether a digest is a clip's of this ledger, set aside or not."""
        return bool(self._read(partial(outputs.known_clips, digests=[sha256])))

    def bought_clips(self, digests: Sequence[str]) -> frozenset[str]:
        """Return which of these digests are clips of a purchase that the ledger knows."""
        return self._read(partial(outputs.bought_clips, digests=digests))

    def clip_purchases(self) -> list[outputs.ClipPurchase]:
        """Return the purchase of each clip, of all campaigns, by digest."""
        return self._read(outputs.clip_purchases)

    def adopter(self, item_id: int) -> Adopter:
        """Return what is known of an item and its job."""
        return self._read(partial(adoptions.adopter, item_id=item_id))

    def adopters(self, campaign: str, address: str) -> list[Adopter]:
        """Return the items of the latest plan with this address, whose take may be left out."""
        return self._read(partial(adoptions.adopters, campaign=campaign, address=address))

    def adopt_clip(
        self,
        item: Adopter,
        keep: Callable[[], Clip],
        *,
        placed: PlacedFile | None,
        client_id: str,
        at: float,
        told_microusd: int | None = None,
    ) -> None:
        """Book a purchase that was paid earlier, and write that its clip is this one."""
        book = partial(adoptions.adopt_clip, item=item, keep=keep, placed=placed)
        self._write_now(partial(book, client_id=client_id, at=at, told_microusd=told_microusd))

    def locked_clips(self, campaign: str, *, selected: bool = True) -> Iterator[LockedClip]:
        """Return the finished items of the plan as lines of a lock file, read page by page."""
        pages = partial(lock_rows.finished_page, campaign=campaign, selected=selected)
        return iter_pages(lambda after: self._read(partial(pages, after=after)), before=-1)

    def is_lock_settled(self, campaign: str, text_sha256: str, *, whole: bool = False) -> bool:
        """Tell whether a lock file with this text tells nothing new (`lock_rows.is_settled`)."""
        asked = partial(lock_rows.is_settled, campaign=campaign, text_sha256=text_sha256)
        return self._read(partial(asked, whole=whole))

    def record_lock(self, campaign: str, text_sha256: str, remembered: LockMemory) -> None:
        """Write that the lock file has this text, if it tells nothing more than is here."""
        writing = partial(lock_rows.record_written, campaign=campaign, remembered=remembered)
        self._write_now(partial(writing, text_sha256=text_sha256))

    def own_parts(self, campaign: str) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """Return address, key and key parts of the selected items of the plan."""
        pages = partial(lock_rows.own_parts_page, campaign=campaign)
        return iter_pages(lambda after: self._read(partial(pages, after=after)), before=-1)

    def find_absent(self, campaign: str) -> list[AbsentClip]:
        """Return the selected items that were paid for elsewhere and whose clip is not here."""
        return self._read(partial(paid_elsewhere.find_absent, campaign=campaign))

    def set_aside(self, absent: Iterable[AbsentClip]) -> None:
        """Write that a person agreed to buy again what was paid for elsewhere."""
        self._write_now(partial(paid_elsewhere.set_aside, keys=[each.key for each in absent]))

    def elsewhere_usd(self, campaign: str) -> Decimal:
        """Return how much of what counts against the limits was paid elsewhere."""
        return self._read(partial(paid_elsewhere.sum_elsewhere, campaign=campaign))

    def broken_pages(self) -> list[str]:
        """Return what the database finds wrong with itself."""
        return self._read(lambda connection: dialect(connection).broken_pages(connection))

    def contradictions(self) -> list[str]:
        """Return what the tables promise each other and do not keep."""
        return self._read(contradictions.contradictions)

    def finished_jobs(self) -> list[tuple[str, str, str]]:
        """Return one job for each clip: what a person knows it by, digest, and extension."""
        return self._read(contradictions.finished_jobs)

    def find_loss(self, campaign: str, memory: LockMemory = NOTHING_REMEMBERED) -> Loss | None:
        """Return what the ledger, and `memory`, have lost of a campaign; None if nothing is."""
        finding = partial(loss_detection.find_loss, traces=self._traces(), memory=memory)
        return self._read(partial(finding, campaign=campaign))

    def find_losses(self) -> list[Loss]:
        """Return what the ledger has lost, by campaign."""
        return self._read(partial(loss_detection.find_losses, traces=self._traces()))

    def settle_loss(self, loss: Loss, *, now: datetime, partly: bool = False) -> None:
        """Write down that a person agreed to go on without what is lost, or with some of it."""
        settling = partial(loss_detection.settle, loss=loss, at=now.timestamp(), partly=partly)
        if self._dry:
            with self.database.translate_errors():
                for table in (losses, set_aside, standing_plans):
                    self._writer.draft(partial(overlay.shadow_whole, table=table))
                self._writer.draft(settling)
            return
        self._write_now(settling)
        # After the agreement is on disk: dropped before it, the counter would hide the loss.
        if self._counter is not None and not partly:
            self._counter.renew(loss.campaign)
