"""Posters become one picture per shot, labelled: the whole of it at a glance, to mail or print.

A sheet that would show the same is left as it is: each says in its comment what it shows.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.foreign_text import printable_line

SHEET_CLIPS = 48
"""A sheet of more would be no glance, and no small file; its title says how many there are."""
_COLUMNS = 6
_CELL = 160
_GAP = 8
_LINE = 16
_TITLE = 28
_QUALITY = 75
_PAPER, _INK = (250, 250, 250), (40, 40, 40)
Clip = tuple[str, str, Path]
"""A clip's shot, its label, and its poster."""


def write_contact_sheets(folder: Path, clips: Iterable[Clip]) -> list[Path]:
    """Write `contact-sheet.SHOT.jpg` for each shot that has a clip; return all of them.

    The first 48 clips of a shot are on it, six in a row. OSError where one cannot be written.
    """
    shots: dict[str, list[tuple[str, Path]]] = {}
    counts: dict[str, int] = {}
    for shot, label, poster in clips:
        counts[shot] = counts.get(shot, 0) + 1
        shown = shots.setdefault(shot, [])
        if len(shown) < SHEET_CLIPS:
            shown.append((label, poster))
    sheets = []
    for shot, cells in shots.items():
        more = f"{len(cells)} of {counts[shot]:,}" if counts[shot] > len(cells) else f"{len(cells)}"
        title = printable_line(f"{shot}: {more} clips")
        target = folder / f"contact-sheet.{shot}.jpg"
        told = repr((title, [(label, poster.name) for label, poster in cells]))
        comment = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()
        there = b""
        # None yet, or none that can be read: it is drawn.
        with suppress(OSError), Image.open(target) as picture:
            there = picture.info.get("comment", b"")
        if there != comment.encode():
            part = target.with_name(f".{target.name}.part")
            try:
                sheet = _draw(title, cells)
                sheet.save(part, "JPEG", quality=_QUALITY, comment=comment.encode())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        sheets.append(target)
    return sheets


def _draw(title: str, cells: Sequence[tuple[str, Path]]) -> Image.Image:
    rows = -(-len(cells) // _COLUMNS)
    columns = min(_COLUMNS, len(cells))
    # A single clip's sheet is still wide enough for its title.
    width = max(2, columns) * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _TITLE + rows * (_CELL + _LINE + _GAP) + _GAP), _PAPER)
    drawing, small = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    drawing.text((_GAP, _GAP), title, fill=_INK, font=ImageFont.load_default(15))
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
            drawing.rectangle((left, top, left + _CELL, top + _CELL), outline=_INK)
        # Measured a few times, not once for each of its characters: a label may be very long.
        words = printable_line(label[:_CELL])
        if small.getlength(words) > _CELL:
            fits = bisect_left(
                range(len(words)), _CELL, key=lambda end: round(small.getlength(words[:end] + "…"))
            )
            words = words[: fits - 1] + "…"
        drawing.text((left, top + _CELL + 2), words, fill=_INK, font=small)
    return sheet
