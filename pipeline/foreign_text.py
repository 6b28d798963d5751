"""Text from outside, made safe to show: control characters stand as escapes, keys as stars.

Outside is every manifest, table, file name, path, provider and system. Each rule is here once.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import pairwise

# What moves a cursor, ends a line, turns the direction of writing, or cannot be seen: Unicode's
# Cc, Cs, Zl, Zp and those of Cf that have no glyph; and what no XML document may hold.
_HIDDEN = (
    r"\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
)
_UNPRINTABLE = re.compile(f"[{_HIDDEN}]")
_UNPRINTABLE_IN_A_LINE = re.compile(rf"[\n{_HIDDEN}]")
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTION = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BMP_END = 0xFFFF


# Blanks that are no plain space, and what has no width: they come with text from web pages and word
# processors.
_UNSEEN = re.compile(
    r"[\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff]"
)


def unseen_character(text: str) -> tuple[int, str] | None:
    r"""Return where a text has a character that nobody sees, and its name; None where it has none.

    `unseen_character("a\u200bb")` is `(1, "zero width space (U+200B)")`.
    """
    found = _UNSEEN.search(text)
    if found is None:
        return None
    name = unicodedata.name(found[0], "invisible character").lower()
    return found.start(), f"{name} (U+{ord(found[0]):04X})"


def as_seen(text: str) -> str:
    """Return a text as it looks: plain spaces, nothing without width, accents stored in one way."""
    plain = _UNSEEN.sub(lambda found: " " if found[0].isspace() else "", text)
    return unicodedata.normalize("NFC", plain).strip()


def printable(text: str) -> str:
    r"""Return text as it may be printed: what controls a terminal is written out as `\u001b`.

    Line breaks stay. The escapes are JSON's, so that JSON stays the same JSON.
    """
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape, text)


def printable_line(text: str) -> str:
    """Return text as it may be printed within a line: a line break is written out too."""
    return text if text.isprintable() else _UNPRINTABLE_IN_A_LINE.sub(_escape, text)


def storable(text: str) -> str:
    """Return text as any table can hold it: no control characters, marks of direction as is."""
    return text if text.isprintable() else _UNSTORABLE.sub(_escape, text)


def without_direction(text: str) -> str:
    r"""Return text in which what turns the direction of writing is written out as `\u202e`.

    For tables: there, a cell that is shown backwards is taken for another. What joins letters or
    emoji stays, since it is spelling.
    """
    return text if text.isprintable() else _DIRECTION.sub(_escape, text)


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold: names of files may be bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode()


def one_column(text: str) -> str:
    """Return text in which each unprintable character is one that is seen: for carets below it."""
    return _UNPRINTABLE_IN_A_LINE.sub(
        lambda found: " " if found[0] == "\t" else "\N{REPLACEMENT CHARACTER}", text
    )


def escape(character: str) -> str:
    r"""Return a character as JSON escapes it: `\u001b`, or two of these beyond U+FFFF."""
    number = ord(character)
    if number <= _BMP_END:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _escape(found: re.Match[str]) -> str:
    return escape(found[0])


# Prefixes in common use (Bearer headers and the `sk-` family); certain enough by themselves.
_PREFIXED = r"(?:sk|pk|rk|key|inf|rw|uni|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}"
_BEARER = r"[Bb]earer\s+[A-Za-z0-9._~+/-]{12,}=*"
# A random-looking word: long, with capitals, small letters and digits mixed. A SHA-256 is not,
# since it has no capitals; a path or an address is not, since it has separators.
_RANDOM = (
    r"(?<![\w./%&+-])(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])"
    r"[A-Za-z0-9]{28,200}(?![\w./%-])"
)
_SECRET = re.compile(f"{_BEARER}|(?<![\\w-]){_PREFIXED}|{_RANDOM}")
# What stands before is bounded: a long path would be gone through from each of its points.
_KEY_NAMES = (
    r"(?:[\w.-]{0,60}[_-])?(?:api[_-]?key|apikey|secret|password|passwd|auth(?:orization)?"
    r"|(?:access|api|auth)[_-]?token|token|private[_-]?key|access[_-]?key|credentials?)"
)
_KEY_NAME = re.compile(_KEY_NAMES, re.IGNORECASE)
# `RUNWARE_API_KEY=…`, `"api_key": "…"`, `password: …`: what follows the name of a key. After a
# colon a short word is a word of a sentence.
_NAMED = re.compile(
    rf"(?P<name>(?<![\w-]){_KEY_NAMES}[\"']?\s*(?:=\s*[\"']?|:\s*[\"']?(?=[^\s\"',;]{{8}})))"
    r"(?P<value>[^\s\"',;}\]]+)",
    re.IGNORECASE,
)
# A line of a file of variables, whatever its name.
_ASSIGNED = re.compile(
    r"(?P<name>(?:^|(?<=[\s'\"]))[A-Za-z_]\w*=[\"']?)(?P<value>[^\s\"']{16,})", re.MULTILINE
)
_RANDOM_BITS = 3.2
"""Shannon's entropy of a character: 16 random hex digits have about 3.3, words of prose less."""
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL)


@lru_cache(maxsize=20_000)  # findings are grouped again and again: ten thousand took 5 s of it
def redact(text: str) -> str:
    """Return text with whatever looks like a key replaced by as many stars."""
    # Line breaks stay, since the lines of a quoted file are counted.
    text = _PRIVATE_KEY.sub(lambda found: re.sub(r"\S", "*", found[0]), text)
    text = _NAMED.sub(_value_in_stars, text)
    text = _ASSIGNED.sub(_random_value_in_stars, text)
    return _SECRET.sub(lambda found: _stars(found[0]) if is_random(found[0]) else found[0], text)


def names_a_key(name: str) -> bool:
    """Tell whether what has this name is a key: `api_key`, `RUNWARE_TOKEN`, `password`."""
    return _KEY_NAME.fullmatch(name) is not None


def keys_in(text: str) -> list[tuple[int, int]]:
    """Return where in a text something looks like a key by itself: start and length."""
    found = (match for match in _SECRET.finditer(text) if is_random(match[0]))
    return [(match.start(), len(match[0])) for match in found]


def is_random(text: str) -> bool:
    """Tell a key from a long name: its letters and digits change sort at every second place."""
    if re.match(f"{_BEARER}|{_PREFIXED}", text):
        return True
    changes = sum(_sort(one) != _sort(next_one) for one, next_one in pairwise(text))
    # Of letters and digits drawn at random six pairs of ten change; a third leaves room for chance.
    return changes > len(text) / 3


def _sort(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2


def _value_in_stars(found: re.Match[str]) -> str:
    value = found["value"]
    # A template or a mark of what is to be filled in holds no key.
    return found[0] if value.startswith(("{{", "$")) else found["name"] + _stars(value)


def _random_value_in_stars(found: re.Match[str]) -> str:
    value = found["value"]
    mixed = re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
    random = mixed and _bits(value) > _RANDOM_BITS
    return found["name"] + _stars(value) if random else found[0]


def _bits(text: str) -> float:
    shares = (count / len(text) for count in Counter(text).values())
    return -sum(share * math.log2(share) for share in shares)


def _stars(text: str) -> str:
    # A star for each character, so that carets and columns below a quoted line still fit.
    return "*" * len(text)
