"""The decisions file of a campaign on disk: where it is, what it says, and what changes it.

A rehearsal's lives in its root, like everything that a rehearsal leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.lock_file import lock_path
from pipeline.domain import Alternative, PricedItem, Record
from pipeline.domain.review import (
    Judgement,
    Review,
    TakeDecision,
    Verdict,
    decisions_in_force,
    is_contradicted,
    is_locked,
    merge_decisions,
    verdict_of,
)
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.ledger.outputs import MadeTake
from pipeline.ledger.repository import Ledger
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.decision_text import (
    DECISIONS_FORMAT,
    merge_places,
    read_decisions,
    splice_decisions,
    write_decisions,
)
from pipeline.plan.lock.lock_addresses import place_of, take_of
from pipeline.storage.shared_file import change_file

SUFFIX = ".decisions.yaml"
_REVIEW_OF = {
    Verdict.APPROVED: Review.APPROVED,
    Verdict.REJECTED: Review.REJECTED,
    Verdict.LATER: Review.LATER,
    Verdict.REOPENED: Review.WAITING,
    None: Review.WAITING,
}
"""What a verdict that holds makes of a clip that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedDecisions:
    """What merging a decisions file came to."""

    path: Path
    places: int
    """How many places it holds now."""
    added: int
    """How many decisions came from the other side."""
    conflicts: tuple[str, ...]
    """Addresses of takes about which two people's words differ."""


class DecisionIndex:
    """What a campaign's decisions say of its items."""

    def __init__(self, places: dict[str, tuple[TakeDecision, ...]]) -> None:
        self.places = places
        # Clips that are shared by one key share what was decided.
        every = (decision for decisions in places.values() for decision in decisions)
        self._in_force = decisions_in_force(every)

    def in_force(self, key: str, sha256: str) -> Sequence[TakeDecision]:
        """Return what holds of a clip: nothing, one decision, or several that differ."""
        return self._in_force.get((key, sha256), ())

    def review(self, record: Record) -> str:
        """Return a word of `Review`; empty while there is no clip to look at."""
        if not record.sha256:
            return ""
        return Review.STALE if record.stale else self.verdict(record.key, record.sha256)

    def verdict(self, key: str, sha256: str) -> str:
        """Return a word of `Review` for a clip that is there."""
        return _REVIEW_OF[verdict_of(self.in_force(key, sha256))]

    def conflicts(self) -> Iterator[str]:
        """Yield the addresses of takes about which two people's words differ."""
        for place, decisions in sorted(self.places.items()):
            for in_force in decisions_in_force(decisions).values():
                if is_contradicted(in_force):
                    yield f"{place}#{in_force[-1].take}"

    def rerolls(self) -> dict[str, int]:
        """Return how many takes were asked for beside the manifest's, by place."""
        asked = Counter(
            place
            for place, decisions in self.places.items()
            for each in decisions
            if each.verdict is Verdict.REROLL
        )
        return dict(asked)

    def approved_clips(self) -> dict[str, tuple[str, str]]:
        """Return key and clip of each address whose take is approved: it is not made anew."""
        return {
            f"{place}#{in_force[-1].take}": clip
            for place, decisions in self.places.items()
            for clip, in_force in decisions_in_force(decisions).items()
            if is_locked(in_force)
        }


def decisions_path(request: CampaignRequest, campaign: str) -> Path:
    """Return where the decisions of a campaign are: `<stem>[.<profile>].decisions.yaml`."""
    return lock_path(request, campaign, SUFFIX)


def load_decisions(request: CampaignRequest, campaign: str) -> DecisionIndex:
    """Return what was decided of a campaign; InvalidInput if its file cannot be understood."""
    path = decisions_path(request, campaign)
    return DecisionIndex(_parse(_read(path), path, request))


