"""Faults of one shot's items → findings, each once, with the rows it shows in.

A fault in 300 rows is one finding; told as it comes, it would be 300 in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.diagnostics import Diagnostic


class Findings:
    """Gathers what is wrong, in the order in which it was first seen."""

    def __init__(self) -> None:
        self._rows: dict[Diagnostic, dict[str, None]] = {}

    def add(self, finding: Diagnostic, row: str = "") -> None:
        """Keep a finding; `row` is the row it shows in, empty where it has nothing to do with one.

        A finding that names its own cell needs no list of rows.
        """
        rows = self._rows.setdefault(finding, {})
        if row and not finding.row:
            rows[row] = None

    def drain(self) -> Iterator[Diagnostic]:
        """Yield the findings so far and forget them."""
        gathered, self._rows = self._rows, {}
        for finding, rows in gathered.items():
            yield replace(finding, rows=tuple(rows)) if rows else finding
