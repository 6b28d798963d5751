"""The counter of intents: what it says after a write that was cut off, or damage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.counter_file import UNREADABLE, raise_counter, read_counter

NUMBERS = st.integers(min_value=1, max_value=2**63)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the place of one counter that all examples share."""
    return tmp_path_factory.mktemp("counter") / "cups" / ".intents"


@given(numbers=st.lists(NUMBERS, min_size=1, max_size=8))
def test_it_only_grows(numbers: list[int], file: Path) -> None:
    """It says the greatest number that was ever written."""
    file.unlink(missing_ok=True)
    assert 0 == read_counter(file)

    for seen, number in enumerate(numbers, 1):
        raise_counter(file, number)

        assert max(numbers[:seen]) == read_counter(file)


def test_who_begins_it_at_the_same_time_gets_on(tmp_path: Path) -> None:
    """Two runs with one root may make their first purchase at one moment; no part is left."""
    with ThreadPoolExecutor(8) as threads:
        for turn in range(40):
            file = tmp_path / f"turn-{turn}" / ".intents"
            list(threads.map(partial(raise_counter, file), range(1, 9)))
            raise_counter(file, 9)

            assert 9 == read_counter(file)
            assert [file] == list(file.parent.iterdir())


@given(numbers=st.lists(NUMBERS, min_size=2, max_size=4, unique=True).map(sorted), data=st.data())
def test_a_write_that_was_cut_off_is_never_a_lower_number(
    numbers: list[int], data: st.DataObject, file: Path
) -> None:
    """Whatever part of the last write is on the disk, it says more than before, or as much."""
    *earlier, last = numbers
    file.unlink(missing_ok=True)
    for number in earlier:
        raise_counter(file, number)
    before = file.read_bytes()
    raise_counter(file, last)
    after = file.read_bytes()

    new = [at for at, byte in enumerate(after) if byte != before[at]]
    kept = data.draw(st.sets(st.sampled_from(new)))
    torn = bytes(after[at] if at in kept else byte for at, byte in enumerate(before))
    file.write_bytes(torn)

    least = earlier[-1] if torn == before else min(earlier[-1] + 1, last)
    assert least <= read_counter(file) <= last
    # The next run writes what its ledger knows.
    raise_counter(file, last)
    assert last == read_counter(file)


@given(at=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_a_damaged_byte_is_noticed(at: int, byte: int, file: Path) -> None:
    """With any byte of it changed it does not say less than it was told."""
    file.unlink(missing_ok=True)
    raise_counter(file, 41)
    raise_counter(file, 42)
    content = bytearray(file.read_bytes())
    content[at % len(content)] = byte
    file.write_bytes(content)

    assert read_counter(file) in {UNREADABLE, 42, 43}


@pytest.mark.parametrize("size", [0, 1, 20, 37, 38, 39, 4096, 4100])
def test_one_that_was_cut_short_is_evidence(size: int, file: Path) -> None:
    """It holds no number, and nothing is written over it."""
    file.unlink(missing_ok=True)
    raise_counter(file, 42)
    file.write_bytes(file.read_bytes()[:size])

    raise_counter(file, 43)

    assert (UNREADABLE, size) == (read_counter(file), file.stat().st_size)


def test_one_of_an_earlier_version_is_taken_over(file: Path) -> None:
    """Its number counts until a greater one is written."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b'{"intents": 7}\n')

    assert 7 == read_counter(file)
    raise_counter(file, 7)
    assert b'{"intents": 7}\n' == file.read_bytes()
    raise_counter(file, 9)

    assert 9 == read_counter(file)
