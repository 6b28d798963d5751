"""Make the frames of a clip: its pictures in slow motion, and over them what was asked.

A clip is judged like a storyboard: its pictures first, all of them, and below them address, prompt
and timecode. Pillow draws each picture once; a graph of FFmpeg's filters moves them, and `n` in an
expression is the number of the picture. All colours are BT.709, as of HD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from av.filter import Graph
from av.filter.context import FilterContext as Node
from PIL import Image, ImageOps

from pipeline.sandbox.render import drawing
from pipeline.sandbox.render.drawing import ACCENT, WHITE, Size, even

_FADE_S = 0.5
_ON_TWOS = 2
"""Pictures move every second frame, as in drawn animation; only the timecode runs on each."""
_TRAVEL = 0.07
"""How far a picture moves over a scene, as a share of its side."""
_INSET = (0.34, 0.3)
"""The room of a guide in the corner, as shares of the frame's sides."""
_THUMB = 0.16
_BT709 = MappingProxyType({"out_color_matrix": "bt709", "out_range": "tv"})


class Animatic:
    """One clip: a graph of filters from a reel's pictures to its frames."""

    def __init__(self, reel: Mapping[str, Any], uploads: Path) -> None:
        self._reel, self._uploads, self._graph = reel, uploads, Graph()
        self._graph.threads = 1  # the encoder has the processors
        self._size: Size = (even(reel["width"]), even(reel["height"]))
        self._margin, self._rate = drawing.margin(self._size), Fraction(reel["fps"], _ON_TWOS)
        self._stills: list[tuple[Node, Image.Image]] = []
        asked = f"{reel['prompt']} {reel['label']}"
        self._tags = drawing.tags(reel["media"], asked, self._size)
        beside = reel["prompt"] if reel["media"] else ""
        self._band, self._foot = drawing.band(beside, reel["label"], self._size)
        self._edits, self._guides = self._media("edit"), self._media("guide")
        self._inset: Size = (even(self._size[0] * _INSET[0]), even(self._size[1] * _INSET[1]))

    def frames(self, count: int) -> Iterator[av.VideoFrame]:
        """Yield so many frames: pictures, what stands over them, timecode, and how far it is."""
        (wide, tall), margin, fps = self._size, self._margin, self._reel["fps"]
        seen = self._edit() if self._edits else self._scenes()
        if self._guides:
            line = max(2, even(wide / 270))
            edge = {"w": f"iw+{2 * line}", "h": f"ih+{2 * line}", "x": line, "y": line}
            inset = self._add("pad", self._footage(self._guides[0]), color="white", **edge)
            seen = self._add("overlay", seen, inset, x=f"W-w-{margin}", y=margin)
        seen = self._over(seen, self._band, 0, tall - self._band.height)
        seen = self._add("fps", self._over(seen, self._tags, margin, margin), fps=fps)
        size = drawing.text_size(self._size)
        code = drawing.timecode("00:00:00", size)
        put, converted = self._source(code, Fraction(fps))
        place = {"x": wide - margin - code.width, "y": tall - self._foot}
        seen = self._add("overlay", seen, converted, **place)
        bar = Image.new("RGBA", (wide, even(tall * 0.006)), ACCENT)
        self._add(
            "buffersink", self._over(seen, bar, f"{wide}*((n+1)/{count}-1)", tall - bar.height)
        )
        self._graph.configure()
        for source, image in self._stills:
            source.push(_frame(image, 0))
            # Its input has ended: `overlay` repeats a still then, and waits for no other picture.
            source.push(None)
        for number in range(count):
            seconds, over = divmod(number, fps)
            text = f"{seconds // 60:02}:{seconds % 60:02}:{over:02}"
            put.push(_frame(drawing.timecode(text, size), number))
            if number:  # a timecode is shown until the next one comes
                yield self._graph.vpull()
        put.push(None)
        yield self._graph.vpull()

    def _edit(self) -> Node:
        """Return the video in its own shape, and in the corner what it is to be changed to."""
        (wide, tall), video = self._size, self._footage(self._edits[0])
        seen = self._add("pad", video, w=wide, h=tall, x=-1, y=-1, color="0x14161c")
        side = even(min(self._size) * _THUMB)
        for place, medium in enumerate(self._media("reference", "first", "last"), 1):
            small = drawing.cover(self._picture(medium, (side, side)), (side, side))
            thumb = ImageOps.expand(small, max(2, even(side / 40)), WHITE[:3])
            left = wide - (self._margin + thumb.width) * place
            seen = self._over(seen, thumb, left, self._margin)
        return seen

    def _scenes(self) -> Node:
        """Return the pictures one after another, each fading into the next; else the prompt."""
        (wide, tall), seconds = self._size, self._reel["seconds"]
        top, bottom = self._margin * 3 // 2 + self._tags.height, tall - self._band.height * 7 // 8
        if self._guides and wide > tall:
            wide -= self._margin + self._inset[0]
        elif self._guides:
            top = max(top, self._margin + self._inset[1])
        media = self._media("first", "last", "reference")
        length = seconds / max(1, len(media))
        # From a first to a last frame is one movement, not a cut.
        fade = seconds / 2 if media and media[0]["role"] == "first" else min(_FADE_S, length)
        pictures = max(1.0, float((length + fade) * self._rate))
        forth, back = f"min(1,n/{pictures})", f"max(0,1-n/{pictures})"
        canvas = even(self._size[0] * (1 + _TRAVEL)), even(tall * (1 + _TRAVEL))
        if not media:
            ground = self._pan(drawing.gradient(canvas, self._reel["prompt"]), forth)
            room = even(wide - 2 * self._margin), even(bottom - top)
            title = drawing.title(self._reel["prompt"], self._size, room)
            return self._over(ground, title, self._margin, (top + bottom - title.height) // 2)
        seen: Node | None = None
        for place, medium in enumerate(media):
            image, time = self._picture(medium, self._size), back if place % 2 else forth
            # A frame is what the clip looks like; a reference must be seen whole, above the band.
            if medium["role"] == "reference" and medium["digest"]:
                card = drawing.card(image, (round(wide * 0.86), round((bottom - top) * 0.92)))
                x = f"{wide}/2-w/2+{wide * _TRAVEL * 0.8}*({time}-0.5)"
                y = f"{top + bottom}/2-h/2+{(bottom - top) * 0.02}*({time}-0.5)"
                scene = self._over(self._pan(drawing.ground(image, self._size)), card, x, y)
            else:
                scene = self._pan(drawing.cover(image, canvas), time)
            if seen is not None:
                veil = self._add("format", scene, pix_fmts="yuva420p")
                veil = self._add("fade", veil, type="in", duration=fade, alpha=1)
                begins = place * length - fade / 2
                veil = self._add("setpts", veil, expr=f"PTS+{begins}/TB")
                # What is covered need not be made any more: it stands still.
                seen = self._add("trim", seen, end=begins + fade)
                seen = self._add("tpad", seen, stop=-1, stop_mode="clone")
                scene = self._add("overlay", seen, veil)
            seen = scene
        assert seen is not None  # noqa: S101 - there are media
        return seen

    def _media(self, *roles: str) -> list[Mapping[str, str]]:
        return [medium for medium in self._reel["media"] if medium["role"] in roles]

    def _picture(self, medium: Mapping[str, str], size: Size) -> Image.Image:
        if medium["digest"]:
            return drawing.picture(self._uploads / medium["digest"], size)
        return drawing.name_card(medium["name"], size, plays=False)

    def _footage(self, medium: Mapping[str, str]) -> Node:
        """Return a video in its own shape, as large as fits; its last picture stays."""
        box = self._inset if medium["role"] == "guide" else self._size
        if not medium["digest"]:
            return self._pan(drawing.name_card(medium["name"], box, plays=True), size=box)
        video = self._add("movie", filename=self._uploads / medium["digest"])
        fit = {"force_original_aspect_ratio": "decrease", "force_divisible_by": 2}
        steady = self._add("fps", video, fps=self._rate)
        scaled = self._add("scale", steady, w=box[0], h=box[1], **fit)
        plain = self._add("format", scaled, pix_fmts="yuv420p")
        tagged = self._add("setparams", plain, colorspace="bt709", range="tv")
        return self._add("tpad", tagged, stop=-1, stop_mode="clone")

    def _pan(self, image: Image.Image, share: str = "0", size: Size | None = None) -> Node:
        """Return a window that glides over an image, by an expression from 0 to 1."""
        put, still = self._source(image, self._rate)
        self._stills.append((put, image))
        endless = self._add("setpts", self._add("loop", still, loop=-1, size=1), expr="N")
        wide, tall = size or self._size
        place = {"x": f"(iw-ow)*{share}", "y": f"(ih-oh)*{share}"}
        return self._add("crop", self._add("fps", endless, fps=self._rate), w=wide, h=tall, **place)

    def _over(self, below: Node, image: Image.Image, x: object, y: object) -> Node:
        """Return an image over something, at a place that may be an expression."""
        put, still = self._source(image, self._rate)
        self._stills.append((put, image))
        return self._add("overlay", below, still, x=x, y=y)

    def _source(self, image: Image.Image, rate: Fraction) -> tuple[Node, Node]:
        """Return where pictures like this one are put in, and where they come out converted."""
        rgba = av.VideoFormat("rgba")
        put = self._graph.add_buffer(
            width=image.width, height=image.height, format=rgba, time_base=1 / rate
        )
        planes = "yuva420p" if image.mode == "RGBA" else "yuv420p"
        return put, self._add("format", self._add("scale", put, **_BT709), pix_fmts=planes)

    def _add(self, name: str, *inputs: Node, **options: object) -> Node:
        node = self._graph.add(name, **{option: str(value) for option, value in options.items()})
        for place, source in enumerate(inputs):
            source.link_to(node, 0, place)
        return node


def _frame(image: Image.Image, number: int) -> av.VideoFrame:
    content = image.convert("RGBA").tobytes()
    frame = av.VideoFrame.from_bytes(content, image.width, image.height, format="rgba")
    frame.pts = number
    return frame
