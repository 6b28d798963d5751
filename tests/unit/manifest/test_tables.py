"""Tables as templates and the plan see them: keys, names, filling, grouping, joining, sorting."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import Row
from pipeline.manifest.tables.column_types import read_joins
from pipeline.manifest.tables.table_loader import read_table
from pipeline.manifest.templates.compile import compile_text
from pipeline.manifest.templates.lint import Scope
from tests.unit.manifest.reading import value
from tests.unit.manifest.tabular import Read, read, span_of

SHOP = (
    "Handle,Title,Vendor,Size,Price,Image\n"
    "shirt,Blue Shirt,Ocean,S,50.00,\n"
    ",,,M,55.00,front.png\n"
    ",,,L,60.00,back.png\n"
    "cap,Red Cap,,,20.00,cap.png\n"
    "shirt,,,XL,65.00,\n"
)
EXPORT = Path(__file__).resolve().parents[4] / "shared" / "data" / "shopify-apparel.csv"


def _shop(**spec: Any) -> Read:
    return read(SHOP, **{"key": "Handle", "group_by": "Handle", **spec})


def _rendered(row: Row, template: str) -> str:
    compiled, findings = compile_text(
        value(f'a: "{template}"'), Scope(names={"product": None}, rows=frozenset({"product"}))
    )
    assert compiled is not None, findings
    return str(compiled.render({"product": row.values}))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ product.items }}", "three"),
        ("{{ product.keys }} {{ product['values'] }} {{ product.get }}", "brass 12 yes"),
        ("{{ product.body_html }}", "<b>"),
        ("{{ product['Body (HTML)'] }}", "<b>"),
        ("{{ product.größe }}", "42"),
        ("{{ product.rows | length }}", "1"),
        ("{{ product.rows | map(attribute='items') | join }}", "three"),
    ],
)
def test_names_in_templates(template: str, text: str) -> None:
    """A column is reached by name or slug, and wins over whatever a map can do."""
    row = read("sku,items,keys,values,get,Body (HTML),Größe\nA,three,brass,12,yes,<b>,42\n").rows[0]

    assert text == _rendered(row, template)


def test_names_in_code() -> None:
    """Outside of templates a row is a map of its columns, and unknown names are told as such."""
    values = read("sku,Body (HTML),A b,a-b\nA,<b>,1,2\n").rows[0].values

    assert {"sku": "A", "Body (HTML)": "<b>", "A b": "1", "a-b": "2"} == dict(values)
    assert "<b>" == getattr(values, "body_html")  # noqa: B009 - a Mapping has no such attribute
    assert "a_b" not in values
    with pytest.raises(KeyError, match="sko"):
        values["sko"]
    with pytest.raises(AttributeError, match="sko"):
        getattr(values, "sko")  # noqa: B009


def test_rows_is_reserved() -> None:
    """No column may be called what a row's own lines are called."""
    found = read("sku,rows\nA,1\n")

    assert [
        (
            "t.csv:1:5: reserved-column: a column cannot be named 'rows': that is a row's own"
            " lines\n      rename it"
        )
    ] == found.told
    assert ["sku"] == list(found.rows[0].values)


def test_keys_are_unique_and_not_blank() -> None:
    """Faulty keys are told with all their places; the first row of a key stays."""
    found = read("sku,a\nA,1\n,2\n A ,3\nB,4\n ,5\nA,6\n")

    assert [
        (
            "t.csv:3:1 (column sku): empty-key: the key 'sku' is blank in 2 rows\n"
            "      every row needs a key: leave the lines out that are no row, with 'where', or let"
            " several columns be the key\n"
            "      also at t.csv:6:1"
        ),
        (
            "t.csv:4:1 (row A, column sku): duplicate-key: 3 rows have the key 'A'\n"
            "      if they are one product, write group_by: sku\n"
            "      also at t.csv:2:1\n"
            "      also at t.csv:7:1"
        ),
    ] == found.told
    assert ["A", "B"] == found.keys


