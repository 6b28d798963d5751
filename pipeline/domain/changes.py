"""What the next run does to an item and why: frozen records, told before anything is bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pipeline.domain.item import EMPTY, Place
from pipeline.domain.states import Status


class ChangeClass(StrEnum):
    """What the next run does to an item."""

    BUYS = "buys"
    """Nothing was bought for it yet."""
    BUYS_AGAIN = "buys_again"
    """Its address was bought, as other work: some part of the key changed."""
    COLLECTS = "collects"
    """It was sent, and is paid for: its clip is waited for, and nothing is bought."""
    LAYS_OUT_AGAIN = "lays_out_again"
    """Its clip is there, under another path or name."""
    NOTHING = "nothing"
    ORPHANED = "orphaned"
    """An earlier plan had it, and this one does not; its clip stays where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """One named part of a key that is another now; `old` and `new` are None where it is absent."""

    part: str
    """As `Key.parts` names it: prompt, references, settings.duration, …"""
    detail: str = ""
    """Which reference; or the names of what the prompt reads and is another now."""
    old: Any = None
    new: Any = None
    places: tuple[Place, ...] = ()
    """Where what changed is written now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContent:
    """What a key is made of: digests to compare, and what a person reads of them."""

    parts: Mapping[str, str]
    """As `Key.parts`."""
    values: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """As `Key.values`, with the prompt; empty where an earlier version did not remember them."""
    inputs: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """As `Item.inputs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierWork:
    """What was bought before, as its purchase remembers it."""

    key: str
    campaign: str
    address: str
    provider: str
    at: float
    """When the purchase was written down, in seconds since 1970 UTC."""
    charged_usd: Decimal
    open_usd: Decimal = Decimal(0)
    """What it may have cost beside that: reserved, or of a failure without a charge."""
    estimate_usd: Decimal | None = None
    """What it was expected to cost then."""
    content: KeyContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """An item of a plan: where it stands, what the next run does to it, and why."""

    change: ChangeClass
    status: Status
    cause: str
    address: str
    shot: str
    row_key: str
    selected: bool
    key: str
    provider: str
    model: str
    mode: str
    kind: str
    output: str
    """Relative to the campaign's folder, with the extension its file has or will have."""
    old_output: str = ""
    """Where the last plan had it, if that is another path."""
    sha256: str = ""
    """Of its clip, where there is one."""
    shared_with: str = ""
    low_usd: Decimal | None
    expected_usd: Decimal | None
    high_usd: Decimal | None
    request: str
    """Digest of the request that would buy it, in placeholder form."""
    content: KeyContent
    earlier: EarlierWork | None = None
    """What its address was bought as before its key changed."""
    changed: tuple[PartChange, ...] = ()
    """In what that differs from what it asks for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """Items of one shot to which the same happens for changes of the same parts."""

    change: ChangeClass
    shot: str
    parts: tuple[str, ...]
    items: int
    unpriced: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal
    example: ItemChange
    """The first of them by address."""


NOT_ASKED = frozenset({"take", "recipe"})
"""Parts of a key that say nothing of what is asked for."""


def differing_parts(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the names of the parts in which two keys differ, sorted; by the parts' digests."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def same_but_take(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two keys ask for the same, and differ in nothing but take and recipe."""
    return NOT_ASKED.issuperset(differing_parts(one, other))
