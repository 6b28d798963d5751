"""The campaign that `callsheet init` writes: its texts are files, its photos are drawn.

`files_of` gives them all by name; nothing here writes to disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from pipeline.starter.pictures import MUGS, photo

__all__ = ["files_of"]

_WRITTEN = ("callsheet.toml", "campaign.yaml", "products.csv")


def files_of() -> Mapping[str, bytes]:
    """Return the starter's files, name to bytes; the photos are drawn at this moment."""
    package = files(__package__)
    texts = {name: package.joinpath(name).read_bytes() for name in _WRITTEN}
    return {**texts, **{f"photos/{sku}.jpg": photo(colours) for sku, colours in MUGS.items()}}
