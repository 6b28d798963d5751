"""What changed of items that were bought before as something else: part by part, old → new.

The parts of a key are kept as digests, with every purchase and with every planned item: that they
differ is known of each. What they were is known where it is kept beside them: the prompt, the
settings, the kind and the model. Of references and further fields only the digest is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, and_, func, select

from pipeline.ledger.payload import NOT_ASKED
from pipeline.ledger.plan_totals import current
from pipeline.ledger.sql_schema import items, payloads, purchases

_LOOKED_AT = 5_000
"""Items whose change is looked at: a change of all of a million is one of the first of them."""
_SETTING = "settings."
_earlier = purchases.alias("earlier")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """A part of items that is another than when they were bought; values are those of the first."""

    shot: str
    part: str
    """`prompt`, `duration`, `references`, `kind`, …: a setting by its own name."""
    before: str
    """Empty where only its digest is known, or there was none."""
    after: str
    items: int
    several: bool = False
    """Others of the items have other values, before or after."""


def find_changes(connection: Connection, *, campaign: str) -> tuple[PlanChange, ...]:
    """Return what changed of a plan's items since they were bought, by shot and part."""
    last = (
        select(func.max(_earlier.c.id))
        .where(_earlier.c.key == items.c.previous_key)
        .scalar_subquery()
    )
    query = (
        select(
            *(items.c[name] for name in ("shot", "kind", "model")),
            payloads.c.data,
            purchases.c.request,
            purchases.c.kind.label("kind_then"),
            purchases.c.model.label("model_then"),
        )
        .join_from(items, payloads, payloads.c.item_id == items.c.id)
        .join(purchases, purchases.c.id == last)
        .where(
            current(connection, campaign),
            and_(items.c.previous_key != "", items.c.previous_key != items.c.key),
            items.c.selected == 1,
        )
        .order_by(items.c.position)
        .limit(_LOOKED_AT)
    )
    found: dict[tuple[str, str], PlanChange] = {}
    for row in connection.execute(query):
        then = orjson.loads(row.request).get("item") or {}
        now = orjson.loads(row.data)
        before = {**then, "kind": row.kind_then, "model": row.model_then}
        after = {**now, "kind": row.kind, "model": row.model}
        for part in _changed_parts(then, now):
            name = part.removeprefix(_SETTING)
            known = found.get((row.shot, name))
            told = PlanChange(
                shot=row.shot,
                part=name,
                before=_value(before, part),
                after=_value(after, part),
                items=1,
            )
            if known is not None:
                alike = (known.before, known.after) == (told.before, told.after)
                several = known.several or not alike
                told = replace(known, items=known.items + 1, several=several)
            found[row.shot, name] = told
    return tuple(found.values())


def _changed_parts(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts of a key that differ; none where it is not known what they were."""
    old, new = then.get("parts") or {}, now.get("parts") or {}
    for part in sorted(old.keys() | new.keys()) if old else ():
        if part not in NOT_ASKED and old.get(part) != new.get(part):
            yield part


def _value(item: Mapping[str, Any], part: str) -> str:
    """Return what a part says in words; empty where nobody kept it."""
    if part == "prompt":
        return str(item.get("sent_prompt") or "")
    if part.startswith(_SETTING):
        value = (item.get("settings") or {}).get(part.removeprefix(_SETTING))
        return "" if value is None else str(value)
    return str(item.get(part) or "") if part in {"kind", "model"} else ""
