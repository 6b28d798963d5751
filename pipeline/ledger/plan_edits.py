"""A few items of a standing plan, planned again: their lines are replaced, all others stay.

What comes of it is what planning everything would come to. Where items depend on each other, so
that this cannot be known, nothing is written and `Entangled` is raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, select, tuple_

from pipeline.ledger.fast_sql import Clashed
from pipeline.ledger.item_changes import Published, published_items
from pipeline.ledger.job_sharing import lead_jobs, share_jobs
from pipeline.ledger.jobs import is_bought
from pipeline.ledger.overlay import empty_part_places
from pipeline.ledger.plan_rows import ItemRows, Planned, item_values
from pipeline.ledger.plan_totals import rows_over
from pipeline.ledger.reuse import Reuse
from pipeline.ledger.run_plans import announce_plan
from pipeline.ledger.sql_schema import campaigns, fallbacks, items, jobs

_AT_ONCE = 500


class Entangled(Exception):  # noqa: N818 - the plan is not at fault
    """Other items depend on those that were edited: everything has to be planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedItems:
    """What came of planning a few items again."""

    changed: bool = False
    """Whether anything is kept of them that was not before."""
    published: Mapping[int, Published] = field(default_factory=dict)
    """What they were before, by id."""


def replace_items(
    connection: Connection,
    *,
    campaign: str,
    planned: Sequence[Planned],
    rows: Sequence[tuple[str, str]],
    per_row_microusd: int | None,
) -> EditedItems:
    """Write the items of some rows (shot and row key) as they are planned now.

    They are the same items as before, at the same places of the plan. Raises Entangled, and
    LedgerInUse where another process would make something else by it than it has begun to.
    """
    own = connection.execute(select(campaigns).where(campaigns.c.name == campaign)).one()
    here = and_(items.c.campaign_id == own.id, items.c.generation == own.generation)
    known = _known_items(connection, here, [each.address for each in planned])
    if not _has_same_items(known, planned, _count_items(connection, here, rows)):
        raise Entangled
    reuse = Reuse(connection, here)
    taken = reuse.take(planned, known)
    if reuse.is_asking:
        raise Entangled
    before = {key for row in known.values() for key in (row.key, row.own_key)}
    ids = [row.id for row in known.values()]
    # What is no longer wanted here, and was bought, may satisfy an item that lacks its own.
    if reuse.find_bought(before) and _any_unbought(connection, here, ids):
        raise Entangled
    work = {each.address: (each.key, each.provider) for each in planned}
    is_other = any((row.own_key, row.provider) != work[row.address] for row in known.values())
    announce_plan(
        connection,
        campaign=campaign,
        changes_work=lambda: is_other,
        buys_otherwise=lambda: is_other,
    )
    bought = reuse.find_bought(row.key for row in known.values() if row.previous_key)
    published = published_items(connection, ids)
    writing, changed, after = ItemRows(), False, set[str]()
    for each in planned:
        row = known[each.address]
        same_place = replace(each, position=row.position)
        values = item_values(
            same_place, taken.get(each.address), campaign_id=own.id, generation=own.generation
        )
        after.add(values["key"])
        changed |= writing.update(row, values, each, bought)
    empty_part_places(connection)
    for some in _batches(ids):
        connection.execute(delete(fallbacks).where(fallbacks.c.item_id.in_(some)))
    try:
        writing.write(connection)
    except Clashed as clash:
        raise Entangled from clash
    keys = before | after
    share_jobs(connection, campaign_id=own.id, generation=own.generation, keys=keys)
    lead_jobs(connection, and_(here, items.c.key.in_(keys)))
    if per_row_microusd is not None and rows_over(
        connection, campaign=campaign, limit_microusd=per_row_microusd
    ):
        raise Entangled
    return EditedItems(changed=changed, published=published)


def _known_items(
    connection: Connection, here: ColumnElement[bool], addresses: Sequence[str]
) -> dict[str, Row[Any]]:
    return {
        row.address: row
        for some in _batches(addresses)
        for row in connection.execute(select(items).where(here, items.c.address.in_(some)))
    }


def _count_items(
    connection: Connection, here: ColumnElement[bool], rows: Sequence[tuple[str, str]]
) -> Counter[tuple[str, str]]:
    had: Counter[tuple[str, str]] = Counter()
    for some in _batches(rows):
        in_rows = tuple_(items.c.shot, items.c.row_key).in_(some)
        query = select(items.c.shot, items.c.row_key).where(here, in_rows)
        had.update((row.shot, row.row_key) for row in connection.execute(query))
    return had


def _has_same_items(
    known: Mapping[str, Row[Any]], planned: Sequence[Planned], had: Counter[tuple[str, str]]
) -> bool:
    """Tell whether the rows have just the items that they had, in the same order."""
    if len(known) != len(planned) or had != Counter((each.shot, each.row_key) for each in planned):
        return False
    places = [known[each.address].position for each in planned]
    return places == sorted(places)


def _any_unbought(
    connection: Connection, here: ColumnElement[bool], without: Sequence[int]
) -> bool:
    """Tell whether the plan has another item that lacks what would be bought for it."""
    own = exists(select(jobs.c.key).where(jobs.c.key == items.c.own_key, is_bought()))
    apart = select(items.c.id).where(here, ~own, items.c.id.not_in(without)).limit(1)
    return connection.execute(apart).first() is not None


def _batches(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]
