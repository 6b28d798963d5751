"""Make the frames of a clip: which scenes it has, and the band with prompt, address and timecode.

A clip is judged like a storyboard: its pictures first, all of them, and below them what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageOps

from pipeline.sandbox.render import cards
from pipeline.sandbox.render.cards import Metrics
from pipeline.sandbox.render.planes import Planes, even, frame_planes, paste, patch, planes, window
from pipeline.sandbox.render.scenes import (
    Footage,
    Inset,
    Scene,
    Sequence,
    Titled,
    board,
    pan,
)

_FADE_S = 0.5
_ON_TWOS = 2
"""Pictures move every second frame, as in drawn animation; only the timecode runs on each."""
_INSET = 0.34


@dataclass(frozen=True, slots=True)
class Stage:
    """What every scene of a clip must know: its reel, its size, where the media are."""

    reel: Mapping[str, Any]
    metrics: Metrics
    band: cards.Band
    uploads: Path

    @property
    def size(self) -> tuple[int, int]:
        """Return the frame's size."""
        return self.metrics.width, self.metrics.height

    @property
    def foot(self) -> int:
        """Return how much of the frame's bottom the band takes."""
        return round(self.band.image.height * 0.8)

    def media(self, *roles: str) -> list[Mapping[str, str]]:
        """Return the media that have one of these roles, in order."""
        return [medium for medium in self.reel["media"] if medium["role"] in roles]


def film(reel: Mapping[str, Any], uploads: Path) -> Iterator[av.VideoFrame]:
    """Yield the frames of a clip; each is the same object, drawn anew."""
    metrics = Metrics(even(reel["width"]), even(reel["height"]))
    told = reel["prompt"] if reel["media"] else ""
    stage = Stage(reel, metrics, cards.band(told, reel["label"], metrics), uploads)
    count = max(1, round(reel["seconds"] * reel["fps"]))
    scene, overlays = _scene(stage), _Overlays(stage, count)
    frame = av.VideoFrame(*stage.size, "yuv420p")
    target = frame_planes(frame)
    for number in range(count):
        if number % _ON_TWOS == 0:
            scene.draw(target, number / count)
            overlays.cover(target)
        overlays.tell(target, number)
        yield frame


def _scene(stage: Stage) -> Scene:
    clips = stage.media("edit")
    pictures = stage.media("first", "last", "reference")
    if clips:
        return _footage(stage, clips[0], stage.size)
    main = _pictures(stage, pictures) if pictures else _words(stage)
    guides = stage.media("guide")
    return _with_inset(stage, main, guides[0]) if guides else main


def _pictures(stage: Stage, media: list[Mapping[str, str]]) -> Scene:
    scenes: list[Scene] = []
    for place, medium in enumerate(media):
        picture = _opened(stage, medium, stage.size)
        backwards = place % 2 == 1
        # A frame is what the clip looks like; a reference must be seen whole, above the band.
        is_card = medium["role"] == "reference" and medium["digest"]
        scenes.append(
            board(picture, stage.size, foot=stage.foot, backwards=backwards)
            if is_card
            else pan(picture, stage.size, backwards=backwards)
        )
    if len(scenes) == 1:
        return scenes[0]
    # From a first to a last frame is one movement, not a cut.
    seconds = stage.reel["seconds"]
    frames = media[0]["role"] == "first"
    fade = 1 / 2 if frames else min(_FADE_S / seconds, 1 / 2 / len(scenes))
    return Sequence(scenes, stage.size, fade=fade)


def _words(stage: Stage) -> Scene:
    wide, tall = stage.size
    margin = stage.metrics.margin
    above = even(tall * 0.36) if stage.media("guide") else even(2 * margin + stage.metrics.text)
    room = (even(wide - 2.4 * margin), even(tall - above - stage.foot))
    title = cards.title(stage.reel["prompt"], stage.metrics, room)
    ground = pan(cards.gradient(stage.size, stage.reel["prompt"]), stage.size)
    return Titled(ground, patch(title, even(1.2 * margin), above))


