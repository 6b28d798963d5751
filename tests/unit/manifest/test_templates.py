"""Templates: what they may hold, what they give, and where their faults are."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pipeline.domain import Mention, Template
from pipeline.errors import TemplateFault
from pipeline.findings import Finding
from pipeline.manifest.schema import setting_rules
from pipeline.manifest.templates.compile import (
    Compiled,
    compile_condition,
    compile_files,
    compile_prompt,
    compile_setting,
    compile_text,
)
from pipeline.manifest.templates.lint import References, Scope
from tests.unit.manifest.reading import SCOPE, told, value

REFERENCES = References(
    names=frozenset({"front", "studio", "look.studio", "product.front"}),
    images=("front", "studio"),
)
FOREIGN = "is one provider's way to name a reference"
PROMPT = Scope(names={**SCOPE.names, "refs": frozenset({"front"})}, rows=SCOPE.rows)
ROW = {
    "sku": "S1",
    "name": "Air Max",
    "color": "red",
    "price": Decimal("49.90"),
    "Body (HTML)": "<p>Soft &amp; light</p>",
    "rows": ({"name": "one", "sku": "a"}, {"name": "two", "sku": ""}),
}
CONTEXT: dict[str, Any] = {
    "campaign": "spring",
    "vars": {"season": "spring"},
    "row": ROW,
    "product": ROW,
    "shot": {"id": "spin", "tags": ("hero",)},
    "variant": {"mood": "calm"},
    "take": 2,
    "refs": {"front": True},
}


def compiled(result: Compiled) -> Template:
    """Return the template of a compilation that has no errors."""
    template, findings = result
    assert template is not None, told(findings)
    return template


def prompt(text: str, references: References = REFERENCES) -> Compiled:
    """Compile a prompt that is written in double quotes under the key `a`."""
    return compile_prompt(value(f"a: {text}"), PROMPT, references)


def rendered(text: str, **values: object) -> tuple[str | Mention, ...]:
    """Return what a prompt gives."""
    found: tuple[str | Mention, ...] = compiled(prompt(text)).render({**CONTEXT, **values})
    return found


def fault(template: Template, **values: object) -> TemplateFault:
    """Return the fault that rendering raises."""
    with pytest.raises(TemplateFault) as caught:
        template.render({**CONTEXT, **values})
    return caught.value


def test_a_prompt_gives_texts_and_mentions_in_order() -> None:
    """Tokens become mentions, values become text, everything stays in order."""
    found = rendered("'@front turns by @look.studio, {{ product.name }} in {{ row.color }}'")

    assert (
        Mention(name="front"),
        " turns by ",
        Mention(name="look.studio"),
        ", Air Max in red",
    ) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'{{ product[\"Body (HTML)\"] | plain }}'", "Soft & light"),
        ("'{{ \"<b>Wool</b>, <i>so</i>ft<br>a <b\" | plain }}'", "Wool, soft a <b"),
        ("'{% if variant.mood == \"calm\" %}slow{% else %}fast{% endif %}'", "slow"),
        ('\'{{ "slow" if variant.mood == "calm" else "fast" }}\'', "slow"),
        ("'{% for r in product.rows %}{{ r.name }};{% endfor %}'", "one;two;"),
        ('\'{% for x in ["a", "b"] %}{{ x }}{% endfor %}\'', "ab"),
        ('\'{{ product.rows | map(attribute="name") | join(", ") }}\'', "one, two"),
        ('\'{{ product.rows | map(attribute="name") | map("upper") | join }}\'', "ONETWO"),
        ("'{{ (product.rows | first).name }} {{ product.rows | length }}'", "one 2"),
        ("'{{ \"a\" ~ take }} {{ take + 1 }} {{ take - 1 }} {{ take / 4 }}'", "a2 3 1 0.5"),
        ("'{{ not (take == 1) and take >= 2 or false }}'", "true"),
        ("'{{ shot.id }} {{ shot.tags | join }} {{ campaign }}'", "spin hero spring"),
        ("'{{ vars.nothing | default(\"x\") }}'", "x"),
        ("'{{ product.name | upper }} {{ product.name | lower }}'", "AIR MAX air max"),
        ("'a{# a remark #}b'", "ab"),
    ],
)
def test_what_a_template_may_do(text: str, expected: str) -> None:
    """Output, if, for, comparison, boolean and `~ + - /`, getattr and the listed filters work."""
    assert (expected,) == rendered(text)


def test_a_cell_is_never_template_source() -> None:
    """`{{` and `{%` in a cell are text."""
    row = {**ROW, "name": "{{ campaign }} {% if x %}"}

    assert ("{{ campaign }} {% if x %}",) == rendered("'{{ row.name }}'", row=row)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "'{{ product.nme }}'",
            "m.yaml:1:16: undefined-name: 'product.nme' is not known|did you mean 'product.name'?",
        ),
        (
            "'{{ prodct.name }}'",
            "m.yaml:1:8: undefined-name: 'prodct' is not known|did you mean 'product'?",
        ),
        (
            "'{{ product[\"Bdy (HTML)\"] }}'",
            (
                "m.yaml:1:17: undefined-name: 'product.Bdy (HTML)' is not known"
                "|did you mean 'product['Body (HTML)']'?"
            ),
        ),
        (
            "'{{ vars.seson }}'",
            "m.yaml:1:13: undefined-name: 'vars.seson' is not known|did you mean 'vars.season'?",
        ),
        (
            "'{{ campaign.name }}'",
            (
                "m.yaml:1:17: undefined-name: 'campaign.name' is not known"
                "|'campaign' has nothing under it"
            ),
        ),
        (
            "'{% for r in product.rows %}{{ r.nme }}{% endfor %}'",
            "m.yaml:1:37: undefined-name: 'r.nme' is not known|did you mean 'name'?",
        ),
        (
            "'{{ product.rows | map(attribute=\"nme\") | join }}'",
            "m.yaml:1:38: undefined-name: 'nme' is not known|did you mean 'name'?",
        ),
        (
            "'{{ product.nme | default(\"x\") }}'",
            "m.yaml:1:16: undefined-name: 'product.nme' is not known|did you mean 'product.name'?",
        ),
        (
            "'{{ loop.last }}'",
            (
                "m.yaml:1:8: undefined-name: 'loop' is not known"
                "|known here: campaign, product, refs, row, shot, take, variant, vars"
            ),
        ),
    ],
)
def test_an_undefined_name_is_an_error_at_its_place(text: str, finding: str) -> None:
    """A name that is not known is told at the name, with the nearest one."""
    template, findings = prompt(text, References())

    assert template is None
    assert [finding] == [f"{told([one])[0].splitlines()[0]}|{one.hint}" for one in findings]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{{ take * 2 }}", "1:8", "'*' is not allowed in a template"),
        ("{{ 10 ** 9 }}", "1:8", "'**' is not allowed in a template"),
        ("{{ take % 2 }}", "1:8", "'%' is not allowed in a template"),
        ("{{ take // 2 }}", "1:8", "'//' is not allowed in a template"),
        ("{{ {'a': 1} }}", "1:8", "a map is not allowed in a template"),
        ("{{ row.name[0:3] }}", "1:8", "a slice is not allowed in a template"),
        ("{{ row.name is defined }}", "1:8", "'is' is not allowed in a template"),
        ("{{ row.name.upper() }}", "1:8", "a call is not allowed in a template"),
        ("{% for i in [1].index(9) %}x{% endfor %}", "1:8", "a call is not allowed in a template"),
        ("{{ row.name | safe }}", "1:19", "there is no filter 'safe'"),
        ("{{ row.rows | random }}", "1:19", "there is no filter 'random'"),
        ("{% set x = 1 %}", "1:8", "'set' is not allowed in a template"),
        ("{% macro m() %}{% endmacro %}", "1:8", "'macro' is not allowed in a template"),
        ('{% include "x" %}', "1:8", "'include' is not allowed in a template"),
        ('{% import "x" as y %}', "1:8", "'import' is not allowed in a template"),
        ('{% extends "x" %}', "1:8", "'extends' is not allowed in a template"),
        ("{% block x %}{% endblock %}", "1:8", "'block' is not allowed in a template"),
        ("{% with %}{% endwith %}", "1:8", "'with' is not allowed in a template"),
        ("{% filter upper %}{% endfilter %}", "1:8", "'filter' is not allowed in a template"),
        ("{% raw %}{% endraw %}", "1:8", "'raw' is not allowed in a template"),
        ("{% do x %}", "1:8", "'do' is not allowed in a template"),
        ("{% print take %}", "1:8", "'print' is not allowed in a template"),
        (
            "{% for a in row.rows %}{% for b in row.rows %}{% endfor %}{% endfor %}",
            "1:31",
            "a 'for' inside a 'for' is not allowed in a template",
        ),
        (
            "{% for a, b in row.rows %}{% endfor %}",
            "1:8",
            "a 'for' has one variable and is not recursive",
        ),
        ("{{ row.name | join(*row.rows) }}", "1:19", "'*' is not allowed in a template"),
        ("{{ 'x' ~ ref('front') }}", "1:14", "ref() must be the last thing inside '{{ … }}'"),
    ],
)
def test_what_is_not_listed_is_forbidden(text: str, place: str, message: str) -> None:
    """Whatever is not in the whitelist is refused when compiling, at its tag or the name in it."""
    quoted = text.replace("'", "''")

    template, findings = prompt(f"'{quoted}'", References(names=frozenset({"front"})))

    assert template is None
    shown = [told([one])[0].splitlines()[0] for one in findings if one.slug != "undefined-name"]
    # Two quotes in the file are one in the text.
    shift = text[: text.index("ref") if "ref(" in text else 0].count("'")
    line, column = place.split(":")
    assert [f"m.yaml:{line}:{int(column) + shift}: forbidden-template: {message}"] == shown


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "'{{ row.name '",
            "m.yaml:1:5: template-syntax: '{{' is never closed",
        ),
        ("'{{ row.name }'", "m.yaml:1:17: template-syntax: unexpected '}'"),
        ("'{% if take %}x'", "m.yaml:1:11: template-syntax: 'if' is never closed"),
        ("'{{ }}'", "m.yaml:1:8: template-syntax: expected an expression, got '}}'"),
    ],
)
def test_a_template_with_bad_syntax_is_a_finding(text: str, finding: str) -> None:
    """A template that does not parse is one finding where it stops making sense."""
    template, findings = prompt(text)

    assert template is None
    assert finding == told(findings)[0].splitlines()[0][: len(finding)]


def test_a_fault_is_told_in_its_own_tag() -> None:
    """Of two tags that name the same column, the one in which the name is wrong is shown."""
    _, findings = prompt(
        "'{{ product.name }} {{ vars.name }} {{ shot.id ~ vars.nme }}'", References()
    )

    assert [(32, "'vars.name' is not known"), (58, "'vars.nme' is not known")] == [
        (one.span.column, one.message) for one in findings
    ]


def test_a_fault_inside_a_block_scalar_has_its_line_and_column() -> None:
    """A name in a folded or literal block is found at its own line of the file."""
    text = "a: >-\n  @front turns slowly,\n\n    {{ product.name }} and\n    {{ product.nme }}\n"

    _, findings = compile_prompt(value(text), PROMPT, REFERENCES)

    assert [
        (
            "m.yaml:5:16: undefined-name: 'product.nme' is not known\n"
            "    5 |     {{ product.nme }}\n"
            "      |                ^~~ did you mean 'product.name'?"
        )
    ] == told(findings, text)


def test_white_space_control_does_not_shift_places() -> None:
    """`{%-` strips text, and what comes after is still found where it stands."""
    text = "a: 'one   {%- if take %}two{% endif -%}   {{ product.nme }}'"

    _, findings = compile_prompt(value(text), PROMPT, References())

    assert [("undefined-name", text.index("nme") + 1)] == [
        (one.slug, one.span.column) for one in findings
    ]


@pytest.mark.parametrize(
    ("text", "given", "shown"),
    [
        ("{{ row.x }}", None, "m.yaml:1:8: bad-template-value: a value in this text is absent"),
        ("{{ row.x ~ 1 }}", None, "m.yaml:1:8: bad-template-value: a value in this text is absent"),
        (
            "{{ row.x }}",
            "x" * 20_001,
            "m.yaml:1:8: too-long: a value has more than 20,000 characters",
        ),
        ("{{ row.x }}", [1], "m.yaml:1:8: bad-template-value: a value in this text is a list"),
        ("{{ row.x }}", {"y": 1}, "m.yaml:1:8: bad-template-value: a value in this text is a map"),
        ("a {{ row.x.y }}", {"z": 1}, "m.yaml:1:10: undefined-name: 'y' is not known"),
        (
            "{{ row.x + 1 }}",
            "5",
            "m.yaml:1:8: bad-template-value: text and a number cannot be put together or compared",
        ),
        ("{{ 1 / row.x }}", 0, "m.yaml:1:8: bad-template-value: a division by zero"),
        (
            "{% for r in row.x %}{% endfor %}",
            "abc",
            "m.yaml:1:8: bad-template-value: only a list can be gone through",
        ),
        (
            "{{ row.x }}{{ row.x }}",
            "x" * 15_000,
            "m.yaml:1:4: too-long: the text grows over 20,000 characters",
        ),
        (
            "{{ row.x }}",
            "<<<image_1>>>",
            f"m.yaml:1:4: foreign-token: a value brings in a token: '<<<image_1>>>' {FOREIGN}",
        ),
        (
            "{{ row.x }}",
            "see @Image2",
            f"m.yaml:1:4: foreign-token: a value brings in a token: '@Image2' {FOREIGN}",
        ),
        (
            "{{ ref(row.x) }}",
            "nope",
            "m.yaml:1:8: unknown-reference: there is no reference '@nope'",
        ),
        (
            "{{ row.x | refs }}",
            "by @nope",
            "m.yaml:1:8: unknown-reference: there is no reference '@nope'",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_a_fault(text: str, given: object, shown: str) -> None:
    """A value that cannot go where it is written raises a fault that names the expression."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    template = compiled(compile_prompt(value(f"a: '{text}'"), scope, REFERENCES))

    found = fault(template, row={"x": given})

    place = found.span
    assert shown == f"{place.file}:{place.line}:{place.column}: {found.slug}: {found.message}"


