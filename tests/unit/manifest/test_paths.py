"""Output paths: what values may put into them, and which templates are refused."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Template
from pipeline.errors import TemplateFault
from pipeline.manifest.paths import DEFAULT_PATH, MAX_VALUE_BYTES, compile_path, segment
from pipeline.manifest.templates.lint import SCALAR, Scope
from tests.unit.manifest.reading import told, value

NO_EXT = "an output path ends with the extension of the file that is received"
SIGNS = "a path contains no braces, backslashes or line breaks"
SCOPE = Scope(
    names={
        "shot": frozenset({"id", "tags"}),
        "row": None,
        "row_key": SCALAR,
        "cell": SCALAR,
        "take": SCALAR,
        "ext": SCALAR,
    }
)


def path(text: str) -> Template:
    """Return an output path's template."""
    template, findings = compile_path(value(f'a: "{text}"'), SCOPE)
    assert template is not None, told(findings)
    return template


def rendered(text: str, **values: object) -> str:
    """Return what an output path gives."""
    context = {"shot": {"id": "spin"}, "row_key": "SKU-1", "cell": "9x16-calm", "take": 1}
    found: str = path(text).render({**context, **values})
    return found


@pytest.mark.parametrize(
    ("row_key", "cell", "expected"),
    [
        ("SKU-1", "9x16-calm", "spin/SKU-1/9x16-calm_t1.{ext}"),
        ("", "9x16-calm", "spin/9x16-calm_t1.{ext}"),
        ("SKU-1", "", "spin/SKU-1/t1.{ext}"),
        ("", "", "spin/t1.{ext}"),
    ],
)
def test_empty_parts_of_the_default_path_vanish(row_key: str, cell: str, expected: str) -> None:
    """The default path has no part for a shot without rows or without variants."""
    assert expected == rendered(DEFAULT_PATH, row_key=row_key, cell=cell)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a/b\\c", "a-b-c"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..", ""),
        (".hidden", "hidden"),
        ("Größe M", "Größe M"),
        ("Gro\u0308ße", "Größe"),
        ('a:b*c?d"e<f>g|h', "a-b-c-d-e-f-g-h"),
        ("line\nbreak\x00", "line break-"),
        ("{ext}", "-ext-"),
        ("ends.. ", "ends"),
        (5, "5"),
    ],
)
def test_a_value_is_one_safe_part(given: object, expected: str) -> None:
    """A value brings no separator, no parent folder, no sign that a file system reads."""
    assert expected == segment(given)


def test_a_long_value_is_cut_with_a_hash() -> None:
    """A value over 120 bytes is cut, and a hash keeps two such values apart."""
    one, two = segment("ä" * 200), segment("ä" * 201)

    assert one != two
    assert MAX_VALUE_BYTES >= len(one.encode())
    assert one.startswith("ä" * 50)


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "LPT9", "aux.mp4"])
def test_a_name_that_windows_keeps_is_not_used(name: str) -> None:
    """A part that Windows reads as a device gets an underscore in front."""
    assert f"_{name}.{{ext}}" == rendered("{{ row.x }}.{{ ext }}", row={"x": name})


def test_values_stand_between_literal_text() -> None:
    """Only what the author writes makes folders; a value's own slash does not."""
    text = "x/{{ row.a }}-{{ row.b }}/{{ take }}.{{ ext }}"

    assert "x/1-2-3/1.{ext}" == rendered(text, row={"a": "1/2", "b": 3})
    assert "x/3/1.{ext}" == rendered(text, row={"a": "", "b": 3})
    assert "x/1/1.{ext}" == rendered(text, row={"a": 1, "b": ""})


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "/abs/{{ take }}.{{ ext }}",
            "m.yaml:1:4: bad-path: an output path is relative to <root>/<name>/",
        ),
        ("C:/x.{{ ext }}", "m.yaml:1:4: bad-path: an output path is relative to <root>/<name>/"),
        ("a/../../x.{{ ext }}", "m.yaml:1:4: bad-path: an output path does not leave its folder"),
        (
            "a\\\\b.{{ ext }}",
            f"m.yaml:1:4: bad-path: {SIGNS}",
        ),
        (
            "a/{x}.{{ ext }}",
            f"m.yaml:1:4: bad-path: {SIGNS}",
        ),
        (
            "report/x.{{ ext }}",
            "m.yaml:1:5: reserved-path: the folder 'report' is for Callsheet's own report",
        ),
        (
            "{{ take }}.mp4",
            f"m.yaml:1:4: bad-path: {NO_EXT}",
        ),
        (
            "{{ ext }}/{{ take }}",
            f"m.yaml:1:4: bad-path: {NO_EXT}",
        ),
        (
            "x.{{ ext | upper }}",
            f"m.yaml:1:4: bad-path: {NO_EXT}",
        ),
        ("{{ shot.name }}.{{ ext }}", "m.yaml:1:13: undefined-name: 'shot.name' is not known"),
    ],
)
def test_a_path_that_is_not_safe_is_refused(text: str, finding: str) -> None:
    """What the author writes must stay below the campaign's folder and name the extension."""
    template, findings = compile_path(value(f'a: "{text}"'), SCOPE)

    assert template is None
    assert [finding] == [told([one])[0].splitlines()[0] for one in findings]


def test_a_value_cannot_make_the_report_folder() -> None:
    """A path whose first part turns out as `report` is a fault, however it is written."""
    with pytest.raises(TemplateFault) as caught:
        rendered("{{ row.x }}/y.{{ ext }}", row={"x": "Report"})

    assert "the folder 'report' is for Callsheet's own report" == caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ ext }}", "the path comes to '{ext}': no name is left for the file"),
        (".{{ ext }}", "the path comes to '{ext}': no name is left for the file"),
        ("a/{{ ext }}", "the path comes to 'a': no name is left for the file"),
        ("a/{{ row.x }}.{{ ext }}", "the path comes to 'a': no name is left for the file"),
        ("a{{ ext }}", "the path comes to 'a{ext}': no name is left for the file"),
        (".intents/a.{{ ext }}", "'.intents' begins with a dot: such names are Callsheet's own"),
        ("a/.b.{{ ext }}", "'.b.{ext}' begins with a dot: such names are Callsheet's own"),
        ("a/.{{ take }}/b.{{ ext }}", "'.1' begins with a dot: such names are Callsheet's own"),
    ],
)
def test_a_path_without_a_name_or_with_a_hidden_one_is_a_fault(text: str, message: str) -> None:
    """However it comes about: by what is written, or by values that are blank."""
    with pytest.raises(TemplateFault) as caught:
        rendered(text, row={"x": ""})

    assert ("bad-path", message) == (caught.value.slug, caught.value.message)


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_value_leaves_its_part(row_key: str, cell: str) -> None:
    """Whatever the values are, a path stays relative, below its folder, and of bounded parts."""
    found = PurePosixPath(rendered(DEFAULT_PATH, row_key=row_key, cell=cell))

    assert not found.is_absolute()
    assert 2 <= len(found.parts) <= 3
    assert "spin" == found.parts[0]
    for part in found.parts:
        assert part not in {"", ".", ".."}
        assert len(part.encode()) <= 255
        assert not set(part) & set('/\\:*?"<>|\x00')
