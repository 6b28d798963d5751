"""docs/lifecycle.md says what the tables say."""

from __future__ import annotations

import pytest

from pipeline.domain.states import POLICY, TRANSITIONS
from tests.architecture.lifecycle_page import page
from tests.architecture.source import REPOSITORY

PAGE = REPOSITORY / "docs" / "lifecycle.md"


def test_the_page_is_made_from_the_tables(request: pytest.FixtureRequest) -> None:
    """A move or a ruling that changes is on the page; `--rewrite-cases` writes it."""
    if request.config.getoption("--rewrite-cases"):
        PAGE.write_text(page(), "utf-8")

    assert PAGE.read_text("utf-8") == page()


def test_the_page_has_every_move_and_every_ruling() -> None:
    """One arrow for each move, one line for each fault, a word for each thing done."""
    text = page()

    moves = sum(len(moves) for moves in TRANSITIONS.values())
    ends = sum(not moves for moves in TRANSITIONS.values())
    assert moves + ends + 1 == text.count(" --> ")
    for kind in {kind for rulings in POLICY.values() for kind in rulings}:
        assert 1 == text.count(f"\n| `{kind}` |")
    moved = [line for line in text.splitlines() if " --> " in line and ": " in line]
    labels = [line.split(": ", 1)[1] for line in moved]
    assert [] == [label for label in labels if ":" in label or ";" in label]
