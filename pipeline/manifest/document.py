"""YAML bytes → a tree of nodes, each of which knows its file, line and column; or findings.

A value that only lacks its quotes is a finding, and is then read as if it had them, so that it
hides nothing below it. What the text means is not known here.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.findings import Finding, Span
from pipeline.manifest.composer import Bare, Composer, Refused
from pipeline.manifest.nodes import Node
from pipeline.manifest.positions import source
from pipeline.manifest.syntax import explained, mended

MAX_BYTES = 10_000_000
# Values without quotes that are mended, and so reported, in one pass.
MAX_MENDED = 20


def read_document(
    text: str, *, shown: str, folder: Path, before: str = ""
) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return a YAML text as a node, or None with the finding that says why it cannot be read.

    `shown` is the file's name in findings. `before` is what stands before the text in the same
    source (the `path=` of a `--set` option): it is not read, but counts in places.
    """
    blank = re.sub(r"[^\n]", " ", before)
    origin = source(blank + text, shown=shown, folder=folder)
    findings: list[Finding] = []
    for _ in range(MAX_MENDED):
        composer = Composer(origin)
        try:
            return composer.document(), (*findings, *composer.findings)
        except Refused as refusal:
            return None, (*findings, *composer.findings, refusal.finding)
        except Bare as bare:
            repair = mended(origin, bare.index)
            error = bare.error
        if repair is None:
            return None, (*findings, *composer.findings, explained(error, origin))
        findings.append(repair.finding)
        origin = repair.source
    return None, tuple(findings)


def read_file(
    data: bytes, *, shown: str, folder: Path
) -> tuple[Node | None, tuple[Finding, ...], str]:
    """Return a YAML file's bytes as a node, the findings, and the text as it was decoded."""
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        return None, (Finding(slug="too-large", message=message, span=Span(file=shown)),), ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, (_not_utf8(data, error.start, shown),), ""
    node, findings = read_document(text, shown=shown, folder=folder)
    return node, findings, text


def _not_utf8(data: bytes, start: int, shown: str) -> Finding:
    good = data[:start].decode("utf-8-sig")
    return Finding(
        slug="not-utf8",
        message=f"the file is not UTF-8: byte {start + 1} is 0x{data[start]:02X}",
        span=source(good, shown=shown, folder=Path()).span(len(good), len(good)),
        hint="save it as UTF-8",
    )
