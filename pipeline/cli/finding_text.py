"""Findings as a person or a program reads them: text with excerpts, JSON, SARIF."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from pipeline.findings import Finding, Severity, group_findings, plain_finding, render


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def findings_text(
    findings: Iterable[Finding], sources: Mapping[str, str], form: Format = Format.TEXT
) -> str:
    """Return the findings in the form asked for, sorted, each once.

    Excerpts are quoted from `sources` alone: what was read, with secrets starred out.
    """
    distinct = group_findings(findings)
    if form is Format.TEXT:
        return "\n".join(render(finding, sources) for finding in distinct)
    if form is Format.JSON:
        return json.dumps({"findings": [plain_finding(finding) for finding in distinct]}, indent=2)
    results = []
    for finding in distinct:
        span = finding.span
        region = {"startLine": span.line, "startColumn": span.column, "endColumn": span.end_column}
        physical = {"artifactLocation": {"uri": Path(span.file).as_posix()}, "region": region}
        results.append(
            {
                "ruleId": finding.slug,
                "level": str(finding.severity),
                "message": {"text": f"{finding.message} {finding.hint}".strip()},
                "locations": [{"physicalLocation": physical}],
            }
        )
    rules = [{"id": slug} for slug in sorted({finding.slug for finding in distinct})]
    run = {"tool": {"driver": {"name": "callsheet", "rules": rules}}, "results": results}
    return json.dumps({"version": "2.1.0", "runs": [run]}, indent=2)


def findings_count(findings: Iterable[Finding]) -> str:
    """Return `3 errors, 1 warning`."""
    severities = [finding.severity for finding in group_findings(findings)]
    counts = ((word, severities.count(word)) for word in Severity)
    return (
        ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts if n) or "no findings"
    )
