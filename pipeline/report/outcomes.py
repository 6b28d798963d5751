"""What became of each clip, and from it: money by outcome, yield, and the cost of an approved clip.

One rule says the outcome, whatever tells it: the terminal, the page and every file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

from pipeline.domain import EMPTY, Record
from pipeline.domain.review import Review
from pipeline.domain.states import FINISHED, State

UNKNOWN = "unknown"
"""The source of a charge that nobody knows; a sum that is not known is written so."""
_NOTHING = Decimal(0)


class ClipOutcome(StrEnum):
    """What became of a clip that was asked for."""

    APPROVED = "approved"
    """Approved, if only under an earlier prompt: it is kept."""
    WAITING = "waiting"
    """It is there, in spec, and nobody has decided; `later` is no decision."""
    NOT_NEEDED = "not_needed"
    """The same, at a place (`accept`) that has what was wanted."""
    REJECTED = "rejected"
    OFF_SPEC = State.OFF_SPEC.value
    """It is there, is not what was asked for, and nobody has decided."""
    FAILED = "failed"
    """There is no clip: refused, failed, or given up."""
    OPEN = "open"
    """Not made yet, under way, in doubt, overdue, or held."""
    EARLIER = "earlier"
    """Of money alone: for work that the plan has no more."""


_OF_REVIEW: Mapping[str, ClipOutcome] = MappingProxyType(
    {
        Review.APPROVED: ClipOutcome.APPROVED,
        Review.STALE: ClipOutcome.APPROVED,
        Review.REJECTED: ClipOutcome.REJECTED,
    }
)
_OF_STATE: Mapping[str, ClipOutcome] = MappingProxyType(
    {
        State.DONE: ClipOutcome.WAITING,
        State.OFF_SPEC: ClipOutcome.OFF_SPEC,
        State.FAILED: ClipOutcome.FAILED,
        State.ABANDONED: ClipOutcome.FAILED,
    }
)


def outcome_of(record: Record) -> ClipOutcome:
    """Return what became of an item: what people said goes before what was measured.

    Every item has one outcome, and only one. That it is unwanted, stale, or was adopted is said
    beside it.
    """
    if record.state in FINISHED and record.review in _OF_REVIEW:
        return _OF_REVIEW[record.review]
    if record.not_needed:
        return ClipOutcome.NOT_NEEDED
    return _OF_STATE.get(record.state, ClipOutcome.OPEN)


@dataclass(slots=True, kw_only=True)
class Bound:
    """Clips of one outcome, and their money in USD: three figures, never added up into one."""

    clips: int = 0
    charged_usd: Decimal = _NOTHING
    charges_unknown: int = 0
    """Clips that were charged a sum nobody knows: it is not in `charged_usd`."""
    reserved_usd: Decimal = _NOTHING
    possible_usd: Decimal = _NOTHING

    @property
    def is_nothing(self) -> bool:
        """Tell whether there is no clip and no money."""
        return self == Bound()


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """What became of the clips of one shot, prompt, provider, model or group of rows."""

    name: str
    clips: Mapping[ClipOutcome, int] = field(default_factory=dict)
    charged_usd: Decimal = _NOTHING
    detail: str = ""
    """What a short name stands for: the beginning of a prompt."""

    @property
    def decided(self) -> int:
        """How many clips were approved or rejected."""
        return self.clips.get(ClipOutcome.APPROVED, 0) + self.clips.get(ClipOutcome.REJECTED, 0)

    @property
    def rate(self) -> float | None:
        """The share of approved clips among those decided on; None while there is none."""
        return self.clips.get(ClipOutcome.APPROVED, 0) / self.decided if self.decided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Money by outcome, yield by what clips have in common, and the cost of an approved clip."""

    by_outcome: Mapping[ClipOutcome, Bound] = field(default_factory=dict)
    """In the order of `ClipOutcome`, without those that have neither clips nor money."""
    yields: Mapping[str, tuple[Yield, ...]] = field(default_factory=dict)
    """By "shot", "prompt", "provider", "model" and "row group"."""
    decided: int = 0
    """How many clips were approved or rejected."""

    @property
    def approved(self) -> int:
        """How many clips are approved, of those that the plan has."""
        known = self.by_outcome.get(ClipOutcome.APPROVED)
        return known.clips if known else 0

    @property
    def told_yields(self) -> Iterator[tuple[str, tuple[Yield, ...]]]:
        """Yield what clips have in common, with its yields: where two differ, and by shot."""
        for title, yields in self.yields.items():
            known = tuple(each for each in yields if each.decided)
            # Where each row has a prompt of its own, a list of them tells nothing.
            if title == "prompt" and len(yields) > _MOST_PROMPTS_TOLD:
                continue
            if known and (title == "shot" or len(yields) > 1):
                yield title, known[:MOST_TOLD]

    @property
    def total(self) -> Bound:
        """The sums over all outcomes: what the ledger has of these items, or of the campaign."""
        every = self.by_outcome.values()
        return Bound(
            clips=sum(each.clips for each in every),
            charges_unknown=sum(each.charges_unknown for each in every),
            **{name: sum((getattr(each, name) for each in every), _NOTHING) for name in _SUMS},
        )

    @property
    def cost_per_approved_usd(self) -> Decimal | None:
        """What an approved clip has cost, to the cent; None without one, or at an unknown charge.

        All that was charged to the campaign in its whole life, for whatever outcome and also for
        work that the plan has no more, by the number of approved clips of the plan. What is
        reserved, or possible, is no cost yet: it is told beside it. Of a selection: what was
        charged for the selected items. Clips that share a purchase are one each.
        """
        total = self.total
        if not self.approved or total.charges_unknown:
            return None
        return (total.charged_usd / self.approved).quantize(_CENT)


