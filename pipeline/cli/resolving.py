"""`show --resolved`: which value won, and where it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.cli.options import CampaignOptions
from pipeline.domain import Written
from pipeline.errors import InvalidInput
from pipeline.findings import has_errors
from pipeline.manifest import contents, load_manifest


def resolved_lines(asked: CampaignOptions, *, origin: bool) -> Iterator[str]:
    """Yield the values of a manifest, a line each: `shots.spin.duration: 5`; InvalidInput."""
    loaded = load_manifest(
        asked.manifest, profile=asked.profile_name, overrides=asked.overrides, read=contents
    )
    if has_errors(loaded.findings):
        raise InvalidInput(loaded.findings, loaded.sources)
    for written in loaded.written:
        place = f"  # {written.span.file}:{written.span.line}" if origin else ""
        yield f"{_path(written)}: {_text(written.value)}{place}"


def _path(written: Written) -> str:
    return "".join(
        f"[{step}]" if isinstance(step, int) else f"{'.' if n else ''}{step}"
        for n, step in enumerate(written.steps)
    )


def _text(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
