"""Write an item's prompt the way one provider reads it: tokens become its own syntax, or words.

An item's prompt is neutral (text and tokens); each adapter renders it here, so that the numbers
in the text and the order of the media in the request come from the same ordinals.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.domain import Item, Role, Token

_WORDS: Mapping[Role, str] = MappingProxyType(
    {
        Role.FIRST: "the first frame",
        Role.LAST: "the last frame",
        Role.VIDEO: "the video",
    }
)
_NONE: Mapping[Role, str] = MappingProxyType({})


def render_prompt(item: Item, syntax: Mapping[Role, str] = _NONE, *, image_shift: int = 0) -> str:
    """Return the prompt as text, each token in the provider's syntax or in words.

    `syntax` maps a role to its form, with `{n}` for the number; a role without one is said in
    words: `the sneaker (image 1)`. `image_shift` counts media that stand before the reference
    images in the provider's own numbering (a first frame, say).
    """
    return "".join(
        part if isinstance(part, str) else _in_words(item, part, syntax, image_shift)
        for part in item.prompt
    )


def mentions(item: Item, role: Role) -> bool:
    """Tell whether the prompt names a reference of this role."""
    return any(isinstance(part, Token) and part.role is role for part in item.prompt)


def _in_words(item: Item, token: Token, syntax: Mapping[Role, str], image_shift: int) -> str:
    number = token.ordinal + (image_shift if token.role is Role.IMAGE else 0)
    form = syntax.get(token.role, "")
    if form:
        # `replace`, not `format`: the form may come from a manifest and must not reach attributes.
        return form.replace("{n}", str(number))
    if token.role in _WORDS:
        return _WORDS[token.role]
    place = f"{token.role} {number}"
    say = next(
        reference.say
        for reference in item.references
        if reference.role is token.role and reference.ordinal == token.ordinal
    )
    return f"{say} ({place})" if say else place
