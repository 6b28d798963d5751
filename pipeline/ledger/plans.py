"""Items in the ledger: a plan is written beside the last one, and takes its place at commit.

Uniqueness of addresses and output paths is an index; what clashes is told with both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Self, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    select,
    update,
)

from pipeline.domain import Policy, Record
from pipeline.domain.changes import ItemChange
from pipeline.domain.lock import LockMemory
from pipeline.errors import CallsheetError, LedgerInUse, Unusable
from pipeline.ledger import item_changes, loop_takes, plan_totals, record_pages
from pipeline.ledger import outputs as placed
from pipeline.ledger.budgets import campaign_scope, open_scope
from pipeline.ledger.connection import LedgerDatabase, dialect, upsert
from pipeline.ledger.fast_sql import Clashed
from pipeline.ledger.group_commit import Operation, Writer
from pipeline.ledger.job_sharing import choose_items, lead_jobs, share_jobs
from pipeline.ledger.loop_takes import FindUnwanted
from pipeline.ledger.outputs import View
from pipeline.ledger.overlay import (
    begin_draft,
    buys_otherwise,
    changes_work,
    end_draft,
    gather_statistics,
    last_item_id,
    publish_draft,
    shadow_whole,
    take_in_jobs,
)
from pipeline.ledger.paid_elsewhere import find_unsettled, take_in
from pipeline.ledger.plan_rows import ItemRows, Planned, item_values
from pipeline.ledger.plan_totals import PlanTotals
from pipeline.ledger.reuse import Reuse
from pipeline.ledger.run_plans import announce_plan, note_plan
from pipeline.ledger.sql_schema import (
    campaigns,
    clips,
    items,
    manifest_of,
    outputs,
    payloads,
    purchases,
    standing_plans,
)
from pipeline.ledger.standing_plan import StandingPlan, record_standing_plan

_AT_ONCE, _KEYS_AT_ONCE = 1000, 500
_PLANNED_AT_MOST = 3
"""How often a plan is made whose connection is lost."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Two items of one plan with one address or one output path; `other` is the earlier one."""

    what: str
    address: str
    output: str
    payload: Mapping[str, Any]
    other: str
    other_payload: Mapping[str, Any]


