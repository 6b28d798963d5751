"""Clips as a lock file holds them, for tests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipeline.domain.lock import LockedClip
from pipeline.plan.keys import part_digest

BEGAN = datetime(2026, 6, 3, 12, tzinfo=UTC)


def sha256(text: str) -> str:
    """Return the digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def locked(
    place: str, take: int = 1, *, clip: str = "", prompt: str = "a", day: int = 0, **more: Any
) -> LockedClip:
    """Return a clip that was bought for a take of a place, on a day, with this prompt."""
    name = clip or f"{place}#{take} {prompt} {day}"
    values: dict[str, Any] = {
        "address": f"{place}#{take}",
        "key": sha256(f"{place} {prompt} {take}"),
        "parts": {
            "prompt": part_digest(prompt.encode()),
            "recipe": part_digest(b"2"),
            "take": part_digest(b"%d" % take),
        },
        "provider": "runware",
        "model": "kling-o1",
        "task": f"task {name}",
        "sha256": sha256(name),
        "extension": "mp4",
        "bytes": 1000,
        "width": 720,
        "height": 1280,
        "seconds": 5.042,
        "fps": 24.0,
        "price_usd": Decimal("0.42"),
        "price_source": "reported",
        "paid_at": BEGAN + timedelta(days=day),
    }
    return LockedClip(**values | more)