_CENT = Decimal("0.01")
_SUMS = ("charged_usd", "reserved_usd", "possible_usd")
_MOST_PROMPTS = 200
_MOST_PROMPTS_TOLD = 12
YIELD_COLUMNS = (
    ClipOutcome.APPROVED,
    ClipOutcome.REJECTED,
    ClipOutcome.WAITING,
    ClipOutcome.OFF_SPEC,
    ClipOutcome.FAILED,
)
"""What is told of a yield, beside its rate."""
MOST_TOLD = 40
"""Of more names than these a person reads the first; report.json has them all."""
_OTHERS = "other prompts"
_SHORT = 60


_READ: Mapping[str, Callable[[Record], str]] = MappingProxyType(
    {
        "shot": lambda record: record.shot,
        "provider": lambda record: record.provider,
        "model": lambda record: record.model,
    }
)
TITLES = (*_READ, "row group", "prompt")
"""What clips have in common, by which yield is told."""


@dataclass(slots=True)
class OutcomeTally:
    """Outcomes while records stream by; `row_groups` has the group of each row of a shot."""

    row_groups: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: EMPTY)
    _bound: dict[ClipOutcome, Bound] = field(
        default_factory=lambda: {outcome: Bound() for outcome in ClipOutcome}
    )
    _yields: dict[str, dict[str, _YieldTally]] = field(
        default_factory=lambda: {title: {} for title in TITLES}
    )
    _prompts: dict[str, str] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one more record."""
        outcome, charged_usd = outcome_of(record), _NOTHING
        bound = self._bound[outcome]
        bound.clips += 1
        # Money that several items share is counted once, with the item that was paid for.
        if not record.shared_with:
            charged_usd = record.charged_usd
            lost = self._bound[ClipOutcome.FAILED]
            lost.charged_usd += record.lost_charged_usd
            lost.possible_usd += record.lost_possible_usd
            bound.charged_usd += charged_usd - record.lost_charged_usd
            bound.reserved_usd += record.reserved_usd
            bound.possible_usd += record.possible_usd - record.lost_possible_usd
            bound.charges_unknown += record.charge_source == UNKNOWN
        for title, name in self._names(record):
            known = self._yields[title]
            if name not in known:
                known[name] = _YieldTally()
            known[name].clips[outcome] += 1
            known[name].charged_usd += charged_usd

    def outcomes(self, lifetime: Bound | None = None) -> Outcomes:
        """Return what was counted; `lifetime` has the money of the campaign in its whole life.

        What of that is not these items' is `ClipOutcome.EARLIER`.
        """
        bound = dict(self._bound)
        if lifetime is not None:
            known = self.outcomes().total
            left = {
                name: max(_NOTHING, getattr(lifetime, name) - getattr(known, name))
                for name in _SUMS
            }
            unknown = max(0, lifetime.charges_unknown - known.charges_unknown)
            bound[ClipOutcome.EARLIER] = Bound(**left, charges_unknown=unknown)
        return Outcomes(
            by_outcome={name: each for name, each in bound.items() if not each.is_nothing},
            yields={
                title: tuple(
                    Yield(
                        name=name,
                        clips=dict(each.clips),
                        charged_usd=each.charged_usd,
                        detail=self._prompts.get(name, "") if title == "prompt" else "",
                    )
                    for name, each in known.items()
                )
                for title, known in self._yields.items()
                if known
            },
            decided=bound[ClipOutcome.APPROVED].clips + bound[ClipOutcome.REJECTED].clips,
        )

    def _names(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield what an item is counted under, by what clips have in common."""
        for title, read in _READ.items():
            yield title, read(record)
        if group := self.row_groups.get(record.shot, EMPTY).get(record.row_key):
            yield "row group", group
        name = sha256(record.prompt.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        # Most prompts have a row's values in them: of many, the first are told apart.
        if name not in self._prompts:
            if len(self._prompts) >= _MOST_PROMPTS:
                name = _OTHERS
            else:
                self._prompts[name] = " ".join(record.prompt.split())[:_SHORT]
        yield "prompt", name


@dataclass(slots=True)
class _YieldTally:
    clips: Counter[ClipOutcome] = field(default_factory=Counter)
    charged_usd: Decimal = _NOTHING
