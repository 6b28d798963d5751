"""The guide, done as it says: every file written, every command run, every output compared."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from tests.architecture.source import REPOSITORY
from tests.docs.blocks import Block, blocks, fits

GUIDE = (REPOSITORY / "docs" / "guide.md").read_text("utf-8")
FILES = ("yaml", "csv")
NEVER = ("sh",)
"""What changes the machine or costs money."""


@pytest.mark.timeout(600)
def test_the_guide_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Followed from top to bottom, each command prints and ends as the guide shows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    for block in blocks(GUIDE):
        if block.language in FILES:
            Path(block.notes["file"]).write_text(block.text, "utf-8")
        elif block.language == "console":
            _follow(block, monkeypatch, capsys)
        else:
            assert block.language in NEVER


def _follow(
    block: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the commands of a block; only its last may end otherwise than well."""
    ended = 0
    for command, quoted in block.commands():
        assert 0 == ended, f"what comes before ended with {ended}: {command}"
        name, *words = shlex.split(command)
        if name == "cd":
            monkeypatch.chdir(*words)
            continue
        assert "callsheet" == name, command
        assert words[0] != "run" or "--rehearse" in words, f"would spend money: {command}"
        ended = int(invoke(words))
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert fits(quoted, said), f"$ {command}\n{said}\n--- but the guide quotes\n{quoted}"
    assert int(block.notes.get("exit", "0")) == ended, block.text


def test_the_guide_shows_the_starter_as_it_is(tmp_path: Path) -> None:
    """The table that the guide begins with is the one that `init` writes, cell by cell."""
    assert 0 == int(invoke(["init", str(tmp_path)]))
    table = (tmp_path / "products.csv").read_text("utf-8")

    first = next(block for block in blocks(GUIDE) if block.language == "csv")
    head, *rows = table.splitlines()

    assert table == first.text
    for line in (head, *rows):
        assert f"| {line.replace(',', ' | ')} |\n" in GUIDE


def test_what_is_quoted_must_be_there() -> None:
    """A line of dots stands for lines, dots in a line for a part of it, all else for itself."""
    assert fits("a\n…\nb … d\n", "a\nx\n\ny\nb c d   \n")
    assert fits("a\n…\nb\n", "a\nb\n")
    assert not fits("a\n…\nb\n", "a\nx\n")
    assert not fits("a\n", "a\nb\n")
    assert not fits("a b\n", "a  b\n")
