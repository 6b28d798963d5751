"""An item that is described, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipeline.domain.money import exact_usd

Plain = Mapping[str, Any]
_INDENT = "    "
_PRICES = ("low", "expected", "high")
_DONE = {"crop": "cropped to {ratio}", "pad": "padded to {ratio}", "convert": "made of it"}


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
        yield from _block("references", map(_reference_lines, item["references"]))
    width = max(map(len, item["key_parts"]), default=0)
    parts = (f"{_INDENT}{name:<{width}}  {part}" for name, part in item["key_parts"].items())
    yield from _block("key", [item["key"], *parts])
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
    yield "model", item["model"]
    yield "kind", item["kind"]
    yield "provider", item["provider"]
    for each in item["passed_over"]:
        yield "", f"not {each['provider']}: {each['reason']}"
    yield "settings", _words(item["settings"])
    yield "spec", _words(item["spec"]) or "nothing is measured"
    price, words = item["price"], "unknown"
    if price is not None:
        amounts = (price[f"{name}_usd"] for name in _PRICES)
        # A price without a range has one figure, not three that are equal.
        figures = dict.fromkeys(exact_usd(Decimal(str(amount))) for amount in amounts)
        words = f"{' / '.join(figures)} USD, {price['certainty']}: {price['source']}"
    yield "price", words
    yield "path", item["path"]


def _block(title: str, texts: Any) -> Iterator[str]:
    yield ""
    yield title
    for text in texts:
        yield from (f"{_INDENT}{line}".rstrip() for line in str(text).splitlines())


def _words(values: Plain) -> str:
    """Return settings in a line: switches are on or off, figures no longer than they need be."""
    words = []
    for name, value in values.items():
        if isinstance(value, bool):
            words.append(f"{name} {'on' if value else 'off'}")
        else:
            words.append(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(words)


def _reference_lines(reference: Plain) -> str:
    """Return a reference and the media that it is made of, on a line each and with digests."""
    lines = [f"@{reference['name']}, {reference['role']} {reference['ordinal']}"]
    for media in reference["media"]:
        size = f"{media['width']} x {media['height']}" if media["width"] else "not looked at"
        named = media["file"] + (f" ({', '.join(media['unfit'])})" if media["unfit"] else "")
        done = [_DONE[each["operation"]].format_map(each) for each in media["made_by"]]
        form = f"sent as {media['format']} {done[-1]}" if done else media["format"]
        parts = [named, form, size]
        parts += [f"{media['seconds']:g} s"] if media["seconds"] else []
        parts += [f"{media['bytes']:,} bytes"] if media["bytes"] else []
        lines += [f"{_INDENT}{', '.join(part for part in parts if part)}"]
        lines += [f"{_INDENT * 2}{media['digest']}"]
    return "\n".join(lines)
