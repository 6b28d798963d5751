"""docs/providers.md says of every parameter of the five providers what becomes of it."""

from __future__ import annotations

import pytest

from pipeline.providers import OFFERS
from tests.architecture.source import REPOSITORY
from tests.docs.provider_parameters import (
    NOT_TAKEN,
    UNKNOWN,
    WORKS,
    on_the_pages,
    stale,
    states,
    table,
)

PAGE = REPOSITORY / "docs" / "providers.md"
BEGIN, END = "<!-- parameters -->\n", "\n<!-- /parameters -->"


def test_the_page_has_the_parameters_as_the_offers_make_them(
    request: pytest.FixtureRequest,
) -> None:
    """The table is made, not written; `--rewrite-cases` writes it."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    written, after = rest.split(END)
    if request.config.getoption("--rewrite-cases"):
        PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", "utf-8")
        written = table()

    assert table() == written


@pytest.mark.parametrize("provider", sorted(OFFERS))
def test_no_parameter_of_a_page_is_left_out(provider: str) -> None:
    """What the sandbox has read on the pages, by itself, is in the table."""
    assert set() == on_the_pages(provider) - states(provider).keys()


@pytest.mark.parametrize("provider", sorted(OFFERS))
def test_nothing_is_said_of_what_is_not_there(provider: str) -> None:
    """A parameter that is not sent any more has no note of what sets it."""
    assert set() == stale(provider)
    assert {WORKS, NOT_TAKEN, UNKNOWN} >= {state for state, _ in states(provider).values()}


@pytest.mark.parametrize("provider", sorted(OFFERS))
def test_what_is_not_taken_cannot_be_slipped_in(provider: str) -> None:
    """`extra` may not set what is left out by design."""
    offer = OFFERS[provider]
    left_out = {name for name, (state, _) in states(provider).items() if state == NOT_TAKEN}

    assert set() == left_out - offer.reserved
