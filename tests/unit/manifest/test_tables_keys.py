"""Keys of several columns, lines above the names, and `where` before types and keys."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.manifest.tables.transform import row_keys, suggest_key
from pipeline.plan import encode_row_key
from tests.unit.manifest.tabular import read

VARIANTS = (
    "Handle,Title,Opt 1,Opt 2,Price\n"
    "apron,Apron,Sand,S,49.00\n"
    "apron,,Sand,L,n/a\n"
    "apron,,,,\n"
    "board,Board,,XL,39.00\n"
    "cup,Cup,Red,,12.00\n"
)
KEY = ["Handle", "Opt 1", "Opt 2"]


def test_a_key_of_several_columns() -> None:
    """Values are joined by `+`; a blank one keeps its place, and none is left at the end."""
    found = read(VARIANTS, key=KEY, where="product.price")

    assert ["apron+Sand+S", "apron+Sand+L", "board++XL", "cup+Red"] == found.keys
    assert [] == found.told


@pytest.mark.parametrize(
    ("parts", "key", "address"),
    [
        (["a", "b"], "a+b", "a+b"),
        (["a+b", "c"], "a%2Bb+c", "a%2Bb+c"),
        (["a", "b+c"], "a+b%2Bc", "a+b%2Bc"),
        (["100 %", "L"], "100 %+L", "100%20%25+L"),
        (["a", ""], "a", "a"),
        (["", "b"], "", ""),
    ],
)
def test_a_plus_within_a_part_is_encoded(parts: list[str], key: str, address: str) -> None:
    """Two rows never share a key by where the `+` stands, and the address says the same."""
    texts = {"A": [parts[0]], "B": [parts[1]]}

    assert [key] == row_keys(texts, ("A", "B"))
    assert address == encode_row_key(key, several=True)


def test_a_plus_in_a_single_key_is_a_plus() -> None:
    """The rule is for keys of several columns alone: other addresses are as they were."""
    assert ["a+b"] == row_keys({"A": ["a+b"]}, ("A",))
    assert ("a+b", "a%252Bb") == (encode_row_key("a+b"), encode_row_key("a%2Bb"))


def test_the_first_column_of_a_key_is_never_blank() -> None:
    """It names the product: without it a row has no key, at its place."""
    found = read("sku,size\nA,S\n,M\n", key=["sku", "size"])

    assert ["A+S"] == found.keys
    assert "t.csv:3:1 (column sku): empty-key: the key 'sku' is blank" in found.told[0]


def test_two_rows_of_one_key_name_the_columns_that_would_do() -> None:
    """Of a shop it is product and options; else the key with a column that parts the rows."""
    found = read("sku,size\nA,S\nA,M\n")

    assert [
        (
            "t.csv:3:1 (row A, column sku): duplicate-key: two rows have the key 'A'\n"
            "      if they are one product, write group_by: sku; if they are its variants,"
            " key: [sku, size]\n"
            "      also at t.csv:2:1"
        )
    ] == found.told
    shop = {"Handle": ["a", "a"], "Option1 Value": ["x", "y"], "Option2 Value": ["", ""]}
    assert ("Handle", "Option1 Value") == suggest_key(shop, ("SKU",))


def test_lines_are_grouped_by_several_columns() -> None:
    """One row for each product and colour; a blank cell takes the value above in the product."""
    text = "h,c,p\na,red,1.jpg\n,,2.jpg\na,blue,3.jpg\nb,,4.jpg\n"

    found = read(text, key=["h", "c"], group_by=["h", "c"])

    assert ["a+red", "a+blue", "b"] == found.keys
    assert [2, 1, 1] == [len(row.values["rows"]) for row in found.rows]


def test_cells_are_filled_within_a_product() -> None:
    """`within` names the product of a variant; where it is blank the line is of the one above."""
    text = "h,title,size\na,Apron,S\n,,L\nb,,M\na,,XL\n"
    filling = {"columns": ["h", "title"], "within": "h"}

    found = read(text, key=["h", "size"], fill_down=filling)

    assert ["a+S", "a+L", "b+M", "a+XL"] == found.keys
    assert ["Apron", "Apron", "", "Apron"] == found.column("title")
    assert [] == found.told


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"key": ["sku", "sise"]}, "key/1"),
        ({"group_by": ["sku", "sise"]}, "group_by/1"),
        ({"fill_down": {"columns": ["sise"], "within": "sku"}}, "fill_down/columns/0"),
        ({"fill_down": {"columns": ["size"], "within": "sise"}}, "fill_down/within"),
        ({"fill_down": {"columns": ["size"], "within": ["sku", "sise"]}}, "fill_down/within/1"),
    ],
)
def test_an_unknown_column_is_told_at_its_own_place(spec: dict[str, Any], place: str) -> None:
    """Of a list it is the entry, of a map the key."""
    found = read("sku,size\nA,S\n", **spec)

    assert [
        (
            f"m.yaml/{place}:1:1: unknown-column: the table has no column 'sise'\n"
            "      did you mean 'size'?"
        )
    ] == found.told


def test_where_is_asked_before_types_and_keys() -> None:
    """A line that it leaves out needs no key of its own and no price that is a number."""
    text = "sku,price,live\nA,79,yes\n,n/a,no\nA,soon,no\nB,-,yes\n"

    found = read(text, columns={"price": "number"}, where="product.live == 'yes'")

    assert ["A"] == found.keys
    assert [
        (
            "t.csv:5:3 (row B, column price): bad-cell: '-' is not a number\n"
            "      leave the cell blank, and make the column optional"
        )
    ] == found.told
    assert found.table is not None
    assert {"A": "where"} == found.table.left_out
    assert ["B"] == [row.key for row in found.table.faulty]


def test_where_types_the_cells_that_it_reads() -> None:
    """A cell that it comes to and cannot read is a finding; one that it does not come to is not."""
    text = "sku,kind,price\nA,mug,9\nB,mug,n/a\nC,bowl,n/a\n"
    columns = {"price": "number"}

    found = read(text, columns=columns, where="product.kind == 'mug' and product.price > 5")

    assert ["A"] == found.keys
    assert ["t.csv:3:7 (row B, column price): bad-cell: 'n/a' is not a number"] == [
        line.partition("\n")[0] for line in found.told
    ]


def test_where_may_ask_whether_a_cell_is_blank() -> None:
    """That it may not be blank counts for the rows that stay, and for a condition that fails."""
    text = "sku,price\nA,9\nB,\n"
    columns = {"price": "number"}

    asked = read(text, columns=columns, where="product.price")
    compared = read(text, columns=columns, where="product.price > 5")

    assert (["A"], []) == (asked.keys, asked.told)
    assert ["A"] == compared.keys
    assert "t.csv:3:3 (row B, column price): bad-cell: the cell is blank" in compared.told[0]


def test_where_reads_the_lines_of_a_row_as_values() -> None:
    """Grouped lines are typed as they are read, each at its own line."""
    text = "h,p\na,1\na,x\nb,2\n"

    found = read(
        text,
        key="h",
        group_by="h",
        columns={"p": "integer"},
        where="product.rows | map(attribute='p') | last > 1",
    )

    assert ["b"] == found.keys
    assert ["t.csv:3:3 (row a, column p): bad-cell: 'x' is not a whole number"] == found.told


def test_where_reads_joined_columns() -> None:
    """A row without a match is told only where it is read or stays."""
    prices = read("sku,price\nA,9\nB,3\n", columns={"price": "integer"}).table
    text = "sku,live\nA,yes\nB,yes\nC,no\nD,yes\n"

    by_own = read(
        text, join={"table": "p", "on": "sku"}, others={"p": prices}, where="product.live == 'yes'"
    )
    by_joined = read(
        text, join={"table": "p", "on": "sku"}, others={"p": prices}, where="product.price > 5"
    )

    assert ["A", "B"] == by_own.keys
    assert [("D",)] == [finding.rows for finding in by_own.findings]
    assert ["A"] == by_joined.keys
    assert [("C", "D")] == [finding.rows for finding in by_joined.findings]


def test_rows_that_are_left_out_are_known_with_the_reason() -> None:
    """`_skip`, `where` and `limit` each leave rows out, and who asks for one is told."""
    text = "sku,live,_skip\nA,yes,\nB,yes,x\nC,no,\nD,yes,\nE,yes,true\n"

    found = read(text, where="product.live == 'yes'", limit=1)

    assert found.table is not None
    assert ["A"] == found.keys
    assert {"E": "_skip", "C": "where", "D": "limit"} == found.table.left_out


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Mugs 2026\n\nsku;name\nA;Mug, red\n", 3),
        ("Mugs 2026\n\nsku;name\nA;Mug, red\n", "sku"),
        ('"a quote\nthat goes on",x\nsku;name\nA;Mug, red\n', 3),
        ('it\'s "new"\nsku;name\nA;Mug, red\n', ["name", "sku"]),
        ("sep=;\nMugs, all, of, them\nsku;name\nA;Mug, red\n", 3),
        ("\n\nsku;name\nA;Mug, red\n", 1),
    ],
)
def test_the_names_stand_where_the_header_says(text: str, header: Any) -> None:
    """What stands above neither names columns nor decides what parts the cells."""
    found = read(text, header=header)

    assert [] == found.told
    assert [("A", "Mug, red")] == [(row.key, row.values["name"]) for row in found.rows]


def test_places_below_a_header_are_those_of_the_file() -> None:
    """Lines are counted from the first one of the file."""
    found = read("Mugs\n\nsku,price\nA,x\n", header=3, columns={"price": "number"})

    assert ["t.csv:4:3 (row A, column price): bad-cell: 'x' is not a number"] == found.told


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (9, "t.csv:1:1: empty-table: nothing stands in line 9 or below it"),
        (
            "sko",
            "m.yaml/header:1:1: unknown-column: none of the first 100 lines has 'sko' as a cell",
        ),
    ],
)
def test_a_header_that_is_not_there(header: Any, told: str) -> None:
    """The finding says so, at the file's or the key's place."""
    assert told in read("sku,name\nA,Mug\n", header=header).told[0]


def test_a_key_further_down_is_the_only_finding() -> None:
    """What is wrong with columns that nobody has named yet is not told."""
    found = read("Mugs,2026\nitem,price\nA,1,2\n", key="item", columns={"prise": "number"})

    assert [
        (
            "m.yaml/key:1:1: unknown-column: 'item' stands in line 2 of the file, and its names are"
            " read from line 1\n"
            "      is that the line with the names? write header: 2\n"
            "      also at t.csv:2:1"
        )
    ] == found.told


def test_sentences_are_not_listed_as_names() -> None:
    """A hint with what is known here leaves out what nobody has mistyped."""
    found = read(f"sku,{'a remark of many words ' * 3},name\nA,1,2\n", columns={"zzz": "number"})

    (told,) = found.told
    assert "      known here: name, sku, …" == told.partition("\n")[2]


def test_a_name_with_a_character_that_nobody_sees() -> None:
    """A column that looks like the one that is named is told apart from it."""
    found = read("\u200bsku,name\nA,Mug\n")

    assert "'sku' is stored with a zero width space (U+200B)" in found.told[0]


@pytest.mark.parametrize(
    ("kind", "cell", "told"),
    [
        ("image", "http://a.example/1.jpg", "this address begins with http://"),
        ("image", "https://a.example/1.jpg;https://a.example/2.jpg", "this cell holds 2 addresses"),
        ("url", "a (https://a.example/1),b (https://a.example/2)", "this cell holds 2 addresses"),
        ("number", "#REF!", "'#REF!' is not a number"),
        ("integer", "#WERT!", "'#WERT!' is not a whole number"),
    ],
)
def test_cells_that_no_provider_can_use(kind: str, cell: str, told: str) -> None:
    """Each is told at its cell, before a template has it."""
    found = read(f"sku\ta\nA\t{cell}\n", columns={"a": kind})

    assert [f"t.csv:2:3 (row A, column a): bad-cell: {told}"] == [
        line.partition("\n")[0] for line in found.told
    ]


def test_a_failed_formula_is_told_as_such() -> None:
    """The remedy is in the spreadsheet, not in the cell."""
    found = read("sku,a\nA,#NV\n", columns={"a": "number"})

    assert "a formula failed in the spreadsheet" in found.told[0]


@pytest.mark.parametrize("data", ['{"a": 1}', '[["a"]]', "<rss>", "SQLite format 3\0"])
def test_what_is_no_table_is_one_finding(data: str) -> None:
    """Feeds and databases are told by how they begin."""
    found = read(data)

    assert 1 == len(found.findings)
    assert "not CSV" in found.told[0]


@pytest.mark.parametrize("header", ["[id],name", "{id},name", "<id>,name", "id,name"])
def test_a_header_in_brackets_is_a_header(header: str) -> None:
    """Only what begins like a feed is one."""
    first = header.partition(",")[0]

    assert ["A"] == read(f"{header}\nA,x\n", key=first).keys
