"""The ledger's lines as Records, in plan order, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Select, select

from pipeline.domain import DEFAULT_MODEL, EMPTY, Record
from pipeline.domain.loop_places import LoopTake
from pipeline.domain.records import IN_ROOT, RecordReference
from pipeline.domain.review import Review, TakeDecision, review_of
from pipeline.domain.states import REPLANNED, UNBOUGHT, State, status_of
from pipeline.findings import Span
from pipeline.ledger.loop_takes import read_takes
from pipeline.ledger.outputs import CLIP, EXTENSION
from pipeline.ledger.payload import UNAPPROVED_IN_STORE, bought_work
from pipeline.ledger.plan_totals import current, stands
from pipeline.ledger.purchases import PAID_EARLIER, PAID_ELSEWHERE, UNKNOWN
from pipeline.ledger.sql_schema import (
    campaigns,
    clips,
    items,
    jobs,
    outputs,
    payloads,
    purchases,
    usd,
)
from pipeline.storage.blobs import clip_path

T = TypeVar("T")
After = TypeVar("After", int, str)
Judge = Callable[[str, str, str], Sequence[TakeDecision]]
"""Returns what holds of a clip, by its item's address, and its key and SHA-256."""
_PAGE = 500
_MEASURES = ("sha256", "bytes", "seconds", "width", "height", "fps")
_SAME = ("address", "shot", "row_key", "key")

_OF_PURCHASE = (
    *("key", "address", "charge_source", "charged_native", "native_unit", "sends"),
    *("estimate_microusd", "reserved_microusd", "charged_microusd", "possible_microusd"),
    *("task", "client_id", "seed", "nsfw"),
    *("intent_at", "accepted_at", "ended_at", "fetched_at"),
)
_TOLD = ("cell", "take", "axes", "kind", "mode", "prompt", "sent_prompt", "settings")


