"""A rendered prompt → the item's neutral prompt: text in one normal form, mentions as tokens.

Names are gone afterwards: renaming a reference changes no key.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from pipeline.domain import Mention, Reference, Role, Token

# It begins where the space begins, and never within it: a cell may hold thousands of spaces.
_LINE_END_SPACE = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n)")
_WORDS: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "the first frame", Role.LAST: "the last frame", Role.VIDEO: "the video"}
)

Prompt = tuple[str | Token, ...]


def unattached(rendered: Iterable[str | Mention], tokens: Mapping[str, Token]) -> list[str]:
    """Return the names that a prompt mentions and that nothing is attached for."""
    return [part.name for part in rendered if isinstance(part, Mention) and part.name not in tokens]


def neutral(rendered: Sequence[str | Mention], tokens: Mapping[str, Token]) -> Prompt:
    """Return the prompt with tokens for its mentions, NFC, without space at the ends of lines."""
    last = len(rendered) - 1
    parts = [
        tokens[part.name] if isinstance(part, Mention) else _plain(part, last=index == last)
        for index, part in enumerate(rendered)
    ]
    return tuple(part for part in parts if part != "")


def length(prompt: Prompt, references: Sequence[Reference]) -> int:
    """Return how long the prompt is with its tokens in words, `the sneaker (image 1)`.

    A provider's own rendering may differ by a few characters: composing the request judges that.
    """
    total = 0
    for part in prompt:
        total += len(part) if isinstance(part, str) else len(_in_words(part, references))
    return total


def _plain(text: str, *, last: bool) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "\n" in text:
        text = _LINE_END_SPACE.sub("", text)
    return text.rstrip() if last else text


def _in_words(token: Token, references: Sequence[Reference]) -> str:
    if token.role in _WORDS:
        return _WORDS[token.role]
    place = f"{token.role.value} {token.ordinal}"
    for reference in references:
        if reference.role is token.role and reference.ordinal == token.ordinal and reference.say:
            return f"{reference.say} ({place})"
    return place
