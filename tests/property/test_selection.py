"""For any items and any conditions: a selection keeps the laws of sets."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Record
from pipeline.errors import InvalidInput
from tests.unit.plan.selecting import chosen, record, selection

TAGS = ("a", "b", "c")
RECORDS = st.lists(
    st.builds(
        record,
        address=st.from_regex(r"(open|spin)\[[AB],(x|y-z)\]#[12]", fullmatch=True),
        tags=st.sets(st.sampled_from(TAGS)),
        provider=st.sampled_from(("runware", "evolink")),
        status=st.sampled_from(("new", "failed")),
    ),
    max_size=12,
)
TERMS = st.sampled_from(
    (
        *(f"tag:{tag}" for tag in TAGS),
        "tag:*",
        "shot:spin",
        "spin[A,*]",
        "*[*,x]#1",
        '"spin[B,y-z]"',
        "provider:?unware",
        "status:failed",
        "cost:>1.00",
    )
)
SELECTIONS = st.lists(
    st.lists(TERMS, min_size=1, max_size=3).map(",".join), min_size=1, max_size=3
).map(" ".join)


def _set(records: list[Record], select: str = "", exclude: str = "") -> set[int]:
    found = selection(select, exclude)
    return {n for n, each in enumerate(records) if found.fits(each)}


@given(RECORDS, SELECTIONS, SELECTIONS)
def test_a_space_is_the_union(records: list[Record], one: str, other: str) -> None:
    """What two selections mean together is what either of them means."""
    assert _set(records, one) | _set(records, other) == _set(records, f"{one} {other}")


@given(RECORDS, TERMS, TERMS)
def test_a_comma_is_the_intersection(records: list[Record], one: str, other: str) -> None:
    """What two conditions mean together is what both of them mean."""
    assert _set(records, one) & _set(records, other) == _set(records, f"{one},{other}")


@given(RECORDS, SELECTIONS, SELECTIONS)
def test_names_bind(records: list[Record], one: str, other: str) -> None:
    """A named selection is one condition: it can be met with another one."""
    found = selection("@one,@other", named={"one": one, "other": other})

    expected = _set(records, one) & _set(records, other)
    assert expected == {n for n, each in enumerate(records) if found.fits(each)}


@given(RECORDS, SELECTIONS, SELECTIONS)
def test_an_exclusion_is_the_difference(records: list[Record], one: str, other: str) -> None:
    """It comes last, and alone it means everything else."""
    everything = set(range(len(records)))

    assert _set(records, one) - _set(records, other) == _set(records, one, other)
    assert everything - _set(records, other) == _set(records, exclude=other)
    assert set() == _set(records, one, one)


@given(RECORDS, SELECTIONS, st.integers(1, 5))
def test_a_limit_is_a_beginning(records: list[Record], select: str, limit: int) -> None:
    """What passes with a limit is the beginning of what passes without."""
    some, _ = chosen(selection(select, limit=limit), records)
    every, _ = chosen(selection(select), records)

    assert every[:limit] == some


@given(RECORDS, SELECTIONS)
def test_something_is_selected_or_it_is_told(records: list[Record], select: str) -> None:
    """A selection that lets nothing pass never keeps silent."""
    passed, findings = chosen(selection(select), records)

    assert passed or findings


@given(st.text('ab:*[]",@.#= ', max_size=20))
def test_any_text_is_a_selection_or_has_its_findings(text: str) -> None:
    """Nothing that can be typed is a crash, or any other error than a finding."""
    with suppress(InvalidInput):
        selection(text)
