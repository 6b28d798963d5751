"""Files that are there by another spelling, and those that were probably meant."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pipeline.allowed_paths import AllowedPaths, nearest_path, stored_path
from pipeline.errors import MediaFault

APART = unicodedata.normalize("NFD", "Grün")
WHOLE = unicodedata.normalize("NFC", "Grün")


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize(("stored", "named"), [(APART, WHOLE), (WHOLE, APART)])
def test_accents_may_be_stored_in_either_way(tmp_path: Path, stored: str, named: str) -> None:
    """Folder and file are found whichever way they are stored and named."""
    path = _file(tmp_path, f"{stored}/{stored}.jpg")

    assert path == stored_path(tmp_path / named / f"{named}.jpg")
    assert path.resolve() == AllowedPaths(tmp_path, ()).resolve(f"{named}/{named}.jpg", tmp_path)


def test_a_name_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    """Where both spellings exist, each names its own file; where neither does, nothing changes."""
    whole, apart = _file(tmp_path, f"{WHOLE}.jpg"), _file(tmp_path, f"{APART}.jpg")

    assert (whole, apart) == (stored_path(whole), stored_path(apart))
    assert tmp_path / "blå.jpg" == stored_path(tmp_path / "blå.jpg")


def test_a_spelling_leads_nowhere_that_is_not_allowed(tmp_path: Path) -> None:
    """A folder outside is not looked through, and a link behind a spelling is judged again."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    _file(outside, f"{APART}.jpg")
    inside.mkdir()
    (inside / f"{APART}.jpg").symlink_to(outside / f"{APART}.jpg")
    allowed = AllowedPaths(inside, ())

    for file in (f"../out/{WHOLE}.jpg", f"{WHOLE}.jpg"):
        with pytest.raises(MediaFault, match="lies outside"):
            allowed.resolve(file, inside)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("photos\\new.jpg", "photos/new.jpg"),
        ("Photos/New.JPG", "photos/new.jpg"),
        ("photo/new.jpg", "photos/new.jpg"),
        ("photos/nwe.jpg", "photos/new.jpg"),
        ("new.jpg", ""),
        ("elsewhere/x.png", ""),
    ],
)
def test_the_file_that_was_meant(tmp_path: Path, written: str, meant: str) -> None:
    """Each part of a path may be misspelt, in another case, or parted by backslashes."""
    _file(tmp_path, "photos/new.jpg")

    assert meant == nearest_path(written, tmp_path)
