"""The campaign that `callsheet init` writes: texts, a table, and three drawn photos of mugs.

`files_of` gives them all by name; nothing here writes to disk. The photos were drawn once by a
script (`git log -- pipeline/starter/pictures.py`): the package carries no real photograph, and the
same starter is written whatever version of the drawing library is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

__all__ = ["files_of"]

_FILES = (
    *("callsheet.toml", "campaign.yaml", "products.csv"),
    *(f"photos/MUG-0{number}.jpg" for number in (1, 2, 3)),
)


def files_of() -> Mapping[str, bytes]:
    """Return the starter's files, name to bytes."""
    package = files(__package__)
    return {name: package.joinpath(*name.split("/")).read_bytes() for name in _FILES}