def test_a_key_is_short() -> None:
    """A key is part of every address, so a whole description is none."""
    found = read(f"sku\n{'x' * 201}\n{'y' * 200}\n")

    assert ["a key has at most 200 characters, not 201"] == [f.message for f in found.findings]
    assert ["y" * 200] == found.keys


@pytest.mark.parametrize(
    ("spec", "place", "hint"),
    [
        ({"key": "SKUs"}, "key", "did you mean 'sku'?"),
        ({"columns": {"prise": "number"}}, "columns/prise", "did you mean 'price'?"),
        ({"group_by": "x"}, "group_by", "known here: name, price, sku"),
        ({"order_by": ["price", "-nam"]}, "order_by/1", "did you mean 'name'?"),
        ({"group_by": "sku", "fill_down": ["nme"]}, "fill_down/0", "did you mean 'name'?"),
    ],
)
def test_unknown_columns_are_told(spec: dict[str, Any], place: str, hint: str) -> None:
    """A name that no column has is an error at its place, and the columns are still known."""
    found = read("sku,name,price\nA,x,1\n", **spec)

    assert [f"m.yaml/{place}"] == [finding.span.file for finding in found.findings]
    assert ["unknown-column"] == [finding.slug for finding in found.findings]
    assert [hint] == [finding.hint for finding in found.findings]
    assert found.table is not None
    assert ("sku", "name", "price") == found.table.columns


def test_lines_of_one_product_are_one_row() -> None:
    """Columns hold the first value that is not blank; the lines are `product.rows`."""
    found = _shop(columns={"Price": "number", "Image": "image"})
    shirt, cap = found.rows

    assert [] == found.told
    assert ("Blue Shirt", Decimal("50.00"), "front.png") == tuple(
        shirt.values[name] for name in ("Title", "Price", "Image")
    )
    assert ["S", "M", "L", "XL"] == [line["Size"] for line in shirt.values["rows"]]
    assert ["shirt"] * 4 == [line["Handle"] for line in shirt.values["rows"]]
    assert ["", "front.png", "back.png", ""] == [line["Image"] for line in shirt.values["rows"]]
    assert ("cap", "", 5) == (cap.key, cap.values["Vendor"], cap.span.line)
    assert (3, 12) == (shirt.cells["Image"].line, shirt.cells["Image"].column)
    assert "front.png, back.png" == _rendered(
        shirt,
        "{% for line in product.rows %}{% if line.image %}{{ line.image }}"
        "{% if line.size == 'M' %}, {% endif %}{% endif %}{% endfor %}",
    )


def test_a_cell_may_be_blank_in_some_lines_of_a_product() -> None:
    """A column that must be filled must be filled once per row; a bad line is bad."""
    columns = {"Vendor": "text", "Price": "number"}
    found = read(SHOP.replace("60.00", "free"), key="Handle", group_by="Handle", columns=columns)

    assert [
        (
            "t.csv:5:13 (row cap, column Vendor): bad-cell: the cell is blank\n"
            "      make the column optional if it may be"
        ),
        "t.csv:4:6 (row shirt, column Price): bad-cell: 'free' is not a number",
    ] == found.told
    assert [] == found.keys


def test_fill_down_stays_within_a_product() -> None:
    """A blank cell takes the value above it, but never another product's."""
    lines = _shop(fill_down=["Title", "Vendor"]).rows

    assert ["Ocean"] * 4 == [line["Vendor"] for line in lines[0].values["rows"]]
    assert ["Red Cap"] == [line["Title"] for line in lines[1].values["rows"]]
    assert [""] == [line["Vendor"] for line in lines[1].values["rows"]]


def test_fill_down_without_groups_is_a_warning() -> None:
    """Where every row has a key of its own there is nothing above to fill from."""
    found = read("sku,a\nA,1\nB,\n", fill_down=["a"])

    assert ["m.yaml/fill_down", ["1", ""]] == [found.findings[0].span.file, found.column("a")]


