"""Disks that are small or cannot be written, as far as this machine lets a test make them."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PAGE = 4096


class SmallDisk:
    """A file system in memory that is soon full, until it is `enlarged`."""

    def __init__(self, path: Path, kilobytes: int) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path))

    def enlarge(self) -> None:
        """Make room."""
        _mount("-o", "remount,size=64m", str(self.path))

    def remove(self) -> None:
        """Take the file system away, and all that is in it."""
        subprocess.run(["umount", str(self.path)], check=False, capture_output=True)


@contextmanager
def small_disk(path: Path, *, kilobytes: int) -> Iterator[SmallDisk]:
    """Give a small disk at a path; skip the test where nobody may mount one."""
    disk = SmallDisk(path, kilobytes)
    try:
        yield disk
    finally:
        disk.remove()


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Let no file of this process grow over so many bytes: a full disk for everybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing below a folder be written, by nobody; skip the test where nobody may mount."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Let nothing new be made in a folder; skip the test for who needs no rights."""
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user writes where there is no right to: root")
        yield
    finally:
        folder.chmod(mode)


def _mount(*arguments: str) -> None:
    done: subprocess.CompletedProcess[str] | None = None
    with suppress(OSError):
        done = subprocess.run(
            ["mount", *arguments], check=False, capture_output=True, text=True, timeout=10
        )
    if done is None or done.returncode:
        told = done.stderr.partition("\n")[0] if done else "no such program"
        pytest.skip(f"this machine does not let us mount: {told}")