class _Plan:
    """The plan of a campaign while it is being written, over the tables of a draft.

    `purchases` is how often one key may be bought.
    """

    def __init__(
        self,
        connection: Connection,
        campaign: str,
        *,
        purchases: int = Policy().purchases,
    ) -> None:
        self._connection = connection
        self._campaign = campaign
        named = {"name": campaign, "manifest": manifest_of(campaign)}
        connection.execute(upsert(campaigns).values(named).on_conflict_do_nothing())
        here = campaigns.c.name == campaign
        connection.execute(
            update(campaigns)
            .where(here)
            .values(generation=campaigns.c.generation + 1, purchases=purchases)
        )
        row = connection.execute(select(campaigns).where(here)).one()
        self.campaign_id: int = row.id
        self.generation: int = row.generation
        self.is_first = row.generation == 1
        """Whether the campaign was never planned before."""
        self.changed = False
        """Whether it is another plan than the last one; told once it is finished."""
        self._new = 0  # items that no earlier plan had
        self.reworked = False
        """Whether an item of the last plan asks for other work now."""
        open_scope(connection, campaign_scope(row.manifest))
        # The draft has the items of its campaign alone; a new id must be free in the whole ledger.
        self._last_id = self._last_known = last_item_id(connection)
        self._current = and_(
            items.c.campaign_id == self.campaign_id, items.c.generation == self.generation
        )
        self._reuse = Reuse(connection, self._current)

    def add(self, batch: Sequence[Planned]) -> list[Clash]:
        """Write some items; return what clashes. The later one of a clash is left out."""
        try:
            # Most batches have no clash: they are tried, and searched only if the index refuses.
            with self._connection.begin_nested():
                self._write(batch)
        except Clashed:
            clashes = self._clashes(batch)
            wrong = {id(planned) for planned, _ in clashes}
            self._write([planned for planned in batch if id(planned) not in wrong])
            return [clash for _, clash in clashes]
        return []

    def finish(self) -> None:
        """Let items of one key share one job, and plan the jobs that are not in the making.

        What stands where an item was that left is no longer known: the path may be another's.
        """
        gather_statistics(self._connection)
        # Settling changes keys, keys tell who shares, and the first of those leads the job.
        self._reuse.settle()
        self._share()
        lead_jobs(self._connection, self._current)
        left = and_(items.c.campaign_id == self.campaign_id, items.c.generation < self.generation)
        gone = select(items.c.id).where(left)
        self._connection.execute(delete(outputs).where(outputs.c.item_id.in_(gone)))
        # What left before the last plan is no change of this one.
        just_left = gone.where(items.c.generation == self.generation - 1).limit(1)
        left_now = self._connection.scalar(just_left) is not None
        self.changed = bool(self.changed or self._new or left_now)

    def withdraw(self, shots: Collection[str], find_unwanted: FindUnwanted) -> None:
        """Take out what the loops of these shots turn out not to want, before it is finished."""
        connection, campaign = self._connection, self._campaign
        self._reuse.settle()
        page = partial(loop_takes.page, connection, campaign=campaign, shots=shots)
        takes = record_pages.iter_pages(lambda after: page(after=after), before=-1)
        unwanted = find_unwanted(takes, loop_takes.place_costs(connection, campaign=campaign))
        left = loop_takes.withdraw(
            connection, list(unwanted), after=self._last_known, last_plan=self.generation - 1
        )
        self._new -= left.new
        self.changed = self.changed or left.known_to_last_plan

    def choose(self, wanted: Callable[[Record], bool]) -> None:
        """Select only what is wanted; the rest stays as it is, in the plan and in the ledger."""
        choose_items(
            self._connection,
            campaign=self._campaign,
            campaign_id=self.campaign_id,
            generation=self.generation,
            wanted=wanted,
        )

    def _share(self) -> None:
        share_jobs(self._connection, campaign_id=self.campaign_id, generation=self.generation)

    def folders(self, file_like: Mapping[str, Planned]) -> list[Clash]:
        """Return which items have as a file what others need as a folder.

        `file_like` are output paths, folded, to an item that needs a folder there.
        """
        texts = list(file_like)
        return [
            Clash(
                what="folder",
                address=file_like[text].address,
                output=file_like[text].output,
                payload=orjson.loads(file_like[text].payload),
                other=other,
                other_payload=orjson.loads(payload),
            )
            for start in range(0, len(texts), _AT_ONCE)
            for text, (other, payload) in self._payloads_by(
                items.c.output_folded, texts[start : start + _AT_ONCE]
            ).items()
        ]

    def _items_at(self, addresses: Sequence[str]) -> dict[str, Any]:
        if self.is_first:
            return {}
        query = select(items).where(
            items.c.campaign_id == self.campaign_id, items.c.address.in_(addresses)
        )
        return {row.address: row for row in self._connection.execute(query)}

    def _write(self, batch: Sequence[Planned]) -> None:
        # Another campaign may have bought the same work: then nothing is to be bought here.
        take_in_jobs(self._connection, [planned.key for planned in batch])
        known = self._items_at([planned.address for planned in batch])
        taken = self._reuse.take(batch, known)
        bought = self._reuse.find_bought(row.key for row in known.values() if row.previous_key)
        rows, updated = ItemRows(), set[int]()
        for planned in batch:
            row, own = known.get(planned.address), taken.get(planned.address)
            new = item_values(
                planned, own, campaign_id=self.campaign_id, generation=self.generation
            )
            if row is None:
                self._new += 1
                self._last_id += 1
                rows.insert(self._last_id, new, planned)
                continue
            # In an earlier batch of this plan, or in this one: a further update would clash with
            # nothing, for the index sees only what is inserted.
            if row.generation == self.generation or row.id in updated:
                raise Clashed(planned.address)
            updated.add(row.id)
            if row.generation == self.generation - 1 and row.own_key != planned.key:
                self.reworked = True
            if rows.update(row, new, planned, bought):
                self.changed = True
        rows.write(self._connection)

    def _clashes(self, batch: Sequence[Planned]) -> list[tuple[Planned, Clash]]:
        """Find what the index refused: within the batch, or against what is already written."""
        found: list[tuple[Planned, Clash]] = []
        for what, name in (("address", "address"), ("output", "output_folded")):
            texts = [getattr(planned, name) for planned in batch]
            first = self._payloads_by(items.c[name], texts)
            for planned, text in zip(batch, texts, strict=True):
                if text in first:
                    other, payload = first[text]
                    clash = Clash(
                        what=what,
                        address=planned.address,
                        output=planned.output,
                        payload=orjson.loads(planned.payload),
                        other=other,
                        other_payload=orjson.loads(payload),
                    )
                    found.append((planned, clash))
                else:
                    first[text] = (planned.address, planned.payload)
        return found

    def _payloads_by(
        self, column: ColumnElement[str], texts: Sequence[str]
    ) -> dict[str, tuple[str, bytes]]:
        query = (
            select(column.label("text"), items.c.address, payloads.c.data)
            .join_from(items, payloads, payloads.c.item_id == items.c.id)
            .where(self._current, column.in_(texts))
        )
        rows = self._connection.execute(query)
        return {row.text: (row.address, row.data) for row in rows}


