"""YAML text → nodes: what stays text, where things are, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.manifest.yaml_loader import MAX_BYTES, read_file
from tests.unit.manifest.reading import document, told, value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("9:16", "9:16"),
        ("0123", "0123"),
        ("00123", "00123"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1e5", "1e5"),
        ("1_000", "1_000"),
        ("+49", "+49"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("2026-01-31", "2026-01-31"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", "True"),
        ("1234567890123456789", "1234567890123456789"),
        ("'5'", "5"),
        ("'true'", "true"),
        ("5", 5),
        ("-3", -3),
        ("0", 0),
        ("1.50", 1.5),
        ("true", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("", None),
    ],
)
def test_only_plain_numbers_and_true_false_are_not_text(written: str, read: object) -> None:
    """A scalar is a number, a boolean or nothing only where nobody could mean a text."""
    found = value(f"a: {written}").value

    assert read == found
    assert type(read) is type(found)


def test_values_and_keys_know_their_places() -> None:
    """Every value and key remembers file, line, column and where it ends."""
    node, _ = document("x: 1\nshots:\n  - id: spin\n    duraton: 5\n")
    assert node is not None
    shots = node.get("shots")
    assert shots is not None
    shot = shots.items()[0]

    key, item = shot.key_span("duraton"), shot.get("duraton")

    assert ("m.yaml", 4, 5, 12) == (key.file, key.line, key.column, key.end_column)
    assert item is not None
    assert (4, 14, 15) == (item.span.line, item.span.column, item.span.end_column)
    assert (3, 5) == (shot.span.line, shot.span.column)


def test_columns_count_characters() -> None:
    """A column counts code points, not bytes."""
    node, _ = document("größe: ä\n")
    assert node is not None
    found = node.get("größe")

    assert found is not None
    assert (8, 9) == (found.span.column, found.span.end_column)


def test_a_duplicate_key_names_both_places() -> None:
    """A key that is given twice is an error at the second, which names the first."""
    node, findings = document("a: 1\nb: 2\na: 3\n")

    assert [
        (
            "m.yaml:3:1: duplicate-key: 'a' is given twice\n"
            "    3 | a: 3\n"
            "      | ^ keep one of them\n"
            "      also at m.yaml:1:1"
        )
    ] == findings
    assert node is not None
    assert {"a": 1, "b": 2} == node.plain()


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "prompt: @front turns\n",
            (
                "m.yaml:1:9: needs-quotes: a value that begins with '@' needs quotes\n"
                "    1 | prompt: @front turns\n"
                '      |         ^ write: prompt: "@front turns"'
            ),
        ),
        (
            "duration: {{ row.seconds }}  # from the table\n",
            (
                "m.yaml:1:11: needs-quotes: a value that begins with '{{' needs quotes\n"
                "    1 | duration: {{ row.seconds }}  # from the table\n"
                '      |           ^~ write: duration: "{{ row.seconds }}"  # from the table'
            ),
        ),
        (
            "a: {{ row.x }} and more\n",
            (
                "m.yaml:1:4: needs-quotes: a value that begins with '{{' needs quotes\n"
                "    1 | a: {{ row.x }} and more\n"
                '      |    ^~ write: a: "{{ row.x }} and more"'
            ),
        ),
        (
            "- {{ row['x'] | default(\"y\") }}\n",
            (
                "m.yaml:1:3: needs-quotes: a value that begins with '{{' needs quotes\n"
                "    1 | - {{ row['x'] | default(\"y\") }}\n"
                "      |   ^~ write: - '{{ row[''x''] | default(\"y\") }}'"
            ),
        ),
        (
            "use: [@front, look]\n",
            (
                "m.yaml:1:7: needs-quotes: a value that begins with '@' needs quotes\n"
                "    1 | use: [@front, look]\n"
                '      |       ^ write: use: ["@front", look]'
            ),
        ),
        (
            "prompt: @front turns\n  slowly\n",
            (
                "m.yaml:1:9: needs-quotes: a value that begins with '@' needs quotes\n"
                "    1 | prompt: @front turns\n"
                "      |         ^ begin the text on a new line, after '>-'"
            ),
        ),
        (
            "a: {% if x %}y{% endif %}\n",
            (
                "m.yaml:1:4: needs-quotes: a value that begins with '{%' needs quotes\n"
                "    1 | a: {% if x %}y{% endif %}\n"
                '      |    ^~ write: a: "{% if x %}y{% endif %}"'
            ),
        ),
    ],
)
def test_a_value_without_quotes_is_shown_with_them(text: str, finding: str) -> None:
    """An unquoted `@` or `{{` is the finding `needs-quotes`, with the line corrected."""
    node, findings = document(text)

    assert [finding] == findings
    assert node is not None


def test_values_without_quotes_do_not_hide_each_other() -> None:
    """Every value without quotes is told, and what follows has its true place."""
    node, findings = document("a: @x {{ y }}\nb: {{ y }}\nc: [@z, @w]\nd: 5\n")
    assert node is not None
    first = node.get("a")
    assert first is not None

    assert ["m.yaml:1:4", "m.yaml:2:4", "m.yaml:3:5", "m.yaml:3:9"] == [
        finding.split(": ")[0] for finding in findings
    ]
    assert {"a": "@x {{ y }}", "b": "{{ y }}", "c": ["@z", "@w"], "d": 5} == node.plain()
    assert (10, 11) == (first.at(6).column, first.at(6).end_column)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "a: 1\n\tb: 2\n",
            "m.yaml:2:1: yaml-syntax: a tab cannot indent\n    2 |  b: 2\n      | ^ use spaces",
        ),
        (
            "a: b: c\n",
            (
                "m.yaml:1:5: yaml-syntax: a ': ' inside a value,"
                " or a key that is indented unlike its neighbours\n"
                "    1 | a: b: c\n"
                "      |     ^ put the value in quotes, or line the keys up"
            ),
        ),
        (
            "a: 1\nb: 'open\nc: 2\n",
            (
                "m.yaml:2:4: yaml-syntax: the quotes that open here are never closed\n"
                "    2 | b: 'open\n"
                "      |    ^"
            ),
        ),
        (
            "a: [1, 2\nb: 3\n",
            (
                "m.yaml:2:2: yaml-syntax: the list is not closed\n"
                "    2 | b: 3\n"
                "      |  ^ write ',' or ']'\n"
                "      also at m.yaml:1:4"
            ),
        ),
        (
            "a: %x\n",
            (
                "m.yaml:1:4: yaml-syntax: a value cannot begin with '%'\n"
                "    1 | a: %x\n"
                "      |    ^ put the value in quotes"
            ),
        ),
        (
            "? [a]\n: b\n",
            "m.yaml:1:3: yaml-syntax: a key must be a word\n    1 | ? [a]\n      |   ^",
        ),
        (
            "a: \x07\n",
            (
                "m.yaml:1:4: yaml-syntax: the character U+0007 is not allowed in YAML\n"
                "    1 | a: \ufffd\n"
                "      |    ^"
            ),
        ),
        (
            "a: !!int 5\n",
            (
                "m.yaml:1:4: yaml-tag: YAML tags are not read\n"
                "    1 | a: !!int 5\n"
                "      |    ^~~~~~~ write the value itself; one that begins with '!' needs quotes"
            ),
        ),
        (
            "a: *x\n",
            "m.yaml:1:4: bad-alias: '*x' has no '&x' above it\n    1 | a: *x\n      |    ^~",
        ),
        (
            "a: &mood calm\nb: *mod\n",
            (
                "m.yaml:2:4: bad-alias: '*mod' has no '&mod' above it\n"
                "    2 | b: *mod\n"
                "      |    ^~~~ did you mean '*mood'?"
            ),
        ),
        (
            "a: &x [*x]\n",
            "m.yaml:1:8: bad-alias: '*x' repeats itself\n    1 | a: &x [*x]\n      |        ^~",
        ),
        (
            "a: 1\n---\nb: 2\n",
            (
                "m.yaml:2:1: many-documents: a second document begins here\n"
                "    2 | ---\n"
                "      | ^~~ take the '---' and what follows into a file of its own"
            ),
        ),
        (
            "# nothing\n",
            (
                "m.yaml:1:1: empty-file: the file says nothing\n"
                "    1 | # nothing\n"
                "      | ^ a manifest begins with callsheet: 1"
            ),
        ),
    ],
)
def test_a_yaml_error_is_one_finding_at_its_place(text: str, finding: str) -> None:
    """What is no YAML, or more than we read, is one finding with the exact line and column."""
    node, findings = document(text)

    assert [finding] == findings
    assert node is None


def test_an_alias_repeats_a_value() -> None:
    """An alias is read as the value it names, at that value's place."""
    node, findings = document("a: &x {b: 1}\nc: *x\n")

    assert [] == findings
    assert node is not None
    assert {"a": {"b": 1}, "c": {"b": 1}} == node.plain()


