"""What the ledger keeps of an entry beside its columns: to and from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import orjson

from pipeline.domain import (
    Item,
    Media,
    Operation,
    Place,
    Places,
    PricedItem,
    Spec,
    Token,
    plain_settings,
)
from pipeline.domain.changes import same_but_take
from pipeline.findings import Span
from pipeline.providers.base import Part, Request

UNAPPROVED_IN_STORE = "unapproved_in_store"
"""Of an item whose clip is in the store alone until a person approved it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What making an item takes: its request in placeholder form, its media, its spec."""

    request: Mapping[str, Any]
    assets: tuple[Media, ...]
    spec: Spec
    native_usd: Decimal | None = None
    """What one of the provider's own units costs, where the price list says it."""


def dump_item(entry: PricedItem) -> bytes:
    """Return what is kept of an entry: its request, its assets, and what the report shows."""
    item = entry.item
    prompt = _as_written(item)
    every = (media for reference in item.references for media in reference.media)
    kept = {
        "origin": item.origin,
        "request": entry.request,
        "assets": list({media.digest: media for media in every}.values()),
        "spec": item.spec,
        "parts": item.key.parts,
        "values": item.key.values,
        "inputs": item.inputs,
        "take": item.take,
        "cell": item.cell,
        "axes": item.axes,
        "tags": item.tags,
        "kind": item.kind,
        "mode": item.settings.mode,
        "prompt": prompt,
        "sent_prompt": entry.sent_prompt or prompt,
        "settings": plain_settings(item.settings),
        "passed_over": item.passed_over,
        "price": _price(entry),
        # Said only where it is so: the others stay what earlier versions kept of them.
        **({} if item.shows_unapproved else {UNAPPROVED_IN_STORE: True}),
    }
    return orjson.dumps(kept, default=_plain)


def request(data: Mapping[str, Any]) -> Request:
    """Return a request that was kept as plain data."""
    part = data.get("part")
    return Request(**{**data, "part": Part(**part) if part else None})


def load_item(payload: bytes) -> Kept:
    """Return what making a kept entry takes."""
    data = orjson.loads(payload)
    rate = (data["price"] or {}).get("native_usd")
    return Kept(
        request=data["request"],
        assets=tuple(map(_medium, data["assets"])),
        spec=Spec(**data["spec"]),
        native_usd=None if rate is None else Decimal(rate),
    )


def _medium(kept: Mapping[str, Any]) -> Media:
    done = tuple(Operation(**operation) for operation in kept.get("operations", ()))
    return Media(**{**kept, "operations": done, "unfit": tuple(kept.get("unfit", ()))})


def dump_places(item: Item) -> bytes:
    """Return where an item's parts are written: `[file, line, column, cell]` of each, as JSON."""
    return orjson.dumps(
        {
            name: [place.span.file, place.span.line, place.span.column, place.cell]
            for name, place in item.places().items()
        }
    )


def load_places(data: bytes) -> Places:
    """Return the places that were dumped; the extent of each is not known any more."""
    return {
        name: Place(span=Span(file=file, line=line, column=column, end_column=column), cell=cell)
        for name, (file, line, column, cell) in orjson.loads(data).items()
    }


def take_snapshot(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a purchase keeps of the item it is for, which may be another by its end."""
    kept = {name: data[name] for name in _BOUGHT}
    if "values" not in data:
        # An earlier version planned it: of its parts there are digests, which do for comparing.
        return kept
    return {**kept, "values": key_values(data), "inputs": data["inputs"]}


def key_values(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parts of a kept item's key as a person reads them, the prompt's text included.

    Of what an earlier version kept: those that are known from what it kept for other ends.
    """
    known = data.get("values")
    if known is None:
        settings = {f"settings.{name}": value for name, value in data["settings"].items()}
        known = {"kind": data["kind"], **settings}
    return {**known, "prompt": data["prompt"]}


def apply_snapshot(payload: bytes, purchase: bytes) -> bytes:
    """Return an item's payload with what it was when this purchase was made."""
    kept = orjson.loads(purchase).get("item") or {}
    return orjson.dumps({**orjson.loads(payload), **kept}) if kept else payload


def bought_work(data: Mapping[str, Any], purchase: bytes, *, as_planned: bool) -> Mapping[str, Any]:
    """Return what a purchase asked for: its prompt as sent, its settings, its references.

    What the purchase does not keep (it was paid elsewhere, or by an earlier version) is as planned,
    for the same key is the same work. A provider's own words of it are only its own: without
    `as_planned`, where another one is planned now, the prompt is None. References that nobody kept
    are None.
    """
    kept = orjson.loads(purchase).get("item") or {}
    values = kept.get("values") or data.get("values") or {}
    return {
        "prompt": kept.get("sent_prompt") or (data["sent_prompt"] if as_planned else None),
        "settings": kept.get("settings") or data["settings"],
        "references": _references(values, data["assets"]) if "references" in values else None,
    }


def _references(
    values: Mapping[str, Any], assets: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the references among the values of a key, each medium with its whole digest."""
    told = []
    for reference in values["references"]:
        media = []
        for each in reference["media"]:
            # A key's values have the first digits only, which nobody compares with a file's.
            whole = {asset.get("source_digest") or asset["digest"]: asset for asset in assets}
            sha256 = next((d for d in whole if d.startswith(each["digest"])), each["digest"])
            made_from = whole.get(sha256, {}).get("made_from", "")
            file = each.get("file") or PurePath(made_from).name
            media.append({"file": file, "sha256": sha256, "done": list(each.get("done", ()))})
        named = {name: reference.get(name, "") for name in ("name", "role", "ordinal", "say")}
        told.append({**named, "media": media})
    return told


def is_other_take(payload: bytes, other: bytes) -> bool:
    """Tell whether two items ask for the same, and differ in nothing but their take.

    By the digests of their keys' parts; the rules a key was made by are no part of what is asked.
    """
    own, theirs = (orjson.loads(each).get("parts", {}) for each in (payload, other))
    return same_but_take(own, theirs)


# By these a clip is judged, told and compared when its item has become another one.
_BOUGHT = ("spec", "sent_prompt", "parts", "settings")


def _as_written(item: Item) -> str:
    first = item.prompt[0] if item.prompt else ""
    if len(item.prompt) == 1 and isinstance(first, str):
        return first
    names = {(reference.role, reference.ordinal): reference.name for reference in item.references}
    return "".join(
        f"@{names.get((part.role, part.ordinal), part.role)}" if isinstance(part, Token) else part
        for part in item.prompt
    )


def _price(entry: PricedItem) -> dict[str, str] | None:
    if entry.price is None:
        return None
    found = {"source": entry.price.source, "certainty": entry.price.certainty}
    rate = entry.price.native_usd
    return found if rate is None else {**found, "native_usd": str(rate)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
