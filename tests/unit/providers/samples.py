"""Items of every kind, as plan would make them: values, no files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pipeline.domain import (
    EMPTY,
    Item,
    Key,
    Kind,
    Media,
    Origin,
    Reference,
    Role,
    Settings,
    Spec,
    Token,
)
from pipeline.findings import Span

HERE = Span(file="campaign.yaml", line=12, column=5, end_column=9)
LIMITED = frozenset({Kind.TEXT, Kind.FIRST_FRAME, Kind.FRAMES, Kind.REFERENCES, Kind.GUIDE})


def medium(name: str, media_type: str = "image", *, url: str = "") -> Media:
    """Return a local medium whose digest is that of its name, or a public one."""
    digest = hashlib.sha256((url or name).encode()).hexdigest()
    form = "" if url else {"image": "png", "video": "mp4"}[media_type]
    return Media(
        media_type=media_type,
        source=url or f"refs/{name}",
        local=not url,
        digest=digest,
        format=form,
        bytes=0 if url else 1000,
        width=0 if url else 1080,
        height=0 if url else 1920,
        seconds=5.0 if media_type == "video" else None,
    )


def reference(role: Role, ordinal: int = 1, *, say: str = "", url: str = "") -> Reference:
    """Return one reference; an element has two images."""
    media_type = "video" if role is Role.VIDEO else "image"
    name = f"{role}-{ordinal}"
    parts = [name] if role is not Role.ELEMENT else [f"{name}-a", f"{name}-b"]
    return Reference(
        role=role,
        ordinal=ordinal,
        name=name,
        media=tuple(medium(part, media_type, url=url) for part in parts),
        say=say,
        span=HERE,
    )


FRONT = reference(Role.IMAGE, 1, say="the sneaker")
STUDIO = reference(Role.IMAGE, 2)
FIRST, LAST, CLIP = reference(Role.FIRST), reference(Role.LAST), reference(Role.VIDEO)
HERO = reference(Role.ELEMENT, 1, say="a red sneaker")

REFERENCES: Mapping[Kind, tuple[Reference, ...]] = {
    Kind.TEXT: (),
    Kind.FIRST_FRAME: (FIRST,),
    Kind.FRAMES: (FIRST, LAST),
    Kind.REFERENCES: (FRONT, STUDIO),
    Kind.GUIDE: (CLIP,),
    Kind.EDIT: (CLIP,),
    Kind.FAST_EDIT: (CLIP,),
}
PROMPTS: Mapping[Kind, tuple[str | Token, ...]] = {
    Kind.TEXT: ("A sneaker turns on a plinth.",),
    Kind.FIRST_FRAME: ("From ", Token(role=Role.FIRST, ordinal=1), " the camera pulls back."),
    Kind.FRAMES: (
        Token(role=Role.FIRST, ordinal=1),
        " melts into ",
        Token(role=Role.LAST, ordinal=1),
        ".",
    ),
    Kind.REFERENCES: (
        Token(role=Role.IMAGE, ordinal=1),
        " turns in the light of ",
        Token(role=Role.IMAGE, ordinal=2),
        ".",
    ),
    Kind.GUIDE: ("Move like ", Token(role=Role.VIDEO, ordinal=1), "."),
    Kind.EDIT: ("Make the sneaker in ", Token(role=Role.VIDEO, ordinal=1), " red."),
    Kind.FAST_EDIT: ("Make the sneaker in ", Token(role=Role.VIDEO, ordinal=1), " red."),
}


def item(kind: Kind = Kind.TEXT, provider: str = "runware", **more: Any) -> Item:
    """Return an item; `mode`, `duration`, `ratio`, … and fields of Item replace the usual."""
    clip = kind in {Kind.GUIDE, Kind.EDIT, Kind.FAST_EDIT}
    settings = Settings(
        mode=more.pop("mode", "std"),
        duration=more.pop("duration", 5 if kind in LIMITED else None),
        aspect_ratio=more.pop("ratio", "9:16"),
        keep_audio=more.pop("keep_audio", False if clip else None),
        format=more.pop("format", None),
        safety=more.pop("safety", None),
        watermark=more.pop("watermark", None),
    )
    given: dict[str, Any] = {
        "campaign": "spring",
        "address": "spin[SKU-1]#1",
        "shot": "spin",
        "row_key": "SKU-1",
        "cell": "",
        "take": 1,
        "axes": EMPTY,
        "tags": (),
        "kind": kind,
        "prompt": PROMPTS[kind],
        "references": REFERENCES[kind],
        "settings": settings,
        "provider": provider,
        "output": "spin/SKU-1.{ext}",
        "spec": Spec(seconds=5.0, ratio=0.5625, short_side=720),
        "key": Key(digest="0" * 64, parts=EMPTY),
        "origin": Origin(shot=HERE),
    }
    return Item(**{**given, **more})
