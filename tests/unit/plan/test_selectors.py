"""What `--select` and `--exclude` mean, condition by condition."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipeline.findings import Finding
from tests.unit.plan.selecting import chosen, record, selection, wrong

RECORDS = (
    record("spin[A-1,9x16-calm]#1", tags=["hero", "paid"], axes={"ratio": "9:16", "mood": "calm"}),
    record("spin[A-1,9x16-calm]#2", tags=["hero", "paid"], axes={"ratio": "9:16", "mood": "calm"}),
    record("spin[B-2,1x1-bold]#1", tags=["paid"], axes={"ratio": "1:1", "mood": "bold"}),
    record("open[A-1]#1", provider="evolink", status="failed", state="failed"),
    record("logo#1", tags=["Hero"], status="reused", state="done", estimate_usd=None),
    record("last#1", status="in_flight", state="waiting", estimate_usd=Decimal("1.26")),
)
ROWS: dict[str, dict[str, Any]] = {
    "A-1": {"colour": "dark red", "price": Decimal("79.90"), "sizes": ["S", "M"], "new": True},
    "B-2": {"colour": "white, blue", "price": None, "sizes": [], "new": False},
}


def picked(select: str = "", exclude: str = "", **more: Any) -> list[int]:
    """Return the positions of the records that are selected, from 1; nothing may be wrong."""
    passed, findings = chosen(selection(select, exclude, **more), RECORDS, ROWS)
    assert [] == findings
    addresses = [each.address for each in RECORDS]
    return [addresses.index(address) + 1 for address in passed]


def unmatched(select: str = "", exclude: str = "", **more: Any) -> list[Finding]:
    """Return what a selection has to say of itself."""
    _, findings = chosen(selection(select, exclude, **more), RECORDS, ROWS)
    assert {"no-match"} == {finding.slug for finding in findings}
    return findings


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("tag:hero", [1, 2]),
        ("tag:?ero", [1, 2, 5]),
        ("shot:spin", [1, 2, 3]),
        ("shot:*", [1, 2, 3, 4, 5, 6]),
        ("provider:evolink", [4]),
        ("axis.ratio:9:16", [1, 2]),
        ("axis.mood:*", [1, 2, 3]),
        ("row.colour:dark*", [1, 2, 4]),
        ('row.colour:"dark red"', [1, 2, 4]),
        ('"row.colour:white, blue"', [3]),
        ("row.price:79.90", [1, 2, 4]),
        ("row.sizes:M", [1, 2, 4]),
        ("row.new:false", [3]),
        ("status:new", [1, 2, 3]),
        ("status:in_*", [6]),
        ("state:done", [5]),
        ("cost:>1.00", [6]),
        ("cost:<=0.42", [1, 2, 3, 4]),
        ("cost:0.42", [1, 2, 3, 4]),
        ("cost:unknown", [5]),
        ("spin[A-1,9x16-calm]#2", [2]),
        ("spin[A-1,9x16-calm]", [1, 2]),
        ("spin[*,9x16-*]", [1, 2]),
        ("*[A-1*]", [1, 2, 4]),
        ("spin", [1, 2, 3]),
        ("lo*", [5]),
        ("logo", [5]),
    ],
)
def test_each_method_looks_at_its_own(select: str, expected: list[int]) -> None:
    """Every method, globs, quotes, and addresses with and without a take."""
    assert expected == picked(select)


@pytest.mark.parametrize(
    ("select", "exclude", "expected"),
    [
        ("tag:hero shot:open", "", [1, 2, 4]),
        ("tag:paid,axis.mood:bold", "", [3]),
        ("tag:paid,axis.mood:bold logo", "", [3, 5]),
        ("  logo   last ", "", [5, 6]),
        ("", "tag:paid", [4, 5, 6]),
        ("tag:paid", "tag:hero", [3]),
        ("tag:paid", "tag:hero,*#2 last", [1, 3]),
        ("spin[*,9x16-*],*#1", "", [1]),
    ],
)
def test_space_is_or_comma_is_and_exclude_comes_last(
    select: str, exclude: str, expected: list[int]
) -> None:
    """As in dbt; inside brackets and quotes both are only text."""
    assert expected == picked(select, exclude)


def test_case_counts() -> None:
    """`Hero` and `hero` are two tags."""
    assert [5] == picked("tag:Hero")


def test_a_limit_takes_the_first_in_plan_order() -> None:
    """It counts what is left after the exclusion."""
    assert [2, 3] == picked("shot:spin logo", "*calm]#1", limit=2)


def test_a_name_stands_for_its_selection() -> None:
    """Also among others, and for names that stand for names."""
    named = {"hero": "tag:hero", "calm": "@hero,axis.mood:calm logo"}

    assert [1, 2] == picked("@hero", named=named)
    assert [1, 5] == picked("@calm,*#1", named=named)
    assert [3, 4, 6] == picked("", "@calm", named=named)


@pytest.mark.parametrize(
    ("select", "message", "column", "hint"),
    [
        ("tag:a,", "one side of this comma", 6, "without a space"),
        (",tag:a", "one side of this comma", 1, "without a space"),
        ("tag:a,,tag:b", "one side of this comma", 6, "without a space"),
        ("tag:a, tag:b", "one side of this comma", 6, "without a space"),
        ("tag:a ,tag:b", "one side of this comma", 7, "without a space"),
        ('tag:a "tag:b', 'this " is never closed', 7, 'add a "'),
        ("spin[a,b", "this [ is never closed", 5, "add a ]"),
        (" ", "it is empty", 1, "leave it out"),
        ("tga:hero", "no method 'tga'", 1, "did you mean 'tag'?"),
        ("logo rows.colour:red", "no method 'rows.colour'", 6, "row.COLUMN"),
        ("status:done", "no item is ever 'status:done'", 1, "write state:done"),
        ("logo state:faild", "no item is ever 'state:faild'", 6, "did you mean 'failed'?"),
        ("cost:cheap", "'cheap' is no amount", 1, "cost:>1.00"),
        ("cost:>", "'>' is no amount", 1, "cost:>1.00"),
        ("logo @her", "no selector 'her'", 6, "did you mean '@hero'?"),
    ],
)
def test_what_has_no_meaning_is_told_at_its_place(
    select: str, message: str, column: int, hint: str
) -> None:
    """A finding names what is wrong, its column, and what to write."""
    (finding,) = wrong(select, named={"hero": "tag:hero"})

    assert message in finding.message
    assert column == finding.span.column
    assert hint in finding.hint


def test_a_review_is_one_of_a_few_words() -> None:
    """`review:` with another word is refused with those there are, not empty."""
    (finding,) = wrong("tag:a,review:none")

    assert "no item is ever 'review:none'" == finding.message
    assert 7 == finding.span.column


def test_every_fault_is_told_at_once() -> None:
    """Of several conditions that mean nothing each has its finding."""
    assert [1, 7, 14] == [finding.span.column for finding in wrong("tga:a cost:x @no")]


def test_a_fault_in_a_named_selection_is_told_where_it_is_written() -> None:
    """Not where the name is used."""
    (finding,) = wrong("logo @hero", named={"hero": "tag:a,tga:b"})

    assert ("@hero", 7) == (finding.span.file, finding.span.column)


def test_a_name_that_stands_for_itself_is_a_finding() -> None:
    """The way round is told."""
    (finding,) = wrong("@a", named={"a": "tag:x @b", "b": "@a,tag:y"})

    assert "@a → @b → @a" in finding.message


def test_names_that_multiply_are_stopped() -> None:
    """Thirty names, each of which stands twice for the next, are no work for anybody."""
    named = {f"n{n}": f"@n{n + 1},@m{n} @m{n},@n{n + 1}" for n in range(30)}
    named |= {f"m{n}": f"tag:a{n} tag:b{n}" for n in range(30)}

    findings = wrong("@n0", named={**named, "n30": "tag:x"})

    assert "more than 1,000 alternatives" in findings[0].message


@pytest.mark.parametrize(
    ("select", "hint"),
    [
        ("tag:payd", "did you mean 'tag:paid'?"),
        ("shot:spinn", "did you mean 'shot:spin'?"),
        ("provider:runwai", "did you mean 'provider:runware'?"),
        ("axis.mod:calm", "did you mean 'axis.mood:calm'?"),
        ("axis.mood:clam", "did you mean 'axis.mood:calm'?"),
        ("row.color:white*", "did you mean 'row.colour:white*'?"),
        ("row.colour:dark", """did you mean '"row.colour:dark red"'?"""),
        ("spin[A-1,9x16-clam]", "did you mean 'spin[A-1,9x16-calm]'?"),
        ("span", "did you mean 'spin'?"),
        ("tag:zzz", ""),
    ],
)
def test_a_name_that_no_item_has_is_told_with_the_nearest(select: str, hint: str) -> None:
    """Also beside conditions that do fit: a misspelt name must not pass unseen."""
    (finding,) = unmatched(f"logo {select}")

    assert 6 == finding.span.column
    assert hint == finding.hint


def test_a_misspelt_exclusion_is_told_too() -> None:
    """Else more would be bought than was meant."""
    (finding,) = unmatched("", "tag:heroo")

    assert "--exclude" == finding.span.file


@pytest.mark.parametrize(
    ("select", "exclude"),
    [("tag:hero,shot:open", ""), ("status:changed", ""), ("logo", "tag:Hero")],
)
def test_a_selection_of_nothing_is_a_finding(select: str, exclude: str) -> None:
    """Where every name is known, and still nothing is left."""
    (finding,) = unmatched(select, exclude)

    assert "no item fits this selection" == finding.message


def test_a_status_that_nothing_has_now_is_no_fault_beside_others() -> None:
    """`status:failed status:new` may be written before anything has failed."""
    assert [1, 2, 3] == picked("status:new status:changed", "status:changed")


def test_it_is_known_what_a_selection_depends_on() -> None:
    """On table rows, and on how things stand."""
    assert (True, False) == (selection("row.a:b").needs_rows, selection("tag:a").needs_rows)
    assert (True, False) == (selection("tag:a").lasting, selection("tag:a,status:new").lasting)
