"""What comments, docstrings and recordings cite of docs/design is there, page and section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY

DESIGN = REPOSITORY / "docs" / "design"
PLACES = ("pipeline", "schemas", "tests", "docs", ".ci")
KINDS = frozenset({".py", ".md", ".json", ".yaml", ".yml", ".toml", ".html", ".js", ""})
SECTIONS = r"(?:\s§[\d.]*\d(?:,| and)?)*"
CITED = re.compile(rf"docs/design/(?P<page>[\w-]+)\.md(?P<sections>{SECTIONS})")
ELSEWHERE = re.compile(r"(?<![\w/-])[\w-]+\.md(?:,? §|, [A-Z])")
"""A citation of a page by its bare name, which may lie anywhere."""


@cache
def _sections(page: Path) -> frozenset[str]:
    """Return the numbers of a page's sections."""
    headings = re.findall(r"^#+ §([\d.]*\d) ", page.read_text("utf-8"), re.MULTILINE)
    return frozenset(headings)


def _texts() -> Iterator[tuple[str, str]]:
    """Yield what the repository's own files say, by path."""
    for place in PLACES:
        for file in sorted((REPOSITORY / place).rglob("*")):
            own = "node_modules" not in file.parts and file != Path(__file__).resolve()
            if own and file.suffix in KINDS and file.is_file():
                yield str(file.relative_to(REPOSITORY)), file.read_text("utf-8", errors="replace")


def _missing(text: str) -> Iterator[str]:
    """Yield what a text cites and docs/design has not."""
    for cited in CITED.finditer(text):
        page = DESIGN / f"{cited['page']}.md"
        if not page.is_file():
            yield cited[0]
            continue
        for section in re.findall(r"§([\d.]*\d)", cited["sections"]):
            if section not in _sections(page):
                yield f"docs/design/{page.name} §{section}"


def test_what_is_cited_exists() -> None:
    """A citation names a page of docs/design, and sections that it has."""
    texts = dict(_texts())
    citing = [name for name, text in texts.items() if CITED.search(text)]

    assert {"pipeline/plan/keys.py", "pipeline/providers/replies.py"} <= set(citing)
    assert [] == [f"{name}: {each}" for name, text in texts.items() for each in _missing(text)]


def test_no_page_is_cited_by_its_bare_name() -> None:
    """Whoever reads a citation can open what it names: it begins at the repository's top."""
    broken = [
        f"{name}: {found[0]}" for name, text in _texts() for found in ELSEWHERE.finditer(text)
    ]

    assert [] == broken


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("as said (docs/design/keys.md §1)", []),
        ("docs/design/keys.md §1, §99", ["docs/design/keys.md §99"]),
        ("docs/design/nowhere.md §1", ["docs/design/nowhere.md §1"]),
        ("see docs/design/money.md", []),
    ],
)
def test_a_wrong_citation_is_found(text: str, missing: list[str]) -> None:
    """The test sees a page that is not there, and a section that a page has not."""
    assert missing == list(_missing(text))


def test_the_index_of_the_design_notes_is_whole() -> None:
    """A reader finds every design note from their index."""
    index = (DESIGN / "README.md").read_text("utf-8")

    pages = {page.name for page in DESIGN.glob("*.md")} - {"README.md"}

    assert set() == {name for name in pages if f"({name})" not in index}
