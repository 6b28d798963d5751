"""Bundles → reference specs, compiled for one shot; and the names its prompt may mention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.domain import Bundle, ElementSpec, FramesSpec, ImageSpec, Value, VideoSpec
from pipeline.findings import Finding
from pipeline.manifest.nodes import Node
from pipeline.manifest.references import RESERVED, References
from pipeline.manifest.rules import field_rule
from pipeline.manifest.values import Values

Named = tuple[str, Node]
"""A bundle's name and its node; inline references have an empty name."""


def bundle(name: str, node: Node, values: Values) -> Bundle:
    """Return a bundle with its templates compiled; what does not compile is left out."""
    images = [_image(key, item, values) for key, item in _entries(node, "images")]
    elements = [_element(key, item, values) for key, item in _entries(node, "elements")]
    return Bundle(
        name=name,
        images=tuple(image for image in images if image is not None),
        elements=tuple(element for element in elements if element is not None),
        frames=_frames(node.get("frames"), values),
        video=_video(node.get("video"), values),
        span=node.span,
    )


def references(bundles: Sequence[Named]) -> References:
    """Return what a prompt may mention, given the bundles of its shot in order."""
    owners: dict[str, list[str]] = {}
    lists: set[str] = set()
    for owner, node in bundles:
        for name in _names(node):
            owners.setdefault(name, []).append(owner)
        lists |= {name for name, item in _entries(node, "images") if item.get("each")}
    clear = {name for name, owned in owners.items() if len(owned) == 1}
    qualified = {f"{owner}.{name}" for name, owned in owners.items() for owner in owned if owner}
    qualified_lists = {f"{o}.{name}" for name in lists for o in owners[name] if o}
    return References(
        names=frozenset((clear | qualified) - lists - qualified_lists),
        shared={
            name: tuple(f"{owner}.{name}" for owner in owned if owner)
            for name, owned in owners.items()
            if len(owned) > 1
        },
        lists=frozenset((lists & clear) | qualified_lists),
        images=_ordered(bundles, "images", clear),
        elements=_ordered(bundles, "elements", clear),
        complete=not any(node.broken for _, node in bundles),
    )


def bundle_faults(node: Node) -> Iterator[Finding]:
    """Yield what is wrong with a bundle's names, whoever uses it."""
    images = node.get("images")
    elements = node.get("elements")
    for part in (images, elements):
        for key, _ in part.entries() if part else ():
            if part and key in RESERVED:
                yield Finding(
                    slug="reserved-name",
                    message=f"'@{key}' always means the frame or video of that name",
                    span=part.key_span(key),
                    hint="choose another name",
                )
    for key, _ in elements.entries() if elements else ():
        if images and elements and images.get(key):
            yield Finding(
                slug="duplicate-reference",
                message=f"'{key}' is both an image and an element of this bundle",
                span=elements.key_span(key),
                hint="give one of them another name",
                related=(images.key_span(key),),
            )


def _entries(node: Node, key: str) -> tuple[tuple[str, Node], ...]:
    found = node.get(key)
    return found.entries() if found else ()


def _names(node: Node) -> Iterator[str]:
    """Yield the names a bundle gives, frames and video included."""
    yield from (name for name, _ in _entries(node, "images"))
    yield from (name for name, _ in _entries(node, "elements") if not _image_of(node, name))
    yield from (name for name, _ in _entries(node, "frames") if name in {"first", "last"})
    if node.get("video"):
        yield "video"


def _image_of(node: Node, name: str) -> bool:
    images = node.get("images")
    return bool(images and images.get(name))


def _ordered(bundles: Sequence[Named], part: str, clear: set[str]) -> tuple[str, ...]:
    return tuple(
        name if name in clear else f"{owner}.{name}".lstrip(".")
        for owner, node in bundles
        for name, _ in _entries(node, part)
    )


def _image(name: str, node: Node, values: Values) -> ImageSpec | None:
    if isinstance(node.value, str):
        file = values.text(node)
        return ImageSpec(name=name, file=file, span=node.span) if file else None
    each = node.get("each")
    file = values.files(each) if each else values.text(node.get("file"))
    say, until = values.text(node.get("say")), node.get("licence_until")
    if file is None:
        return None
    return ImageSpec(
        name=name,
        file=file,
        say=say,
        optional=_plain(node, "optional", default=False),
        each=each is not None,
        max=_plain(node, "max", default=None),
        pin=_plain(node, "pin", default=""),
        licence_until=Value(data=until.value, span=until.span) if until is not None else None,
        span=node.span,
    )


def _element(name: str, node: Node, values: Values) -> ElementSpec | None:
    description = values.text(node.get("description"))
    listed = node.get("images")
    images = [values.text(item) for item in (listed.items() if listed else ())]
    if description is None or not images or None in images:
        return None
    return ElementSpec(
        name=name,
        description=description,
        images=tuple(image for image in images if image is not None),
        span=node.span,
    )


def _frames(node: Node | None, values: Values) -> FramesSpec | None:
    if node is None or not node.value:
        return None
    return FramesSpec(
        first=values.text(node.get("first")),
        last=values.text(node.get("last")),
        fit=values.setting(node.get("fit"), "fit", field_rule("frames", "fit")),
        span=node.span,
    )


def _video(node: Node | None, values: Values) -> VideoSpec | None:
    if node is None:
        return None
    file = values.text(node.get("file"))
    role = values.setting(node.get("role"), "role", field_rule("video", "role"))
    seconds = values.setting(node.get("seconds"), "seconds", field_rule("video", "seconds"))
    if file is None or role is None:
        return None
    return VideoSpec(
        file=file,
        role=role,
        fast=_plain(node, "fast", default=False),
        keep_audio=_plain(node, "keep_audio", default=False),
        seconds=seconds,
        pin=_plain(node, "pin", default=""),
        span=node.span,
    )


def _plain(node: Node, key: str, *, default: Any) -> Any:
    found = node.get(key)
    return default if found is None else found.value
