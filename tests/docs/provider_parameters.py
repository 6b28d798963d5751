"""The table of docs/providers.md: every parameter of the providers' pages, and what becomes of it.

What works is read off the wire schemas and the offers; the file beside this one says by what it is
set, and what is not taken or not known. The sandbox's schemas, which were written from the pages
alone, say whether any parameter is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.providers import OFFERS
from pipeline.sandbox.document_schema import dialect_schema
from pipeline.schemas import schema

WORKS, NOT_TAKEN, UNKNOWN = "works", "by design not", "unknown"
_KNOWN: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text("utf-8")
)
# A provider's submit in the sandbox: definitions, and below which field each of them lies.
_SUBMITS: Mapping[str, Sequence[tuple[str, str]]] = {
    "runware": (("videoInference", ""),),
    "evolink": (
        ("kling-o1-image-to-video", ""),
        ("kling-o1-video-edit", ""),
        ("kling-o1-video-edit-fast", ""),
    ),
    "apimart": (("generation", ""),),
    "inference": (("run", ""), ("input-august", "input"), ("input-may", "input")),
    "unifically": (("task", ""), ("input", "input"), ("editInput", "input")),
}
# Each is one parameter, whatever is inside.
_MEDIA = frozenset({"inputs.frameImages", "input.elements"})


def table() -> str:
    """Return the Markdown that stands in docs/providers.md."""
    return "\n".join(line for name in sorted(OFFERS) for line in _provider(name)).rstrip("\n")


def on_the_pages(provider: str) -> set[str]:
    """Return the parameters that the sandbox has read on a provider's pages."""
    document = dialect_schema(provider)
    return {
        name
        for definition, above in _SUBMITS[provider]
        for name in _leaves(document["$defs"][definition], document, above)
    } - {"input"}


def states(provider: str) -> dict[str, tuple[str, str]]:
    """Return each parameter's state, and what is to be said of it."""
    known, wire = _KNOWN[provider], schema(f"providers/{provider}")
    # The body is a list of one task, or an object; its `input` may have more than one form.
    parts = [(wire.get("items", wire), "")]
    parts += [(wire["$defs"][n], "input") for n in ("input", "editInput") if n in wire["$defs"]]
    sent = {name for part, above in parts for name in _leaves(part, wire, above)} - {"input"}
    others = {
        **{name: (NOT_TAKEN, why) for name, why in known.get("not_taken", {}).items()},
        **{name: (UNKNOWN, why) for name, why in known.get("unknown", {}).items()},
    }
    taken = (sent | OFFERS[provider].extra_fields.keys()) - others.keys()
    works = {name: (WORKS, known["by"].get(name, "always the same")) for name in taken}
    return dict(sorted({**works, **others}.items()))


def stale(provider: str) -> set[str]:
    """Return what the file beside this one says of parameters that it need not speak of."""
    known, listed = _KNOWN[provider], states(provider)
    return {name for name in known["by"] if listed.get(name, ("",))[0] != WORKS}


def _provider(name: str) -> Iterator[str]:
    yield f"### {OFFERS[name].title}"
    yield ""
    yield f"From: {_KNOWN[name]['source']}."
    yield ""
    yield "| parameter | | by what, or why |"
    yield "| --- | --- | --- |"
    for parameter, (state, said) in states(name).items():
        yield f"| `{parameter}` | *{state}* | {said} |"
    yield ""


def _leaves(rule: Any, document: Mapping[str, Any], above: str) -> Iterator[str]:
    """Yield the dotted names of what may stand in an object, and in the objects of its lists."""
    while isinstance(rule, dict) and "$ref" in rule:
        rule = document["$defs"][rule["$ref"].rpartition("/")[2]]
    inner: Mapping[str, Any] = rule if isinstance(rule, dict) else {}
    if "items" in inner and isinstance(inner["items"], dict):
        inner = _resolved(inner["items"], document)
    properties = inner.get("properties", {})
    if not properties or above in _MEDIA:
        yield above
        return
    for name, each in properties.items():
        yield from _leaves(each, document, f"{above}.{name}" if above else name)


def _resolved(rule: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in rule:
        rule = document["$defs"][rule["$ref"].rpartition("/")[2]]
    return rule
