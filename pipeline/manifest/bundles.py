"""Bundles → reference specs, compiled for one shot; and the names its prompt may mention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.domain import Bundle, ElementSpec, FramesSpec, ImageSpec, Value, VideoSpec
from pipeline.findings import Finding
from pipeline.manifest.schema import field_rule
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.compile import ValueReader
from pipeline.manifest.templates.lint import RESERVED, References

NamedBundle = tuple[str, Node]
"""A bundle's name and its node; inline references have an empty name."""


def read_bundle(name: str, node: Node, values: ValueReader) -> Bundle:
    """Return a bundle with its templates compiled; what does not compile is left out.

    What is wrong with its templates is added to the findings of `values`.
    """
    images = [_image(key, item, values) for key, item in node.entries("images")]
    elements: list[ElementSpec] = []
    for key, item in node.entries("elements"):
        description = values.text(item.get("description"))
        files = [values.text(file) for file in item.items("images")]
        # An element with a picture too few would be another element.
        whole = tuple(file for file in files if file is not None)
        if description is not None and whole and len(whole) == len(files):
            elements.append(
                ElementSpec(name=key, description=description, images=whole, span=item.span)
            )
    frames, video = node.get("frames"), node.get("video")
    return Bundle(
        name=name,
        images=tuple(image for image in images if image is not None),
        elements=tuple(elements),
        frames=_frames(frames, values) if frames and frames.value else None,
        video=_video(video, values) if video else None,
        span=node.span,
    )


def _image(name: str, node: Node, values: ValueReader) -> ImageSpec | None:
    # The short form, `hero: refs/a.png`, has nothing but its file.
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


def _frames(node: Node, values: ValueReader) -> FramesSpec:
    return FramesSpec(
        first=values.text(node.get("first")),
        last=values.text(node.get("last")),
        fit=values.setting(node.get("fit"), "fit", field_rule("frames", "fit")),
        span=node.span,
    )


def _video(node: Node, values: ValueReader) -> VideoSpec | None:
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


def references_of(bundles: Sequence[NamedBundle]) -> References:
    """Return what a prompt may mention, given the bundles of its shot in order.

    With `front` in the bundles `product` and `look`, `@front` is shared, and `@product.front` and
    `@look.front` are names.
    """
    owners: dict[str, list[str]] = {}
    lists: set[str] = set()
    for owner, node in bundles:
        images = dict(node.entries("images"))
        names = [*images, *(name for name, _ in node.entries("elements") if name not in images)]
        names += [name for name, _ in node.entries("frames") if name in {"first", "last"}]
        names += ["video"] if node.get("video") else []
        for name in names:
            owners.setdefault(name, []).append(owner)
        lists |= {name for name, item in images.items() if item.get("each")}
    # A plain name is clear where one bundle alone has it; else it needs the bundle in front.
    clear = {name for name, where in owners.items() if len(where) == 1}
    qualified = {f"{owner}.{name}" for name, where in owners.items() for owner in where if owner}
    # `@product.view_1` is a mention of the list `product.view`.
    qualified_lists = {f"{owner}.{name}" for name in lists for owner in owners[name] if owner}

    def in_order(part: str) -> tuple[str, ...]:
        return tuple(
            name if name in clear else f"{owner}.{name}".lstrip(".")
            for owner, node in bundles
            for name, _ in node.entries(part)
        )

    return References(
        names=frozenset((clear | qualified) - lists - qualified_lists),
        shared={
            name: tuple(f"{owner}.{name}" for owner in where if owner)
            for name, where in owners.items()
            if len(where) > 1
        },
        lists=frozenset((lists & clear) | qualified_lists),
        images=in_order("images"),
        elements=in_order("elements"),
        # What was taken out with a finding of its own must not be told as an unknown name as well.
        complete=not any(node.broken for _, node in bundles),
    )


def bundle_faults(node: Node) -> Iterator[Finding]:
    """Yield what is wrong with a bundle's names, whoever uses it."""
    images, elements = node.get("images"), node.get("elements")
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
