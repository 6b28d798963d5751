"""Every case is a folder: manifest, tables, command, whole expected output, exit code.

`pytest tests/cli --rewrite-cases` writes what is printed now; read the difference before you
commit it.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke

CASES = Path(__file__).parent / "cases"
NAMES = sorted(folder.name for folder in CASES.iterdir() if (folder / "cmd").is_file())


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_output_is_as_written(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """What a command prints and how it ends is what its case says, to the letter."""
    case = CASES / name
    place = tmp_path / name
    shutil.copytree(case, place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")

    code = invoke(shlex.split((case / "cmd").read_text("utf-8")))
    printed = capsys.readouterr()
    seen = {"stdout": printed.out, "stderr": printed.err, "exit": f"{int(code)}\n"}
    if request.config.getoption("--rewrite-cases"):
        for file, text in seen.items():
            (case / file).write_text(text, "utf-8")

    assert {file: (case / file).read_text("utf-8") for file in seen} == seen
