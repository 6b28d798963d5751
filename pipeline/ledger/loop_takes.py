"""The takes of shots that have a loop (`accept:`): where each stands, and what each place has cost.

The same queries see a plan that is being drafted and the one that was published last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, update

from pipeline.domain.item import place_of
from pipeline.domain.loop_places import LoopTake, PlaceCost
from pipeline.domain.states import UNBOUGHT, State
from pipeline.ledger.jobs import free_again
from pipeline.ledger.overlay import any_in_plan
from pipeline.ledger.paid_elsewhere import promised_clips
from pipeline.ledger.plan_totals import current
from pipeline.ledger.purchases import UNKNOWN
from pipeline.ledger.sql_schema import campaigns, fallbacks, items, jobs, payloads, purchases, usd

_PAGE = 500
_FIGURES = ("charged", "reserved", "possible")
_OF_ITEM = (*("address", "shot", "row_key", "key", "position", "high_microusd"), "selected")


FindUnwanted = Callable[[Iterable[LoopTake], Mapping[str, PlaceCost]], Iterator[int]]
"""Yields the ids of items that their places do not want, of takes in plan order."""


def page(
    connection: Connection, *, campaign: str, shots: Collection[str], after: int
) -> tuple[list[LoopTake], int | None]:
    """Return the next takes of these shots from after a position on, and where to go on.

    They come in plan order: shots, rows, cells, takes. What has no job yet is planned.
    """
    allowed = connection.scalar(select(campaigns.c.purchases).where(campaigns.c.name == campaign))
    query = (
        select(
            items.c.id.label("item_id"),
            *(items.c[name] for name in _OF_ITEM),
            items.c.shared_with.is_not(None).label("shared"),
            *(jobs.c[name] for name in ("state", "cause", "message", "free", "sha256")),
            func.coalesce(free_again(allowed or 0), 0).label("again"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key, isouter=True)
        .where(current(connection, campaign), items.c.position > after)
        .where(items.c.shot.in_(sorted(shots)))
        .order_by(items.c.position)
        .limit(_PAGE)
    )
    rows = connection.execute(query).mappings().all()
    return read_takes(connection, rows), rows[-1]["position"] if len(rows) == _PAGE else None


def read_takes(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[LoopTake]:
    """Return the takes that lines of items with their jobs tell of, in their order."""
    unbought = [row["key"] for row in rows if row["state"] is None or row["state"] in UNBOUGHT]
    promised = promised_clips(connection, keys=unbought) if unbought else {}
    return [_take(row, promised.get(row["key"], "")) for row in rows]


def _take(row: Mapping[Any, Any], promised: str) -> LoopTake:
    high = row["high_microusd"]
    return LoopTake(
        **{name: row[name] for name in ("item_id", "address", "shot", "row_key", "key")},
        state=State(row["state"] or State.PLANNED),
        cause=row["cause"] or "",
        message=row["message"] or "",
        free=bool(row["free"]),
        again=bool(row["again"]),
        sha256=row["sha256"] or promised,
        elsewhere=bool(promised),
        high_usd=None if high is None else usd(high),
        selected=bool(row["selected"]),
        shared=bool(row["shared"]),
    )


def place_costs(connection: Connection, *, campaign: str) -> dict[str, PlaceCost]:
    """Return what was paid at each place of a campaign, by its address."""
    query = (
        select(
            *(purchases.c.address, purchases.c.key),
            *(func.sum(purchases.c[f"{figure}_microusd"]) for figure in _FIGURES),
            func.sum(case((purchases.c.charge_source == UNKNOWN, 1), else_=0)),
        )
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(campaigns.c.name == campaign)
        .group_by(purchases.c.address, purchases.c.key)
    )
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_FIGURES) + 1))
    works: defaultdict[str, set[str]] = defaultdict(set)
    for address, key, *figures in connection.execute(query):
        place = place_of(address)
        sums[place] = [sum(pair) for pair in zip(sums[place], figures, strict=True)]
        works[place].add(key)
    return {
        place: PlaceCost(
            **{f"{name}_usd": usd(sum_) for name, sum_ in zip(_FIGURES, known, strict=True)},
            charges_unknown=unknown,
            keys=frozenset(works[place]),
        )
        for place, (*known, unknown) in sums.items()
    }


def last_takes(connection: Connection, *, campaign: str) -> dict[str, int]:
    """Return the highest take that each place of a campaign ever had, by its address."""
    query = (
        select(items.c.address)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(campaigns.c.name == campaign)
    )
    found: dict[str, int] = {}
    for address in connection.scalars(query):
        place, _, take = address.rpartition("#")
        found[place] = max(found.get(place, 0), int(take))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What taking items out of a draft came to."""

    new: int
    """How many of them no earlier plan had."""
    known_to_last_plan: bool
    """Whether the last plan had any of them."""


def withdraw(
    connection: Connection, item_ids: Sequence[int], *, after: int, last_plan: int
) -> Withdrawn:
    """Take items out of a plan that is being drafted; those with higher ids than `after` are new.

    The others were in an earlier plan, and stay there: `last_plan` is the number of the last one.
    """
    new, there = 0, False
    for start in range(0, len(item_ids), _PAGE):
        some = item_ids[start : start + _PAGE]
        fresh = [item_id for item_id in some if item_id > after]
        for table, column in ((payloads, "item_id"), (fallbacks, "item_id"), (items, "id")):
            connection.execute(delete(table).where(table.c[column].in_(fresh)))
        known = [item_id for item_id in some if item_id <= after]
        # No plan has this number, so that it is in none; its line in the ledger is not touched.
        connection.execute(update(items).where(items.c.id.in_(known)).values(generation=0))
        there = there or any_in_plan(connection, item_ids=known, generation=last_plan)
        new += len(fresh)
    return Withdrawn(new=new, known_to_last_plan=there)