def test_a_blank_value_in_a_prompt_is_a_warning() -> None:
    """A blank cell in a prompt is handed to `__warn__`, with the place of the expression."""
    found: list[Finding] = []

    rendered("'x {{ row.name }} {{ row.color }}'", row={**ROW, "color": " "}, __warn__=found.append)

    assert [
        (
            "m.yaml:1:25: warning: blank-value: a value in this text is blank\n"
            "      write default_if_blank('…'), or put it inside an if"
        )
    ] == told(found)


def test_a_value_cannot_forge_a_mention() -> None:
    """An `@` from a cell is text, and the marks that mentions travel by are taken out."""
    row = {**ROW, "name": "@front \ue000front\ue001"}

    assert ("@front front",) == rendered("'{{ row.name }}'", row=row)


def test_refs_lets_a_cell_carry_tokens() -> None:
    """`refs` reads a value's tokens as if they were written in the prompt."""
    row = {**ROW, "name": "@front and @@home"}

    assert (
        Mention(name="front"),
        " and @home",
    ) == rendered("'{{ row.name | refs }}'", row=row)


def test_ref_mentions_a_computed_name() -> None:
    """`ref()` mentions the reference whose name it is given."""
    found = rendered("'by {{ ref(variant.mood) }}'", variant={"mood": "studio"})

    assert ("by ", Mention(name="studio")) == found


