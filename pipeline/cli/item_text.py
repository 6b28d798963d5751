"""An item that is described, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipeline.api.money_text import money

Plain = Mapping[str, Any]
_INDENT = "    "
_PRICES = ("low", "expected", "high")


def item_lines(item: Plain) -> Iterator[str]:
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
    figures = dict.fromkeys(money(Decimal(str(amount))) for amount in amounts)
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
