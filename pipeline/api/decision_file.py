"""The decisions file of a campaign on disk: where it is, what it says, and what changes it.

A rehearsal's lives in its root, like everything that a rehearsal leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.lock_file import lock_path, read_beside
from pipeline.domain import Alternative, Manifest, PricedItem, Record
from pipeline.domain.item import EMPTY, place_of, take_of
from pipeline.domain.lock import NOTHING_REMEMBERED, LockMemory
from pipeline.domain.review import (
    Judgement,
    Review,
    TakeDecision,
    Verdict,
    decisions_in_force,
    decisions_on_clips,
    is_contradicted,
    is_locked,
    merge_decisions,
    review_of,
)
from pipeline.findings import Finding
from pipeline.ledger.outputs import MadeTake, View
from pipeline.ledger.repository import Ledger
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.decision_text import (
    DECISIONS_FORMAT,
    merge_places,
    read_decisions,
    splice_decisions,
    write_decisions,
)
from pipeline.storage.shared_file import change_file

SUFFIX = ".decisions.yaml"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTake:
    """What a person's word for a take came to."""

    take: MadeTake
    decision: TakeDecision
    """What is in the take's line."""
    is_new: bool
    """Whether it was not there before."""


class DecisionIndex:
    """What a campaign's decisions say of its items."""

    def __init__(self, places: dict[str, tuple[TakeDecision, ...]]) -> None:
        self.places = places
        # Clips that are shared by one key share what was decided.
        every = (decision for decisions in places.values() for decision in decisions)
        self._of_work = decisions_in_force(every)
        self._at_place = {place: decisions_on_clips(places[place]) for place in places}

    def in_force(self, address: str, key: str, sha256: str) -> Sequence[TakeDecision]:
        """Return what holds of the clip at an address: nothing, one decision, or several.

        That is what was decided of the clip under this key, wherever that was, and of the same
        clip at this place under another.
        """
        here = self._at_place.get(place_of(address), EMPTY).get(sha256, ())
        of_work = self._of_work.get((key, sha256), ())
        # Asked of each clip of a campaign: mostly there is nothing, or one and the same decision.
        if not here and not of_work:
            return ()
        if len(here) == len(of_work) == 1 and here[0] is of_work[0]:
            return here
        return merge_decisions(of_work, here)

    def review(self, record: Record) -> str:
        """Return a word of `Review`; empty while there is no clip to look at."""
        if not record.sha256:
            return ""
        if record.stale:
            return Review.STALE
        return self.verdict(record.address, record.key, record.sha256)

    def verdict(self, address: str, key: str, sha256: str) -> str:
        """Return a word of `Review` for a clip that is there."""
        return review_of(self.in_force(address, key, sha256))

    def conflicts(self) -> Iterator[str]:
        """Yield the addresses of takes about which two people's words differ."""
        for place, clips in sorted(self._at_place.items()):
            for in_force in clips.values():
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

    def approved_clips(
        self, memory: LockMemory = NOTHING_REMEMBERED
    ) -> dict[str, list[tuple[str, str]]]:
        """Return keys and clips that are approved at each address, and are not made anew.

        The one that was approved last is first. Where the lock file has a clip, its address and
        its job's key are those that the lock file gives it: a row or a cell may be named otherwise
        since, and a clip that is shared is approved wherever it stands.
        """
        found: dict[str, list[tuple[TakeDecision, str]]] = {}
        in_lock: set[tuple[str, str]] = set()
        for address, known in memory.at.items():
            sha256 = known.clip.sha256
            in_lock.add((place_of(address), sha256))
            keys = {known.job_key, known.clip.key}
            said = merge_decisions(*(self.in_force(address, key, sha256) for key in keys))
            if is_locked(said):
                found.setdefault(address, []).append((_last_approval(said), known.job_key))
        for place, clips in self._at_place.items():
            for sha256, in_force in clips.items():
                if is_locked(in_force) and (place, sha256) not in in_lock:
                    last = _last_approval(in_force)
                    found.setdefault(f"{place}#{last.take}", []).append((last, last.key))
        for approved in found.values():
            approved.sort(key=lambda each: (each[0].at, each[0].id), reverse=True)
        return {
            address: [(key, last.sha256) for last, key in approved]
            for address, approved in found.items()
        }


def _last_approval(in_force: Iterable[TakeDecision]) -> TakeDecision:
    # The oldest is first, by what is the same on every machine.
    return [each for each in in_force if each.verdict is Verdict.APPROVED][-1]


def decisions_path(request: CampaignRequest, campaign: str) -> Path:
    """Return where the decisions of a campaign are: `<stem>[.<profile>].decisions.yaml`."""
    return lock_path(request, campaign, SUFFIX)


def load_decisions(request: CampaignRequest, campaign: str) -> DecisionIndex:
    """Return what was decided of a campaign; InvalidInput if its file cannot be understood."""
    path = decisions_path(request, campaign)
    return DecisionIndex(_parse(decisions_text(request, campaign), path, request))


def decisions_text(request: CampaignRequest, campaign: str) -> str:
    """Return what a campaign's decisions file has, empty where there is none."""
    return read_beside(decisions_path(request, campaign), DECISIONS_FORMAT.slug)