def test_a_template_tells_what_it_reads() -> None:
    """A template's names are those it reads, so that it is a function of them alone."""
    template = compiled(
        prompt(
            '\'{{ product.name }} {{ row["Body (HTML)"] }}'
            " {% if refs.front %}{{ take }}{% endif %}'"
        )
    )

    assert {"product.name", "row.Body (HTML)", "refs.front", "take"} == template.names


@pytest.mark.parametrize(
    ("text", "name", "row", "expected"),
    [
        ("{{ row.x }}", "duration", 5, 5),
        ("{{ row.x }}", "duration", 5.0, 5),
        ("{{ row.x }}", "duration", Decimal(5), 5),
        ("{{ row.x }}", "duration", " 5 ", 5),
        ("{{ row.x }}", "duration", "", None),
        ("{{ row.x }}", "duration", None, None),
        ("{{ row.x }}5", "takes", 1, 15),
        ("{{ row.x }}", "watermark", True, True),
        ("{{ row.x }}", "watermark", "false", False),
        ("{{ row.x }}", "mode", "pro", "pro"),
        ("{% if row.x > 100 %}pro{% else %}std{% endif %}", "mode", 150, "pro"),
        ("{% if row.x > 100 %}pro{% else %}std{% endif %}", "mode", 50, "std"),
        ("{{ row.x }}:{{ 16 }}", "aspect_ratio", 9, "9:16"),
        ("{{ row.x }}", "provider", "runware", "runware"),
    ],
)
def test_a_setting_takes_the_type_its_place_wants(
    text: str, name: str, row: object, expected: object
) -> None:
    """A setting that is a template gives the setting's own type; nothing where it is blank."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    node = value(f"a: '{text}'")

    found = compiled(compile_setting(node, scope, name, setting_rules()[name])).render(
        {"row": {"x": row}}
    )

    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize(
    ("name", "row", "slug", "message"),
    [
        ("duration", "five", "wrong-type", "'duration' must be a whole number, not 'five'"),
        ("duration", 5.5, "wrong-type", "'duration' must be a whole number, not 5.5"),
        ("duration", True, "wrong-type", "'duration' must be a whole number, not true"),
        ("duration", 12, "bad-value", "'duration' must be at most 10, not 12"),
        ("takes", 0, "bad-value", "'takes' must be at least 1, not 0"),
        ("mode", "prro", "bad-value", "'mode' must be std or pro, not 'prro'"),
        ("watermark", "yes", "wrong-type", "'watermark' must be true or false, not 'yes'"),
    ],
)
def test_a_setting_of_the_wrong_type_is_a_fault(
    name: str, row: object, slug: str, message: str
) -> None:
    """A rendered setting is held to the same rule as a written one."""
    node = value("a: '{{ row.x }}'")
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))

    found = fault(
        compiled(compile_setting(node, scope, name, setting_rules()[name])), row={"x": row}
    )

    assert (slug, message, 4) == (found.slug, found.message, found.span.column)


def test_a_file_may_come_whole_from_the_row() -> None:
    """Only a value taken as it is from a cell counts as the table's own path."""
    whole = compiled(compile_text(value("a: '{{ product.name | trim }}'"), SCOPE))
    built = compiled(compile_text(value("a: 'refs/{{ product.name }}.png'"), SCOPE))

    assert (True, "Air Max") == (whole.from_row, whole.render(CONTEXT))
    assert (False, "refs/Air Max.png") == (built.from_row, built.render(CONTEXT))