def keep_approved(
    entries: Iterable[PricedItem | Finding], index: DecisionIndex, ledger: Ledger
) -> Iterator[PricedItem | Finding]:
    """Yield a plan in which an approved take keeps its clip, whatever the manifest asks for now.

    A decision whose clip is not what the ledger has is history.
    """
    approved = index.approved_clips()
    there = ledger.clips_of(key for key, _ in approved.values())
    for entry in entries:
        if isinstance(entry, PricedItem) and entry.item.address in approved:
            key, sha256 = approved[entry.item.address]
            known = entry.item.key
            same_work = {known.digest, *(other.digest for other in known.alternatives)}
            if there.get(key) == sha256 and key not in same_work:
                kept = Alternative(digest=key, exclusive=False, approved=True)
                changed = replace(known, alternatives=(kept, *known.alternatives))
                yield replace(entry, item=replace(entry.item, key=changed))
                continue
        yield entry


def decide_take(
    request: CampaignRequest,
    campaign: str,
    made: Sequence[MadeTake],
    judgement: Judgement,
) -> tuple[TakeDecision, ...]:
    """Write a decision on a clip into the line of each place that shares it; durable on return."""
    path = decisions_path(request, campaign)
    written: list[TakeDecision] = []

    def change(text: str) -> str:
        written.clear()
        # Read under the file's lock: a colleague's word of a moment ago is what is replaced.
        places = _parse(text, path, request)
        index = DecisionIndex(places)
        for take in made:
            place = place_of(take.address)
            decision = TakeDecision(
                take=take_of(take.address),
                key=take.key,
                sha256=take.sha256,
                verdict=judgement.verdict,
                who=judgement.who,
                at=judgement.at.replace(microsecond=0),
                reason=judgement.reason,
                note=judgement.note,
                replaces=_replaces(index, take, judgement.verdict),
            )
            known = places.get(place, ())
            places[place] = merge_decisions(known, [decision])
            if len(places[place]) == len(known):
                raise usage(f"{place}: the same was decided in this very second; wait for the next")
            text = splice_decisions(text, place, places[place])
            written.append(decision)
        return text

    change_file(path, change)
    return tuple(written)


def merge_decision_file(
    request: CampaignRequest, campaign: str, theirs: Path | None = None
) -> MergedDecisions:
    """Take in another decisions file, or both sides of what Git could not merge in our own."""
    path = decisions_path(request, campaign)
    if theirs is not None and not theirs.is_file():
        raise usage(f"there is no {theirs}")
    other = {} if theirs is None else _parse(_read(theirs), theirs, None)
    before: set[str] = set()
    merged: dict[str, tuple[TakeDecision, ...]] = {}

    def change(text: str) -> str:
        ours, marked = (_parse(side, path, None) for side in split_conflicts(text))
        before.clear()
        before.update(_ids(ours))
        merged.clear()
        merged.update(merge_places(ours, marked, other))
        return write_decisions(merged) if merged else text

    change_file(path, change)
    index = DecisionIndex(merged)
    return MergedDecisions(
        path=path,
        places=len(merged),
        added=len(_ids(merged) - before),
        conflicts=tuple(index.conflicts()),
    )


def _replaces(index: DecisionIndex, take: MadeTake, verdict: Verdict) -> tuple[str, ...]:
    """Return the ids of what held of a clip until now; a further take says nothing of it."""
    if verdict is Verdict.REROLL:
        return ()
    return tuple(sorted({each.id for each in index.in_force(take.key, take.sha256)}))


def _ids(places: dict[str, tuple[TakeDecision, ...]]) -> set[str]:
    return {f"{place} {each.id}" for place, decisions in places.items() for each in decisions}


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "it is not UTF-8"
        message = f"it cannot be read: {reason}"
        span = Span(file=str(path))
        raise InvalidInput(
            [Finding(slug=DECISIONS_FORMAT.slug, message=message, span=span)]
        ) from fault


def _parse(
    text: str, path: Path, request: CampaignRequest | None
) -> dict[str, tuple[TakeDecision, ...]]:
    advice = "" if request is None else f"to have both sides: {request.command('lock merge')}"
    return read_decisions(text, str(path), advice)
