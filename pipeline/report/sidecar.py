"""A record becomes the sidecar of its clip: what it is and how it was made, for who has the file.

Nothing in it depends on the machine: maps are sorted, times are UTC, files are named from the
manifest's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from pipeline.domain import Record
from pipeline.foreign_text import printable
from pipeline.report.outcomes import UNKNOWN

SUFFIX = ".json"
"""Behind the whole name of the clip: `calm_t1.mp4.json`."""
_FORMAT = 1
_SAME = (
    *("campaign", "address", "path", "sha256", "key", "bytes", "seconds", "width", "height"),
    *("fps", "model", "provider", "kind", "task", "seed"),
)
_NAMES = frozenset(
    {"callsheet_sidecar", "version", "rehearsal", *_SAME, "prompt", "settings", "references"}
    | {"cost", "submitted_at", "finished_at", "inputs"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """What all sidecars that are written at one time have in common."""

    version: str
    """Callsheet's own."""
    rehearsal: bool
    inputs: Mapping[str, str]
    """SHA-256 of the manifest's files and of its tables, by path from the manifest's folder."""


def to_sidecar(record: Record, origins: Origins) -> bytes:
    """Return a clip's sidecar, valid under `sidecar.schema.json`.

    The record must have a clip, and have been read with its work (`Ledger.records`).
    """
    # One charge that nobody knows is no sum.
    known = record.charge_source != UNKNOWN
    whole = {
        "callsheet_sidecar": _FORMAT,
        "version": origins.version,
        "rehearsal": origins.rehearsal,
        **{name: getattr(record, name) for name in _SAME},
        "prompt": record.work["prompt"],
        "settings": record.work["settings"],
        "references": record.work["references"],
        "cost": {
            "usd": record.charged_usd if known else None,
            "source": record.charge_source,
            "native": record.charged_native,
            "native_unit": record.native_unit,
            "shared_with": record.shared_with,
        },
        "submitted_at": _time(record.submitted_at),
        "finished_at": _time(record.finished_at),
        "inputs": dict(origins.inputs),
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return printable(orjson.dumps(whole, default=_number, option=options).decode()).encode()


def is_sidecar(content: bytes) -> bool:
    """Tell whether a file is a sidecar that Callsheet wrote, and nobody added anything to."""
    return _parse(content) is not None


def is_of(content: bytes, record: Record) -> bool:
    """Tell whether a sidecar is of the clip that a record has: its bytes, made as that work."""
    found = _parse(content) or {}
    return (found.get("sha256"), found.get("key")) == (record.sha256, record.key)


def clip_of(content: bytes) -> str:
    """Return the SHA-256 of the clip that a sidecar of ours tells of; empty if it is none."""
    return str((_parse(content) or {}).get("sha256", ""))


def _parse(content: bytes) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    ours = isinstance(found, dict) and found.keys() == _NAMES
    return found if ours and found["callsheet_sidecar"] == _FORMAT else None


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _number(value: object) -> float:
    assert isinstance(value, Decimal)  # noqa: S101 - records hold nothing else that JSON has not
    return float(value)