def page(
    connection: Connection,
    *,
    campaign: str,
    after: int,
    selected: bool = False,
    review: Judge | None = None,
    loops: Collection[str] = (),
    works: bool = False,
) -> tuple[list[Record], int | None]:
    """Return the next records from after a position on, and where to go on; None at the end.

    `selected` leaves out what the last admission did not select; `review` is asked what was decided
    of a clip; `loops` are shots of which a record has its take as the loop looks at it; with
    `works` records tell what their purchases asked for.
    """
    first = items.alias("first")
    query = (
        select(
            *(items.c[name] for name in (*_SAME, "position", "provider", "model")),
            *(items.c[name] for name in ("expected_microusd", "high_microusd")),
            *(items.c[name] for name in ("output", "extension", "selected")),
            items.c.id.label("item_id"),
            *(jobs.c[name] for name in ("state", "cause", "message", "unwanted", "free")),
            *stands(connection, campaign),
            jobs.c.provider.label("maker"),
            first.c.address.label("first_address"),
            clips.c.extension.label("received"),
            *(clips.c[name] for name in ("sha256", "bytes", "seconds", "width", "height", "fps")),
            payloads.c.data,
            outputs.c.path,
            outputs.c.sha256.label("placed"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(payloads, payloads.c.item_id == items.c.id)
        .outerjoin(first, first.c.id == items.c.shared_with)
        .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
        .outerjoin(outputs, (outputs.c.item_id == items.c.id) & (outputs.c.role == CLIP))
        .where(current(connection, campaign), items.c.position > after)
        .order_by(items.c.position)
        .limit(_PAGE)
    )
    if selected:
        query = query.where(items.c.selected == 1)
    rows = read_dicts(connection, query)
    paid = _purchases_of(connection, [row["key"] for row in rows], works=works)
    looped = [row for row in rows if row["shot"] in loops]
    takes = {take.item_id: take for take in read_takes(connection, looped)}
    found = [
        _record(campaign, row, paid.get(row["key"], []), review, works=works, takes=takes)
        for row in rows
    ]
    return found, rows[-1]["position"] if len(rows) == _PAGE else None


def iter_pages(
    read_page: Callable[[After], tuple[list[T], After | None]], *, before: After
) -> Iterator[T]:
    """Yield what is on every page, from behind `before` on, which comes before all."""
    after: After | None = before
    while after is not None:
        page, after = read_page(after)
        yield from page


def read_dicts(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Return the lines of a query: for what is read of every item, SQLAlchemy's own are slow."""
    result = connection.execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def _purchases_of(
    connection: Connection, keys: Sequence[str], *, works: bool
) -> dict[str, list[Mapping[str, Any]]]:
    # What was sent is the largest column by far.
    wanted = (*_OF_PURCHASE, "request") if works else _OF_PURCHASE
    query = (
        select(*(purchases.c[name] for name in wanted), campaigns.c.name.label("campaign"))
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(purchases.c.key.in_(keys))
        .order_by(purchases.c.id)
    )
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in read_dicts(connection, query):
        found.setdefault(row["key"], []).append(row)
    return found


def _record(
    campaign: str,
    row: Mapping[str, Any],
    paid: Sequence[Mapping[str, Any]],
    review: Judge | None,
    *,
    works: bool,
    takes: Mapping[int, LoopTake],
) -> Record:
    said = review(row["address"], row["key"], row["sha256"]) if review and row["sha256"] else None
    payload = orjson.loads(row["data"])
    own = [purchase for purchase in paid if purchase["campaign"] == campaign]
    elsewhere = f"{paid[0]['campaign']}: {paid[0]['address']}" if paid and not own else ""
    shared = row["first_address"] or elsewhere
    return Record(
        campaign=campaign,
        **{name: row[name] for name in _SAME},
        **{name: payload[name] for name in _TOLD},
        tags=tuple(payload["tags"]),
        provider=row["provider"] if row["state"] in UNBOUGHT else row["maker"],
        # An item that was planned by an earlier version has none.
        model=row["model"] or DEFAULT_MODEL,
        state=row["state"],
        status=status_of(
            State(row["state"]),
            again=bool(row["again"]),
            shared=bool(row["shared"]),
            changed=bool(row["changed"]),
        ),
        earlier_rule=bool(row["earlier_rule"]),
        stale=bool(row["stale"]),
        review="" if said is None else Review.STALE if row["stale"] else review_of(said),
        decisions=tuple(said or ()),
        selected=bool(row["selected"]),
        loop=takes.get(row["item_id"]),
        unwanted=bool(row["unwanted"]),
        cause=row["cause"],
        message=row["message"],
        path=_path(campaign, row, in_store=UNAPPROVED_IN_STORE in payload),
        output=row["output"].replace(EXTENSION, row["received"] or row["extension"]),
        **({name: row[name] for name in _MEASURES} if row["sha256"] else {}),
        **_prices(row, paid),
        # Money is told once: of the item, or in the campaign, that it was bought for.
        **_money([] if shared else own),
        shared_with=shared,
        **_try(paid),
        references=tuple(map(_reference, payload["assets"])),
        origin_shot=_span(payload["origin"]["shot"]),
        origin_row=_span(payload["origin"]["row"]) if payload["origin"]["row"] else None,
        passed_over=tuple((name, why) for name, why in payload["passed_over"]),
        work=(
            bought_work(payload, paid[-1]["request"], as_planned=row["provider"] == row["maker"])
            if works and paid
            else EMPTY
        ),
    )


def _prices(row: Mapping[str, Any], paid: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what an item is to cost; what was bought costs what its maker was to cost then."""
    expected, high = row["expected_microusd"], row["high_microusd"]
    if paid and row["state"] not in REPLANNED:
        # Of a plan for another provider (`--provider`) the ledger keeps no price of this one.
        expected, high = paid[-1]["estimate_microusd"], paid[-1]["reserved_microusd"] or high
    return {"estimate_usd": _price(expected), "high_usd": _price(high)}


def _price(microusd: int | None) -> Decimal | None:
    return None if microusd is None else usd(microusd)


def _path(campaign: str, row: Mapping[str, Any], *, in_store: bool) -> str | None:
    """Return where a clip is from the campaign's folder on: at its output path, or in the store."""
    if row["sha256"] and row["placed"] == row["sha256"]:
        return str(row["path"]).removeprefix(f"{campaign}/")
    if row["sha256"] and in_store:
        return f"{IN_ROOT}{clip_path(row['sha256'], row['received'])}"
    return None


def _money(paid: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not paid:
        return {}
    sources = [purchase["charge_source"] for purchase in paid]
    native = [Decimal(p["charged_native"]) for p in paid if p["charged_native"]]
    return {
        "reserved_usd": _sum(paid, "reserved"),
        "charged_usd": _sum(paid, "charged"),
        "possible_usd": _sum(paid, "possible"),
        "adopted_usd": _sum([p for p in paid if p["charge_source"] == PAID_EARLIER], "charged"),
        "elsewhere_usd": _sum([p for p in paid if p["charge_source"] == PAID_ELSEWHERE], "charged"),
        # Of several tries the last one is that of the clip.
        "lost_charged_usd": _sum(paid[:-1], "charged"),
        "lost_possible_usd": _sum(paid[:-1], "possible"),
        "charged_native": sum(native, Decimal(0)) if native else None,
        "native_unit": next((p["native_unit"] for p in paid if p["native_unit"]), ""),
        # One charge that nobody knows makes the sum unknown.
        "charge_source": UNKNOWN if UNKNOWN in sources else next(filter(None, sources), ""),
    }


_NOTHING = Decimal(0)


def _sum(paid: Sequence[Mapping[str, Any]], figure: str) -> Decimal:
    microusd = sum([purchase[f"{figure}_microusd"] for purchase in paid])
    return usd(microusd) if microusd else _NOTHING


def _try(paid: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not paid:
        return {}
    last = paid[-1]
    return {
        "task": last["task"] or "",
        "client_id": last["client_id"],
        "tries": sum(purchase["sends"] for purchase in paid),
        "seed": last["seed"],
        "nsfw": None if last["nsfw"] is None else bool(last["nsfw"]),
        "submitted_at": _time(last["intent_at"]),
        "accepted_at": _time(last["accepted_at"]),
        "finished_at": _time(last["ended_at"]),
        "fetched_at": _time(last["fetched_at"]),
    }


def _reference(asset: Mapping[str, Any]) -> RecordReference:
    name = str(asset.get("made_from") or asset["source"])
    is_picture = asset["local"] and asset["media_type"] == "image"
    # Of an address all is its name: it tells what was meant, and nothing is loaded from it.
    if not is_picture:
        return RecordReference("", name)
    return RecordReference(asset["source"], name.rpartition("/")[2], asset["digest"])


def _time(unix: float | None) -> datetime | None:
    return None if unix is None else datetime.fromtimestamp(unix, UTC)


def _span(data: dict[str, Any]) -> Span:
    return Span(**data)