class PlanDraft:
    """A campaign's plan while it is being written: nothing waits for it, and nobody sees it.

    A context manager: what is not published is dropped. `publish` writes it in one transaction,
    in which nothing is rendered and no file is opened. On a ledger to which nothing may be written
    it is what that ledger shows from then on.
    """

    def __init__(
        self,
        writer: Writer,
        campaign: str,
        *,
        database: LedgerDatabase,
        purchases: int,
        memory: LockMemory,
        dry: bool,
    ) -> None:
        self._writer = writer
        self._database = database
        self._campaign = campaign
        self._dry = dry
        self._signatures: dict[str, str] = {}
        self._placed: list[int] = []
        if not dry:
            # Before tables are shadowed: it was paid, also if this plan is dropped.
            self._take_in(memory)
        writer.drafting = not dry
        self._draft(partial(begin_draft, campaign=campaign))
        if dry:
            self._take_in(memory)
        self._plan = self._draft(
            lambda connection: _Plan(connection, campaign, purchases=purchases)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Also of a dry ledger: a plan that was refused is nobody's.
        if self._writer.drafting or (self._dry and kind is not None):
            self.drop()

    @property
    def changed(self) -> bool:
        """Tell whether it is another plan than the last one."""
        return self._plan.changed

    @property
    def reworked(self) -> bool:
        """Tell whether an item of the last plan asks for other work now."""
        return self._plan.reworked

    def add(self, batch: Sequence[Planned]) -> list[Clash]:
        """Write some items; return what clashes. The later one of a clash is left out."""
        return self._draft(lambda _: self._plan.add(batch))

    def withdraw(self, shots: Collection[str], find_unwanted: FindUnwanted) -> None:
        """Take out what the loops of these shots turn out not to want, before it is finished."""
        self._draft(lambda _: self._plan.withdraw(shots, find_unwanted))

    def finish(self) -> None:
        """Let items of one key share one job, and plan the jobs that are not in the making."""
        self._draft(lambda _: self._plan.finish())

    def folders(self, file_like: Mapping[str, Planned]) -> list[Clash]:
        """Return which items have as a file what others need as a folder."""
        return self._draft(lambda _: self._plan.folders(file_like))

    def choose(self, wanted: Callable[[Record], bool]) -> None:
        """Select only what is wanted; the rest stays as it is, in the plan and in the ledger."""
        self._draft(lambda _: self._plan.choose(wanted))

    def rows_over(self, limit_microusd: int) -> list[tuple[str, int, Mapping[str, Any]]]:
        """Return row key, price and a payload of each row whose items cost more than the limit."""
        return self._draft(
            partial(plan_totals.rows_over, campaign=self._campaign, limit_microusd=limit_microusd)
        )

    def totals(self) -> PlanTotals:
        """Return what the plan comes to."""
        return self._draft(partial(plan_totals.totals, campaign=self._campaign))

    def iter_changes(self) -> Iterator[ItemChange]:
        """Yield the items that are made as other work, or laid out anew, by address."""
        # A first plan makes nothing anew; only clips of other campaigns can be laid out by it.
        if self._plan.is_first and not self._draft(placed.has_clips):
            return iter(())
        reading = partial(item_changes.page, campaign=self._campaign, only_changes=True)
        return record_pages.iter_pages(
            lambda after: self._draft(partial(reading, after=after)), before=""
        )

    def payload_of(self, item_id: int) -> Mapping[str, Any]:
        """Return what else is known of an item."""
        return self._draft(partial(plan_totals.payload_of, item_id=item_id))

    def views(self, **where: Any) -> list[View]:
        """Return the plan's output paths (`outputs.views`)."""
        return self._draft(partial(placed.views, **where))

    def places(self, digests: Sequence[str]) -> dict[str, list[str]]:
        """Return the output paths where these clips were put, whichever campaign they are of."""
        return self._draft(partial(placed.places, digests=digests))

    def is_known_clip(self, sha256: str) -> bool:
        """Tell whether a digest is a clip's of this ledger."""
        return bool(self._draft(partial(placed.known_clips, digests=[sha256])))

    def note_files(
        self, signatures: Mapping[str, str], at_paths: Iterable[tuple[View, str, int | None]]
    ) -> None:
        """Write what files were found to be that were touched and are right; with the plan."""
        # `clips` is no table of the draft, and nothing of the ledger is written beside one.
        self._signatures.update(signatures)
        at_paths = list(at_paths)
        self._placed += [view.item_id for view, *_ in at_paths]
        self._draft(partial(placed.place_views, placed=at_paths))

    def drop(self) -> None:
        """Forget it: the campaign's plan stays the last one."""
        # With its connection a draft is gone by itself.
        if not self._writer.is_lost:
            self._draft(end_draft)
        self._writer.drafting = False

    def publish(self, standing: StandingPlan | None = None) -> None:
        """Make it the campaign's plan, with what is known of its making.

        LedgerInUse where another process would make something else by it than it has begun to.
        """
        if self._dry:
            return
        self._writer.drafting = False
        publishing = partial(
            publish,
            campaign=self._campaign,
            signatures=self._signatures,
            at_paths=self._placed,
            standing=standing,
        )
        try:
            with self._database.translate_errors():
                self._writer.write_now(publishing, once=True)
        except LedgerInUse:
            self.drop()
            raise

    def _take_in(self, memory: LockMemory) -> None:
        """Let the ledger know what lock files remember; a dry one only shows it."""
        if not memory.clips:
            return
        unsettled = self._draft(partial(find_unsettled, remembered=memory.clips))
        if not unsettled:
            return
        if not self._dry:
            with self._database.translate_errors():
                self._writer.write_now(
                    partial(take_in, campaign=self._campaign, unsettled=unsettled)
                )
            return
        for table in (purchases, clips, standing_plans):
            self._draft(partial(shadow_whole, table=table))
        keys = [each.remembered.job_key for each in unsettled]
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            self._draft(partial(take_in_jobs, keys=keys[start : start + _KEYS_AT_ONCE]))
        # A draft began with the jobs of its own campaign: another's may have settled them.
        again = partial(find_unsettled, remembered=[each.remembered for each in unsettled])
        taking = partial(take_in, campaign=self._campaign, unsettled=self._draft(again))
        self._draft(taking)

    def _draft(self, operation: Operation[T]) -> T:
        with self._database.translate_errors():
            return self._writer.draft(operation)


def plan_in_turn(
    plan: Callable[[], T], campaign: str, writer: Writer, database: LedgerDatabase
) -> T:
    """Return what `plan` comes to, called as the only process that plans once no other one does.

    If another one has something else bought afterwards, a run of this one is refused.

    A draft goes with its connection, and nothing of it was written: where the server went away it
    is waited for, and `plan` is called again. Unusable where that happens again and again.
    """
    for tries in count(1):
        began_on = writer.connection
        try:
            with _planning_turn(writer, database):
                # Before, and not after it: where the turn is lost with the connection, another
                # plan may be published that this one has not seen.
                with database.translate_errors():
                    writer.write_now(partial(note_plan, campaign=campaign))
                return plan()
        except Unusable:
            lost = writer.is_lost or writer.connection is not began_on
            if not lost or tries == _PLANNED_AT_MOST:
                raise
        with database.translate_errors():
            writer.write_now(lambda _: None)
    raise AssertionError("it counts without end")


@contextmanager
def _planning_turn(writer: Writer, database: LedgerDatabase) -> Iterator[None]:
    """Be the only process that plans, as soon as no other one does."""
    with database.translate_errors():
        writer.draft(lambda connection: dialect(connection).begin_planning(connection))
    try:
        yield
    finally:
        # Who has lost the server has lost its turn as well.
        if not writer.is_lost:
            with suppress(CallsheetError), database.translate_errors():
                writer.draft(lambda connection: dialect(connection).end_planning(connection))


def publish(
    connection: Connection,
    *,
    campaign: str,
    signatures: Mapping[str, str],
    at_paths: Sequence[int],
    standing: StandingPlan | None,
) -> None:
    """Write a draft, and the signatures of files that were looked at for it.

    In this transaction it is known who has begun a run, and who has not.
    """
    announce_plan(
        connection,
        campaign=campaign,
        changes_work=partial(changes_work, connection, campaign=campaign),
        buys_otherwise=partial(buys_otherwise, connection, campaign=campaign),
    )
    publish_draft(connection, campaign=campaign, placed=at_paths)
    record_standing_plan(connection, campaign=campaign, plan=standing)
    for sha256, signature in signatures.items():
        placed.sign(connection, sha256=sha256, signature=signature)
