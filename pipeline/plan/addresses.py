"""Names → an item's address, `shot[row,cell]#take`, and the name of a cell.

Built from names, never from positions: sorting or inserting rows renames nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

# What an address, a selection or a shell would misread (docs/design/language.md §5).
_RESERVED = re.compile(r"[%,\[\]#*?\"\s\x00-\x1f\x7f-\x9f]")
_RATIO = re.compile(r"(?<=\d):(?=\d)")
_WORD = re.compile(r"[^\W_]+")


def encode_row_key(row_key: str, *, several: bool = False) -> str:
    """Return a row's key as it stands in an address, percent-encoded where needed.

    Of a key of `several` columns a `+` within one of them is encoded already, as %2B.
    """
    if several:
        # Its `%` is that of an encoding already, and would be encoded once more.
        return "%2B".join(map(encode_row_key, row_key.split("%2B")))
    return _RESERVED.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), row_key
    )


def address(shot: str, row: str, cell: str, take: int) -> str:
    """Return an item's address; `row` is an encoded key, empty where there is no table."""
    inside = f"{row},{cell}" if row and cell else row or cell
    return f"{shot}[{inside}]#{take}" if inside else f"{shot}#{take}"


def cell_name(values: Iterable[str]) -> str:
    """Return a cell's name: the slugs of its values in axis order, `9x16-calm`."""
    slugs = []
    for value in values:
        # An address names what was bought: it must not depend on how an accent happens to be
        # stored.
        plain = _RATIO.sub("x", unicodedata.normalize("NFC", value).lower())
        # A value without letters and digits still needs a name of its own.
        slug = "-".join(_WORD.findall(plain)) or hashlib.sha256(value.encode()).hexdigest()[:8]
        slugs.append(slug)
    return "-".join(slugs)


def axis_text(value: Any) -> str:
    """Return an axis value as text; of a map, its `id`."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
