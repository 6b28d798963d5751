"""What a manifest extends and its tables are read from allowed folders only."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.finding_text import findings_text
from pipeline.domain import Loaded
from pipeline.manifest import load_manifest

SHOT = 'shots: [{id: a, duration: 5, prompt: "A cup."}]\n'


def _loaded(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> tuple[Loaded, list[str]]:
    """Return what was read of a manifest, and the names of the files that were opened."""
    (folder / "m.yaml").write_text(f"callsheet: 1\nname: m\n{text}{SHOT}", "utf-8")
    opened: list[str] = []

    def read(path: Path) -> bytes:
        opened.append(path.name)
        return path.read_bytes()

    return load_manifest(folder / "m.yaml", overrides=overrides, read=read), opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a manifest's folder, beside which a base, a table and a file of keys lie."""
    (tmp_path / "base.yaml").write_text("vars: {season: spring}\n", "utf-8")
    (tmp_path / "t.csv").write_text("sku\nA\n", "utf-8")
    (tmp_path / "keys.env").write_text("RUNWARE_API_KEY=0123456789\nB=1\n", "utf-8")
    made = tmp_path / "campaign"
    made.mkdir()
    return made


TABLE = "tables: {t: {file: ../t.csv, key: sku}}\n"


@pytest.mark.parametrize("text", ["extends: ../base.yaml\n", "extends: [link.yaml]\n", TABLE])
def test_what_lies_outside_is_not_opened(folder: Path, text: str) -> None:
    """Neither by a path nor through a link: a finding at its place, and nothing of the file."""
    (folder / "link.yaml").symlink_to(folder.parent / "base.yaml")

    loaded, opened = _loaded(folder, text)

    assert ["path-escape"] == [finding.slug for finding in loaded.findings]
    assert ["m.yaml"] == opened


@pytest.mark.parametrize("text", ["extends: ../base.yaml\n", TABLE])
def test_the_manifest_says_what_is_allowed(folder: Path, text: str) -> None:
    """A folder of its `files: {allow: [...]}` is as its own."""
    loaded, _ = _loaded(folder, f"{text}files: {{allow: [..]}}\n")

    assert () == tuple(f for f in loaded.findings if f.slug != "unused-table")


def test_a_base_does_not_say_what_is_allowed(folder: Path) -> None:
    """A file that is extended cannot open the machine to its tables; the command line can."""
    (folder / "own.yaml").write_text(f"files: {{allow: [..]}}\n{TABLE}", "utf-8")

    closed, opened = _loaded(folder, "extends: own.yaml\n")
    typed, _ = _loaded(folder, "extends: own.yaml\n", ("files.allow=[..]",))

    assert ["path-escape"] == [finding.slug for finding in closed.findings]
    assert ["m.yaml", "own.yaml"] == opened
    assert "path-escape" not in [finding.slug for finding in typed.findings]


def test_the_command_line_names_any_table(folder: Path) -> None:
    """A table that the person at the command line names is read wherever it lies."""
    (folder.parent / "export.csv").write_text("sku\nA\n", "utf-8")

    typed, opened = _loaded(folder, TABLE, (f"tables.t.file={folder.parent / 'export.csv'}",))

    assert () == typed.findings
    assert ["m.yaml", "export.csv"] == opened


@pytest.mark.parametrize(
    "text",
    [
        "tables: {t: {file: ../keys.env, key: sku}}\nfiles: {allow: [..]}\n",
        "extends: ../keys.env\nfiles: {allow: [..]}\n",
    ],
)
def test_a_file_of_keys_is_not_shown(folder: Path, text: str) -> None:
    """Its columns, listed as what is known, and its lines, quoted with a fault, are starred."""
    loaded, _ = _loaded(folder, text)
    told = findings_text(loaded.findings, loaded.sources)

    assert loaded.findings
    assert "0123456789" not in told, told
    assert "**********" in told, told
