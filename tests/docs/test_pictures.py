"""The pictures of the documents: each is shown with words for who cannot see it, and is small."""

from __future__ import annotations

import re

from PIL import Image

from tests.architecture.source import REPOSITORY
from tests.docs.pictures import FOLDER

_PAGES = (REPOSITORY / "README.md", REPOSITORY / "docs" / "guide.md")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
_LARGEST = 150_000
_NARROWEST = 600


def test_every_picture_is_shown_and_says_what_it_shows() -> None:
    """No picture lies about unused, and none that is shown is missing or without a description."""
    shown = set()
    for page in _PAGES:
        for words, link in _PICTURE.findall(page.read_text("utf-8")):
            assert len(words.split()) >= 4, f"{page.name}: {link}"
            shown.add((page.parent / link).resolve())

    assert shown == {path.resolve() for path in FOLDER.iterdir()}


def test_pictures_are_small_files_that_can_be_read() -> None:
    """None is larger than 150 kB, or too narrow to read a word in it."""
    for path in FOLDER.iterdir():
        assert path.stat().st_size <= _LARGEST, path.name
        with Image.open(path) as picture:
            assert "WEBP" == picture.format
            assert picture.width >= _NARROWEST, path.name
