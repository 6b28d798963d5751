"""For any shots, rows, axes and takes: how many items, in which order, under which names."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Item, Manifest
from tests.unit.plan import builders as build

KEYS = st.text(min_size=1, max_size=8)
WORDS = st.text("abcdefgh", min_size=1, max_size=4)
AXES = st.dictionaries(
    st.sampled_from(["mood", "scene", "tempo"]),
    st.lists(WORDS, min_size=1, max_size=3, unique=True),
    max_size=3,
)


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the numbers that a campaign is made of."""
    return {
        "shots": draw(st.integers(1, 3)),
        "keys": draw(st.lists(KEYS, max_size=4, unique=True)),
        "axes": draw(AXES),
        "takes": draw(st.integers(1, 3)),
    }


def campaign(shape: dict[str, Any], order: list[int] | None = None) -> Manifest:
    """Return a campaign of that shape, its rows in another order if one is given."""
    rows = [build.row(key, name=f"<{key}>") for key in shape["keys"]]
    rows = [rows[index] for index in order] if order is not None else rows
    reads = " ".join(f"{{{{ variant.{axis} }}}}" for axis in shape["axes"])
    shots = [
        build.shot(
            f"{number} {{{{ product.name }}}} {reads}",
            id=f"shot{number}",
            table="products",
            variants=build.variants(shape["axes"]) if shape["axes"] else None,
            settings={"takes": shape["takes"]},
        )
        for number in range(shape["shots"])
    ]
    return build.manifest(*shots, rows=rows)


def cells(shape: dict[str, Any]) -> list[str]:
    """Return the names of a shape's cells."""
    return ["-".join(values) for values in product(*shape["axes"].values())]


@given(shapes())
@settings(deadline=None, max_examples=30)
def test_items_are_the_product_in_order(shape: dict[str, Any]) -> None:
    """Shots × rows × cells × takes, each before the next."""
    names = [f"shot{number}" for number in range(shape["shots"])]
    takes = range(1, shape["takes"] + 1)

    expected = list(product(names, shape["keys"], cells(shape), takes))

    assert expected == [
        (item.shot, item.row_key, item.cell, item.take) for item in build.items(campaign(shape))
    ]


@given(shapes())
@settings(deadline=None, max_examples=30)
def test_no_two_items_share_an_address(shape: dict[str, Any]) -> None:
    """Whatever stands in a row's key."""
    addresses = [item.address for item in build.items(campaign(shape))]

    assert len(set(addresses)) == len(addresses)


@given(shapes(), st.data())
@settings(deadline=None, max_examples=30)
def test_sorting_rows_renames_nothing(shape: dict[str, Any], data: st.DataObject) -> None:
    """Each address stands for the same work, whatever the order; so no clip is made again."""
    order = data.draw(st.permutations(range(len(shape["keys"]))))

    here, there = (
        {item.address: (item.key, item.output) for item in build.items(found)}
        for found in (campaign(shape), campaign(shape, order))
    )

    assert here == there


@given(shapes(), KEYS)
@settings(deadline=None, max_examples=30)
def test_a_new_row_changes_no_other(shape: dict[str, Any], key: str) -> None:
    """Inserting a product leaves every other item as it was."""
    before = {item.address: item.key for item in build.items(campaign(shape))}
    more = {**shape, "keys": [key, *[each for each in shape["keys"] if each != key]]}

    after = {item.address: item.key for item in build.items(campaign(more))}

    assert before.items() <= after.items()


@given(KEYS, KEYS)
@settings(deadline=None, max_examples=100)
def test_an_encoded_key_can_be_read_back(one: str, other: str) -> None:
    """Two keys are never encoded alike, and nothing that is reserved is left."""
    here, there = (
        build.items(build.manifest(build.shot(table="products"), rows=[build.row(key)]))[0]
        for key in (one, other)
    )

    assert (one == other) is (here.address == there.address)
    inside = here.address.removeprefix("spin[").removesuffix("]#1")
    assert not set(',[]#*?" \t\n') & set(inside)
    assert not any(character.isspace() for character in inside)


@given(st.lists(KEYS, min_size=1, max_size=6, unique=True), st.sets(st.integers(0, 5)))
@settings(deadline=None, max_examples=30)
def test_a_fault_takes_its_row_and_no_other(keys: list[str], bad: set[int]) -> None:
    """Every row is either an item or named in the one finding, never both, never neither."""
    rows = [
        build.row(key) if index in bad else build.row(key, name="Comet")
        for index, key in enumerate(keys)
    ]
    shot = build.shot("{{ product.name }}", table="products")

    found = list(build.plan(build.manifest(shot, rows=rows)))

    made = [each.row_key for each in found if isinstance(each, Item)]
    told = [key for each in found if not isinstance(each, Item) for key in each.rows]
    assert [key for index, key in enumerate(keys) if index not in bad] == made
    assert [key for index, key in enumerate(keys) if index in bad] == told
    assert len(found) == len(made) + bool(told)
