"""Whatever is handed in as a manifest, a table or a cell ends in findings or items, never a crash.

The whole way is gone: reading, planning, the requests, and the findings as they are printed.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli.finding_text import findings_text
from pipeline.errors import InvalidInput
from pipeline.manifest.yaml_loader import read_document
from tests.manifests.planning import Planned, planned

HERE = Path(__file__).parent
WHOLE = HERE / "whole"
GOOD = [
    WHOLE / "campaign.yaml",
    HERE.parents[1] / "manifests/shop-export/campaign.yaml",
    *sorted(HERE.glob("exports/*/campaign.yaml")),
]


def tree(manifest: Path) -> Any:
    """Return a manifest's text as plain data."""
    node, _ = read_document(manifest.read_text("utf-8"), shown="", folder=manifest.parent)
    assert node is not None
    return node.plain()


TREES = {str(path): tree(path) for path in GOOD}
CALM = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Every example writes its own files over those of the last, so one folder is enough."""

UNSAFE = frozenset('\0\n\t\r\x7f\\:*?"<>|\u2028\u202e\u2066\ue000')
WORDS = ("", "x", "1", "9:16", "@front", "{{ row.sku }}", "{{ x }}", "{% if %}", "still.png", "~")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**6), st.floats(), st.sampled_from(WORDS), st.text()
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=5), SCALARS, max_size=3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tables and pictures of every good manifest."""
    made = tmp_path_factory.mktemp("anything")
    for manifest in GOOD:
        shutil.copytree(manifest.parent, made, dirs_exist_ok=True)
    return made


def judged(folder: Path, text: str | bytes) -> Planned:
    """Return what comes of a text as a manifest; its findings can be printed."""
    manifest = folder / "m.yaml"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode(errors="replace"))
    try:
        found = planned(manifest, folder)
    except InvalidInput as invalid:
        findings_text(invalid.findings, invalid.sources)
        found = Planned(entries=(), findings=invalid.findings)
    assert found.entries or found.findings
    for finding in found.findings:
        assert finding.slug
        assert finding.message
        assert 1 <= finding.span.column <= finding.span.end_column
    for entry in found.entries:
        parts = Path(entry.item.output).parts
        assert not Path(entry.item.output).is_absolute()
        assert ".." not in parts
        assert all(len(part.encode()) < 256 for part in parts)
        assert not UNSAFE & set(entry.item.output)
    return found


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every map and list of a tree with each of its keys."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(entries):
        yield tree, key
        if isinstance(value, dict | list):
            yield from places(value)


def mutated(data: st.DataObject) -> Any:
    """Return a good manifest in which one to three things are not as they were."""
    whole = json.loads(json.dumps(TREES[data.draw(st.sampled_from(sorted(TREES)))]))
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(places(whole))
        if not found:
            break
        inside, key = data.draw(st.sampled_from(found))
        match data.draw(st.sampled_from(["drop", "replace", "rename", "repeat", "move"])):
            case "drop":
                del inside[key]
            case "rename" if isinstance(inside, dict):
                inside[data.draw(st.text(max_size=6) | st.sampled_from(["id", "file"]))] = (
                    inside.pop(key)
                )
            case "repeat" if isinstance(inside, list):
                inside.insert(key, inside[key])
            case "move":
                other, place = data.draw(st.sampled_from(found))
                inside[key] = json.loads(json.dumps(other[place]))
            case _:
                inside[key] = data.draw(VALUES)
    return whole


@pytest.mark.parametrize("manifest", GOOD, ids=[path.parent.name for path in GOOD])
def test_the_manifests_that_are_changed_here_are_good(manifest: Path, tmp_path: Path) -> None:
    """Without a change there is no finding, so that what is found comes of the change."""
    assert [] == planned(manifest, tmp_path).told


@CALM
@given(data=st.data())
def test_any_change_of_a_good_manifest(folder: Path, data: st.DataObject) -> None:
    """Keys and values that are dropped, renamed, repeated, moved or replaced."""
    judged(folder, json.dumps(mutated(data)))


@CALM
@given(data=st.data())
def test_any_change_of_a_good_manifests_text(folder: Path, data: st.DataObject) -> None:
    """Lines that are dropped, repeated, indented, swapped or cut, and characters put in."""
    lines = data.draw(st.sampled_from(GOOD)).read_text("utf-8").splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        middle = data.draw(st.integers(0, len(lines[at])))
        put = data.draw(
            st.text(max_size=3) | st.sampled_from(["'", '"', "{", "}", ": ", "- ", "#"])
        )
        lines[at] = data.draw(
            st.sampled_from(
                [
                    "",
                    lines[at] * 2,
                    "  " + lines[at],
                    lines[at - 1],
                    lines[at][:middle],
                    lines[at][:middle] + put + lines[at][middle:],
                ]
            )
        )
    judged(folder, "".join(lines))


@CALM
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_any_bytes_as_a_manifest(folder: Path, content: bytes) -> None:
    """Bytes that say nothing of shots make nothing, and it is told why."""
    assert () == judged(folder, content).entries


@CALM
@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"sku,name,price,photo,more\n", b"sku;name;price;photo;more\r\n"]),
)
def test_any_bytes_as_a_table(folder: Path, content: bytes, head: bytes) -> None:
    """What is no table, or half of one, is told at its place."""
    whole = WHOLE / "campaign.yaml"
    (folder / "t.csv").write_bytes(head + content)

    judged(folder, whole.read_text("utf-8").replace("products.csv", "t.csv"))


CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", " ", "..", "/", "a/../b", "CON", "{{ x }}", "@front", "<<<image_1>>>", "a\nb"]
    ),
    st.text(st.characters(categories=["Cc", "Cf", "Co", "Zl", "Zs", "Mn"]), max_size=5),
)
COLUMNS = ("sku", "name", "photo", "more", "seconds", "_tags", "_takes", "_mode", "_duration")
OVER_CELLS = """\
callsheet: 1
name: cells
tables: {t: {file: cells.csv, key: sku, columns: {more: {list: text, separator: "|"}}}}
bundles:
  photos:
    images:
      front: {file: "{{ row.photo }}", say: "{{ row.name }}", optional: true}
      more: {each: "{{ row.more }}", max: 2, optional: true}
shots:
  - id: said
    for: t
    aspect_ratio: "9:16"
    duration: "{{ row.seconds }}"
    prompt: "A cup: {{ row.name }} {{ row.name | plain | title | slug }} {{ row.more | join }}"
    output: {path: "{{ row.name }}/{{ row_key }}-{{ row.photo }}_{{ take }}.{{ ext }}"}
  - id: shown
    for: t
    use: [photos]
    aspect_ratio: auto
    prompt: "A cup {{ row.name | refs }} {% if refs.front %}{{ ref('front') }}{% endif %}"
"""


@CALM
@given(rows=st.lists(st.tuples(*[CELLS] * len(COLUMNS)), min_size=1, max_size=4))
def test_any_text_as_a_cell(folder: Path, rows: list[tuple[str, ...]]) -> None:
    """A cell may say anything: in prompts, paths, settings, lists, and columns that steer."""
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
    (folder / "cells.csv").write_text(table.getvalue(), "utf-8", errors="replace", newline="")

    judged(folder, OVER_CELLS)
