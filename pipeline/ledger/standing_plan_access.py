"""Whether a campaign's latest plan would be made again from the same inputs; then it is read as is.

A plan follows from what was read (manifest, table, pictures, prices, decisions) and from what the
ledger had bought. Who plans keeps digests of the first beside the plan; here it is judged whether
the second is still such that the same items would come out. Where that is not certain there is no
standing plan, and the campaign is planned anew: a wrong yes could buy a clip twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from pipeline.domain import Record
from pipeline.domain.changes import ItemChange
from pipeline.domain.lock import LockMemory
from pipeline.domain.states import REPLANNED
from pipeline.ledger import item_changes, outputs, record_pages
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.item_changes import Published
from pipeline.ledger.job_sharing import choose_items
from pipeline.ledger.jobs import is_bought
from pipeline.ledger.outputs import View
from pipeline.ledger.overlay import begin_choice, end_draft, make_part_places
from pipeline.ledger.paid_elsewhere import find_unsettled
from pipeline.ledger.plan_edits import EditedItems, replace_items
from pipeline.ledger.plan_rows import Planned
from pipeline.ledger.plan_totals import PlanTotals, current, payload_of, totals
from pipeline.ledger.sql_schema import campaigns, items, jobs, purchases, standing_plans
from pipeline.ledger.standing_plan import StandingPlan, last_purchase, record_standing_plan

T = TypeVar("T")


def find_standing_plan(
    connection: Connection, *, campaign: str, memory: LockMemory
) -> StandingPlan | None:
    """Return the campaign's plan if it would be made again from the same inputs; None if unsure."""
    query = select(standing_plans).join_from(
        standing_plans,
        campaigns,
        and_(
            campaigns.c.id == standing_plans.c.campaign_id,
            campaigns.c.generation == standing_plans.c.generation,
        ),
    )
    row = connection.execute(query.where(campaigns.c.name == campaign)).first()
    if row is None or find_unsettled(connection, memory.clips):
        return None
    here = current(connection, campaign)
    others = (connection.scalar(select(func.count()).select_from(campaigns)) or 0) > 1
    doubts = _doubts(here, row.purchase_id, others=others)
    if any(connection.execute(query).first() for query in doubts):
        return None
    return StandingPlan(inputs=row.inputs, rows=row.rows, told=row.told)


def _doubts(here: ColumnElement[bool], purchase_id: int, *, others: bool) -> Iterator[Any]:
    """Yield queries that find something by which planning might come to other items."""
    with_jobs = select(items.c.id).join_from(items, jobs, jobs.c.key == items.c.key).where(here)
    # What was bought meanwhile under a key that no item has may satisfy one of them.
    wanted = select(items.c.id).where(here, items.c.key == purchases.c.key)
    yield select(purchases.c.id).where(purchases.c.id > purchase_id, ~exists(wanted)).limit(1)
    # Of a selection: the whole plan is asked for again.
    yield select(items.c.id).where(here, items.c.selected == 0).limit(1)
    # Satisfied by what is bought under another key: that may have turned out not to be.
    taken = items.c.key != items.c.own_key
    yield with_jobs.where(taken, ~is_bought()).limit(1)
    # Another campaign has the same work, and was planned since.
    if not others:
        return
    led = or_(jobs.c.item_id != items.c.id, jobs.c.provider != items.c.provider)
    alone = items.c.shared_with.is_(None)
    yield with_jobs.where(alone, jobs.c.state.in_(REPLANNED), led).limit(1)


def is_remade() -> ColumnElement[bool]:
    """Return the condition that an item is bought again as other work than it was."""
    changed = and_(items.c.previous_key != "", items.c.previous_key != items.c.key)
    return and_(changed, jobs.c.state.in_(REPLANNED))


