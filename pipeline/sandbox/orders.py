"""A dialect's request and a task's progress in the sandbox's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pipeline.sandbox.director import Subject
from pipeline.sandbox.records import Task


class State(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a task stands, with what a dialect needs to say so."""

    state: State
    percent: int = 0
    form: str = "errors"
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A medium in a clip: its bytes by digest, or only a name for a card."""

    role: str
    digest: str = ""
    media_type: str = ""
    name: str = ""

    def as_data(self) -> dict[str, str]:
        """Return it as a reel holds it."""
        return {
            "role": self.role,
            "digest": self.digest,
            "media_type": self.media_type,
            "name": self.name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid request to make a clip, in the sandbox's own words."""

    subject: Subject
    """Who asks, through whom, for which address and prompt."""
    task: str
    client_id: str
    model: str
    request: Any
    usd: Decimal
    width: int
    height: int
    seconds: float
    media: Sequence[Shown] = ()
    format: str = "mp4"
    link_ttl_s: float | None = None
    results: int = 1
    doomed: str = ""
    """Why it will fail, though it is taken."""
    extra: Mapping[str, Any] = field(default_factory=dict)


def about(task: Task) -> Subject:
    """Return whom the scenario sees in a request about a task."""
    return Subject(
        provider=task.provider, key=task.account, address=task.address, prompt=task.prompt
    )
