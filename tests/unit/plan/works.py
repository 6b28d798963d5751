"""Works of every kind at every provider, whose keys are recorded: a key must not change by itself.

`tests/recordings/keys/recipe-1.json` was written by the code that made recipe 1, and is never
written again. `python -m tests.unit.plan.works` writes the file of the recipe that is made now;
where that changes, every clip ever made would be bought again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.domain import Bundle, ElementSpec, Item, Manifest, PricedItem
from pipeline.findings import Finding
from pipeline.plan import RECIPE, expand
from pipeline.providers import OFFERS
from tests.architecture.source import REPOSITORY
from tests.unit.plan import builders as build

RECORDINGS = REPOSITORY / "tests" / "recordings" / "keys"
MANIFESTS = REPOSITORY / "manifests"
ALBUM = build.Album(
    sizes={
        "first.png": (1920, 1080),
        "last.png": (1920, 1080),
        "square.png": (1080, 1080),
        "odd.png": (1000, 1300),
        "clip.mp4": (1280, 720),
        "long.mp4": (1280, 720),
    },
)
_FRONT = build.image("front", say=build.value("the shoe"))
_FAR = build.image("far", "https://media.example.com/far.png")
_ELEMENT = ElementSpec(
    name="hero",
    images=(build.value("a.png"), build.value("b.png")),
    description=build.value("a red shoe"),
    span=build.PLACE,
)
_BUNDLES: Mapping[str, tuple[str, tuple[Bundle, ...]]] = {
    "text": ("Rain.", ()),
    "first_frame": ("Rain.", (build.bundle(frames=build.frames("first.png")),)),
    "first_frame odd": ("Rain.", (build.bundle(frames=build.frames("odd.png")),)),
    "frames": ("Rain.", (build.bundle(frames=build.frames("first.png", "last.png")),)),
    "frames crop": ("Rain.", (build.bundle(frames=build.frames("odd.png", "last.png", "crop")),)),
    "frames pad": ("Rain.", (build.bundle(frames=build.frames("odd.png", "last.png", "pad")),)),
    "references": ("@front turns", (build.bundle(_FRONT),)),
    "references far": ("@far, @front", (build.bundle(_FAR, _FRONT),)),
    "references hero": ("@hero runs", (build.bundle(elements=(_ELEMENT,)),)),
    "guide": ("As @video.", (build.bundle(video=build.video()),)),
    "guide front": ("@front as @video.", (build.bundle(_FRONT, video=build.video()),)),
    "guide first": (
        "As @video.",
        (build.bundle(frames=build.frames("square.png"), video=build.video()),),
    ),
    "edit": ("Snow in @video.", (build.bundle(video=build.video("edit")),)),
    "edit front": ("@front in @video.", (build.bundle(_FRONT, video=build.video("edit")),)),
    "fast_edit": (
        "Snow in @video.",
        (build.bundle(video=build.video("edit", "long.mp4", fast=True)),),
    ),
}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "auto": {"aspect_ratio": "auto"},
    "16:9": {"aspect_ratio": "16:9"},
    "9:16": {"aspect_ratio": "9:16"},
    "1:1": {"aspect_ratio": "1:1"},
    "pro": {"mode": "pro"},
    "pro 10 s": {"mode": "pro", "duration": 10},
    "7 s": {"duration": 7},
    "sound": {"keep_audio": True},
    "format": {"format": "webm"},
    "safety": {"safety": "fast"},
    "watermark": {"watermark": False},
    "pinned": {"pin_provider": True},
    "takes": {"takes": 2},
}
EXAMPLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "every-mode": ("every-mode", ()),
    "every-mode inference first": ("every-mode", ("defaults.provider=[inference, runware]",)),
    "every-mode std": ("every-mode", ("defaults.mode=std",)),
    "every-mode square": ("every-mode", ("defaults.aspect_ratio=1:1",)),
    "shop-export": ("shop-export", ()),
    "spring-sneakers": ("spring-sneakers", ("shots.reveal.references={}", "shots.reveal.use=[]")),
}
"""Without fitted frames, whose digest depended on the machine in recipe 1."""


@cache
def works() -> tuple[tuple[str, Item], ...]:
    """Return a name and an item for each work that a provider can make."""
    return tuple(_works())


@cache
def examples() -> tuple[tuple[str, Item], ...]:
    """Return a name and an item for each item of the shipped manifests."""
    return tuple(_examples())


def recorded(recipe: int) -> Mapping[str, str]:
    """Return the keys that a recipe gave these works when it was made."""
    found: Mapping[str, str] = json.loads(_file(recipe).read_text("utf-8"))
    return found


def _works() -> Iterator[tuple[str, Item]]:
    for provider in sorted(OFFERS):
        for kind, (text, bundles) in _BUNDLES.items():
            for settings, given in _SETTINGS.items():
                for layer in ("shot", "defaults"):
                    name = f"{provider}, {kind}, {settings}, {layer}"
                    yield from _made(name, _manifest(text, bundles, given, layer), provider)
        extra = build.shot("Rain.", extra={provider: {"seed": 7}}, settings={"provider": provider})
        yield from _made(f"{provider}, extra", build.manifest(extra), provider)


def _examples() -> Iterator[tuple[str, Item]]:
    for name, (manifest, overrides) in EXAMPLES.items():
        with tempfile.TemporaryDirectory() as assets:
            path = MANIFESTS / manifest / "campaign.yaml"
            campaign = load_campaign(
                CampaignRequest(
                    manifest=path,
                    project=project_of(path),
                    overrides=overrides,
                    root=Path(assets),
                )
            )
            for found in campaign.entries(Path(assets)):
                if isinstance(found, PricedItem):
                    yield f"{name}, {found.item.address}", found.item


def _manifest(
    text: str, bundles: tuple[Bundle, ...], given: Mapping[str, Any], layer: str
) -> Manifest:
    if layer == "defaults":
        return build.manifest(build.shot(text, bundles=bundles), defaults=given)
    return build.manifest(build.shot(text, bundles=bundles, settings=given))


def _made(name: str, manifest: Manifest, provider: str) -> Iterator[tuple[str, Item]]:
    found = list(expand(manifest, OFFERS, ALBUM, provider=provider))
    if any(isinstance(each, Finding) and each.severity == "error" for each in found):
        return
    for each in found:
        if isinstance(each, Item) and each.provider == provider:
            yield f"{name}, {each.address}", each


def _file(recipe: int) -> Path:
    return RECORDINGS / f"recipe-{recipe}.json"


if __name__ == "__main__":
    _keys = {name: item.key.digest for each in (works(), examples()) for name, item in each}
    _file(RECIPE).write_text(f"{json.dumps(_keys, indent=0)}\n", "utf-8")
