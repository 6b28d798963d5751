"""The lock file's text, what stands under which address, and what a run changes in it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
import yaml

from pipeline.domain.lock import LockedClip, plain_locked
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.lock.differences import ANOTHER_CLIP, compare_builds, locked_build
from pipeline.plan.lock.lock_addresses import is_moved, remember
from pipeline.plan.lock.lock_changes import job_keys, merge_locks, prune_lock, update_lock
from pipeline.plan.lock.lock_text import LOCK_FORMAT, read_lock, write_lock
from tests.unit.plan.locks import locked, sha256

FILE = "campaign.lock.yaml"


def by_address(*clips: LockedClip) -> dict[str, LockedClip]:
    """Return a lock file of these clips."""
    return {clip.address: clip for clip in clips}


def faults(text: str) -> tuple[Finding, ...]:
    """Return what is wrong with the text of a lock file."""
    with pytest.raises(InvalidInput) as caught:
        read_lock(text, FILE, "merge it")
    return caught.value.findings


ODD = ["spin[Größe 42]", "spin[a:b - {c}]", "spin[\u2028\u0085]", "spin[😀\\]", "spin['x\"]"]


def test_what_is_written_is_read_again_and_is_yaml() -> None:
    """Each clip comes back as it was, a line each, also to whoever reads it as YAML."""
    lock = by_address(*(locked(place, day=day) for day, place in enumerate(ODD)))

    text = write_lock(lock)

    assert lock == read_lock(text, FILE)
    assert text == write_lock(read_lock(text, FILE))
    assert 1 + len(ODD) == text.count("\n") == len(text.splitlines())
    told = yaml.safe_load(text)
    assert {each: plain_locked(clip) for each, clip in lock.items()} == told
    assert sorted(lock) == list(told)


def test_a_lock_file_is_the_same_whatever_order_its_clips_come_in() -> None:
    """Addresses and the names of parts are sorted."""
    one, other = locked("b"), locked("a", off_spec=True, price_usd=Decimal("10.00"))
    turned = replace(one, parts=dict(sorted(one.parts.items(), reverse=True)))

    assert write_lock(by_address(one, other)) == write_lock(by_address(other, turned))


def test_an_empty_text_holds_nothing() -> None:
    """So do the header alone and comments."""
    assert {} == read_lock("", FILE) == read_lock(f"{LOCK_FORMAT.header}\n# a note\n\n", FILE)


def test_lines_end_as_on_any_machine() -> None:
    """Git may have written CRLF, or an editor a byte order mark."""
    lock = by_address(locked("a"), locked("b"))

    assert lock == read_lock("\ufeff" + write_lock(lock).replace("\n", "\r\n"), FILE)


LINE = write_lock(by_address(locked("a"))).splitlines()[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a#1: {}", "this is no line"),
        ('"a#1": {"key"', "this is no line"),
        ('"a#1": []', "does not fit the schema"),
        (LINE.replace("0.42", "0,42"), "does not fit the schema (price_usd)"),
        (LINE.replace('"bytes": 1000', '"bytes": 1000, "more": 1'), "does not fit the schema"),
        (LINE.replace("2026-06-03", "2026-06-31"), "there is no day as in 2026-06-31"),
        (f"{LINE}\n{LINE}", "stands in line 2 already"),
        (f"<<<<<<< ours\n{LINE}", "two branches have met here"),
        ("# callsheet lock 2: of another time", "written by a newer Callsheet"),
    ],
)
def test_what_is_no_lock_file_is_a_finding_at_its_line(line: str, said: str) -> None:
    """Nothing is guessed: a line that was lost would be bought again."""
    (fault,) = faults(f"{LOCK_FORMAT.header}\n{line}\n")

    assert "bad-lock" == fault.slug
    assert said in fault.message
    assert fault.span.line in {2, 3}


@pytest.mark.parametrize("base", ["", "||||||| base\n{0}\n"])
def test_both_sides_of_a_conflict_are_read(base: str) -> None:
    """With and without what both began with; what is around belongs to both."""
    one, ours, theirs = locked("a"), locked("b", clip="ours"), locked("b", clip="theirs")
    lines = [write_lock(by_address(each)).splitlines()[1] for each in (one, ours, theirs)]
    between = base.format(lines[0])
    conflict = f"<<<<<<< ours\n{lines[1]}\n{between}=======\n{lines[2]}\n>>>>>>> b\n"
    text = f"{LOCK_FORMAT.header}\n{lines[0]}\n{conflict}"

    sides = [read_lock(side, FILE) for side in split_conflicts(text)]

    assert [by_address(one, ours), by_address(one, theirs)] == sides


def test_the_older_of_two_purchases_keeps_its_address() -> None:
    """The other satisfies the next take, under the key that it was bought with."""
    older, newer = locked("a", clip="older", day=1), locked("a", clip="newer", day=2)

    merged = merge_locks(by_address(newer), by_address(older))

    assert by_address(older, replace(newer, address="a#2")) == merged
    assert [False, True] == [is_moved(clip) for clip in merged.values()]


def test_a_take_that_was_bought_as_such_keeps_its_address() -> None:
    """The next take is the next that is free."""
    older, newer = locked("a", clip="older", day=1), locked("a", clip="newer", day=2)
    second = locked("a", 2, day=3)

    merged = merge_locks(by_address(older, second), by_address(newer))

    assert by_address(older, second, replace(newer, address="a#3")) == merged


def test_one_purchase_on_both_sides_is_one_line() -> None:
    """A price that the provider told by now is the one that is kept."""
    guessed = locked("a", price_source="estimated", price_usd=Decimal("0.50"))
    told = locked("a")

    assert by_address(told) == merge_locks(by_address(told), by_address(guessed))
    assert by_address(told) == merge_locks(by_address(guessed), by_address(told))


def test_a_run_adds_and_replaces_only_what_it_was_asked_for() -> None:
    """Other lines stay, whatever became of their items."""
    kept, old, new = locked("a"), locked("b"), locked("b", prompt="b", day=1)
    added = locked("c")

    assert by_address(kept, new, added) == update_lock(by_address(kept, old), [new, added])


def test_a_line_whose_clip_is_the_item_s_keeps_the_key_it_names() -> None:
    """Only its price may be known better."""
    moved = replace(locked("a", clip="one"), address="a#2")
    found = replace(moved, key=sha256("another"), price_usd=Decimal("0.40"))

    updated = update_lock(by_address(moved), [found])

    assert by_address(replace(moved, price_usd=Decimal("0.40"))) == updated


def test_a_machine_that_has_the_other_clip_of_one_work_leaves_the_line() -> None:
    """Both clips are in the file: its own stands at the next take."""
    merged = merge_locks(
        by_address(locked("a", clip="older", day=1)), by_address(locked("a", clip="newer", day=2))
    )

    assert merged == update_lock(merged, [locked("a", clip="newer", day=2)])


def test_what_was_moved_aside_and_has_its_address_again_stands_once() -> None:
    """An edit brought its item to the clip that the other branch had bought."""
    mine, theirs = locked("a", prompt="mine", day=1), locked("a", prompt="theirs", day=2)
    merged = merge_locks(by_address(mine), by_address(theirs))
    assert ["a#1", "a#2"] == list(merged)

    assert by_address(theirs) == update_lock(merged, [theirs])


def test_pruning_takes_out_orphans_and_no_further_take() -> None:
    """A second take was paid for: it is the next that somebody asks for."""
    first, second, gone = locked("a"), locked("a", 2), locked("b")

    kept, orphans = prune_lock(by_address(first, second, gone), {"a#1"})

    assert (by_address(first, second), by_address(gone)) == (kept, orphans)


def test_each_of_two_clips_of_one_key_has_a_job_of_its_own() -> None:
    """The one that was bought for its address first; who shares a clip shares its job."""
    older, newer = locked("a", clip="older", day=1), locked("a", clip="newer", day=2)
    shared = replace(older, address="b#1")
    lock = merge_locks(by_address(older), by_address(newer)) | {"b#1": shared}

    jobs = job_keys(lock)

    assert older.key == jobs["a#1"] == jobs["b#1"] != jobs["a#2"]
    assert 2 == len(remember(lock, frozenset()).clips)


def test_a_moved_clip_whose_work_has_no_other_keeps_its_key() -> None:
    """An item that asks for it by its key finds it."""
    mine, theirs = locked("a", prompt="mine", day=1), locked("a", prompt="theirs", day=2)

    jobs = job_keys(merge_locks(by_address(mine), by_address(theirs)))

    assert {"a#1": mine.key, "a#2": theirs.key} == jobs


def test_two_builds_differ_by_items_parts_and_money() -> None:
    """What is new, what changed and in which part, what is gone, and what all that cost."""
    same, edited = locked("a"), locked("b", prompt="b", price_usd=Decimal("0.84"))
    again = locked("d", clip="again")
    before = by_address(same, locked("b"), locked("c"), locked("d"))

    found = compare_builds(
        locked_build(before), locked_build(by_address(same, edited, again, locked("e")))
    )

    assert ["e#1"] == [each.address for each in found.new]
    assert [("b#1", ("prompt",)), ("d#1", (ANOTHER_CLIP,))] == [
        (each.address, each.parts) for each in found.changed
    ]
    assert (Decimal("0.42"), Decimal("0.84")) == (
        found.changed[0].before_usd,
        found.changed[0].after_usd,
    )
    assert ["c#1"] == [each.address for each in found.removed]
    assert 1 == found.same


def test_an_earlier_rule_is_no_difference() -> None:
    """A key that another one satisfies asks for the same work."""
    entry = locked_build(by_address(locked("a")))["a#1"]
    other = replace(entry, key=sha256("new rule"), others=frozenset({entry.key}), sha256="")

    assert 1 == compare_builds({"a#1": entry}, {"a#1": other}).same


def test_the_json_of_a_line_is_plain() -> None:
    """Money is text, times are UTC to the second, and what is usual is not said."""
    data = json.loads(LINE.partition(": ")[2])

    assert ("0.42", "2026-06-03T12:00:00Z") == (data["price_usd"], data["paid"])
    assert "in_spec" not in data
