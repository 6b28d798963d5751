"""What an Idempotency-Key does to a generation: replayed, still in hand, or misused.

Written down for one image model of the provider's only. Chosen: keys belong to an account and are
known for a day; only a generation that was taken uses its key up; to ask for the other version of
the reply under a used key is to reuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.sandbox.records import Task
from pipeline.sandbox.visit import Visit

KEY_HEADER = "idempotency-key"
VERSION_HEADER = "x-apimart-response-version"
VERSION = "2026-07-27"
_KEY = re.compile(r"[\x21-\x7e]{1,191}")
_LIVES_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A generation as it came: its body, its key, and the version of the reply it wants."""

    body: Mapping[str, Any]
    key: str
    version: str

    def complaint(self) -> tuple[str, str] | None:
        """Return header and complaint, if a header is wrong."""
        if self.key and not _KEY.fullmatch(self.key):
            return "Idempotency-Key", "must be 1 to 191 visible ASCII characters"
        if self.version not in {"", VERSION}:
            return "X-APIMart-Response-Version", f"must be {VERSION}"
        return None

    def repeats(self, task: Task) -> bool:
        """Tell whether this is the request a task was made from, sent again."""
        return (task.request, task.extra["version"]) == (self.body, self.version)


@dataclass(slots=True)
class Turns:
    """The keys whose first request is still in hand."""

    _held: set[tuple[str, str]] = field(default_factory=set)

    def busy(self, visit: Visit, key: str) -> bool:
        """Tell whether the request that came first with a key has not been answered yet."""
        return (visit.key, key) in self._held

    @contextmanager
    def held(self, visit: Visit, key: str) -> Iterator[None]:
        """Hold a key while its request is in hand; no key, nothing to hold."""
        if not key:
            yield
            return
        self._held.add((visit.key, key))
        try:
            yield
        finally:
            self._held.discard((visit.key, key))


def made_with(visit: Visit, key: str) -> Task | None:
    """Return the task that was made with a key, as long as the key is known."""
    if not key:
        return None
    since = visit.desk.world.now() - _LIVES_S
    found = visit.desk.world.tasks(
        "provider=? AND account=? AND client_id=? AND created_at>?",
        (visit.provider, visit.key, key, since),
    )
    return found[-1] if found else None
