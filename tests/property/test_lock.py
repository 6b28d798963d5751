"""Over random histories of branches: merged lock files lose no purchase, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.item import place_of
from pipeline.domain.lock import LockedClip
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.lock.lock_addresses import remember
from pipeline.plan.lock.lock_changes import merge_locks, prune_lock, update_lock
from pipeline.plan.lock.lock_text import read_lock, write_lock
from tests.unit.plan.locks import locked

Lock = dict[str, LockedClip]
PLACES = ("spin[A]", "spin[B]", "turn[A,calm]")
FILE = "campaign.lock.yaml"


@st.composite
def purchases(draw: st.DrawFn) -> LockedClip:
    """Draw a clip that a run has bought: of which item, take and prompt, and on which day."""
    place, take = draw(st.sampled_from(PLACES)), draw(st.integers(1, 3))
    prompt, day = draw(st.sampled_from("ab")), draw(st.integers(0, 3))
    return locked(place, take, prompt=prompt, day=day, clip=draw(st.text("xyz", max_size=3)))


Runs = Sequence[LockedClip]
BRANCHES = st.lists(st.lists(purchases(), max_size=4), min_size=1, max_size=4)


def ended(begun: Lock, runs: Runs) -> Lock:
    """Return a branch's lock file after its runs, a purchase each."""
    return reduce(lambda lock, bought: update_lock(lock, [bought]), runs, begun)


def sides(branches: Sequence[Runs], begun: Runs) -> list[Lock]:
    """Return the lock file of each branch; all begin with the same one."""
    return [ended(ended({}, begun), runs) for runs in branches]


def bought(locks: Sequence[Lock]) -> set[tuple[str, tuple[str, str, str]]]:
    """Return every purchase in some lock files, with its place."""
    return {(place_of(a), clip.purchase) for lock in locks for a, clip in lock.items()}


@given(BRANCHES, st.lists(purchases(), max_size=3), st.randoms())
@settings(deadline=None)
def test_merging_loses_no_purchase_and_asks_for_no_order(
    branches: Sequence[Runs], begun: Runs, chance: Random
) -> None:
    """All clips are there, each once in its place, whoever merges first and with whom."""
    locks = sides(branches, begun)
    shuffled = chance.sample(locks, len(locks))

    merged = merge_locks(*locks)
    one_by_one: Lock = {}
    for lock in shuffled:
        one_by_one = merge_locks(one_by_one, lock)

    assert merged == one_by_one == merge_locks(merged, chance.choice(locks))
    assert bought(locks) == bought([merged])
    assert len(merged) == len(bought([merged]))
    assert write_lock(merged) == write_lock(one_by_one)
    assert merged == read_lock(write_lock(merged), FILE)


@given(BRANCHES, st.lists(purchases(), max_size=3))
@settings(deadline=None)
def test_whatever_git_could_not_merge_is_merged(branches: Sequence[Runs], begun: Runs) -> None:
    """Two whole files as the sides of one conflict come to the same as the files themselves."""
    locks = sides([*branches, []], begun)[:2]
    ours, theirs = (write_lock(lock) for lock in locks)
    text = f"<<<<<<< ours\n{ours}=======\n{theirs}>>>>>>> theirs\n"

    read = [read_lock(side, FILE) for side in split_conflicts(text)]

    assert locks == read
    assert merge_locks(*locks) == merge_locks(*read)


@given(BRANCHES, st.lists(purchases(), max_size=3))
@settings(deadline=None)
def test_of_what_is_merged_every_clip_has_a_job_and_none_is_bought_again(
    branches: Sequence[Runs], begun: Runs
) -> None:
    """A ledger that takes the file in has each purchase once, and no two clips under one key."""
    merged = merge_locks(*sides(branches, begun))

    memory = remember(merged, frozenset(clip.sha256 for clip in merged.values()))

    keys = [each.job_key for each in memory.clips]
    assert len(keys) == len(set(keys))
    assert {clip.purchase for clip in merged.values()} == {
        each.clip.purchase for each in memory.clips
    }
    # Who asks again for the work of a line finds its key among the jobs.
    assert {clip.key for clip in merged.values()} <= set(keys)


@given(BRANCHES, st.sets(st.sampled_from(PLACES)))
@settings(deadline=None)
def test_pruning_splits_a_file_in_two(branches: Sequence[Runs], planned: set[str]) -> None:
    """Each line is kept or taken out, and what the plan has is kept."""
    merged = merge_locks(*sides(branches, []))

    kept, gone = prune_lock(merged, {f"{place}#1" for place in planned})

    assert merged == kept | dict(gone)
    assert not kept.keys() & gone.keys()
    assert planned.isdisjoint(map(place_of, gone))


@given(BRANCHES, purchases())
@settings(deadline=None)
def test_a_run_that_changes_nothing_leaves_the_file(
    branches: Sequence[Runs], again: LockedClip
) -> None:
    """What was written once is the same after it was written again."""
    lock = update_lock(merge_locks(*sides(branches, [])), [again])

    assert lock == update_lock(lock, [again])
