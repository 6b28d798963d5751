"""Draw what stands still in a clip: grounds, name cards, the prompt set large, the band below.

Sizes follow the frame: text is still readable where the clip is shown 360 pixels wide.
"""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipeline.sandbox.render.lettering import Colour, layer, width, wrapped, write
from pipeline.sandbox.render.planes import even

WHITE: Colour = (255, 255, 255, 255)
FAINT: Colour = (255, 255, 255, 190)
ACCENT: Colour = (255, 204, 92, 255)
_COARSE = 8
"""Smooth grounds are drawn at this fraction of their size."""
_CODE = "00:00:00"
_LADDER = (0.085, 0.072, 0.06, 0.05, 0.042, 0.035)
"""Sizes of a prompt set large, as shares of the frame's diagonal side mean, largest first."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The measures of a frame's text."""

    width: int
    height: int

    @property
    def unit(self) -> float:
        """Return the mean side, which serves wide and tall frames alike."""
        return float((self.width * self.height) ** 0.5)

    @property
    def text(self) -> int:
        """Return the size of the band's text."""
        return round(self.width * (0.034 if self.width < self.height else 0.026))

    @property
    def margin(self) -> int:
        """Return the distance to the frame's edge."""
        return even(min(self.width, self.height) * 0.045)

    @property
    def lines(self) -> int:
        """Return how many lines of a prompt the band takes."""
        return 4 if self.width < self.height else 3 if self.width == self.height else 2


def gradient(size: tuple[int, int], seed: str) -> Image.Image:
    """Return a quiet ground in colours that belong to a text: the same text, the same ground."""
    digest = hashlib.sha256(seed.encode()).digest()
    hue = digest[0] / 256
    corners = [
        _colour(hue, 0.62, 0.36),
        _colour(hue + 0.06, 0.68, 0.24),
        _colour(hue + 0.13, 0.55, 0.42),
        _colour(hue - 0.05, 0.70, 0.16),
    ]
    return _wash(size, corners, glow_at=0.22 + digest[1] / 512)


