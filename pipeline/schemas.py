"""The JSON Schemas that are shipped with the package: the only validators there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

_SUFFIX = ".schema.json"


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema by name, e.g. `manifest` or `providers/runware`."""
    found: dict[str, Any] = json.loads(_folder().joinpath(f"{name}{_SUFFIX}").read_text("utf-8"))
    return found


@cache
def names() -> tuple[str, ...]:
    """Return the names of all schemas there are, sorted."""
    return tuple(sorted(_names(_folder())))


def _names(folder: Traversable, inside: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names(entry, f"{inside}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield f"{inside}{entry.name.removesuffix(_SUFFIX)}"


def _folder() -> Traversable:
    package = files("pipeline")
    shipped = package.joinpath("_schemas")
    # A checkout, or an editable install, has them at the top level instead.
    return shipped if shipped.is_dir() else package.joinpath("..", "schemas")
