"""The capability table: made from the offers, and the README's copy of it."""

from __future__ import annotations

import pytest

from pipeline.api.price_list import price_list, prices_per_second
from pipeline.domain import Kind
from pipeline.providers import OFFERS
from pipeline.report.capability_table import capabilities, to_markdown_table
from tests.architecture.source import REPOSITORY

README = REPOSITORY / "README.md"
BEGIN, END = "<!-- providers -->\n", "\n<!-- /providers -->"


def _table() -> dict[str, dict[str, str]]:
    head, *rows = capabilities(OFFERS.values(), prices_per_second(price_list()))
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_the_readme_has_the_table_as_it_is(request: pytest.FixtureRequest) -> None:
    """The README's table is the one that the offers make; `--rewrite-cases` writes it."""
    before, rest = README.read_text("utf-8").split(BEGIN)
    written, after = rest.split(END)
    made = to_markdown_table(capabilities(OFFERS.values(), prices_per_second(price_list())))

    if request.config.getoption("--rewrite-cases"):
        README.write_text(f"{before}{BEGIN}{made}{END}{after}", "utf-8")
        written = made

    assert written == made


def test_a_kind_that_is_not_offered_has_a_dash() -> None:
    """Each kind has a line; a provider's cell tells its lengths, or that it has not got it."""
    table = _table()

    assert {"–", "as its clip, 6 to 20 s", "as its clip, 6 to 20 s, pro only"} == {
        *table["fast edit video"].values()
    }
    assert "3 to 10 s" == table["references"]["Runware"]
    assert "5, 10 s" == table["text"]["Runware"]
    for kind in Kind:
        offering = [offer.title for offer in OFFERS.values() if kind in offer.models["kling-o1"]]
        assert any(
            offering == [t for t, cell in row.items() if cell != "–"] for row in table.values()
        )


def test_an_unknown_price_is_a_question_and_never_nought() -> None:
    """What nobody published is told as `?`; a known price is told in std and pro."""
    table = _table()

    assert "?" == table["price, USD/s"]["Unifically"]
    assert "0.084 / 0.112" == table["price, USD/s"]["Runware"]
