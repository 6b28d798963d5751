"""What happened: the records a report is made from, and the events a watcher sees.

Frozen records, no behaviour. Times are UTC, money is USD as `Decimal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pipeline.domain.item import DEFAULT_MODEL, EMPTY
from pipeline.domain.loop_places import LoopTake
from pipeline.domain.review import TakeDecision
from pipeline.findings import Span

IN_ROOT = "../"
"""How the path of a clip begins that is in the store alone: it leaves the campaign's folder."""


class RecordReference(NamedTuple):
    """A reference as the report shows it."""

    path: str
    """Of a picture on this disk, from the folder on in which it was planned; else empty."""
    name: str
    sha256: str = ""
    """Of such a picture: the store may have a copy, as it was when it was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One item as the ledger knows it: what was wanted, where it stands, what it cost."""

    campaign: str
    address: str
    shot: str
    row_key: str
    cell: str
    take: int
    axes: Mapping[str, str]
    tags: tuple[str, ...]
    kind: str
    mode: str
    provider: str
    model: str = DEFAULT_MODEL
    prompt: str
    """The prompt as written, with `@name` for references."""
    sent_prompt: str
    """The prompt as the provider gets it."""
    key: str
    state: str
    """A word of `domain.states.State`."""
    status: str = ""
    """Where it stands before a run, as a plan tells it: a word of `domain.states.Status`."""
    earlier_rule: bool = False
    """Its clip was made under a key that an earlier recipe gave to the same work."""
    stale: bool = False
    """A person approved its clip, and the manifest asks for something else now."""
    review: str = ""
    """A word of `domain.review.Review` where decisions were read, and its clip is there."""
    decisions: tuple[TakeDecision, ...] = ()
    """What holds of its clip: nothing, one decision, or several people's that differ."""
    not_needed: bool = False
    """Nobody decided on its clip, and its place has what was wanted (`accept`)."""
    selected: bool = True
    """Whether the last admission selected it."""
    loop: LoopTake | None = None
    """The same item as the loop of `accept:` looks at it, where that was read too."""
    cause: str = ""
    """A word of `providers.base.FaultKind`, or of the hold (`budget`, `lane`)."""
    message: str = ""
    path: str | None = None
    """The clip, relative to `<root>/<campaign>/`; None until it is there.

    That of the store (`../.callsheet/store/…`) where it is not laid out until it is approved.
    """
    output: str = ""
    """Where the clip is to be, relative to the same folder."""
    sha256: str = ""
    bytes: int = 0
    seconds: float | None = None
    width: int = 0
    height: int = 0
    fps: float | None = None
    estimate_usd: Decimal | None = None
    """None where no price is known: never 0."""
    high_usd: Decimal | None = None
    """What is reserved to make it; None where no price is known."""
    reserved_usd: Decimal = Decimal(0)
    charged_usd: Decimal = Decimal(0)
    adopted_usd: Decimal = Decimal(0)
    """How much of `charged_usd` is the estimate of a clip that was adopted, paid earlier."""
    elsewhere_usd: Decimal = Decimal(0)
    """How much of `charged_usd` was paid elsewhere, as a lock file says."""
    possible_usd: Decimal = Decimal(0)
    lost_charged_usd: Decimal = Decimal(0)
    """How much of `charged_usd` was for tries before the last: they brought no clip."""
    lost_possible_usd: Decimal = Decimal(0)
    """How much of `possible_usd` was for tries before the last."""
    charged_native: Decimal | None = None
    native_unit: str = ""
    charge_source: str = ""
    """"reported" by the provider, "estimated" where it reports nothing, "paid earlier" (at its
    estimate) where a clip was adopted, "imported" where a person says what it has cost, "paid
    elsewhere" where a lock file says so, or "unknown"."""
    shared_with: str = ""
    """Address of the item whose purchase this one shares; its money is counted there alone."""
    task: str = ""
    client_id: str = ""
    tries: int = 0
    submitted_at: datetime | None = None
    accepted_at: datetime | None = None
    """When the provider took it; None where it did not say so."""
    finished_at: datetime | None = None
    """When the provider said that it had ended."""
    fetched_at: datetime | None = None
    """When its clip was in the store, verified; None also of what an earlier version fetched."""
    references: tuple[RecordReference, ...] = ()
    origin_shot: Span
    origin_row: Span | None = None
    passed_over: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    seed: str = ""
    """What the provider says the clip began from, as written."""
    nsfw: bool | None = None
    """Whether the provider called the result unsafe; None where it does not say."""
    unwanted: bool = False
    """A person left it out of a run after it was submitted: it was collected all the same."""
    work: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """What its purchase asked for (`prompt` as sent, `settings`, `references`), where that was read
    too; a prompt or references that nobody wrote down are None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of a campaign as the ledger knows it: when, what it ordered, and what that cost."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    """None while it is at work, and for ever if its process was killed."""
    exit_code: int | None
    ordered: int
    """Orders that it placed; a clip that was ordered twice is two."""
    made: int
    """How many of them became a clip, whichever run collected it."""
    charged_usd: Decimal
    open_usd: Decimal
    """Reserved for what it ordered and has not ended, or possibly charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a watcher of a run may want to see; `detail` is plain data."""

    name: str
    at: datetime
    provider: str = ""
    address: str = ""
    detail: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
