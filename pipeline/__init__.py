"""Callsheet runs a YAML manifest of AI video shots as a build: checked, priced, made once.

The public API is looked up when it is first used: the sandbox and its workers are processes of
their own, and must not pay for what they never touch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.errors import CallsheetError, InvalidInput
    from pipeline.manifest import load_manifest
    from pipeline.plan import entries, expand
    from pipeline.report import summarise
    from pipeline.run import Ledger, admit

__all__ = [
    "CallsheetError",
    "InvalidInput",
    "Ledger",
    "admit",
    "entries",
    "expand",
    "load_manifest",
    "summarise",
]

_HOMES = {
    "CallsheetError": "errors",
    "InvalidInput": "errors",
    "Ledger": "run",
    "admit": "run",
    "entries": "plan",
    "expand": "plan",
    "load_manifest": "manifest",
    "summarise": "report",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the stage that is its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(f"pipeline.{_HOMES[name]}"), name)