class StandingPlanAccess:
    """A campaign's standing plan in an open ledger: read without being made again.

    Has what `run.output_check.KnownOutputs` asks for. On a `dry` ledger nothing is written.
    """

    def __init__(
        self,
        campaign: str,
        read: Callable[[Operation[Any]], Any],
        write: Callable[[Operation[Any]], Any],
        *,
        memory: LockMemory,
        dry: bool,
    ) -> None:
        self._campaign = campaign
        self._read = read
        self._write = write
        self._memory = memory
        self.is_dry = dry

    def find(self) -> StandingPlan | None:
        """Return the plan if it would be made again from the same inputs; None if unsure."""
        finding = partial(find_standing_plan, campaign=self._campaign, memory=self._memory)
        found: StandingPlan | None = self._read(finding)
        return found

    def remade_rows(self) -> frozenset[tuple[str, str]]:
        """Return shot and row key of the items that are bought again as other work."""

        def read(connection: Connection) -> frozenset[tuple[str, str]]:
            query = (
                select(items.c.shot, items.c.row_key)
                .join_from(items, jobs, jobs.c.key == items.c.key)
                .where(current(connection, self._campaign), is_remade())
                .distinct()
            )
            return frozenset((row.shot, row.row_key) for row in connection.execute(query))

        found: frozenset[tuple[str, str]] = self._read(read)
        return found

    def choose(self, wanted: Callable[[Record], bool]) -> None:
        """Select only what is wanted, on a dry ledger: it shows that from then on."""

        def write(connection: Connection) -> None:
            begin_choice(connection, campaign=self._campaign)
            own = select(campaigns).where(campaigns.c.name == self._campaign)
            row = connection.execute(own).one()
            choose_items(
                connection,
                campaign=self._campaign,
                campaign_id=row.id,
                generation=row.generation,
                wanted=wanted,
            )

        self._write(write)

    def drop_choice(self) -> None:
        """Have everything selected again that was."""
        self._write(end_draft)

    def totals(self) -> PlanTotals:
        """Return what the plan comes to."""
        found: PlanTotals = self._read(partial(totals, campaign=self._campaign))
        return found

    def replace(
        self,
        planned: Sequence[Planned],
        rows: Sequence[tuple[str, str]],
        plan: StandingPlan | None,
        *,
        per_row_microusd: int | None,
    ) -> EditedItems:
        """Write the items of some rows as they are planned now, and what it is all made from.

        Raises Entangled, and writes nothing, where that is not all that changes.
        """

        def write(connection: Connection) -> EditedItems:
            edited = replace_items(
                connection,
                campaign=self._campaign,
                planned=planned,
                rows=rows,
                per_row_microusd=per_row_microusd,
            )
            record_standing_plan(connection, campaign=self._campaign, plan=plan)
            return edited

        found: EditedItems = self._write(write)
        return found

    def iter_changes(self, published: Mapping[int, Published]) -> Iterator[ItemChange]:
        """Yield the items that are made as other work, or laid out anew, by address.

        `published` are those that were replaced, as they were before.
        """
        if not (published or self._read(outputs.has_clips)):
            return iter(())
        self._write(make_part_places)
        reading = partial(
            item_changes.page, campaign=self._campaign, only_changes=True, published=published
        )
        return record_pages.iter_pages(
            lambda after: self._write(partial(reading, after=after)), before=""
        )

    def payload_of(self, item_id: int) -> Mapping[str, Any]:
        """Return what else is known of an item."""
        found: Mapping[str, Any] = self._read(partial(payload_of, item_id=item_id))
        return found

    def views(self, **where: Any) -> list[View]:
        """Return the plan's output paths (`outputs.views`)."""
        found: list[View] = self._read(partial(outputs.views, **where))
        return found

    def places(self, digests: Sequence[str]) -> dict[str, list[str]]:
        """Return the output paths where these clips were put, whichever campaign they are of."""
        found: dict[str, list[str]] = self._read(partial(outputs.places, digests=digests))
        return found

    def is_known_clip(self, sha256: str) -> bool:
        """Tell whether a digest is a clip's of this ledger."""
        return bool(self._read(partial(outputs.known_clips, digests=[sha256])))

    def confirm(
        self, signatures: Mapping[str, str], placed: Sequence[tuple[View, str, int | None]]
    ) -> None:
        """Write that the plan stands, and what the files were found to be that were touched."""
        if self.is_dry:
            return

        def write(connection: Connection) -> None:
            last = last_purchase(connection)
            own = select(campaigns.c.id).where(campaigns.c.name == self._campaign)
            here = standing_plans.c.campaign_id == own.scalar_subquery()
            connection.execute(update(standing_plans).where(here).values(purchase_id=last))
            for sha256, signature in signatures.items():
                outputs.sign(connection, sha256=sha256, signature=signature)
            outputs.place_views(connection, placed=placed)

        if signatures or placed or self._read(partial(_is_behind, campaign=self._campaign)):
            self._write(write)


def _is_behind(connection: Connection, *, campaign: str) -> bool:
    query = (
        select(standing_plans.c.purchase_id)
        .join_from(standing_plans, campaigns, campaigns.c.id == standing_plans.c.campaign_id)
        .where(campaigns.c.name == campaign)
    )
    return connection.scalar(query) != last_purchase(connection)
