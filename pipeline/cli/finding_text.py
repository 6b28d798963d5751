"""Findings as a person or a program reads them: text with excerpts, JSON, SARIF."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.findings import Diagnostic, Severity, Span, grouped, render


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def findings_text(
    findings: Iterable[Diagnostic], sources: Mapping[str, str], form: Format = Format.TEXT
) -> str:
    """Return the findings in the form asked for, sorted, each once.

    Excerpts are quoted from `sources` alone: what was read, with secrets starred out.
    """
    told = grouped(findings)
    if form is Format.TEXT:
        return "\n".join(render(finding, sources) for finding in told)
    if form is Format.JSON:
        return json.dumps({"findings": [_plain(finding) for finding in told]}, indent=2)
    return _as_sarif(told)


def findings_count(findings: Iterable[Diagnostic]) -> str:
    """Return `3 errors, 1 warning`."""
    severities = [finding.severity for finding in grouped(findings)]
    counts = ((word, severities.count(word)) for word in Severity)
    return (
        ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts if n) or "no findings"
    )


def _plain(finding: Diagnostic) -> Mapping[str, Any]:
    return {
        "slug": finding.slug,
        "severity": finding.severity,
        "message": finding.message,
        "hint": finding.hint,
        **_place(finding.span),
        "row": finding.row,
        "column_name": finding.column,
        "rows": list(finding.rows),
        "related": [_place(span) for span in finding.related],
    }


def _place(span: Span) -> Mapping[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_column": span.end_column,
    }


def _as_sarif(findings: tuple[Diagnostic, ...]) -> str:
    driver = {
        "name": "callsheet",
        "rules": [{"id": slug} for slug in sorted({finding.slug for finding in findings})],
    }
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}
    return json.dumps({"version": "2.1.0", "runs": [run]}, indent=2)


def _result(finding: Diagnostic) -> Mapping[str, Any]:
    message = f"{finding.message} {finding.hint}".strip()
    return {
        "ruleId": finding.slug,
        "level": str(finding.severity),
        "message": {"text": message},
        "locations": [{"physicalLocation": _physical(finding.span)}],
    }


def _physical(span: Span) -> Mapping[str, Any]:
    region = {"startLine": span.line, "startColumn": span.column, "endColumn": span.end_column}
    return {"artifactLocation": {"uri": Path(span.file).as_posix()}, "region": region}