def test_a_blank_file_is_absent() -> None:
    """A file whose template gives nothing is None."""
    template = compiled(compile_text(value("a: '{{ row.name }}'"), SCOPE))

    assert template.render({**CONTEXT, "row": {"name": "  "}}) is None
    assert template.render({**CONTEXT, "row": {"name": None}}) is None


def test_a_list_of_files_leaves_out_the_blank_ones() -> None:
    """`each` gives the files of a list, without the blank ones."""
    node = value("a: \"{{ product.rows | map(attribute='sku') }}\"")

    assert ("a",) == compiled(compile_files(node, SCOPE)).render(CONTEXT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("product.price > 10", True),
        ("product.name == 'x' or row.color in ['red', 'blue']", True),
        ("not product.name", False),
    ],
)
def test_a_condition_is_a_bare_expression(text: str, *, expected: bool) -> None:
    """A condition is written without braces, and gives true or false."""
    template = compiled(compile_condition(value(f'a: "{text}"'), SCOPE))

    assert expected is template.render(CONTEXT)


def test_a_fault_in_a_condition_has_its_place() -> None:
    """A name in a condition is found where it stands, as in any template."""
    _, findings = compile_condition(value("a: product.prce > 10"), SCOPE)

    assert [
        (
            "m.yaml:1:12: undefined-name: 'product.prce' is not known\n"
            "      did you mean 'product.price'?"
        )
    ] == told(findings)


