"""What the sandbox remembers: tasks it accepted, media it was given, addresses it gave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One accepted task. `reel` says what its clip shows, `fate` what will become of it."""

    provider: str
    account: str
    id: str
    client_id: str
    address: str
    model: str
    prompt: str
    request: Any
    usd: int
    """Micro-dollars."""
    created_at: float
    ready_at: float
    fate: Mapping[str, Any]
    reel: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What its dialect wants to remember."""
    clip: str | None = None
    """The rendered clip by content; None: not rendered yet."""
    settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A medium somebody stored; its bytes are kept by digest."""

    id: str
    provider: str
    account: str
    digest: str
    media_type: str
    name: str
    width: int
    height: int
    size: int
    seconds: float | None = None
    fps: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The address of a result; dead after `expires_at`."""

    token: str
    provider: str
    account: str
    task: str
    expires_at: float
