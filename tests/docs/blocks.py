"""A Markdown page → its fenced blocks, in order, with what the comments before them say.

`<!-- file: NAME -->` names the file that the next block is, `<!-- exit: N -->` how the last command
of the next block ends. In quoted output `…` stands for anything: for lines where it stands alone,
for a part of a line elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_BLOCK = re.compile(
    r"(?P<notes>(?:^<!-- \w+: .*? -->\n)*)^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_NOTE = re.compile(r"^<!-- (\w+): (.*?) -->$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    notes: Mapping[str, str] = field(default_factory=dict)

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield each command of a console block, with the output quoted below it."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, quoted = part.partition("\n")
            yield command, quoted


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page."""
    for found in _BLOCK.finditer(page):
        notes = dict(_NOTE.findall(found["notes"]))
        yield Block(language=found["language"], text=found["text"], notes=notes)


def fits(quoted: str, printed: str) -> bool:
    """Tell whether output is as quoted; space at the ends of lines and of the whole is nothing."""
    return (
        re.fullmatch("".join(map(_pattern, _lines(quoted))), "".join(_lines(printed))) is not None
    )


def _lines(text: str) -> list[str]:
    return [f"{line.rstrip()}\n" for line in text.strip("\n").splitlines()]


def _pattern(line: str) -> str:
    if line == "…\n":
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, line.split("…")))
