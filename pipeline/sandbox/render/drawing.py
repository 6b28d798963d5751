"""Draw what stands still in a clip: grounds, cards, the prompt set large, the band below.

Sizes follow the frame: text is still readable where the clip is shown 360 pixels wide.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from pipeline.lettering import ELLIPSIS, Colour, missing, width, wrap, write

Size = tuple[int, int]

WHITE: Colour = (255, 255, 255, 255)
FAINT: Colour = (255, 255, 255, 200)
ACCENT: Colour = (255, 204, 92, 255)
_TONES = ((0, 0.95, 0.40), (0.14, 1.0, 0.28), (0.31, 0.85, 0.44), (-0.12, 1.05, 0.17))
"""The corners of a ground: turn of the hue at full colour, share of the saturation, brightness."""
_LADDER = (0.085, 0.072, 0.06, 0.05, 0.042, 0.035)
"""Sizes of a prompt set large, as shares of the frame's mean side, largest first."""
_LINE = 1.32
_NAMED = 3
"""So many characters that no font has are named, the others counted."""
_PLAY = ((-0.3, -0.42), (-0.3, 0.42), (0.48, 0.0))
_HILLS = ((-1.0, 0.68), (-0.42, -0.18), (-0.06, 0.3), (0.34, -0.42), (1.0, 0.68))


