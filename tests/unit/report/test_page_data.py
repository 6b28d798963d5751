"""The page's data: compact, and nothing lost by that."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.records import RecordReference
from pipeline.report.page_data import PageSource, pack, page_data
from tests.unit.report.records import NOON, done
from tests.unit.report.whole_files import summarise

_VALUES = st.lists(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.text(max_size=2), st.just([1, "a"]))
)


@given(_VALUES)
def test_a_packed_column_is_the_column(values: list[Any]) -> None:
    """Whatever is equal stands once or not: unpacked it is the same, of the same types."""
    packed = pack(values)
    unpacked = packed if isinstance(packed, list) else [packed["of"][n] for n in packed["at"]]

    assert [repr(value) for value in values] == [repr(value) for value in unpacked]


@given(st.text())
def test_a_prompt_is_put_together_again(prompt: str) -> None:
    """Sentences stand apart in the data; joined they are the prompt as it was sent."""
    records = [done(sent_prompt=prompt), done(sent_prompt=prompt)]
    data = page_data(summarise(records, campaign="spring", now=NOON), records, PageSource())

    (pieces,) = {tuple(each) for each in data["clips"]["prompt"]["of"]}
    assert prompt == "".join(data["sentences"][n] for n in pieces)


def test_references_are_pictures_with_a_name() -> None:
    """A picture on this disk has an address for the page; anything else has its name alone."""
    pictures = (
        RecordReference("/photos/a b.jpg", "a b.jpg"),
        RecordReference("", "https://example.com/b.jpg"),
    )
    records = [done(references=pictures)]
    data = page_data(summarise(records, campaign="spring", now=NOON), records, PageSource())

    assert [
        {"name": "a b.jpg", "href": "/photos/a%20b.jpg"},
        {"name": "https://example.com/b.jpg", "href": ""},
    ] == data["pictures"]
