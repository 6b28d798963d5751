"""Over random histories of several people: merged decisions lose no word and guess nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.review import (
    TakeDecision,
    Verdict,
    decisions_in_force,
    is_locked,
    merge_decisions,
    verdict_of,
)

CLIPS = (("a" * 64, "1" * 64), ("a" * 64, "2" * 64))
Words = Sequence[tuple[int, Verdict]]
"""Of which clip, and what."""
WORDS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(list(Verdict))), max_size=5)


def said(begun: Sequence[TakeDecision], who: str, words: Words) -> tuple[TakeDecision, ...]:
    """Return a person's file after some words, each of which replaces what held for it."""
    decisions = tuple(begun)
    for number, (clip, verdict) in enumerate(words):
        key, sha256 = CLIPS[clip]
        in_force = decisions_in_force(decisions).get((key, sha256), [])
        replaces = () if verdict is Verdict.REROLL else tuple(sorted(d.id for d in in_force))
        at = datetime(2026, 6, 3, tzinfo=UTC) + timedelta(seconds=len(begun) + number)
        new = TakeDecision(
            take=1, key=key, sha256=sha256, verdict=verdict, who=who, at=at, replaces=replaces
        )
        decisions = merge_decisions(decisions, [new])
    return decisions


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4), st.randoms())
@settings(deadline=None)
def test_files_merge_in_any_order_to_the_same(
    begun: Words, people: Sequence[Words], chance: Random
) -> None:
    """Whoever merges first and with whom, and however often."""
    common = said((), "zoe", begun)
    files = [said(common, f"person {number}", words) for number, words in enumerate(people)]
    shuffled = chance.sample(files, len(files))
    merged = merge_decisions(*files)

    one_by_one = shuffled[0]
    for each in shuffled[1:]:
        one_by_one = merge_decisions(each, one_by_one, each)

    assert merged == one_by_one
    assert {each for file in files for each in file} == set(merged)


@given(WORDS, st.lists(WORDS, min_size=2, max_size=2))
@settings(deadline=None)
def test_a_conflict_is_shown_and_never_guessed(begun: Words, people: Sequence[Words]) -> None:
    """Who alone spoke of a clip is heard; where both did, it is decided only if they agree."""
    common = said((), "zoe", begun)
    ann, ben = (said(common, who, words) for who, words in zip("ab", people, strict=True))
    merged = decisions_in_force(merge_decisions(ann, ben))

    for number, clip in enumerate(CLIPS):
        spoke = [
            any(each == number and verdict is not Verdict.REROLL for each, verdict in words)
            for words in people
        ]
        sides = [decisions_in_force(file).get(clip, []) for file in (ann, ben)]
        verdicts = {verdict_of(side) for side, own in zip(sides, spoke, strict=True) if own}
        if not any(spoke):
            verdicts = {verdict_of(sides[0])}
        (only,) = verdicts if len(verdicts) == 1 else (None,)
        assert only is verdict_of(merged.get(clip, []))
        # What one of two wants to keep is not made again meanwhile.
        kept = any(is_locked(side) for side, own in zip(sides, spoke, strict=True) if own)
        assert not kept or is_locked(merged.get(clip, []))


@given(WORDS, st.lists(WORDS, min_size=2, max_size=3), st.sampled_from(list(Verdict)[:3]))
@settings(deadline=None)
def test_a_new_word_ends_a_conflict(
    begun: Words, people: Sequence[Words], verdict: Verdict
) -> None:
    """It replaces all that held, whoever said it."""
    common = said((), "zoe", begun)
    merged = merge_decisions(*(said(common, f"{n}", words) for n, words in enumerate(people)))

    ended = said(merged, "judge", [(0, verdict)])

    assert verdict is verdict_of(decisions_in_force(ended)[CLIPS[0]])