def test_an_alias_bomb_is_refused() -> None:
    """Aliases that multiply are refused before anything is built of them."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    node, findings = document("\n".join(levels))

    assert node is None
    assert ["m.yaml:5:10: alias-bomb: aliases repeat more than 20,000 values"] == [
        finding.splitlines()[0] for finding in findings
    ]


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """A document nested without end is one finding, not a crash."""
    _, findings = document("[" * depth)

    assert ["m.yaml:1:42: too-large: the file has more than 40 levels of nesting"] == [
        finding.splitlines()[0] for finding in findings
    ]


def test_a_huge_scalar_is_refused() -> None:
    """A text of more than 65,536 characters is one finding."""
    _, findings = document(f"a: {'x' * 9_000_000}")

    assert ["m.yaml:1:4: too-large: a text has 9,000,000 characters; at most 65,536 are read"] == [
        finding.splitlines()[0] for finding in findings
    ]


def test_a_huge_file_is_refused() -> None:
    """A file over the limit is not even decoded."""
    node, findings, text = read_file(b" " * (MAX_BYTES + 1), shown="m.yaml", folder=Path())

    assert node is None
    assert not text
    assert [
        "m.yaml:1:1: too-large: the file has 10,000,001 bytes; at most 10,000,000 are read"
    ] == told(findings)


def test_a_file_that_is_not_utf8_says_where() -> None:
    """Bytes that are not UTF-8 are a finding at the first of them."""
    node, findings, _ = read_file(b"a: 1\nb: gr\xfc\xdfe\n", shown="m.yaml", folder=Path())

    assert node is None
    assert [
        "m.yaml:2:6: not-utf8: the file is not UTF-8: byte 11 is 0xFC\n      save it as UTF-8"
    ] == told(findings)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """A file that begins with a byte order mark reads as if it did not."""
    node, findings, text = read_file(b"\xef\xbb\xbfa: 1\n", shown="m.yaml", folder=Path())

    assert () == findings
    assert "a: 1\n" == text
    assert node is not None
    assert 1 == node.key_span("a").column


@pytest.mark.parametrize(
    "text",
    [
        "a: plain WORD here",
        "a: plain\n  folded WORD here",
        "a: 'it''s the WORD here'",
        "a: 'over\n\n  lines WORD'",
        'a: "tab\\t\\x41\\u00e4 WORD"',
        'a: "joined \\\n   WORD"',
        "a: >-\n  one\n  two WORD\n",
        "a: >\n  one\n\n    deeper WORD\n  three\n",
        "a: |2  # kept\n    two more\n  WORD\n",
        "a: |\r\n  one\r\n  two WORD\r\n",
        "- x\n- a: [b, 'WORD']",
    ],
)
def test_a_piece_of_a_text_has_its_place_in_the_file(text: str) -> None:
    """A word inside a scalar is found where it stands, however the scalar is written."""
    whole, findings = document(text)
    assert whole is not None
    assert [] == findings
    node = whole
    while not isinstance(node.value, str):
        items = node.items() or tuple(item for _, item in node.entries())
        node = items[-1]

    place = node.at(node.value.index("WORD"), 4)

    line = text.replace("\r\n", "\n").split("\n")[place.line - 1]
    assert "WORD" == line[place.column - 1 : place.end_column - 1]
