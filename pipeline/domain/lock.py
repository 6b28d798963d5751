"""What a lock file remembers of a clip that was paid for, and how it stands in JSON.

The file itself is `plan/lock/lock_text.py`'s. The ledger keeps the same JSON of what was paid
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.domain.item import EMPTY

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedClip:
    """A clip that was paid for, under the address of its item."""

    address: str
    key: str
    """The key it was bought under."""
    parts: Mapping[str, str]
    """The digest of each named part of that key."""
    provider: str
    model: str
    task: str
    """The provider's task; empty of a clip that was adopted."""
    sha256: str
    extension: str
    bytes: int
    width: int
    height: int
    seconds: float | None = None
    fps: float | None = None
    price_usd: Decimal
    price_source: str
    """As `Record.charge_source`: "reported", "estimated", "paid earlier", "imported", or
    "unknown"."""
    paid_at: datetime
    off_spec: bool = False
    """It plays, and is not what was asked for: it is not bought again either."""

    @property
    def purchase(self) -> tuple[str, str, str]:
        """What tells the purchase from every other: provider, task, and the clip it brought."""
        return (self.provider, self.task, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedClip:
    """A clip of the lock file as a ledger takes it in."""

    job_key: str
    """The key of the job that it finishes: its own, unless another clip has that."""
    clip: LockedClip
    here: bool
    """Whether the store has its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockMemory:
    """All that lock files remember, for a ledger that may know less."""

    clips: tuple[RememberedClip, ...] = ()
    """Those of the campaign's own lock file."""
    others: frozenset[str] = frozenset()
    """Digests of clips in the other lock files of the project: none of them is lost."""
    at: Mapping[str, RememberedClip] = field(default_factory=lambda: EMPTY)
    """The clip that stands under each address."""
    moved: Mapping[str, RememberedClip] = field(default_factory=lambda: EMPTY)
    """Clips that stand under the address of another take than they were bought for."""


NOTHING_REMEMBERED = LockMemory()


def plain_locked(clip: LockedClip) -> dict[str, Any]:
    """Return a clip's line of the lock file as plain data, in its order; the address is apart."""
    return {
        "key": clip.key,
        # Sorted like the lines, so that the file has the same bytes on any machine.
        "parts": dict(sorted(clip.parts.items())),
        "provider": clip.provider,
        "model": clip.model,
        "task": clip.task,
        "sha256": clip.sha256,
        "format": clip.extension,
        "bytes": clip.bytes,
        "width": clip.width,
        "height": clip.height,
        "seconds": clip.seconds,
        "fps": clip.fps,
        # One text for one sum: `normalize` alone would write a hundred as 1E+2.
        "price_usd": f"{clip.price_usd.normalize():f}",
        "price_source": clip.price_source,
        "paid": clip.paid_at.astimezone(UTC).strftime(_TIME),
        **({"in_spec": False} if clip.off_spec else {}),
    }


def read_locked(address: str, data: Mapping[str, Any]) -> LockedClip:
    """Return the clip that a line of the lock file tells; it must fit the schema."""
    same = ("key", "provider", "model", "task", "sha256", "bytes", "width", "height")
    return LockedClip(
        address=address,
        **{name: data[name] for name in same},
        parts=data["parts"],
        extension=data["format"],
        seconds=data["seconds"],
        fps=data["fps"],
        price_usd=Decimal(data["price_usd"]),
        price_source=data["price_source"],
        paid_at=datetime.fromisoformat(data["paid"]),
        off_spec=not data.get("in_spec", True),
    )
