"""What other tools, programs and word processors leave in a manifest: read, or told in words."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import TemplateFault
from pipeline.findings import did_you_mean
from pipeline.foreign_text import as_seen, unseen_character
from pipeline.manifest.source_map import WrittenNumber
from pipeline.manifest.templates.compile import ValueReader, compile_prompt, compile_text
from pipeline.manifest.templates.filters import as_text
from pipeline.manifest.templates.lint import References
from tests.unit.manifest.reading import SCOPE, document, told, value

SENT = "is sent as it stands: a value has two braces on each side"


def _heads(lines: list[str]) -> list[str]:
    return [line.partition("\n")[0] for line in lines]


@pytest.mark.parametrize(
    ("text", "found", "hint"),
    [
        ("{name}", "{name}", "did you mean {{ product.name }}?"),
        ("{ Name }", "{ Name }", "did you mean {{ product.name }}?"),
        ("{Body (HTML)}", "", ""),
        ("[name]", "[name]", "did you mean {{ product.name }}?"),
        ("[[name]]", "[[name]]", "did you mean {{ product.name }}?"),
        ("<name>", "<name>", "did you mean {{ product.name }}?"),
        ("<%= name %>", "<%= name %>", "did you mean {{ product.name }}?"),
        ("%name%", "%name%", "did you mean {{ product.name }}?"),
        ("%(name)s", "%(name)s", "did you mean {{ product.name }}?"),
        ("{season}", "{season}", "did you mean {{ vars.season }}?"),
        ("{mood}", "{mood}", "did you mean {{ variant.mood }}?"),
        ("{product.name}", "{product.name}", "write {{ product.name }}"),
        ("${name}", "${name}", "did you mean {{ product.name }}?"),
        ("${A_WORD:-x}", "${A_WORD:-x}", "write {{ vars.a_word }}, and hand it over with --set"),
        ("{rows}", "", ""),
        ("{other} [sic] <b> 50 % of 100 %", "", ""),
        ("{{ '[name]' }} {# {name} #}", "", ""),
    ],
)
def test_a_placeholder_of_another_tool(text: str, found: str, hint: str) -> None:
    """Told where its word is a name here; what a template writes out in quotes is text."""
    _, findings = compile_prompt(value(f'a: "A {text} turns"'), SCOPE, References())

    messages = [f"'{found}' {SENT}"] if found else []
    assert messages == [finding.message for finding in findings]
    assert all(finding.hint.startswith(hint) for finding in findings)
    assert all((1, 7) == (finding.span.line, finding.span.column) for finding in findings)


def test_a_placeholder_in_a_text_that_is_sent() -> None:
    """What says an image, and a file's name, are looked at like a prompt, template or not."""
    reader = ValueReader(scope=SCOPE)
    plain, mixed = value('a: "the {name}"'), value('a: "{{ row.sku }} the {name}"')

    reader.text(plain)
    _, findings = compile_text(mixed, SCOPE)

    places = [finding.span.column for finding in (*reader.findings, *findings)]
    assert [9, 23] == places


def test_a_column_without_its_table_is_told_with_it() -> None:
    """`{{ name }}` means a column of the row, as other tools have it."""
    _, findings = compile_prompt(value('a: "{{ name }} turns"'), SCOPE, References())

    assert ["did you mean 'product.name'?"] == [finding.hint for finding in findings]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("prompt: A mug in #c2452d turns", 18),
        ("say: mug #3", 10),
        ("other: two words #tag", 18),
    ],
)
def test_a_comment_that_cuts_a_text_is_a_warning(line: str, column: int) -> None:
    """A `#` without a blank behind it was hardly meant as a comment."""
    _, found = document(f"{line}\n")

    message = "the rest of the line is a comment, and no part of this text"
    assert [f"m.yaml:1:{column}: warning: cut-by-comment: {message}"] == _heads(found)


@pytest.mark.parametrize(
    "line",
    [
        "prompt: A mug turns # slowly",
        "prompt: A mug turns  ## slowly",
        'prompt: "A mug in #c2452d" #quoted',
        "prompt: >- #folded\n  A mug in #c2452d turns",
        "mode: pro #fast",
        "takes: 2 #two",
        "prompt: A mug#3 turns",
    ],
)
def test_a_remark_is_a_remark(line: str) -> None:
    """Behind one word, behind quotes, or with a blank after the `#` nothing is warned of."""
    assert [] == document(f"{line}\n")[1]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (
            "a: *slowly* a mug",
            "m.yaml:1:4: needs-quotes: a value that begins with '*' needs quotes",
        ),
        ("a: & more", "m.yaml:1:4: needs-quotes: a value that begins with '&' needs quotes"),
        (
            'a: "C:\\Users"',
            "m.yaml:1:9: yaml-syntax: in double quotes a backslash begins an escape",
        ),
        ('a: "\\ud83e"', "m.yaml:1:7: yaml-syntax: this escape is half of a character"),
        ('a: "A" mug', 'm.yaml:1:8: yaml-syntax: the value goes on behind what began with "'),
        ("a: [A] mug", "m.yaml:1:8: yaml-syntax: the value goes on behind what began with ["),
        ("a: |text", "m.yaml:1:5: yaml-syntax: behind a '|' or '>' the text begins on the next"),
        ("a: ,b", "m.yaml:1:4: yaml-syntax: a value cannot begin like this"),
        ("a: - b", "m.yaml:1:4: yaml-syntax: a list cannot begin behind a key"),
        (
            "b: 1\na: two words\n  of #c2452d\n  or three\nc: 1",
            "m.yaml:4:3: yaml-syntax: ' #' of the line before begins a comment, and the text ends",
        ),
    ],
)
def test_no_message_is_the_parsers_own(text: str, head: str) -> None:
    """Each says what stands there and what to write, at its place."""
    _, found = document(f"{text}\n")

    assert found[-1].startswith(head)
    assert "\n" in found[-1]


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("b: 1\na:\u00a0 x\nc: 2\n", "2:3", "no-break space (U+00A0)"),
        ("s:\n  - a: 1\n  \u00a0 b: 2\n   c: 1\n", "3:3", "no-break space (U+00A0)"),
        ("a:\u200b 1\nb: 2\n", "1:3", "zero width space (U+200B)"),
        ("a: |\u00a0\n  x\n", "1:5", "no-break space (U+00A0)"),
    ],
)
def test_a_character_that_nobody_sees_is_named_where_it_stands(
    text: str, place: str, name: str
) -> None:
    """Not at the line that the parser stops at, and not as something that looks all right."""
    _, found = document(text)

    assert found[0].startswith(f"m.yaml:{place}: yaml-syntax: a {name} stands here")


