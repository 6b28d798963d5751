"""Every page is in the index, and every link of a page leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = (REPOSITORY / "README.md", REPOSITORY / "ADDING_A_PROVIDER.md", *sorted(DOCS.rglob("*.md")))
_LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file that is linked is there, and so is the heading in it."""
    for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not heading or heading in _anchors(target), link


def test_the_index_has_every_page() -> None:
    """A reader finds each page of this folder from its index, and the index from the README."""
    index = (DOCS / "README.md").read_text("utf-8")
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}

    assert set() == {name for name in pages if f"({name})" not in index}
    assert "(docs/README.md)" in (REPOSITORY / "README.md").read_text("utf-8")


def _anchors(page: Path) -> set[str]:
    """Return the names by which GitHub knows the headings of a page."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