def test_no_python_attribute_is_reached() -> None:
    """A dot looks into maps and rows alone: columns win over methods, and dunders are unknown."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))

    items = compiled(compile_text(value("a: '{{ row.items }}'"), scope))
    dunder = compiled(compile_text(value("a: '{{ row.name.__class__ }}'"), scope))

    assert "5" == items.render({"row": {"items": 5}})
    assert "'__class__' is not known" == fault(dunder, row={"name": "x"}).message


@pytest.mark.parametrize("sign", ["(", "[", "not ", "-", "{% if 1 %}"])
def test_nesting_without_end_is_refused(sign: str) -> None:
    """A template nested without end is a finding, not a crash."""
    text = sign * 3000 if sign.startswith("{%") else "{{ " + sign * 3000 + "1"

    template, findings = prompt(f"'{text}'")

    assert template is None
    assert 1 == len({one.slug for one in findings})


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' | replace('x', row.big) | replace('y', row.big) }}",
        "{{ row.many | join(row.big) }}",
        "{% for r in row.many %}{{ row.big }}{% endfor %}",
    ],
)
def test_a_template_cannot_grow_a_bomb(text: str) -> None:
    """What multiplies text stops at the limit, before the text is made."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    template = compiled(compile_prompt(value(f'a: "{text}"'), scope, References()))

    assert "too-long" == fault(template, row={"big": "y" * 9000, "many": ["z"] * 9000}).slug


