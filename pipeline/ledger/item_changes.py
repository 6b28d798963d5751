"""A drafted plan's items by address, each with what it was bought as before and what changed.

Read page by page while the draft stands: the plan before it is still the ledger's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, Select, and_, or_, select

from pipeline.domain import DEFAULT_MODEL, Place, Places
from pipeline.domain.changes import (
    ChangeClass,
    EarlierWork,
    ItemChange,
    KeyContent,
    PartChange,
    differing_parts,
)
from pipeline.domain.states import (
    FINISHED,
    HAVING_CLIPS,
    MAKES,
    REPLANNED,
    UNSETTLED_STATUSES,
    State,
    status_of,
)
from pipeline.ledger.outputs import CLIP, EXTENSION
from pipeline.ledger.overlay import ledger_rows, part_places
from pipeline.ledger.payload import key_values, load_places
from pipeline.ledger.plan_totals import current, stands
from pipeline.ledger.sql_schema import (
    campaigns,
    clips,
    items,
    jobs,
    manifest_of,
    outputs,
    payloads,
    purchases,
    usd,
)

_PAGE = 500
_SUMS = ("low", "expected", "high")
_SAME = ("address", "shot", "row_key", "key", "provider", "mode", "kind")
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An item as the plan before the draft had it."""

    output: str = ""
    key: str = ""
    content: KeyContent | None = None
    """Of items that are not bought as what they were."""


