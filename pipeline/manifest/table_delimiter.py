"""A table's first lines → what separates its cells, unless the manifest says so.

Each candidate is tried on the header and on the lines after it, quotes heeded: a comma in a
product's name, or in 79,90, does not make a semicolon table a comma table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

# In the order in which a tie is settled; a tie is a table of one column.
_NAMES: Mapping[str, str] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_LINES = 60
_SAMPLE_CHARACTERS = 100_000
# Excel reads the first line `sep=;` as an instruction, and some exports begin with it.
_INSTRUCTION = re.compile(r"sep=([,;\t|])(?:\r\n|\r|\n|$)", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiter:
    """What separates a table's cells."""

    mark: str
    spaced: bool = False
    """A space follows every delimiter of the header: such spaces belong to no cell."""
    instructed: bool = False
    """The first line is Excel's `sep=`, not the header."""

    @property
    def name(self) -> str:
        """Name it as findings and `check -v` do."""
        return _NAMES[self.mark]


def delimiter(text: str, written: str | None) -> Delimiter:
    """Return what separates the cells: as written in the manifest, else as the text shows."""
    instruction = _INSTRUCTION.match(text)
    if instruction:
        text = text[instruction.end() :]
    if written is not None:
        mark = "\t" if written == "tab" else written
    elif instruction:
        mark = instruction[1]
    else:
        mark = max(_NAMES, key=lambda candidate: _score(text, candidate))
    return Delimiter(mark=mark, spaced=_is_spaced(text, mark), instructed=instruction is not None)


def _score(text: str, mark: str) -> float:
    """Tell how many columns a delimiter gives, times the share of lines that have as many."""
    widths = [len(record) for record in _sample(text, mark) if record]
    if not widths:
        return 0.0
    header, *others = widths
    share = sum(width == header for width in others) / len(others) if others else 1.0
    return (header - 1) * share


def _sample(text: str, mark: str) -> Iterator[list[str]]:
    lines = (found[0] for found in _LINE.finditer(text, 0, _SAMPLE_CHARACTERS))
    reader = csv.reader(islice(lines, _SAMPLE_LINES), delimiter=mark, strict=True)
    while True:
        try:
            yield next(reader)
        except (StopIteration, csv.Error):
            # The sample may end within a quoted cell; what came before it counts.
            return


def _is_spaced(text: str, mark: str) -> bool:
    header = next((found[0] for found in _LINE.finditer(text) if found[0].strip()), "")
    return mark in header.rstrip() and header.count(mark) == header.count(f"{mark} ")
