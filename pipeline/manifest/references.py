"""What a prompt may mention with `@`, and how mentions get through rendering.

Tokens are read in the prompt's source, before rendering: a mention travels as its name between
two private characters, which are taken out of every value, so no cell can forge one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain import MOST_LISTED, Mention
from pipeline.domain.item import EMPTY
from pipeline.manifest.wording import did_you_mean, nearest

OPEN, CLOSE = "\ue000", "\ue001"
PRIVATE = re.compile("[\ue000-\ue00f]")

_NAME = r"[^\W\d_](?:[\w-]*\w)?"
TOKEN = re.compile(rf"@@|(?<![\w@])@(?P<name>{_NAME}(?:\.{_NAME})?)")
# How providers number references in their own prompts (providers.md §2.2, §2.3 and §10).
FOREIGN = re.compile(
    r"<<<\s*(?P<kind>[A-Za-z]+)_?(?P<number>\d*)\s*>>>"
    r"|(?<![\w@])@(?P<kind2>image|img|video|element)_?(?P<number2>\d+)(?![\w-])",
    re.IGNORECASE,
)
_FIXED = frozenset({"first", "last", "video"})
RESERVED = _FIXED


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The names that one shot's prompt may mention."""

    names: frozenset[str] = frozenset()
    """Plain names that are clear, and all names with their bundle in front."""
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """Plain names that several bundles have, with the names that tell them apart."""
    lists: frozenset[str] = frozenset()
    """Names of images that are given as a list: `view` is mentioned as `view_1`, …"""
    images: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    complete: bool = True
    """False where a bundle could not be read, so that any name may be right."""

    def asked(self) -> frozenset[str] | None:
        """Return the names under `refs` in a template; None where they cannot be known."""
        if not self.complete:
            return None
        numbered = {f"{name}_{n}" for name in self.lists for n in range(1, MOST_LISTED + 1)}
        return self.names | self.lists | numbered

    def fault(self, name: str) -> tuple[str, str, str] | None:
        """Return None for a name that can be mentioned, else slug, message and hint."""
        if name in self.names or not self.complete or self._numbered(name):
            return None
        if name in self.shared:
            told_apart = " or ".join(f"@{each}" for each in self.shared[name])
            message = f"'@{name}' is in more than one bundle"
            return "ambiguous-reference", message, f"write {told_apart}"
        if name in self.lists:
            return "unknown-reference", f"'@{name}' is a list of images", f"write @{name}_1"
        foreign = FOREIGN.fullmatch(f"@{name}")
        if foreign:
            return self.foreign(foreign)
        return "unknown-reference", f"there is no reference '@{name}'", self._advice(name)

    def foreign(self, found: re.Match[str]) -> tuple[str, str, str]:
        """Return slug, message and hint for a token in a provider's own syntax."""
        kind = (found["kind"] or found["kind2"]).casefold()
        number = int((found["number"] or found["number2"] or "1")[:6])
        message = f"'{found[0]}' is one provider's way to name a reference"
        return "foreign-token", message, f"write {self._meant(kind, number)}"

    def _meant(self, kind: str, number: int) -> str:
        if kind == "video":
            return "@video"
        named = self.elements if kind == "element" else self.images
        if 1 <= number <= len(named):
            return f"@{named[number - 1]}"
        return "@ and the name of the reference"

    def _numbered(self, name: str) -> bool:
        stem, _, number = name.rpartition("_")
        return stem in self.lists and number.isdecimal() and not number.startswith("0")

    def _advice(self, name: str) -> str:
        first = name.partition(".")[0]
        if first != name and first in self.names:
            return "put a space after the full stop"
        close = nearest(name, self.names)
        if close:
            return f"did you mean '@{close}'?"
        return did_you_mean(name, (f"@{each}" for each in self.names)) or "'@@' is a plain '@'"


def marked(name: str) -> str:
    """Return a mention as it travels through a template."""
    return f"{OPEN}{name}{CLOSE}"


def parts(text: str) -> tuple[str | Mention, ...]:
    """Return a rendered prompt as texts and mentions, in order."""
    if OPEN not in text:
        return (text,) if text else ()
    found: list[str | Mention] = []
    first, *rest = text.split(OPEN)
    if first:
        found.append(first)
    for piece in rest:
        name, _, after = piece.partition(CLOSE)
        found.append(Mention(name=name))
        if after:
            found.append(after)
    return tuple(found)
