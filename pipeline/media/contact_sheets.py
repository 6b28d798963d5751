"""Posters become one picture per shot, labelled: the whole of it at a glance, to mail or print.

A sheet that would show the same is left as it is: each says in its comment what it shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.foreign_text import printable_line
from pipeline.lettering import wrap, write

SHEET_CLIPS = 48
"""A sheet of more would be no glance, and no small file; its title says how many there are."""
_COLUMNS = 6
_CELL = 160
_GAP = 8
_LINE = 16
_TITLE = 28
_LABEL_SIZE, _TITLE_SIZE = 11, 15
_QUALITY = 75
_PAPER, _INK = (250, 250, 250, 255), (40, 40, 40, 255)
Clip = tuple[str, str, str | Path]
"""A clip's shot, its label, and where its poster lies from the sheets' folder on."""


def write_contact_sheets(
    folder: Path,
    clips: Iterable[Clip],
    beside: Callable[[Path], AbstractContextManager[Path]],
) -> list[Path]:
    """Write `contact-sheet.SHOT.jpg` for each shot that has a clip; return all of them.

    The first 48 clips of a shot are on it, six in a row. `beside` gives the file as which one is
    made, to be renamed. OSError where one cannot be written.
    """
    shots: dict[str, list[tuple[str, Path]]] = {}
    counts: dict[str, int] = {}
    for shot, label, poster in clips:
        counts[shot] = counts.get(shot, 0) + 1
        shown = shots.setdefault(shot, [])
        if len(shown) < SHEET_CLIPS:
            shown.append((label, folder / poster))
    sheets = []
    for shot, cells in shots.items():
        more = f"{len(cells)} of {counts[shot]:,}" if counts[shot] > len(cells) else f"{len(cells)}"
        title = printable_line(f"{shot}: {more} clip{'' if counts[shot] == 1 else 's'}")
        target = folder / f"contact-sheet.{shot}.jpg"
        told = repr((title, [(label, poster.name) for label, poster in cells]))
        comment = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()
        there = b""
        # None yet, or none that can be read: it is drawn.
        with suppress(OSError), Image.open(target) as picture:
            there = picture.info.get("comment", b"")
        if there != comment.encode():
            with beside(target) as part:
                sheet = _draw(title, cells)
                sheet.save(part, "JPEG", quality=_QUALITY, comment=comment.encode())
                part.replace(target)
        sheets.append(target)
    return sheets


def _draw(title: str, cells: Sequence[tuple[str, Path]]) -> Image.Image:
    rows = -(-len(cells) // _COLUMNS)
    columns = min(_COLUMNS, len(cells))
    # A single clip's sheet is still wide enough for its title.
    width = max(2, columns) * (_CELL + _GAP) + _GAP
    # Emoji are laid over it, which takes a picture that could be seen through.
    sheet = Image.new("RGBA", (width, _TITLE + rows * (_CELL + _LINE + _GAP) + _GAP), _PAPER)
    _write_line(sheet, (_GAP, _GAP), title, size=_TITLE_SIZE, room=width - 2 * _GAP)
    for n, (label, poster) in enumerate(cells):
        left = _GAP + n % _COLUMNS * (_CELL + _GAP)
        top = _TITLE + _GAP + n // _COLUMNS * (_CELL + _LINE + _GAP)
        try:
            with Image.open(poster) as picture:
                picture.thumbnail((_CELL, _CELL))
                centred = (left + (_CELL - picture.width) // 2, top + _CELL - picture.height)
                sheet.paste(picture, centred)
        except OSError:
            # What is no picture leaves its place empty, with its label.
            place = (left, top, left + _CELL, top + _CELL)
            ImageDraw.Draw(sheet).rectangle(place, outline=_INK)
        _write_line(sheet, (left, top + _CELL + 1), label, size=_LABEL_SIZE, room=_CELL)
    return sheet.convert("RGB")


def _write_line(
    sheet: Image.Image, at: tuple[int, int], text: str, *, size: int, room: int
) -> None:
    """Write what fits into the room of a text from outside, in any script that has a font here."""
    # Cut before it is measured: a label may be very long, and no letter is narrower than a pixel.
    for line in wrap(printable_line(text[:room]), size, room=room, lines=1):
        write(sheet, at, line, size=size, fill=_INK)