def _with_inset(stage: Stage, main: Scene, guide: Mapping[str, str]) -> Scene:
    wide, tall = stage.size
    side = even(min(wide, tall) * _INSET)
    size = (side, even(side * tall / wide)) if wide >= tall else (side, even(side * 16 / 9))
    size = (size[0], min(size[1], even(tall * 0.3)))
    margin, border = stage.metrics.margin, max(2, even(wide / 270))
    place = (even(wide - margin - size[0]), even(margin))
    plate = Image.new("RGBA", (size[0] + 2 * border, size[1] + 2 * border), cards.WHITE)
    return Inset(
        main=main,
        inset=_footage(stage, guide, size),
        frame=patch(plate, place[0] - border, place[1] - border),
        place=place,
        size=size,
    )


def _footage(stage: Stage, medium: Mapping[str, str], size: tuple[int, int]) -> Scene:
    if medium["digest"]:
        path = stage.uploads / medium["digest"]
        return Footage(path, size, seconds=stage.reel["seconds"])
    return pan(cards.name_card(medium["name"], size, plays=True), size)


def _opened(stage: Stage, medium: Mapping[str, str], size: tuple[int, int]) -> Image.Image:
    if not medium["digest"]:
        return cards.name_card(medium["name"], size, plays=False)
    with Image.open(stage.uploads / medium["digest"]) as image:
        image.draft("RGB", (size[0] * 2, size[1] * 2))
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    backdrop = Image.new("RGBA", upright.size, cards.WHITE)
    return Image.alpha_composite(backdrop, upright).convert("RGB")


class _Overlays:
    """The band, the timecode, the progress bar and the tag, over every frame."""

    def __init__(self, stage: Stage, count: int) -> None:
        metrics, band = stage.metrics, stage.band
        self._fps, self._count = stage.reel["fps"], count
        top = metrics.height - band.image.height
        self._band = patch(band.image, 0, top)
        left, code_top, _, _ = band.code
        self._code = patch(band.image.crop(band.code), left, top + code_top)
        self._cells = [
            {name: patch(cell, at, top + code_top) for name, cell in drawn.items()}
            for at, drawn in band.cells()
        ]
        self._tag = patch(cards.tag(_kind(stage), metrics), metrics.margin, metrics.margin)
        self._bar = max(4, even(metrics.height * 0.005))
        self._accent = planes(Image.new("RGBA", (metrics.width, self._bar), cards.ACCENT))
        self._beneath = self._code_window(planes(Image.new("RGB", stage.size)))

    def cover(self, target: Planes) -> None:
        """Put band and tag over a picture that has just been drawn."""
        y, u, v = self._code_window(target)
        self._beneath = y.copy(), u.copy(), v.copy()
        self._band.blend(target)
        self._tag.blend(target)

    def tell(self, target: Planes, number: int) -> None:
        """Set the timecode and the progress bar to a frame's number."""
        seconds, frames = divmod(number, self._fps)
        told = f"{seconds // 60:02}:{seconds % 60:02}:{frames:02}"
        for characters, character in zip(self._cells, told, strict=True):
            self._code.put(characters[character])
        paste(target, self._beneath, self._code.left, self._code.top)
        self._code.blend(target)
        tall, wide = target[0].shape
        reached = even(wide * (number + 1) / self._count)
        bar = window(target, (0, tall - self._bar), (reached, self._bar))
        for into, colour in zip(
            bar, window(self._accent, (0, 0), (reached, self._bar)), strict=True
        ):
            into[:] = colour

    def _code_window(self, target: Planes) -> Planes:
        tall, wide = self._code.keep[0].shape
        return window(target, (self._code.left, self._code.top), (wide, tall))


def _kind(stage: Stage) -> str:
    count = len(stage.media("reference"))
    words = [
        "edit" if stage.media("edit") else "",
        "guide" if stage.media("guide") else "",
        "first > last" if stage.media("last") else "first frame" if stage.media("first") else "",
        f"{count} reference{'s' if count > 1 else ''}" if count else "",
    ]
    return "rehearsal | " + (", ".join(word for word in words if word) or "text")