def test_such_a_character_in_a_text_is_blamed_for_nothing() -> None:
    """In the middle of a value it is a part of the text; the fault is the other one."""
    _, found = document("a: 10\u00a0cm\nb: c: d\n")

    assert "mapping" not in found[0]
    assert "U+00A0" not in found[0]


def test_names_that_look_alike_are_told_apart() -> None:
    """A hint never repeats what is written; it says what makes the difference."""
    assert "with a zero width space (U+200B)" in did_you_mean("si\u200bze", ["size", "sku"])
    assert "'size' is stored with a no-break space" in did_you_mean("size", ["size\u00a0", "sku"])
    assert "as a Mac stores accents" in did_you_mean("größe", ["gro\u0308ße"])
    assert "did you mean 'size'?" == did_you_mean("sise", ["size", "sku"])
    assert (1, "zero width space (U+200B)") == unseen_character("a\u200bb")
    assert unseen_character("a b\n") is None
    assert "a b" == as_seen("\ufeffa\u00a0b\u200b ")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"a \\ud83e\\uded6 b"', "a \N{TEAPOT} b"),
        ('"\\uD83D\\uDE00\\ud83d\\ude00"', "\N{GRINNING FACE}" * 2),
        ('"\\\\ud83e\\\\uded6"', "\\ud83e\\uded6"),
        ('"\\u00e9 \\ud83e\\uded6"', "é \N{TEAPOT}"),
        ("'\\ud83e\\uded6'", "\\ud83e\\uded6"),
        ('"\ue100\ue500"', "\ue100\ue500"),
    ],
)
def test_two_escapes_of_json_are_one_character(written: str, read: str) -> None:
    """In double quotes alone, and not behind a backslash that is escaped itself."""
    assert read == value(f"a: {written}").value


def test_places_behind_such_escapes_are_right() -> None:
    """A character of the value is found where it stands in the file."""
    node = value('a: "x\\ud83e\\uded6y"')

    assert "y" == node.value[2]
    assert 18 == node.at(2).column


@pytest.mark.parametrize("number", ["49.90", "1.10", "5.0", "-0.50"])
def test_a_number_is_text_as_it_was_written(number: str) -> None:
    """As a text it keeps its zeros, and everywhere else it is the number."""
    found: Any = value(f"a: {number}").as_written()

    assert isinstance(found, WrittenNumber)
    assert (number, number) == (as_text(found), f"{found}")
    assert float(number) == found
    assert float(number) + 1 == found + 1
    assert [number] == [as_text(each) for each in value(f"a: [{number}]").as_written()]


def test_a_number_that_was_worked_out_is_whole_or_not() -> None:
    """Only what somebody wrote has a form; a result has none."""
    assert "5" == as_text(value("a: 4.50").as_written() + 0.5)
    assert "7" == as_text(value("a: 7").as_written())


@pytest.mark.parametrize(
    ("chain", "given", "expected"),
    [
        ("prefix('https://a.example')", "/w/1.jpg", "https://a.example/w/1.jpg"),
        ("prefix('https://a.example/')", "https://b.example/1.jpg", "https://b.example/1.jpg"),
        ("prefix('the ')", "https://b.example", "the https://b.example"),
        ("prefix('x')", " ", " "),
        ("prefix('x') | join(' ')", ("a", "", "b"), "xa  xb"),
        ("map('replace', 'a', 'b') | join", ("aa", "ca"), "bbcb"),
        ("map('words', 1) | join(' ')", ("a b", "c d"), "a c"),
        ("map('upper') | join", ("a", "b"), "AB"),
    ],
)
def test_filters_over_lists(chain: str, given: object, expected: str) -> None:
    """`prefix` goes through a list by itself; `map` hands on what the filter takes."""
    template, findings = compile_text(value(f'a: "<{{{{ row.name | {chain} }}}}>"'), SCOPE)

    assert template is not None, told(findings)
    assert f"<{expected}>" == template.render({"row": {"name": given}})


@pytest.mark.parametrize(
    ("chain", "hint"),
    [
        ("replace('a')", "write replace(old, new)"),
        ("words(1, 2)", "write words(count=10)"),
        ("upper('x')", "write upper"),
        ("prefix", "write prefix(text)"),
    ],
)
def test_a_filter_says_what_it_takes(chain: str, hint: str) -> None:
    """Too few values or too many are told as that, and not as a column's type."""
    template, _ = compile_text(value(f'a: "{{{{ row.name | {chain} }}}}"'), SCOPE)
    assert template is not None

    with pytest.raises(TemplateFault) as caught:
        template.render({"row": {"name": "a b"}})

    assert hint == caught.value.hint
