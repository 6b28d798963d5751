"""A package's public names, looked up when they are first used.

Who imports the package pays only for what it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for `package`; `homes` says which of its modules has which name."""

    def look_up(name: str) -> Any:
        # This error and no other: `hasattr` and `from package import module` go on only after it.
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return look_up
