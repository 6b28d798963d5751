"""Files as they were at a revision of a Git repository, read without touching the working tree."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.api.campaign_request import usage


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFile:
    """A file at a revision; `path` is relative to the repository."""

    revision: str
    path: str

    def read(self) -> bytes:
        """Return the file's bytes."""
        return _git("show", f"{self.revision}:{self.path}")


def find_revision(name: str) -> str:
    """Return the id of the commit that a name means; empty if there is none."""
    if name.startswith("-"):
        return ""
    try:
        # `^{commit}`: a tag stands for the commit that it names.
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except subprocess.CalledProcessError:
        return ""
    return found.decode().strip()


def find_file(name: str, path: str) -> RevisionFile | None:
    """Return a file of a revision; None if there is none.

    Its path counts from the current folder, else from the repository's, as Git writes it.
    """
    revision = find_revision(name)
    if not revision:
        return None
    prefix = _git("rev-parse", "--show-prefix").decode().strip()
    for each in (_normalize(f"{prefix}{path}"), _normalize(path)):
        try:
            _git("cat-file", "-e", f"{revision}:{each}")
        except subprocess.CalledProcessError:
            continue
        return RevisionFile(revision=revision, path=each)
    return None


@contextmanager
def check_out(file: RevisionFile) -> Iterator[Path]:
    """Yield the file in a folder of its own, with all that the repository had at its revision."""
    with tempfile.TemporaryDirectory(prefix="callsheet-") as folder:
        archive = Path(folder, "revision.tar")
        top = _git("rev-parse", "--show-toplevel").decode().strip()
        _git("-C", top, "archive", "--format=tar", f"--output={archive}", file.revision)
        place = Path(folder, "revision")
        with tarfile.open(archive) as packed:
            # A repository may hold links that lead out of the folder: they are refused.
            packed.extractall(place, filter="data")
        yield place / file.path


def _git(*words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], check=True, capture_output=True).stdout  # noqa: S603, S607 - Git as the person has it
    except FileNotFoundError:
        raise usage("there is no git on this machine to ask for a revision") from None


def _normalize(path: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