def even(value: float) -> int:
    """Return the nearest even whole number that is not larger, and at least 2."""
    return max(2, int(value) // 2 * 2)


def text_size(frame: Size) -> int:
    """Return the size of the band's text."""
    return max(6, round(frame[0] * (0.034 if frame[0] < frame[1] else 0.026)))


def margin(frame: Size) -> int:
    """Return the distance of text from the frame's edge."""
    return even(min(frame) * 0.045)


def gradient(size: Size, seed: str) -> Image.Image:
    """Return a quiet ground in colours that belong to a text: the same text, the same ground."""
    return _wash(size, hashlib.sha256(seed.encode()).digest()[0] / 256, 0.65)


def ground(image: Image.Image, size: Size) -> Image.Image:
    """Return a ground in the colour of a picture, and in it the picture itself, out of focus."""
    tiny = cover(image, (size[0] // 16 + 1, size[1] // 16 + 1))
    soft = tiny.filter(ImageFilter.GaussianBlur(min(tiny.size) / 8)).resize(size)
    hue, saturation, _ = colorsys.rgb_to_hsv(*tiny.resize((1, 1), Image.Resampling.BOX).tobytes())
    return Image.blend(_wash(size, hue, min(0.32, 2 * saturation), light=1.5), soft, 0.4)


def _wash(size: Size, hue: float, saturation: float, *, light: float = 1.0) -> Image.Image:
    colours = b""
    for turn, depth, value in _TONES:
        turned = (hue + turn * saturation**2) % 1
        parts = colorsys.hsv_to_rgb(turned, depth * saturation, value * light)
        colours += bytes(round(255 * part) for part in parts)
    # All of it is smooth: drawn small, then enlarged.
    wide, tall = size[0] // 8 + 1, size[1] // 8 + 1
    small = Image.frombytes("RGB", (2, 2), colours).resize((wide, tall), Image.Resampling.BICUBIC)
    glow = Image.radial_gradient("L").point([max(0, 180 - value) // 4 for value in range(256)])
    left, top = wide * 7 // 10, tall * 3 // 4
    spot = glow.resize((2 * wide, 2 * tall)).crop((left, top, left + wide, top + tall))
    small.paste(WHITE[:3], (0, 0), spot)
    return small.resize(size, Image.Resampling.BICUBIC)


def cover(image: Image.Image, size: Size) -> Image.Image:
    """Return the largest middle part of a picture that has this ratio, at this size."""
    scale = min(image.width / size[0], image.height / size[1])
    left, top = (image.width - size[0] * scale) / 2, (image.height - size[1] * scale) / 2
    box = (left, top, image.width - left, image.height - top)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def picture(path: Path, size: Size) -> Image.Image:
    """Return an uploaded picture, upright and on white, read no finer than the size needs."""
    with Image.open(path) as image:
        image.draft("RGB", (size[0] * 2, size[1] * 2))
        upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    white = Image.new("RGBA", upright.size, WHITE)
    return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")


def name_card(name: str, size: Size, *, plays: bool) -> Image.Image:
    """Return a card that stands for a medium nobody can look into: its file name."""
    image = gradient(size, name).convert("RGBA")
    pen = ImageDraw.Draw(image)
    cx, cy, r = size[0] / 2, size[1] * 0.42, min(size) * 0.11
    frame = (cx - 1.35 * r, cy - r, cx + 1.35 * r, cy + r)
    pen.rounded_rectangle(frame, r * 0.22, outline=FAINT, width=max(2, min(size) // 160))
    pen.polygon([(cx + x * r, cy + y * r) for x, y in (_PLAY if plays else _HILLS)], fill=FAINT)
    text = max(10, min(size) // 18)
    for place, line in enumerate(wrap(name, text, room=size[0] * 0.84, lines=2)):
        at = ((size[0] - width(line, text)) / 2, cy + r * 1.5 + place * text * _LINE)
        write(image, at, line, size=text, fill=WHITE)
    return image.convert("RGB")


def card(image: Image.Image, room: Size) -> Image.Image:
    """Return a picture as large as the room allows, with the soft shadow it throws."""
    scale = min(room[0] / image.width, room[1] / image.height)
    wide, tall = even(image.width * scale), even(image.height * scale)
    blur = even(min(room) * 0.016)
    edge = 3 * blur
    # The shadow is smooth: drawn small, then enlarged.
    shade = Image.new("L", ((wide + 2 * edge) // 4, (tall + 2 * edge) // 4))
    shade.paste(150, (edge // 4, edge // 4, (edge + wide) // 4, (edge + blur + tall) // 4))
    shade = shade.filter(ImageFilter.GaussianBlur(blur / 4))
    whole = Image.new("RGBA", (wide + 2 * edge, tall + 2 * edge), (0, 0, 0, 255))
    whole.putalpha(shade.resize(whole.size, Image.Resampling.BILINEAR))
    small = image.resize((wide, tall), Image.Resampling.LANCZOS, reducing_gap=2.0)
    whole.paste(small.convert("RGBA"), (edge, edge))
    return whole


def title(prompt: str, frame: Size, room: Size) -> Image.Image:
    """Return a prompt set as large as it fits, on nothing, and no higher than it is."""
    for share in _LADDER:
        size = max(6, round((frame[0] * frame[1]) ** 0.5 * share))
        lines = wrap(prompt, size, room=room[0], lines=max(1, int(room[1] / (size * _LINE))))
        if not lines or not lines[-1].endswith(ELLIPSIS):
            break
    image = Image.new("RGBA", (room[0], even(size * _LINE * max(1, len(lines)))))
    for place, line in enumerate(lines):
        y = place * size * _LINE
        write(image, (size * 0.03, y + size * 0.05), line, size=size, fill=(0, 0, 0, 120))
        write(image, (0, y), line, size=size, fill=WHITE)
    return image


def band(prompt: str, label: str, frame: Size) -> tuple[Image.Image, int]:
    """Return the band at a frame's foot, and how far up its first line is, with the address."""
    size, edge = text_size(frame), margin(frame)
    most = 4 if frame[0] < frame[1] else 3 if frame[0] == frame[1] else 2
    lines = wrap(prompt, size, room=frame[0] - 2 * edge, lines=most)
    foot = round(1.1 * edge + size * (_LINE * len(lines) + 0.4 * bool(lines) + _LINE))
    image = Image.new("RGBA", (frame[0], even(1.6 * edge + size * 1.6 + foot)), (10, 12, 18, 255))
    rise = [min(1.0, 2.6 * value / 255) for value in range(256)]
    curve = [round(190 * share**2 * (3 - 2 * share)) for share in rise]
    image.putalpha(Image.linear_gradient("L").resize(image.size).point(curve))
    top = image.height - foot
    room = frame[0] - 2 * edge - size * 7  # beside it is the timecode
    for address in wrap(label, size, room=room, lines=1):
        write(image, (edge, top), address, size=size, fill=ACCENT)
    for place, line in enumerate(lines, 1):
        write(image, (edge, top + size * (0.4 + place * _LINE)), line, size=size, fill=WHITE)
    return image, foot


def timecode(text: str, size: int) -> Image.Image:
    """Return a timecode on nothing; every digit has the room of the widest, so none moves."""
    cells = [_cell(character, size) for character in text]
    image = Image.new("RGBA", (even(sum(cell.width for cell in cells) + 1), even(size * _LINE)))
    for place, cell in enumerate(cells):
        image.paste(cell, (sum(before.width for before in cells[:place]), 0))
    return image


@lru_cache(maxsize=64)
def _cell(character: str, size: int) -> Image.Image:
    room = width(character if character == ":" else "0", size)
    image = Image.new("RGBA", (round(room), even(size * _LINE)))
    write(image, ((room - width(character, size)) / 2, 0), character, size=size, fill=FAINT)
    return image


def tag_lines(media: Sequence[Mapping[str, str]], told: str) -> list[str]:
    """Return what a clip says of itself in its corner: its kind, and what could not be drawn.

    >>> tag_lines([], "a red shoe")
    ['rehearsal | text']
    """
    roles = Counter(medium["role"] for medium in media)
    frames = "first → last" if roles["last"] else "first frame" * roles["first"]
    references = f"{roles['reference']} reference{'s' * (roles['reference'] > 1)}"
    kinds = ["edit" * roles["edit"], "guide" * roles["guide"], frames]
    kinds += [references] * bool(roles["reference"])
    lines = ["rehearsal | " + (", ".join(filter(None, kinds)) or "text")]
    if absent := missing(told):
        named = " ".join(f"U+{ord(c):04X}" for c in absent[:_NAMED])
        plural, more = "s" * (len(absent) > 1), f" {ELLIPSIS}" * (len(absent) > _NAMED)
        lines.append(f"{len(absent)} character{plural} not drawn: {named}{more}")
    return lines


def tags(media: Sequence[Mapping[str, str]], told: str, frame: Size) -> Image.Image:
    """Return small plates one below the other, with a clip's `tag_lines`."""
    lines = tag_lines(media, told)
    size = max(6, round(text_size(frame) * 0.78))
    tall, step = even(size * 1.9), even(size * 2.4)
    wide = [even(width(line, size) + size * 1.5) for line in lines]
    image = Image.new("RGBA", (max(wide), step * (len(lines) - 1) + tall))
    for place, line in enumerate(lines):
        box = (0, place * step, wide[place] - 1, place * step + tall - 1)
        ImageDraw.Draw(image).rounded_rectangle(box, tall / 2, fill=(12, 14, 20, 160))
        at = (size * 0.75, place * step + (tall - size * _LINE) / 2)
        write(image, at, line, size=size, fill=FAINT)
    return image
