"""What people decided of takes, and what follows from it: a set of decisions, merged as a set.

Every decision names those that it replaces. What nobody replaced is what holds, so that two
people's histories are put together by a plain union, in any order; where they end in different
words for one clip, that is a conflict, and no rule guesses which of them was meant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ID_DIGITS = 12


class Verdict(StrEnum):
    """What a person says of a take."""

    APPROVED = "approved"
    REJECTED = "rejected"
    LATER = "later"
    REOPENED = "reopened"
    """What was said before holds no more: it waits for a decision again."""
    REROLL = "reroll"
    """One take more is asked for, beside those of the manifest; says nothing of this one."""


class Review(StrEnum):
    """Where a take stands in the review, as a selection names it."""

    APPROVED = "approved"
    REJECTED = "rejected"
    LATER = "later"
    WAITING = "waiting"
    """Its clip is there, and nobody has decided; also where two people's words differ."""
    STALE = "stale"
    """Approved, and the manifest asks for something else now: kept, and nothing is bought."""


APPROVALS = frozenset({Review.APPROVED, Review.STALE})
"""Of these a person said that the clip is what was wanted, if only under an earlier prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a person says of a clip, whichever takes share it."""

    verdict: Verdict
    who: str
    at: datetime
    reason: str = ""
    note: str = ""
    seen: frozenset[str] | None = None
    """Ids of others' decisions that the person knew, who was elsewhere; None: all that hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDecision:
    """What one person said of one take's clip, and when."""

    take: int
    key: str
    """The key that the clip was made under."""
    sha256: str
    verdict: Verdict
    who: str
    at: datetime
    """UTC, in whole seconds."""
    reason: str = ""
    note: str = ""
    replaces: tuple[str, ...] = ()
    """Ids of the decisions that held of this clip until then."""

    @property
    def clip(self) -> tuple[str, str]:
        """What was judged: the clip, as the work that it was made for."""
        return (self.key, self.sha256)

    @property
    def id(self) -> str:
        """Its name in what replaces it: the first digits of the SHA-256 of its text."""
        text = json.dumps(plain_decision(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def plain_decision(decision: TakeDecision) -> dict[str, Any]:
    """Return a decision as the file has it, in its order."""
    more = {name: getattr(decision, name) for name in ("reason", "note")}
    return {
        "take": decision.take,
        "verdict": decision.verdict.value,
        **{name: text for name, text in more.items() if text},
        "who": decision.who,
        "at": decision.at.astimezone(UTC).strftime(_TIME),
        "key": decision.key,
        "sha256": decision.sha256,
        **({"replaces": list(decision.replaces)} if decision.replaces else {}),
    }


def decision_time(text: str) -> datetime:
    """Return the moment that a decision's text names; ValueError: no such day."""
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def read_decision(data: Mapping[str, Any]) -> TakeDecision:
    """Return the decision that plain data tells, which fit the schema; ValueError: no such day."""
    return TakeDecision(
        **{name: data[name] for name in ("take", "key", "sha256", "who")},
        verdict=Verdict(data["verdict"]),
        at=decision_time(data["at"]),
        reason=data.get("reason", ""),
        note=data.get("note", ""),
        replaces=tuple(data.get("replaces", ())),
    )


def merge_decisions(*sides: Iterable[TakeDecision]) -> tuple[TakeDecision, ...]:
    """Return every decision of all sides once, the oldest first.

    Commutative, associative and idempotent: it is the union of sets, in an order of its own.
    """
    # Equal decisions have one id, which is a digest: none is made where there is one decision.
    every = dict.fromkeys(each for side in sides for each in side)
    if len(every) <= 1:
        return tuple(every)
    return tuple(sorted(every, key=lambda each: (each.at, each.id)))


def decisions_in_force(
    decisions: Iterable[TakeDecision],
) -> dict[tuple[str, str], list[TakeDecision]]:
    """Return what nobody replaced, by key and clip; several of one clip may differ."""
    listed = list(decisions)
    replaced = {each for decision in listed for each in decision.replaces}
    found: dict[tuple[str, str], list[TakeDecision]] = {}
    for decision in listed:
        if decision.verdict is Verdict.REROLL or (replaced and decision.id in replaced):
            continue
        found.setdefault(decision.clip, []).append(decision)
    return found


def decisions_on_clips(
    decisions: Iterable[TakeDecision],
) -> dict[str, tuple[TakeDecision, ...]]:
    """Return what nobody replaced of one place's decisions, by clip, under whichever key.

    Merging two lock files gives a clip that it moves to another take a key of its own.
    """
    found: dict[str, tuple[TakeDecision, ...]] = {}
    for (_, sha256), in_force in decisions_in_force(decisions).items():
        found[sha256] = merge_decisions(found.get(sha256, ()), in_force)
    return found


def verdict_of(in_force: Iterable[TakeDecision]) -> Verdict | None:
    """Return what holds of a clip; None where nobody decided, or two people's words differ."""
    verdicts = {each.verdict for each in in_force}
    (only,) = verdicts if len(verdicts) == 1 else (None,)
    return only


def review_of(in_force: Iterable[TakeDecision]) -> Review:
    """Return where a clip that is there stands, by what holds of it."""
    verdict = verdict_of(in_force)
    # What was reopened waits again, and so does a clip of which two people's words differ.
    return _DECIDED.get(verdict, Review.WAITING) if verdict else Review.WAITING


_DECIDED = {
    Verdict.APPROVED: Review.APPROVED,
    Verdict.REJECTED: Review.REJECTED,
    Verdict.LATER: Review.LATER,
}


def is_locked(in_force: Iterable[TakeDecision]) -> bool:
    """Tell whether a clip is not to be made anew: it is approved, if only by one of two people.

    While they differ, money is not spent on what one of them wants to keep.
    """
    return any(each.verdict is Verdict.APPROVED for each in in_force)


def is_contradicted(in_force: Iterable[TakeDecision]) -> bool:
    """Tell whether several people's words for one clip differ."""
    return len({each.verdict for each in in_force}) > 1
