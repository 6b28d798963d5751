"""Callsheet runs a YAML manifest of AI video shots as a build: checked, priced, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

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

__getattr__ = lazily(__name__, _HOMES)