def ground(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a fill in the colours of a picture: its tone, and a trace of itself."""
    tiny = np.asarray(cover(image, (32, 32)), np.float32) / 255
    spread = tiny.max(axis=2) - tiny.min(axis=2)
    weight = (spread**2)[..., None] + 1e-4
    red, green, blue = ((tiny * weight).sum(axis=(0, 1)) / weight.sum()).tolist()
    hue = colorsys.rgb_to_hsv(red, green, blue)[0]
    depth = min(0.5, 1.6 * float(spread.mean()) + 0.08)
    corners = [
        _colour(hue, depth, 0.60),
        _colour(hue + 0.02, depth, 0.46),
        _colour(hue + 0.03, depth, 0.42),
        _colour(hue, depth * 1.2, 0.26),
    ]
    wash = _wash(size, corners, glow_at=0.4)
    trace = cover(image, (size[0] // 24, size[1] // 24)).filter(ImageFilter.GaussianBlur(9))
    return Image.blend(wash, trace.resize(size, Image.Resampling.BICUBIC), 0.16)


def _wash(size: tuple[int, int], corners: list[tuple[int, ...]], *, glow_at: float) -> Image.Image:
    # All of it is smooth: drawn small, then enlarged.
    wide, tall = size[0] // _COARSE, size[1] // _COARSE
    two = Image.fromarray(np.array(corners, np.uint8).reshape(2, 2, 3), "RGB")
    base = np.asarray(two.resize((wide, tall), Image.Resampling.BICUBIC), np.float32)
    x = np.linspace(0, 1, wide, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, tall, dtype=np.float32)[:, None]
    aspect = tall / wide
    glow = np.exp(-((x - glow_at) ** 2 + ((y - 0.24) * aspect) ** 2) / 0.09)
    shade = np.exp(-((x - 0.85) ** 2 + ((y - 0.8) * aspect) ** 2) / 0.12)
    small = np.clip(base + (44 * glow - 16 * shade)[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(small, "RGB").resize(size, Image.Resampling.BICUBIC)


def cover(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the largest middle part of a picture that has this ratio, at this size."""
    scale = max(size[0] / image.width, size[1] / image.height)
    wide, tall = size[0] / scale, size[1] / scale
    left, top = (image.width - wide) / 2, (image.height - tall) / 2
    box = (left, top, left + wide, top + tall)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def name_card(name: str, size: tuple[int, int], *, plays: bool) -> Image.Image:
    """Return a card that stands for a medium nobody can look into: its file name."""
    card = gradient(size, name).convert("RGBA")
    draw = ImageDraw.Draw(card)
    measure = min(size)
    cx, cy, r = size[0] / 2, size[1] * 0.42, measure * 0.11
    draw.rounded_rectangle(
        (cx - 1.35 * r, cy - r, cx + 1.35 * r, cy + r),
        radius=r * 0.22,
        outline=FAINT,
        width=max(2, measure // 160),
    )
    shape = _PLAY if plays else _HILLS
    draw.polygon([(cx + x * r, cy + y * r) for x, y in shape], fill=FAINT)
    text = max(14, measure // 18)
    for place, line in enumerate(wrapped(name, text, room=size[0] * 0.84, lines=2)):
        left = (size[0] - width(line, text)) / 2
        write(draw, (left, cy + r * 1.5 + place * text * 1.35), line, size=text, fill=WHITE)
    return card.convert("RGB")


_PLAY = ((-0.3, -0.42), (-0.3, 0.42), (0.48, 0.0))
_HILLS = ((-1.0, 0.68), (-0.42, -0.18), (-0.06, 0.3), (0.34, -0.42), (1.0, 0.68))


def title(prompt: str, metrics: Metrics, room: tuple[int, int]) -> Image.Image:
    """Return a prompt set as large as it fits, on nothing."""
    wide, tall = room
    for share in _LADDER:
        size = round(metrics.unit * share)
        lines = wrapped(prompt, size, room=wide, lines=max(1, int(tall / (size * 1.32))))
        if not lines or not lines[-1].endswith("..."):
            break
    image, draw = layer((wide, tall))
    step = size * 1.32
    top = (tall - step * len(lines)) / 2
    for place, line in enumerate(lines):
        at = (0.0, top + place * step)
        write(draw, (at[0] + 2, at[1] + 3), line, size=size, fill=(0, 0, 0, 110))
        write(draw, at, line, size=size, fill=WHITE)
    return image


@dataclass(frozen=True, slots=True)
class Band:
    """The translucent band at the foot of a frame, and where in it the timecode goes."""

    image: Image.Image
    code: tuple[int, int, int, int]
    """The timecode's place: left, top, right, bottom."""
    size: int

    def cells(self) -> list[tuple[int, dict[str, Image.Image]]]:
        """Return, for each place of a timecode, its left edge and its characters."""
        left, top, _, bottom = self.code
        found = []
        for shape in _CODE:
            wide = cell_width(shape, self.size)
            empty = self.image.crop((left, top, left + wide, bottom))
            drawn = {}
            for character in ":" if shape == ":" else "0123456789":
                drawn[character] = empty.copy()
                at = ((wide - width(character, self.size)) / 2, 0.0)
                pen = ImageDraw.Draw(drawn[character])
                write(pen, at, character, size=self.size, fill=FAINT)
            found.append((left, drawn))
            left += wide
        return found


def cell_width(shape: str, size: int) -> int:
    """Return how wide a character of the timecode is: all digits alike."""
    return even(size * (0.32 if shape == ":" else 0.6) + 1)


def band(prompt: str, label: str, metrics: Metrics) -> Band:
    """Return the band: the address, beside it room for the timecode, the prompt below."""
    size, margin = metrics.text, metrics.margin
    room = metrics.width - 2 * margin
    lines = wrapped(prompt, size, room=room, lines=metrics.lines)
    step, head = round(size * 1.34), round(size * 1.75)
    tall = even(2.1 * margin + 1.8 * size + head + step * len(lines))
    image = _scrim((metrics.width, tall))
    top = even(tall - 1.1 * margin - step * len(lines) - head)
    right = even(metrics.width - margin)
    left = right - sum(cell_width(shape, size) for shape in _CODE)
    draw = ImageDraw.Draw(image)
    for address in wrapped(label, size, room=left - margin - size, lines=1):
        write(draw, (margin, top), address, size=size, fill=ACCENT)
    for place, line in enumerate(lines):
        write(draw, (margin, top + head + place * step), line, size=size, fill=WHITE)
    return Band(image, (left, top, right, top + even(size * 1.4)), size)


def tag(text: str, metrics: Metrics) -> Image.Image:
    """Return a small plate that says what kind of clip this is."""
    size = round(metrics.text * 0.78)
    wide = (round(width(text, size) + size * 1.5) + 1) // 2 * 2
    tall = (round(size * 1.9) + 1) // 2 * 2
    image, draw = layer((wide, tall))
    draw.rounded_rectangle((0, 0, wide - 1, tall - 1), radius=tall / 2, fill=(12, 14, 20, 150))
    write(draw, (size * 0.75, tall * 0.5 - size * 0.62), text, size=size, fill=FAINT)
    return image


def framed(size: tuple[int, int], blur: int) -> Image.Image:
    """Return the soft shadow that a picture of this size throws, with room all around."""
    image = Image.new("L", (size[0] + 4 * blur, size[1] + 4 * blur), 0)
    box = (2 * blur, 2 * blur, 2 * blur + size[0], 2 * blur + size[1])
    ImageDraw.Draw(image).rectangle(box, fill=150)
    return image.filter(ImageFilter.GaussianBlur(blur))


def _scrim(size: tuple[int, int]) -> Image.Image:
    rise = np.clip(np.linspace(0, 2.6, size[1], dtype=np.float32), 0, 1)
    alpha = (186 * rise * rise * (3 - 2 * rise)).astype(np.uint8)
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[..., :3] = (10, 12, 18)
    pixels[..., 3] = alpha[:, None]
    return Image.fromarray(pixels, "RGBA")


def _colour(hue: float, saturation: float, value: float) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
