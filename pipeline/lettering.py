"""Set text in the font of the package, and in a font of the machine for what that lacks.

Inter has the letters of Latin, Cyrillic, Greek and Vietnamese; Debian's Noto, where it is
installed, has the rest. What no font has is drawn as an empty box, and `missing` names it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

Colour = tuple[int, int, int, int]

ELLIPSIS = "…"
_INTER = Path(__file__).parent / "fonts" / "InterDisplay-Medium.otf"
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts")
_FALLBACKS = ("DejaVuSans", "NotoSans*-Regular", "NotoColorEmoji")
_BITMAP_SIZE = 109
"""The one size that a font of coloured bitmaps has."""
_EMOJI = "\U0001f000"
"""From here on, the last of the fonts, the coloured one, is asked first."""
_BOX, _NO_CHARACTER = "\u25a1", "\U0010ffff"


def missing(text: str) -> list[str]:
    """Return the characters of a text that no font here can draw, each once, in their order."""
    return [c for c in dict.fromkeys(_printable(text)) if _font_of(c) is None]


def width(text: str, size: int) -> float:
    """Return how wide a line is."""
    return sum(_length(part, path, size) for path, part in _runs(text))


def wrap(text: str, size: int, *, room: float, lines: int) -> list[str]:
    """Return the text in at most so many lines, with an ellipsis where it does not fit."""
    found: list[str] = []
    words = _printable(text).split()
    while words:
        word = words.pop(0)
        line = f"{found[-1]} {word}" if found else word
        if found and width(line, size) <= room:
            found[-1] = line
        elif len(found) == lines:
            while line and width(line + ELLIPSIS, size) > room:
                line = line.rpartition(" ")[0] or line[:-1]
            return [*found[:-1], line.rstrip(" ,;:.-") + ELLIPSIS]
        else:
            fits = len(word)
            while fits > 1 and width(word[:fits], size) > room:
                fits = min(fits - 1, int(fits * room / width(word[:fits], size)) or 1)
            found.append(word[:fits])
            words[:0] = [word[fits:]] if word[fits:] else []
    return found


def write(
    image: Image.Image, at: tuple[float, float], text: str, *, size: int, fill: Colour
) -> None:
    """Write a line onto an image with its top left corner at a place."""
    left, base = at[0], at[1] + size * 0.97
    for path, part in _runs(text):
        font, how = _font(path, size), _features(path)
        if font.size == size:
            pen = ImageDraw.Draw(image)
            pen.text((left, base), part, font=font, fill=fill, anchor="ls", features=how)
        else:  # bitmaps of one size: drawn in it, then made as small as the text
            box = font.getbbox(part, anchor="ls")
            drawn = Image.new("RGBA", (int(box[2]) + 1, int(box[3] - box[1]) + 1))
            pen = ImageDraw.Draw(drawn)
            pen.text((0, -box[1]), part, font=font, embedded_color=True, anchor="ls")
            small = drawn.resize([int(n * size / font.size) + 1 for n in drawn.size])
            place = round(left), max(0, round(base + box[1] * size / font.size))
            image.alpha_composite(small, place)
        left += _length(part, path, size)


def _printable(text: str) -> str:
    # An accent is drawn the same however it was typed: with its letter it is one character.
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c for c in composed if unicodedata.category(c) not in {"Cc", "Cs", "Co", "Cn"})


def _runs(text: str) -> Iterator[tuple[Path, str]]:
    """Yield a text's parts that one font can draw; what joins a letter stays in its font."""
    fonts: list[Path] = []
    for c in text:
        joins = fonts and (c == " " or unicodedata.category(c) in {"Mn", "Me", "Cf"})
        fonts.append(fonts[-1] if joins else _font_of(c) or _INTER)
    for path, group in groupby(zip(fonts, text, strict=True), key=lambda pair: pair[0]):
        yield path, "".join(c if _font_of(c) else _BOX for _, c in group)


@lru_cache(maxsize=4096)
def _font_of(character: str) -> Path | None:
    """Return the first font that has a character; None where it cannot be drawn."""
    if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return _INTER  # only says how the letters beside it look
    if unicodedata.bidirectional(character) in {"R", "AL"} and not features.check("raqm"):
        return None  # drawn without shaping, and from left to right, it would not be that text
    fonts = (_INTER, *_fallbacks())
    for path in fonts if character < _EMOJI else reversed(fonts):
        font = _font(path, _BITMAP_SIZE)
        # Pillow tells no coverage: what a font lacks is drawn as U+10FFFF is, which none has.
        has, lacks = ((font.getbbox(c), bytes(font.getmask(c))) for c in (character, _NO_CHARACTER))
        if has != lacks:
            return path
    return None


@lru_cache(maxsize=1)
def _fallbacks() -> tuple[Path, ...]:
    names = [f"{pattern}.[ot]t[fc]" for pattern in _FALLBACKS]
    folders = [Path(folder).expanduser() for folder in _FOLDERS]
    return tuple(p for name in names for folder in folders for p in sorted(folder.rglob(name)))


@lru_cache(maxsize=256)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(path, size)
    except OSError:
        return ImageFont.truetype(path, _BITMAP_SIZE)


@lru_cache(maxsize=8192)
def _length(text: str, path: Path, size: int) -> float:
    font = _font(path, size)
    return font.getlength(text, features=_features(path)) * size / font.size


def _features(path: Path) -> list[str] | None:
    """Return what a font must not do: Inter makes 9×16 of the 9x16 in an address."""
    return ["-calt"] if path == _INTER and features.check("raqm") else None