def page(
    connection: Connection,
    *,
    campaign: str,
    after: str = "",
    address: str = "",
    only_changes: bool = False,
    published: Mapping[int, Published] | None = None,
) -> tuple[list[ItemChange], str | None]:
    """Return the next items by address, and after which to go on; None at the end.

    `only_changes` leaves out those to which nothing happens that their last plan did not want too.
    `published` are items as the plan before had them, where that is not the ledger's own any more.
    """
    first = items.alias("first")
    query = (
        select(
            *(items.c[name] for name in (*_SAME, "id", "model", "output", "extension")),
            *(items.c[name] for name in ("previous_key", "selected")),
            *(items.c[f"{name}_microusd"] for name in _SUMS),
            *(jobs.c[name] for name in ("state", "cause", "sha256")),
            jobs.c.provider.label("maker"),
            *stands(connection, campaign),
            first.c.address.label("first_address"),
            clips.c.extension.label("received"),
            outputs.c.sha256.label("placed"),
            payloads.c.data,
            part_places.c.data.label("places"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(payloads, payloads.c.item_id == items.c.id)
        .outerjoin(part_places, part_places.c.item_id == items.c.id)
        .outerjoin(first, first.c.id == items.c.shared_with)
        .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
        .outerjoin(outputs, (outputs.c.item_id == items.c.id) & (outputs.c.role == CLIP))
        .where(current(connection, campaign), items.c.address > after)
        .order_by(items.c.address)
        .limit(_PAGE)
    )
    if address:
        query = query.where(items.c.address == address)
    if only_changes:
        query = query.where(items.c.id.in_(_changing(connection, campaign=campaign, after=after)))
    rows = connection.execute(query).mappings().all()
    before = bought_works(connection, keys=[row["previous_key"] for row in rows])
    last = {**_last_plan(connection, rows), **(published or {})}
    found = [
        _item_change(row, before.get(row["previous_key"]), last.get(row["id"], Published()))
        for row in rows
    ]
    return found, rows[-1]["address"] if len(rows) == _PAGE else None


def bought_works(connection: Connection, *, keys: Sequence[str]) -> dict[str, EarlierWork]:
    """Return by key what was bought; the last accepted try tells."""
    wanted = sorted({key for key in keys if key})
    query = (
        select(purchases, campaigns.c.name.label("campaign"))
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(purchases.c.key.in_(wanted), purchases.c.accepted_at.is_not(None))
        .order_by(purchases.c.id)
    )
    rows = connection.execute(query).mappings() if wanted else ()
    return {row["key"]: _earlier(row) for row in rows}


def sibling_work(connection: Connection, *, campaign: str, address: str) -> EarlierWork | None:
    """Return what another profile of the manifest bought last under an address, if any did."""
    query = (
        select(purchases, campaigns.c.name.label("campaign"))
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(
            campaigns.c.manifest == manifest_of(campaign),
            campaigns.c.name != campaign,
            purchases.c.address == address,
        )
        .order_by(purchases.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return _earlier(row) if row else None


def orphan_key(connection: Connection, *, campaign: str, address: str) -> str:
    """Return the key that an address had in an earlier plan, if this one has it no more."""
    query = (
        select(items.c.key)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(
            campaigns.c.name == campaign,
            items.c.address == address,
            items.c.generation < campaigns.c.generation,
        )
    )
    return connection.scalar(query) or ""


def addresses_of(connection: Connection, *, campaign: str, key: str) -> list[str]:
    """Return the addresses of the latest plan that have a key."""
    query = select(items.c.address).where(current(connection, campaign), items.c.key == key)
    return list(connection.scalars(query.order_by(items.c.address)))


def _changing(connection: Connection, *, campaign: str, after: str) -> Select[Any]:
    """Return the ids of the next items that are made as other work, or not where their clip is.

    In most plans they are few: what is told of them is not looked up for all the others.
    """
    remade = and_(
        jobs.c.state.in_(REPLANNED),
        items.c.previous_key != "",
        items.c.previous_key != items.c.key,
    )
    moved = and_(
        jobs.c.state.in_(FINISHED),
        or_(outputs.c.sha256.is_(None), outputs.c.sha256 != jobs.c.sha256),
    )
    return (
        select(items.c.id)
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .outerjoin(outputs, (outputs.c.item_id == items.c.id) & (outputs.c.role == CLIP))
        .where(current(connection, campaign), items.c.address > after, or_(remade, moved))
        .order_by(items.c.address)
        .limit(_PAGE)
    )


def _last_plan(connection: Connection, rows: Sequence[RowMapping]) -> dict[int, Published]:
    """Return by id the items as the plan before this draft had them."""
    if not rows:
        return {}
    other = [row["id"] for row in rows if row["previous_key"] not in {"", row["key"]}]
    kept = {
        row.item_id: _content(orjson.loads(row.data))
        for row in ledger_rows(connection, payloads, other)
    }
    return {
        row.id: Published(output=row.output, key=row.key, content=kept.get(row.id))
        for row in ledger_rows(connection, items, [row["id"] for row in rows])
    }


def published_items(connection: Connection, item_ids: Sequence[int]) -> dict[int, Published]:
    """Return by id what items are in the ledger now, before they are replaced."""
    query = (
        select(items.c.id, items.c.output, items.c.key, payloads.c.data)
        .join_from(items, payloads, payloads.c.item_id == items.c.id)
        .where(items.c.id.in_(item_ids))
    )
    return {
        row.id: Published(output=row.output, key=row.key, content=_content(orjson.loads(row.data)))
        for row in connection.execute(query)
    }


def _content(payload: Mapping[str, Any]) -> KeyContent:
    return KeyContent(
        parts=payload["parts"],
        values=key_values(payload),
        inputs=payload.get("inputs", {}),
    )


def _earlier(row: RowMapping) -> EarlierWork:
    kept = orjson.loads(row["request"]).get("item") or {}
    return EarlierWork(
        key=row["key"],
        campaign=row["campaign"],
        address=row["address"],
        provider=row["provider"],
        at=row["intent_at"],
        charged_usd=usd(row["charged_microusd"]),
        open_usd=usd(row["reserved_microusd"] + row["possible_microusd"]),
        estimate_usd=_price(row["estimate_microusd"]),
        content=KeyContent(
            parts=kept.get("parts", {}),
            values=kept.get("values", {}),
            inputs=kept.get("inputs", {}),
        ),
    )


def _item_change(row: RowMapping, before: EarlierWork | None, published: Published) -> ItemChange:
    payload = orjson.loads(row["data"])
    stand = {name: bool(row[name]) for name in ("again", "changed")}
    status = status_of(State(row["state"]), shared=bool(row["shared"]), **stand)
    request = orjson.dumps(payload["request"], option=orjson.OPT_SORT_KEYS)
    known = before if row["previous_key"] != row["key"] else None
    if known and not known.content.values and published.content and published.key == known.key:
        # An earlier version bought it, and wrote less down; its plan still says more.
        known = replace(known, content=published.content)
    extension = row["received"] or row["extension"]
    output, last = (
        each.replace(EXTENSION, extension) for each in (row["output"], published.output)
    )
    found = ItemChange(
        **{name: row[name] for name in _SAME},
        change=ChangeClass.NOTHING,
        status=status,
        cause=row["cause"],
        selected=bool(row["selected"]),
        model=row["model"] or DEFAULT_MODEL,
        output=output,
        old_output=last if last != output else "",
        sha256=row["sha256"],
        shared_with=row["first_address"] or "",
        low_usd=_price(row["low_microusd"]),
        expected_usd=_price(row["expected_microusd"]),
        high_usd=_price(row["high_microusd"]),
        request=hashlib.sha256(request).hexdigest()[:_DIGITS],
        content=_content(payload),
        earlier=known,
    )
    change = _class_of(found, placed=bool(row["sha256"]) and row["placed"] == row["sha256"])
    if known is None:
        return replace(found, change=change)
    places = load_places(row["places"] or b"{}")
    changed = changed_parts(known.content, found.content, places)
    return replace(found, change=change, changed=changed)


def _price(microusd: int | None) -> Decimal | None:
    return None if microusd is None else usd(microusd)


def _class_of(item: ItemChange, *, placed: bool) -> ChangeClass:
    if item.status in MAKES:
        # A plan that was written and never run leaves nothing to buy again.
        return ChangeClass.BUYS_AGAIN if item.earlier else ChangeClass.BUYS
    if item.status in UNSETTLED_STATUSES:
        return ChangeClass.COLLECTS
    if item.sha256 and item.status in HAVING_CLIPS and not placed:
        return ChangeClass.LAYS_OUT_AGAIN
    return ChangeClass.NOTHING


def changed_parts(before: KeyContent, now: KeyContent, places: Places) -> tuple[PartChange, ...]:
    """Return the parts of a key that are not what was bought before, by name.

    That other rules made the key is no change of what is asked for: it is told where nothing else
    is. Nothing is told where a version bought it that wrote no parts down.
    """
    other = differing_parts(before.parts, now.parts) if before.parts else []
    # The first recipe had a ratio where nobody wrote one: that it is gone is the rule's doing.
    by_rule = {"recipe"} | (_UNWRITTEN - now.parts.keys() if "recipe" in other else set())
    asked = [name for name in other if name not in by_rule] or other
    found: list[PartChange] = []
    for name in asked:
        old, new = (_value(name, content) for content in (before, now))
        # An earlier version kept only a digest of all references: none of them can be named.
        if name == "references" and before.values:
            found += _changed_references(old or (), new or (), places)
        elif name == "prompt":
            found.append(_changed_prompt(before, now, places))
        else:
            place = places.get(name) or places.get("settings" if "." in name else "")
            where = (place,) if place else ()
            found.append(PartChange(part=name, old=old, new=new, places=where))
    return tuple(found)


_UNWRITTEN = frozenset({"settings.aspect_ratio"})


def _value(part: str, content: KeyContent) -> Any:
    """Return what a person reads of a part; its digest where that was not remembered."""
    if part in content.values or part not in content.parts:
        return content.values.get(part)
    return {"digest": content.parts[part]}


def _changed_prompt(before: KeyContent, now: KeyContent, places: Places) -> PartChange:
    """Return the prompt's change, at the cells and values that are other ones, else at its text."""
    # Where the text reads other names than before, it is the text that changed.
    both = sorted(now.inputs.keys() & before.inputs.keys())
    read = [name for name in both if now.inputs[name] != before.inputs[name]]
    where: list[Place] = [places[name] for name in read if name in places]
    if not where and "prompt" in places:
        where = [places["prompt"]]
    return PartChange(
        part="prompt",
        detail=", ".join(name for name in read if name != "template"),
        old=_value("prompt", before),
        new=_value("prompt", now),
        places=tuple(where),
    )


def _changed_references(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], places: Places
) -> Iterator[PartChange]:
    """Yield each reference that is another one now; by what it is called no key differs."""
    was, now = (
        {f"{each['role']} {each['ordinal']}": each for each in listed} for listed in (old, new)
    )
    for name in sorted(was.keys() | now.keys()):
        here, there = was.get(name), now.get(name)
        if here is None or there is None or _material(here) != _material(there):
            place = places.get(name) or places.get("references")
            known = there or here or {}
            yield PartChange(
                part="references",
                detail=f"{name} ({known['name']})" if known["name"] != name.split()[0] else name,
                old=here,
                new=there,
                places=(place,) if place else (),
            )


def _material(reference: Mapping[str, Any]) -> Any:
    media = [(each["digest"], each.get("done")) for each in reference["media"]]
    return media, reference.get("say")
