"""Whatever is written as a manifest, loading it ends in findings or a manifest, never a crash."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain import Loaded
from pipeline.errors import TemplateFault
from pipeline.manifest import load_manifest
from pipeline.manifest.templates.compile import compile_condition, compile_prompt
from pipeline.manifest.templates.lint import References
from pipeline.manifest.yaml_loader import read_document
from tests.unit.manifest.reading import SCOPE, value

# What YAML allows to be written as it is.
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn")), max_size=8)
KEYS = (
    *("callsheet", "name", "vars", "tables", "bundles", "defaults", "overrides", "shots"),
    *("budget", "output", "providers", "policy", "files", "selectors", "profiles", "extends"),
    *("id", "for", "use", "references", "prompt", "variants", "matrix", "exclude", "pairs"),
    *("extend", "add", "images", "elements", "frames", "video", "file", "each", "key", "as"),
    *("columns", "where", "takes", "duration", "mode"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.sampled_from(["x", "@x", "{{ x }}", "{{ row.a }}", "{% if x %}", "5 USD", "runware"]),
    TEXTS,
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=6)
    ),
    max_leaves=25,
)
PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        " ",
        "row",
        ".",
        "name",
        "|",
        "upper",
        "(",
        ")",
        "[",
        "]",
        "'",
        '"',
        "if",
        "else",
        "endif",
        "for",
        "in",
        "endfor",
        "+",
        "~",
        "*",
        "1",
        "@x",
        "@",
        "ref",
        "<<<image_1>>>",
        "set",
        "=",
        "{#",
        "#}",
        "-",
        "product",
        "join",
        ",",
        "refs",
        "\n",
        "ä",
    ]
)


def loaded(data: bytes) -> Loaded:
    """Return what comes of some bytes as a manifest."""

    def read(path: Path) -> bytes:
        if path == Path("m.yaml"):
            return data
        raise FileNotFoundError(path)

    return load_manifest(Path("m.yaml"), read=read)


def as_yaml(tree: object) -> bytes:
    """Return a tree as JSON, which is YAML."""
    return json.dumps(tree, ensure_ascii=False).encode()


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_are_findings_or_a_manifest(data: bytes) -> None:
    """Bytes that are no manifest give at least one finding."""
    result = loaded(data)

    assert result.findings


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_any_text_as_yaml_never_raises(text: str) -> None:
    """A text is a node or a finding; and every place lies inside the text."""
    node, findings = read_document(text, shown="m.yaml", folder=Path())

    assert node is not None or findings
    for finding in findings:
        assert (
            1
            <= finding.span.line
            <= text.count("\n")
            + text.count("\r")
            + 2
            + sum(text.count(sign) for sign in "\x85\u2028\u2029")
        )
        assert finding.span.column >= 1


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_any_tree_of_known_keys_never_raises(tree: object) -> None:
    """Keys of the language in any order, with any values, end in findings or a manifest."""
    result = loaded(as_yaml(tree))

    assert result.manifest is not None or result.findings


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_any_shot_never_raises(tree: object) -> None:
    """A manifest that is right but for one shot is read as far as it goes."""
    shots = [tree, {"id": "good", "prompt": "A sneaker turns."}]

    result = loaded(as_yaml({"callsheet": 1, "name": "x", "shots": shots}))

    assert result.manifest is not None
    assert "good" == result.manifest.shots[-1].id


@settings(deadline=None, max_examples=120)
@given(st.lists(PIECES, max_size=14))
def test_any_template_is_refused_or_renders(pieces: list[str]) -> None:
    """A template of any pieces is findings, or renders, or raises a TemplateFault."""
    node, _ = read_document(
        f"a: {as_yaml(''.join(pieces)).decode()}", shown="m.yaml", folder=Path()
    )
    assert node is not None
    text = node.get("a")
    assert text is not None

    template, findings = compile_prompt(text, SCOPE, References(names=frozenset({"x"})))

    assert template is not None or findings
    if template is not None:
        row = {"name": "n", "rows": ({"name": "m"},)}
        with suppress(TemplateFault):
            template.render({"row": row, "product": row, "variant": {}, "vars": {}, "take": 1})


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES, max_size=10))
def test_any_condition_is_refused_or_gives_a_boolean(pieces: list[str]) -> None:
    """A condition of any pieces is findings, or gives true or false, or raises a TemplateFault."""
    node, _ = read_document(
        f"a: {as_yaml(''.join(pieces)).decode()}", shown="m.yaml", folder=Path()
    )
    assert node is not None
    text = node.get("a")
    assert text is not None

    template, findings = compile_condition(text, SCOPE)

    assert template is not None or findings
    if template is not None:
        row = {"name": "n", "rows": ()}
        with suppress(TemplateFault):
            assert isinstance(template.render({"row": row, "product": row}), bool)


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ lipsum }}",
        "{{ self._TemplateReference__context }}",
        "{{ row|attr('__class__') }}",
        "{{ 9" + "9" * 5000 + " }}",
    ],
)
def test_known_attacks_are_refused_when_compiling(text: str) -> None:
    """Loops without end, huge products and ways out of the sandbox never run."""
    quoted = text.replace("'", "''")

    template, findings = compile_prompt(value(f"a: '{quoted}'"), SCOPE, References())

    assert template is None
    assert findings
