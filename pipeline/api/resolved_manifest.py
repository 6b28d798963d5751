"""The manifest with base, profile and `--set` applied: which value won, and where it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.errors import InvalidInput
from pipeline.findings import Span, has_errors
from pipeline.manifest import contents, load_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedValue:
    """One value of a manifest: `shots.spin.duration`, `5`, and its place."""

    path: str
    text: str
    origin: Span


def iter_values(request: CampaignRequest) -> Iterator[ResolvedValue]:
    """Yield the values of a manifest in its order; InvalidInput where it has errors."""
    loaded = load_manifest(
        request.manifest, profile=request.profile_name, overrides=request.overrides, read=contents
    )
    if has_errors(loaded.findings):
        raise InvalidInput(loaded.findings, loaded.sources)
    for written in loaded.written:
        path = "".join(
            f"[{step}]" if isinstance(step, int) else f"{'.' if n else ''}{step}"
            for n, step in enumerate(written.steps)
        )
        yield ResolvedValue(path=path, text=_text(written.value), origin=written.span)


def _text(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