def test_skipped_lines_are_gone_after_filling() -> None:
    """`_skip` comes after fill_down and before types: a skipped line may be wrong."""
    found = read(
        "sku,name,price,_skip\nA,Comet,n/a,yes\n,,5,\nB,x,6,no\n",
        group_by="sku",
        fill_down=["name"],
        columns={"price": "number"},
    )

    assert [] == found.told
    assert [("A", "Comet", 5), ("B", "x", 6)] == [
        (row.key, row.values["name"], row.values["price"]) for row in found.rows
    ]


def test_where_leaves_rows_out() -> None:
    """A condition sees the typed row, by `row` and by the alias, and what the context holds."""
    text = "sku,price,market\nA,5,de\nB,15,de\nC,25,fr\n"
    columns = {"price": "number"}

    assert ["B", "C"] == read(text, columns=columns, where="product.price > 10").keys
    assert ["B"] == (
        read(
            text,
            columns=columns,
            where="row.price > 10 and row.market == vars.market",
            context={"vars": {"market": "de"}},
        ).keys
    )
    assert [
        (
            "m.yaml/where:1:1: warning: no-rows: no row passes 'where'\n"
            "      a shot for this table makes nothing"
        )
    ] == read(text, where="product.market == 'it'").told


def test_a_condition_that_cannot_be_worked_out_is_one_finding() -> None:
    """It stands at its place in the manifest, and names the rows."""
    found = read("sku,price\nA,5\nB,6\n", where="product.prize == '5'")

    assert [
        (
            "m.yaml:1:4: undefined-name: 'prize' is not known (rows A, B)\n"
            "      did you mean 'price'?"
        )
    ] == [told.replace("1:12:", "1:4:") for told in found.told]
    assert [] == found.keys


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        ("price", "BDACE"),
        ("-price", "CADBE"),
        (["-market", "-price"], "CBADE"),
        (["market", "name"], "DAEBC"),
    ],
)
def test_rows_are_sorted(order: Any, keys: str) -> None:
    """By value and not by text, several columns, up or down; blanks last, texts without case."""
    text = "sku,price,market,name\nA,10,de,b\nB,9,fr,a\nC,100,fr,B\nD,9.5,de,A\nE,,de,c\n"
    found = read(text, columns={"price": "number?"}, order_by=order)

    assert list(keys) == found.keys


def test_limit_comes_last() -> None:
    """The first rows of the sorted and filtered ones are taken."""
    text = "sku,price\nA,3\nB,1\nC,2\nD,4\n"
    found = read(
        text, columns={"price": "integer"}, where="row.price > 1", order_by="price", limit=2
    )

    assert ["C", "A"] == found.keys


PRICES = read("sku;price;note\nB;20;x\nA;10;\n", columns={"price": "number"}).table


def test_a_join_adds_columns() -> None:
    """The other table's columns are added where its rows match, and know their own place."""
    found = read(
        "sku,name\nA,Comet\nB,Nova\n",
        join={"table": "prices", "on": "sku"},
        others={"prices": PRICES},
        where="product.price > 10",
        order_by="-price",
    )
    row = found.rows[0]

    assert [] == found.told
    assert {"sku": "B", "name": "Nova", "price": Decimal(20), "note": "x"} == dict(row.values)
    assert (2, 3) == (row.cells["price"].line, row.cells["price"].column)
    assert ["sku", "name", "price", "note"] == list(row.cells)


def test_rows_without_a_match_are_listed() -> None:
    """They are one finding, unless the manifest keeps them with blank cells."""
    text = "sku,name\nA,Comet\nC,Nova\nD,Meteor\n"
    join = {"table": "prices", "on": "sku"}
    found = read(text, join=join, others={"prices": PRICES})
    kept = read(text, join={**join, "missing": "keep"}, others={"prices": PRICES})

    assert [
        (
            "m.yaml/join:1:1: unmatched-key: the table 'products' has no row with this 'sku'"
            " (rows C, D)\n      add the rows there, or write missing: keep"
        )
    ] == found.told
    assert ["A"] == found.keys
    assert [] == kept.told
    assert [Decimal(10), None, None] == kept.column("price")
    assert ["", "", ""] == kept.column("note")
    assert "price" not in kept.rows[1].cells


