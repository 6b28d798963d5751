"""Set text in the font that comes with Pillow, accents included.

The bundled font has the letters of English only. Accents are drawn onto their letters, ligatures
and dashes are spelt out, and for other scripts a font of the machine is taken where there is one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
Colour = tuple[int, int, int, int]
Strokes = tuple[tuple[tuple[float, float], ...], ...]
"""Lines (or single points) in units of the font size."""

_SPELLING: dict[int | str, str] = {
    # Dashes, quotation marks and dots, by number: many look like something else.
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-"),
    **dict.fromkeys((0xAB, 0xBB, 0x201C, 0x201D, 0x201E), '"'),
    **dict.fromkeys((0x2018, 0x2019, 0x201A, 0x2032), "'"),
    **dict.fromkeys((0xB7, 0x2022), "*"),
    0x2026: "...",
    0xD7: "x",
    0x131: "i",
    0x2190: "<",
    0x2192: ">",
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "þ": "th",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "™": "",
    "®": "",
    "©": "(c)",
    "°": " deg",
    "½": "1/2",
}
_SPELT: Mapping[int, str] = str.maketrans(_SPELLING)
_FAMILIES = ("DejaVuSans", "NotoSans-Regular", "NotoSansCJK-Regular", "LiberationSans-Regular")
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts")
_PROBE_SIZE = 20
ELLIPSIS = "..."


@lru_cache(maxsize=64)
def font(size: int) -> Font:
    """Return the bundled font at a size in pixels."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # noqa: S101 - Pillow is built with FreeType
    return found


def letters(text: str) -> str:
    """Return the text as it is set: spelt out, decomposed, without what has no letter."""
    spelt = unicodedata.normalize("NFD", unicodedata.normalize("NFC", text).translate(_SPELT))
    kept = (c if not c.isspace() else " " for c in spelt if unicodedata.category(c) != "So")
    return "".join(c for c in kept if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})


def width(text: str, size: int) -> float:
    """Return how wide a line is."""
    face = _face(text, size)
    return face.getlength("".join(c for c in letters(text) if not unicodedata.combining(c)))


def wrapped(text: str, size: int, *, room: float, lines: int) -> list[str]:
    """Return the text in at most so many lines, with an ellipsis where it does not fit."""
    found: list[str] = []
    words = [part for word in text.split() for part in _broken(word, size, room)]
    for word in words:
        joined = f"{found[-1]} {word}" if found else word
        if found and width(joined, size) <= room:
            found[-1] = joined
        elif len(found) < lines:
            found.append(word)
        else:
            found[-1] = _shortened(f"{found[-1]} {word}", size, room)
            break
    return found


def write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, *, size: int, fill: Colour
) -> None:
    """Write a line with its top left corner at a place."""
    face = _face(text, size)
    base = ""
    marks: list[tuple[int, str]] = []
    for letter in letters(text):
        if unicodedata.combining(letter):
            marks.append((len(base) - 1, letter))
        else:
            base += letter
    draw.text(at, base, font=face, fill=fill)
    for place, mark in marks:
        if place >= 0 and mark in _MARKS:
            _mark(draw, at, (face, base, place), strokes=_MARKS[mark], fill=fill)


def _mark(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    letter: tuple[Font, str, int],
    *,
    strokes: Strokes,
    fill: Colour,
) -> None:
    # A mark's strokes are in units of the font size, from the middle of the letter's top (or foot).
    face, base, place = letter
    left, top, right, bottom = face.getbbox(base[place])
    x = at[0] + face.getlength(base[:place]) + (left + right) / 2
    below = strokes[0][0][1] > 0
    y = at[1] + (bottom if below else top)
    thick = max(1, round(face.size * 0.075))
    for stroke in strokes:
        points = [(x + dx * face.size, y + dy * face.size) for dx, dy in stroke]
        if len(points) == 1:
            (cx, cy), radius = points[0], thick * 0.66
            draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=fill)
        else:
            draw.line(points, fill=fill, width=thick, joint="curve")


_RING = tuple(
    (dx * 0.085, -0.15 + dy * 0.085)
    for dx, dy in (
        (0, -1),
        (0.7, -0.7),
        (1, 0),
        (0.7, 0.7),
        (0, 1),
        (-0.7, 0.7),
        (-1, 0),
        (-0.7, -0.7),
        (0, -1),
    )
)
_MARKS: Mapping[str, Strokes] = MappingProxyType(
    {
        "\u0300": (((-0.1, -0.2), (0.04, -0.1)),),
        "\u0301": (((0.1, -0.2), (-0.04, -0.1)),),
        "\u0302": (((-0.12, -0.09), (0, -0.2), (0.12, -0.09)),),
        "\u0303": (((-0.14, -0.1), (-0.06, -0.16), (0.05, -0.11), (0.14, -0.17)),),
        "\u0304": (((-0.12, -0.13), (0.12, -0.13)),),
        "\u0306": (((-0.12, -0.18), (0, -0.1), (0.12, -0.18)),),
        "\u0307": (((0, -0.14),),),
        "\u0308": (((-0.135, -0.135),), ((0.135, -0.135),)),
        "\u030a": (_RING,),
        "\u030b": (((-0.02, -0.2), (-0.1, -0.1)), ((0.14, -0.2), (0.06, -0.1))),
        "\u030c": (((-0.12, -0.2), (0, -0.09), (0.12, -0.2)),),
        "\u0327": (((0, 0.02), (0.05, 0.1), (-0.06, 0.16)),),
        "\u0328": (((0.06, 0.01), (0, 0.1), (0.1, 0.15)),),
    }
)


def _broken(word: str, size: int, room: float) -> Iterator[str]:
    while width(word, size) > room and len(word) > 1:
        fits = max(1, int(len(word) * room / width(word, size)))
        yield word[:fits]
        word = word[fits:]
    yield word


def _shortened(line: str, size: int, room: float) -> str:
    while line and width(line + ELLIPSIS, size) > room:
        line = line[:-1]
    return line.rstrip(" ,;:.-") + ELLIPSIS


def _face(text: str, size: int) -> Font:
    unknown = frozenset(
        c for c in letters(text) if not unicodedata.combining(c) and not c.isascii()
    )
    path = _substitute(unknown) if unknown else None
    return font(size) if path is None else _loaded(path, size)


@lru_cache(maxsize=64)
def _loaded(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=256)
def _substitute(characters: frozenset[str]) -> str | None:
    for path in _installed():
        face = _loaded(path, _PROBE_SIZE)
        missing = bytes(face.getmask("\U0010ffff"))
        if all(bytes(face.getmask(c)) != missing for c in characters):
            return path
    return None


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    found = {
        path.stem: str(path)
        for folder in _FOLDERS
        for pattern in ("*.ttf", "*.ttc", "*.otf")
        for path in Path(folder).rglob(pattern)
        if path.stem in _FAMILIES
    }
    return tuple(found[name] for name in _FAMILIES if name in found)


def layer(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty transparent image, and a pen for it."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)
