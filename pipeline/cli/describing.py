"""All that is known of one item before it is made, as plain data and as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.cli.campaign import Campaign
from pipeline.domain import Item, Media, Price, PricedItem, Record
from pipeline.domain.money import exact_usd
from pipeline.findings import Span
from pipeline.providers import OFFERS

Plain = Mapping[str, Any]
_INDENT = "    "
_PRICES = ("low", "expected", "high")


def described(entry: PricedItem, record: Record, campaign: Campaign) -> Plain:
    """Return the item as plain data; its request is as it would be sent, without any key."""
    item = entry.item
    return {
        "address": item.address,
        "shot": item.shot,
        "manifest_line": _place(item.origin.shot),
        "row": item.row_key,
        "table_line": _place(item.origin.row),
        "axes": dict(item.axes),
        "tags": list(item.tags),
        "status": record.status,
        "kind": item.kind.value,
        "provider": item.provider,
        "passed_over": [{"provider": name, "reason": why} for name, why in item.passed_over],
        "settings": _given(asdict(item.settings)),
        "spec": _given(asdict(item.spec)),
        "price": _price(entry.price),
        "path": str(campaign.asked.home / campaign.name / record.output),
        "key": item.key.digest,
        "key_parts": dict(item.key.parts),
        "satisfied_by": _satisfied_by(item, record),
        "prompt": record.prompt,
        "sent_prompt": entry.sent_prompt,
        "references": list(_references(item)),
        "request": _request(entry),
    }


def lines(item: Plain) -> Iterator[str]:
    """Yield a described item as text; the body of its request stands last, and can be copied."""
    yield item["address"]
    yield ""
    for title, text in _head(item):
        yield f"{title:<10}{text}".rstrip()
    yield from _block("prompt", [item["prompt"]])
    if item["sent_prompt"] != item["prompt"]:
        yield from _block(f"prompt as {item['provider']} gets it", [item["sent_prompt"]])
    if item["references"]:
        yield from _block("references", map(_reference_line, item["references"]))
    yield from _block("key", [item["key"], *_key_parts(item)])
    if item["satisfied_by"]:
        key, why = (item["satisfied_by"][name] for name in ("key", "why"))
        yield from _block("satisfied by the key", [key, f"{_INDENT}{why}"])
    yield ""
    request = item["request"]
    yield f"{request['method']} {request['url']}"
    for name, value in request["headers"].items():
        yield f"{name}: {value}"
    yield f"(signed with {request['key_from']} when it is sent)"
    yield json.dumps(request["body"], ensure_ascii=False, indent=2)


def _head(item: Plain) -> Iterator[tuple[str, str]]:
    yield "shot", f"{item['shot']}  {item['manifest_line']}"
    if item["row"]:
        yield "row", f"{item['row']}  {item['table_line']}"
    for name in ("axes", "tags"):
        if item[name]:
            yield name, _words(item[name]) if name == "axes" else " ".join(item[name])
    yield "status", item["status"]
    yield "kind", item["kind"]
    yield "provider", item["provider"]
    for each in item["passed_over"]:
        yield "", f"not {each['provider']}: {each['reason']}"
    yield "settings", _words(item["settings"])
    yield "spec", _words(item["spec"]) or "nothing is measured"
    yield "price", _price_line(item["price"])
    yield "path", item["path"]


def _block(title: str, texts: Any) -> Iterator[str]:
    yield ""
    yield title
    for text in texts:
        yield from (f"{_INDENT}{line}".rstrip() for line in str(text).splitlines())


def _words(values: Plain) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _price_line(price: Plain | None) -> str:
    if price is None:
        return "unknown"
    amounts = (price[f"{name}_usd"] for name in _PRICES)
    figures = dict.fromkeys(exact_usd(Decimal(str(amount))) for amount in amounts)
    return f"{' / '.join(figures)} USD, {price['certainty']}: {price['source']}"


def _reference_line(reference: Plain) -> str:
    name = f"@{reference['name']}, {reference['role']} {reference['ordinal']}"
    return "\n".join([name, *(f"{_INDENT}{_media_line(each)}" for each in reference["media"])])


def _media_line(media: Plain) -> str:
    size = f"{media['width']} x {media['height']}" if media["width"] else "not looked at"
    parts = [media["file"], media["format"], size]
    parts += [f"{media['seconds']:g} s"] if media["seconds"] else []
    parts += [f"{media['bytes']:,} bytes"] if media["bytes"] else []
    return "\n".join([", ".join(part for part in parts if part), f"{_INDENT * 2}{media['digest']}"])


def _key_parts(item: Plain) -> Iterator[str]:
    width = max(map(len, item["key_parts"]), default=0)
    for name, digest in item["key_parts"].items():
        yield f"{_INDENT}{name:<{width}}  {digest}"


def _satisfied_by(item: Item, record: Record) -> Plain | None:
    """Return the key of the ledger that the item takes instead of its own, and why, if it does."""
    if record.key == item.key.digest:
        return None
    others = {other.digest: other for other in item.key.alternatives}
    other = others.get(record.key)
    earlier = other is not None and other.earlier_rule
    return {"key": record.key, "why": _EARLIER if earlier else _OTHER_RATIO}


_EARLIER = "an earlier rule made this key of the same work"
_OTHER_RATIO = "the same work, asked for with and without a written ratio"


def _place(span: Span | None) -> str:
    return f"{span.file}:{span.line}" if span else ""


def _given(values: dict[str, Any]) -> Plain:
    return {name: value for name, value in values.items() if value is not None}


def _price(price: Price | None) -> Plain | None:
    if price is None:
        return None
    sums = {f"{name}_usd": float(getattr(price, f"{name}_usd")) for name in _PRICES}
    return {**sums, "source": price.source, "certainty": price.certainty}


def _references(item: Item) -> Iterator[Plain]:
    for reference in item.references:
        yield {
            "name": reference.name,
            "role": reference.role.value,
            "ordinal": reference.ordinal,
            "say": reference.say,
            "media": [_media(each) for each in reference.media],
        }


def _media(media: Media) -> Plain:
    names = ("format", "width", "height", "seconds", "bytes", "digest")
    return {"file": _file(media), **{name: getattr(media, name) for name in names}}


def _file(media: Media) -> str:
    """Return a medium as it may be shown: a file below the working folder relative to it."""
    here = Path.cwd()
    path = Path(media.source)
    if path.name == media.digest:
        return "made by `fit`"
    inside = media.local and path.is_relative_to(here)
    return str(path.relative_to(here)) if inside else media.source


def _request(entry: PricedItem) -> Plain:
    request, offer = entry.request, OFFERS[entry.item.provider]
    return {
        "method": request["method"],
        "url": f"{offer.hosts.get(request['host'], '')}{request['path']}",
        "headers": dict(request["headers"]),
        "key_from": offer.key_env,
        "body": request["body"],
    }
