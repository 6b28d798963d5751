"""The folder that a node works in: nobody else's, and gone with its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import Unusable
from pipeline.storage.work_folder import work_folder

KEPT = """\
import sys
from pipeline.storage.work_folder import work_folder
with work_folder() as folder:
    (folder / "photo").write_bytes(b"confidential")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the temporary folder of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@contextmanager
def _holding() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process that holds a folder until its input ends, and the folder."""
    words = [sys.executable, "-c", KEPT]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout is not None
        yield held, Path(held.stdout.readline().strip())


def test_it_ends_with_its_use(place: Path) -> None:
    """Nobody else may look into it; whatever was put there is gone."""
    with work_folder() as folder:
        (folder / "store").mkdir()
        assert (place, 0o700) == (folder.parent, folder.stat().st_mode & 0o777)

    assert [] == list(place.iterdir())


def test_what_a_killed_process_left_is_removed_and_no_other(place: Path) -> None:
    """The kernel drops the lock of who was killed; whoever lives keeps the folder."""
    with _holding() as (killed, left), _holding() as (alive, kept):
        killed.kill()
        killed.wait()
        assert (left / "photo").exists()

        with work_folder() as folder:
            assert {folder, kept} == set(place.iterdir())

        alive.communicate("")
        assert [] == list(place.iterdir())


def test_where_none_can_be_made_it_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other disk that does not allow something."""
    monkeypatch.setattr("tempfile.tempdir", str(place / "nowhere"))

    with pytest.raises(Unusable, match="cannot write"), work_folder():
        pass
