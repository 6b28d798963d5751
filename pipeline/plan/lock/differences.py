"""What differs between two builds of a campaign: lock files, plans, or manifests as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.domain import EMPTY, PricedItem
from pipeline.domain.changes import differing_parts
from pipeline.plan.lock.lock_text import Lock

_NOTHING = frozenset[str]()
ANOTHER_CLIP = "another clip"
"""Why an item is changed whose key is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildItem:
    """An item of a build, as far as comparing it needs."""

    key: str
    parts: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    others: frozenset[str] = _NOTHING
    """Other keys whose clips satisfy it."""
    sha256: str = ""
    """Its clip; empty where none is known."""
    price_usd: Decimal | None = None
    """What it cost, or is expected to; None where nobody knows."""


Build = Mapping[str, BuildItem]
"""The items of a build by address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An item that one build has and the other has not, or has otherwise."""

    address: str
    parts: tuple[str, ...] = ()
    """Which named parts of the key differ."""
    before_usd: Decimal | None = None
    after_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What differs between two builds, each sorted by address."""

    new: tuple[Difference, ...]
    changed: tuple[Difference, ...]
    removed: tuple[Difference, ...]
    same: int


def locked_build(lock: Lock) -> dict[str, BuildItem]:
    """Return the build of a lock file: what each clip did cost."""
    return {
        address: BuildItem(
            key=clip.key, parts=clip.parts, sha256=clip.sha256, price_usd=clip.price_usd
        )
        for address, clip in lock.items()
    }


def planned_build(entries: Iterable[PricedItem]) -> dict[str, BuildItem]:
    """Return the build that a manifest asks for: what each item is expected to cost."""
    return {
        entry.item.address: BuildItem(
            key=entry.item.key.digest,
            parts=entry.item.key.parts,
            others=frozenset(other.digest for other in entry.item.key.alternatives),
            price_usd=None if entry.price is None else entry.price.expected_usd,
        )
        for entry in entries
    }


def compare_builds(before: Build, after: Build) -> Differences:
    """Return what is new, changed and gone from one build to another.

    compare_builds(locked_build(june), locked_build(august)).changed
    """
    changed = []
    for address in sorted(before.keys() & after.keys()):
        parts = _differing_parts(before[address], after[address])
        if parts:
            changed.append(
                Difference(
                    address=address,
                    parts=parts,
                    before_usd=before[address].price_usd,
                    after_usd=after[address].price_usd,
                )
            )
    new = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    return Differences(
        new=tuple(Difference(address=each, after_usd=after[each].price_usd) for each in new),
        changed=tuple(changed),
        removed=tuple(
            Difference(address=each, before_usd=before[each].price_usd) for each in removed
        ),
        same=len(before.keys() & after.keys()) - len(changed),
    )


def _differing_parts(one: BuildItem, other: BuildItem) -> tuple[str, ...]:
    """Return the names of the parts that differ; empty if one clip satisfies both."""
    # By another rule of keys the same work has another key: that alone makes nothing again.
    if {one.key, *one.others} & {other.key, *other.others}:
        both = bool(one.sha256 and other.sha256)
        return (ANOTHER_CLIP,) if both and one.sha256 != other.sha256 else ()
    # Another rule of keys is no other work.
    names = [name for name in differing_parts(one.parts, other.parts) if name != "recipe"]
    return tuple(names) or ("key",)