FILTERED: list[tuple[str, Any, Any]] = [
    ("slug", "Größe 9:16_b", "größe-9-16-b"),
    ("words(2)", "one  two three", "one two"),
    ("money", 1299, "1,299.00"),
    ("money('€')", Decimal("49.9"), "€49.90"),
    ("money('EUR')", "49.9", "49.90 EUR"),
    ("money('$', 0)", -1234.5, "-$1,235"),
    (
        "plain",
        "<p>Soft &amp;<br/>light</p><script>x</script><!-- no -->a < b",
        "Soft & light a < b",
    ),
    ("title", "it's AIR max", "It's Air Max"),
    ("trim", "  x ", "x"),
    ("replace('a', 'b')", "banana", "bbnbnb"),
    ("round", 2.5, "3"),
    ("round(1)", "2.25", "2.3"),
    ("first", ["a", "b"], "a"),
    ("last", ["a", "b"], "b"),
    ("length", ["a", "b"], "2"),
    ("length", "abc", "3"),
    ("join('-')", ["a", None, 1], "a-1"),
    ("default_if_blank('x')", " ", "x"),
    ("default_if_blank('x')", "y", "y"),
    ("default('x')", None, "x"),
    ("upper | default_if_blank('x')", None, "x"),
]


@pytest.mark.parametrize(("chain", "given", "expected"), FILTERED)
def test_filters(chain: str, given: object, expected: str) -> None:
    """Each filter gives what the reference says it gives."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    template = compiled(
        compile_prompt(value(f'a: "{{{{ row.x | {chain} }}}}"'), scope, References())
    )

    assert (expected,) == template.render({"row": {"x": given}})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, "true"),
        (5.0, "5"),
        (0.5, "0.5"),
        (Decimal("49.90"), "49.90"),
        (date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_values_become_text_as_people_write_them(given: object, expected: str) -> None:
    """A value in a text is written as in the table: whole numbers without a point, dates as ISO."""
    assert (expected,) == rendered("'{{ row.name }}'", row={**ROW, "name": given})


@pytest.mark.parametrize(
    ("chain", "given", "message"),
    [
        ("round(99)", 1, "the number of digits is between 0 and 12"),
        ("money", "abc", "a value that should be a number is none"),
        ("replace('', 'x')", "abc", "replace() needs something to replace"),
        ("map('refs')", ["x"], "map() knows no filter 'refs'"),
        ("first", 5, "only a list can be gone through"),
        ("words('x')", "a b", "words() takes a whole number"),
        ("upper", ["a"], "a value in this text is a list"),
    ],
)
def test_a_filter_refuses_what_it_cannot_use(chain: str, given: object, message: str) -> None:
    """A filter that cannot use its value says so."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    template = compiled(
        compile_prompt(value(f'a: "{{{{ row.x | {chain} }}}}"'), scope, References())
    )

    assert message == fault(template, row={"x": given}).message


