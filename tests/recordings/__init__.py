"""Documented replies, one file each, with source and certainty; read by `load`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from pipeline.providers.base import Response

_HERE = Path(__file__).parent


def names(provider: str) -> list[str]:
    """Return the names of a provider's recordings, sorted."""
    return sorted(path.stem for path in (_HERE / provider).glob("*.json"))


def load(provider: str, name: str) -> dict[str, Any]:
    """Return one recording as it is written."""
    found: dict[str, Any] = json.loads((_HERE / provider / f"{name}.json").read_text("utf-8"))
    return found


def reply(provider: str, name: str) -> Response:
    """Return the recorded reply as an adapter gets it."""
    found = load(provider, name)
    body = found["body"]
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
    return Response(status=found["status"], headers=found["headers"], body=raw)
