"""The lines of a plan's items in the ledger, and the statements that write them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, update

from pipeline.domain import Alternative
from pipeline.ledger.fast_sql import execute_many
from pipeline.ledger.overlay import part_places
from pipeline.ledger.sql_schema import FALLBACK_COLUMNS, fallbacks, items, outputs, payloads


@dataclass(slots=True, kw_only=True)  # not frozen: to make one took three times as long
class Planned:
    """One item as a line of the ledger; `payload` is what else is known of it, as JSON."""

    position: int
    address: str
    output: str
    extension: str
    output_folded: str
    key: str
    shot: str
    row_key: str
    provider: str
    model: str
    mode: str
    kind: str
    seconds: float | None
    low_microusd: int | None
    expected_microusd: int | None
    high_microusd: int | None
    payload_digest: str
    payload: bytes
    alternatives: Sequence[Alternative] = ()
    """Other keys that will do where nothing was bought under its own."""
    fallbacks: tuple[Planned, ...] = ()
    """The same item at others, to whom it may go when its provider's lane stops; best first."""
    places: Callable[[], bytes] = lambda: b"{}"
    """Where its parts are written, as JSON; asked only of what is other work than before."""


def item_values(
    planned: Planned, taken: Alternative | None, *, campaign_id: int, generation: int
) -> dict[str, Any]:
    """Return the columns of an item, which may take the job of another key than its own."""
    return {
        **dict(zip(_OWN, _OWN_VALUES(planned), strict=True)),
        "campaign_id": campaign_id,
        "generation": generation,
        "key": taken.digest if taken else planned.key,
        "own_key": planned.key,
        "earlier_rule": int(taken.earlier_rule) if taken else 0,
        "stale": int(taken.approved) if taken else 0,
    }


class ItemRows:
    """Gathers what is to be written of some items, and writes it a statement at a time."""

    def __init__(self) -> None:
        self._rows: dict[Any, list[dict[str, Any]]] = {
            statement: [] for statement in (_INSERT, _UPDATE, *_OF_ITEMS)
        }

    def insert(self, item_id: int, values: dict[str, Any], planned: Planned) -> None:
        """Add an item that no earlier plan had."""
        self._rows[_INSERT].append({**values, "id": item_id})
        self._rows[_INSERT_PAYLOAD].append({"item_id": item_id, "data": planned.payload})
        self._rows[_INSERT_FALLBACK] += _fallback_rows(item_id, planned)

    def update(
        self, row: Row[Any], values: dict[str, Any], planned: Planned, bought: Collection[str]
    ) -> bool:
        """Change an item that an earlier plan had; tell whether anything is kept of it anew.

        `bought` has the keys that a provider was paid for, or may have been.
        """
        changing = _again(values, row, planned, bought)
        self._rows[_UPDATE].append(changing)
        if changing["b_previous_key"]:
            self._rows[_INSERT_PLACES].append({"item_id": row.id, "data": planned.places()})
        self._rows[_INSERT_FALLBACK] += _fallback_rows(row.id, planned)
        if row.output != planned.output:
            self._rows[_FORGET].append({"b_item": row.id})
        if row.payload_digest == planned.payload_digest:
            return False
        self._rows[_UPDATE_PAYLOAD].append({"b_item": row.id, "b_data": planned.payload})
        return True

    def write(self, connection: Connection) -> None:
        """Write what was gathered; Clashed where two items have one address or output path."""
        for statement, values in self._rows.items():
            if values:
                execute_many(connection, statement, values)


def _again(
    row: dict[str, Any], known: Row[Any], planned: Planned, bought: Collection[str]
) -> dict[str, Any]:
    """Return the values of an item that an earlier plan had, under names for an update.

    Another rule of keys, or the ratio that was meant written out, makes no other work of it. What
    it was last bought as is remembered, whatever was planned and not bought since.
    """
    same = {planned.key, row["key"], *(o.digest for o in planned.alternatives if o.ratio is None)}
    unbought = known.previous_key and known.key not in bought
    # The approved clip of a stale item was other work than what it stood for.
    had = {known.key} if known.stale else {known.own_key, known.key}
    stays = unbought or had & same
    previous = known.previous_key if stays else known.key
    values = {f"b_{name}": value for name, value in row.items()}
    return {**values, "b_id": known.id, "b_previous_key": previous}


def _fallback_rows(item_id: int, planned: Planned) -> list[dict[str, Any]]:
    return [
        {"item_id": item_id, "rank": rank, "data": other.payload}
        | {name: getattr(other, name) for name in FALLBACK_COLUMNS}
        for rank, other in enumerate(planned.fallbacks)
    ]


_NO_COLUMNS = frozenset({"payload", "alternatives", "fallbacks", "places"})
_OWN = tuple(name for name in Planned.__dataclass_fields__ if name not in _NO_COLUMNS)
_OWN_VALUES = attrgetter(*_OWN)
_WRITTEN = ("campaign_id", "generation", *_OWN, "own_key", "earlier_rule", "stale")
_CHANGING = (*_WRITTEN, "previous_key")
_INSERT = insert(items).values(
    previous_key="",
    selected=1,
    **{name: bindparam(name) for name in ("id", *_WRITTEN)},
)
_UPDATE = (
    update(items)
    .where(items.c.id == bindparam("b_id"))
    .values(shared_with=None, selected=1, **{name: bindparam(f"b_{name}") for name in _CHANGING})
)
_INSERT_PAYLOAD = insert(payloads).values(item_id=bindparam("item_id"), data=bindparam("data"))
_UPDATE_PAYLOAD = (
    update(payloads)
    .where(payloads.c.item_id == bindparam("b_item"))
    .values(data=bindparam("b_data"))
)
_INSERT_FALLBACK = insert(fallbacks).values(
    **{name: bindparam(name) for name in ("item_id", "rank", *FALLBACK_COLUMNS, "data")}
)
_FORGET = delete(outputs).where(outputs.c.item_id == bindparam("b_item"))
"""What stood at an item's old path may be another item's from now on."""
_INSERT_PLACES = insert(part_places).values(item_id=bindparam("item_id"), data=bindparam("data"))
_OF_ITEMS = (_INSERT_PAYLOAD, _UPDATE_PAYLOAD, _INSERT_FALLBACK, _INSERT_PLACES, _FORGET)