@pytest.mark.parametrize(
    ("join", "finding"),
    [
        (
            {"table": "prise", "on": "sku"},
            (
                "m.yaml/join/table:1:1: unknown-table: there is no table 'prise'\n"
                "      did you mean 'prices'?"
            ),
        ),
        (
            [{"table": "prices", "on": "name"}],
            (
                "m.yaml/join/0/on:1:1: unknown-column:"
                " the table 'prices' has no column 'name'\n"
                "      known here: note, price, sku"
            ),
        ),
        (
            {"table": "twice", "on": "market"},
            (
                "m.yaml/join/on:1:1: ambiguous-join:"
                " several rows of 'products' have the "
                "market 'de'\n"
                "      join on a column that is different in every row there\n"
                "      also at t.csv:2:1\n      also at t.csv:3:1"
            ),
        ),
    ],
)
def test_joins_that_cannot_be_made(join: Any, finding: str) -> None:
    """What cannot be joined is told at its place, and nothing is known of the columns."""
    twice = read("sku,market\nA,de\nB,de\n").table
    found = read("sku,name,market\nA,x,de\n", join=join, others={"prices": PRICES, "twice": twice})

    assert [finding] == found.told
    assert found.table is None


def test_a_column_of_both_tables_is_told() -> None:
    """It would not be clear whose price it is."""
    found = read(
        "sku,price\nA,1\n", join={"table": "prices", "on": "sku"}, others={"prices": PRICES}
    )

    assert ["m.yaml/join/table:1:1: duplicate-header: both tables have a column 'price'"] == [
        told.splitlines()[0] for told in found.told
    ]


def test_a_table_that_could_not_be_read_is_not_told_twice() -> None:
    """What joins it is left out without a word, and what misses its faulty rows as well."""
    broken = read("sku,price\nA,x\nB,1\n", columns={"price": "number"}).table
    join = {"table": "prices", "on": "sku"}

    assert read("sku\nA\n", join=join, others={"prices": None}).told == []
    assert ([], ["B"]) == (
        (found := read("sku\nA\nB\n", join=join, others={"prices": broken})).told,
        found.keys,
    )


def test_the_tables_it_joins_are_known_before_it_is_read() -> None:
    """They have to be read first."""
    several = read_joins({"join": [{"table": "a", "on": "x"}, {"table": "b", "on": "x"}]})
    assert ["a", "b"] == [join.table for join in several]
    assert ["a"] == [join.table for join in read_joins({"join": {"table": "a", "on": "x"}})]
    assert () == read_joins({})


@pytest.mark.skipif(not EXPORT.is_file(), reason="the shop export is not beside this checkout")
def test_a_real_shop_export() -> None:
    """A shop platform's own demo export reads as it is, one row per product."""
    table, findings = read_table(
        {
            "file": EXPORT.name,
            "key": "Handle",
            "group_by": "Handle",
            "fill_down": ["Title"],
            "columns": {
                "Variant Price": "number",
                "Image Src": "image",
                "Published": "boolean",
                "Tags": {"list": "text", "optional": True},
            },
        },
        name="products",
        path=EXPORT,
        shown=EXPORT.name,
        span_of=span_of,
        read=Path.read_bytes,
    )

    assert () == findings
    assert table is not None
    assert 20 == len(table.rows) == len({row.key for row in table.rows})
    varsity = table.rows[1]
    assert ["Small", "Medium", "Large"] == [r["Option1 Value"] for r in varsity.values["rows"]]
    assert (Decimal(60), True, ("women",)) == tuple(
        varsity.values[name] for name in ("Variant Price", "Published", "Tags")
    )
    assert all(row.values["image_src"].startswith("https://") for row in table.rows)