def test_html_without_end_is_read_in_linear_time() -> None:
    """`plain` does not stumble over a hundred thousand open tags."""
    scope = Scope(names={"row": None}, rows=frozenset({"row"}))
    template = compiled(compile_text(value('a: "{{ row.x | plain | length }}"'), scope))

    for piece in ("<", "<a", "<script", "<!--", "&"):
        assert template.render({"row": {"x": piece * 30_000}}) is not None


def test_a_prompt_knows_where_it_mentions_a_reference() -> None:
    """Whether a mention is attached is only known per row; its place is known here."""
    template, _ = prompt("turn @front, then @@ and {{ ref('front') }} of @front")

    assert template is not None
    assert {"front": (9, 15)} == {
        name: (span.column, span.end_column) for name, span in template.mentions.items()
    }


def test_the_place_of_a_condition_is_its_expression() -> None:
    """`if` is not part of what cannot be worked out."""
    template, _ = prompt("so {% if row.price > 1 %}a{% endif %}")
    assert template is not None

    with pytest.raises(TemplateFault) as caught:
        template.render({"row": {"price": "5"}})

    assert (13, 26) == (caught.value.span.column, caught.value.span.end_column)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("so {{ shot.id }, no", "close the value with '}}'"),
        ("so {{ shot.id }} {% if vars.x %} open", "end it with {% endif %}"),
        ("so {{ shot id }}", "between '{{' and '}}' stands one value, perhaps with filters"),
    ],
)
def test_bad_syntax_says_what_to_write(text: str, hint: str) -> None:
    """The words of a parser help nobody at night."""
    _, findings = prompt(text)

    assert [hint] == [finding.hint for finding in findings]


@pytest.mark.parametrize("text", ["A { row.x } mug.", "A ${row.x} mug."])
def test_a_value_with_one_brace_is_a_fault(text: str) -> None:
    """What was meant as a value and would be sent as it stands is said before it is paid for."""
    template, findings = prompt(f'"{text}"', References())

    assert template is None
    (finding,) = findings
    assert "template-syntax" == finding.slug
    assert "is sent as it stands" in finding.message
    assert finding.hint.startswith("write {{")


@pytest.mark.parametrize("text", ["A {blue} mug.", "A { nobody.knows } mug.", "{{ '{ row.x }' }}"])
def test_other_braces_are_text(text: str) -> None:
    """Braces mean nothing by themselves."""
    assert compiled(prompt(f'"{text}"', References())) is not None
