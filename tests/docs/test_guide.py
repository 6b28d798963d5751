"""The guide, done as it says: every file written, every command run, every output compared."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from tests.architecture.source import REPOSITORY
from tests.docs.blocks import Block, blocks, fits
from tests.sandboxes import Sandbox

GUIDE = (REPOSITORY / "docs" / "guide.md").read_text("utf-8")
FILES = ("yaml", "csv")
NEVER = ("sh",)
"""What changes the machine, costs money, or runs until it is stopped."""
PROVIDER = "runware=http://127.0.0.1:8090/runware"
"""Where the guide has started a sandbox."""
TOOLS = ("git", "mkdir", "cp", "rm")
PERSON = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "A. Person"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@example.org"),
}


@pytest.mark.timeout(600)
def test_the_guide_can_be_followed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sandbox: Sandbox,
) -> None:
    """Followed from top to bottom, each command prints and ends as the guide shows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("RUNWARE_API_KEY", "a-key-for-the-sandbox")
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)

    for block in blocks(GUIDE):
        if block.language in FILES:
            Path(block.notes["file"]).write_text(block.text, "utf-8")
        elif block.language == "console":
            _follow(block, monkeypatch, capsys, f"runware={sandbox.base_urls['runware']}")
        else:
            assert block.language in NEVER


def _follow(
    block: Block,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    provider: str,
) -> None:
    """Run the commands of a block; only its last may end otherwise than well.

    `provider` is where the sandbox is that plays the provider of the guide.
    """
    ended = 0
    for command, quoted in block.commands():
        assert 0 == ended, f"what comes before ended with {ended}: {command}"
        name, *words = shlex.split(command)
        if name == "cd":
            monkeypatch.chdir(*words)
            continue
        if name in TOOLS:
            subprocess.run([name, *words], check=True)
            continue
        assert "callsheet" == name, command
        free = {"--rehearse", "--locked", PROVIDER} & set(words)
        assert words[0] != "run" or free, f"would spend money: {command}"
        ended = int(invoke([provider if word == PROVIDER else word for word in words]))
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
