"""The JSON Schemas that are shipped with the package: the only validators there are."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema by name, e.g. `manifest` or `providers/runware`."""
    found: dict[str, Any] = json.loads(_folder().joinpath(f"{name}.schema.json").read_text("utf-8"))
    return found


def _folder() -> Traversable:
    package = files("pipeline")
    shipped = package.joinpath("_schemas")
    # A checkout, or an editable install, has them at the top level instead.
    return shipped if shipped.is_dir() else package.joinpath("..", "schemas")
