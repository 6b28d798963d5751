"""YAML that is shipped with the package; it is ours, so that the quick reader in C will do."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_package_yaml(package: str, name: str) -> Any:
    """Return what a file of one of our packages says."""
    text = files(package).joinpath(name).read_text("utf-8")
    loader = _LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