def keep_approved(
    entries: Iterable[PricedItem | Finding],
    index: DecisionIndex,
    memory: LockMemory,
    ledger: Ledger,
) -> Iterator[PricedItem | Finding]:
    """Yield a plan in which an approved take keeps its clip, whatever the manifest asks for now.

    A decision whose clip is not what the ledger has, here or paid elsewhere, is history.
    """
    approved = index.approved_clips(memory)
    there = ledger.clips_of(key for clips in approved.values() for key, _ in clips)
    for entry in entries:
        if isinstance(entry, PricedItem) and entry.item.address in approved:
            known = entry.item.key
            same_work = {known.digest, *(other.digest for other in known.alternatives)}
            clips = approved[entry.item.address]
            key = next((key for key, sha256 in clips if there.get(key) == sha256), None)
            if key is not None and key not in same_work:
                kept = Alternative(digest=key, exclusive=False, approved=True)
                changed = replace(known, alternatives=(kept, *known.alternatives))
                yield replace(entry, item=replace(entry.item, key=changed))
                continue
        yield entry


def unapproved_outputs(manifest: Manifest, index: DecisionIndex) -> Callable[[View], bool]:
    """Return what tells whether a clip is kept from its output path: `output.show: approved`.

    An approved take whose work changed is shown: it stays what it was until it is reopened.
    """

    def hides(view: View) -> bool:
        if view.shot not in manifest.approved_only:
            return False
        clip = view.clip
        if clip is None or view.stale:
            return clip is None
        return index.verdict(view.address, view.key, clip.sha256) != Review.APPROVED

    return hides


def judge_takes(
    request: CampaignRequest,
    campaign: str,
    said: Iterable[tuple[MadeTake, Judgement]],
) -> list[JudgedTake]:
    """Write decisions on clips into the line of each place that has one; durable on return.

    All of them at once, or nothing. Return in their order what they came to: where the same was
    said already by the same person, that stands as it is.
    """
    path = decisions_path(request, campaign)
    decided: list[JudgedTake] = []
    # Two addresses may share a clip, and each brings all of its places.
    judgements = {(take.address, judgement): (take, judgement) for take, judgement in said}

    def change(text: str) -> str:
        decided.clear()
        # Read under the file's lock: a colleague's word of a moment ago is what is replaced.
        places = _parse(text, path, request)
        index = DecisionIndex(places)
        for take, judgement in judgements.values():
            place = place_of(take.address)
            same = _said_already(index, take, judgement)
            if same is not None:
                decided.append(JudgedTake(take=take, decision=same, is_new=False))
                continue
            decision = TakeDecision(
                take=take_of(take.address),
                key=take.key,
                sha256=take.sha256,
                verdict=judgement.verdict,
                who=judgement.who,
                at=judgement.at.replace(microsecond=0),
                reason=judgement.reason,
                note=judgement.note,
                replaces=_replaces(index, take, judgement),
            )
            known = places.get(place, ())
            places[place] = merge_decisions(known, [decision])
            if len(places[place]) == len(known):
                raise usage(f"{place}: the same was decided in this very second; wait for the next")
            text = splice_decisions(text, place, places[place])
            decided.append(JudgedTake(take=take, decision=decision, is_new=True))
            # What comes next in a list may be of the same clip.
            index = DecisionIndex(places) if len(judgements) > 1 else index
        return text

    change_file(path, change)
    return decided


def merge_decision_file(
    request: CampaignRequest, campaign: str, theirs: Path | None = None
) -> MergedDecisions:
    """Take in another decisions file, or both sides of what Git could not merge in our own."""
    path = decisions_path(request, campaign)
    if theirs is not None and not theirs.is_file():
        raise usage(f"there is no {theirs}")
    text = "" if theirs is None else read_beside(theirs, DECISIONS_FORMAT.slug)
    if text.lstrip().startswith("{"):
        hint = f"to take it in: {request.command('review')} --import {theirs}"
        raise usage(f"{theirs} is no decisions file: a page exported it", hint)
    other = {} if theirs is None else _parse(text, theirs, None)
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


def _said_already(
    index: DecisionIndex, take: MadeTake, judgement: Judgement
) -> TakeDecision | None:
    """Return the decision that says the same of a take, in its place's own line; None if none."""
    here = index.places.get(place_of(take.address), ())
    in_force = index.in_force(take.address, take.key, take.sha256)
    known = [each for each in in_force if len(in_force) == 1 and each.who == judgement.who]
    if judgement.seen is not None:
        # What is imported was perhaps imported before, by whomever, and has been replaced since.
        clip, at = (take.key, take.sha256), judgement.at.replace(microsecond=0)
        known += [each for each in here if (each.clip, each.at) == (clip, at)]
    for each in known:
        same = all(
            getattr(each, name) == getattr(judgement, name)
            for name in ("verdict", "reason", "note")
        )
        if same and each in here:
            return each
    return None


def _replaces(index: DecisionIndex, take: MadeTake, judgement: Judgement) -> tuple[str, ...]:
    """Return the ids of what held of a clip until now; a further take says nothing of it."""
    if judgement.verdict is Verdict.REROLL:
        return ()
    in_force = index.in_force(take.address, take.key, take.sha256)
    if judgement.seen is not None:
        # What others said and this person did not know of stands beside it.
        in_force = [
            each
            for each in in_force
            if each.id in judgement.seen or (each.who == judgement.who and each.at <= judgement.at)
        ]
    return tuple(sorted({each.id for each in in_force}))


def _ids(places: dict[str, tuple[TakeDecision, ...]]) -> set[str]:
    return {f"{place} {each.id}" for place, decisions in places.items() for each in decisions}


def _parse(
    text: str, path: Path, request: CampaignRequest | None
) -> dict[str, tuple[TakeDecision, ...]]:
    advice = "" if request is None else f"to have both sides: {request.command('lock merge')}"
    return read_decisions(text, str(path), advice)
