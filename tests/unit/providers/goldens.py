"""The requests that each provider gets, as golden files: kind × mode × ratio.

`python -m tests.unit.providers.goldens` writes them anew; the difference is then read by a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.domain import Constraints, Item, Kind, Role
from pipeline.providers.registry import OFFERS, compose
from tests.unit.providers.samples import CLIP, FIRST, FRONT, REFERENCES, item

_HERE = Path(__file__).parent / "golden"
_RATIOS = {
    "stated": ("16:9", "1:1", "9:16"),
    **dict.fromkeys(("frame", "framed"), ("auto", "9:16")),
}


def cases(provider: str) -> Iterator[tuple[str, Item]]:
    """Yield a name and an item for each kind, mode and ratio that the provider offers."""
    for kind, terms in sorted(OFFERS[provider].models["kling-o1"].items()):
        with_images = (terms.with_images or terms).ratio
        for mode in sorted(terms.modes):
            for ratio in _RATIOS.get(terms.ratio, ("auto",)):
                yield f"{kind} {mode} {ratio}", item(kind, provider, mode=mode, ratio=ratio)
            if terms.max_images and any(r.role is Role.VIDEO for r in REFERENCES[kind]):
                yield (
                    f"{kind} {mode} with an image",
                    item(
                        kind,
                        provider,
                        mode=mode,
                        ratio="9:16" if with_images == "stated" else "auto",
                        references=(*REFERENCES[kind], FRONT),
                        keep_audio=terms.keep_audio,
                    ),
                )
            yield from _with_first_frame(provider, kind, mode, terms)


def _with_first_frame(
    provider: str, kind: Kind, mode: str, terms: Constraints
) -> Iterator[tuple[str, Item]]:
    """Yield a first frame beside reference images, and beside a guide."""
    if kind is Kind.FIRST_FRAME and terms.max_images:
        beside = item(kind, provider, mode=mode, duration=7, references=(FIRST, FRONT))
        yield f"{kind} {mode} with an image", beside
    if kind is Kind.GUIDE and terms.first_frame:
        limits = terms.with_first or terms
        stated = limits.ratio in {"stated", "framed"}
        more = {"mode": mode, "ratio": "9:16" if stated else "auto"}
        yield f"{kind} {mode} with a frame", item(kind, provider, references=(FIRST, CLIP), **more)
        if limits.max_images:
            both = item(kind, provider, references=(FIRST, FRONT, CLIP), **more)
            yield f"{kind} {mode} with a frame and an image", both


def requests(provider: str) -> dict[str, Any]:
    """Return what is sent in each case: method, path, headers if any, body."""
    composed = {name: compose(found, {}) for name, found in cases(provider)}
    return {
        name: {f"{one['method']} {one['path']}": one["body"]}
        | ({"headers": one["headers"]} if one["headers"] else {})
        for name, one in composed.items()
    }


def golden(provider: str) -> Any:
    """Return the requests as they were last read by a person."""
    return json.loads((_HERE / f"{provider}.json").read_text("utf-8"))


if __name__ == "__main__":
    for _name in OFFERS:
        _text = json.dumps(requests(_name), indent=1, ensure_ascii=False)
        (_HERE / f"{_name}.json").write_text(f"{_text}\n", "utf-8")
