"""Amounts on the command line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipeline.cli.options import dollars
from pipeline.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "amount"),
    [("12", "12"), ("12.50", "12.50"), ("12.50 USD", "12.50"), (" 0.5usd ", "0.5"), ("0", "0")],
)
def test_an_amount_is_plain_digits(text: str, amount: str) -> None:
    """With or without its unit."""
    assert Decimal(amount) == dollars(text)


@pytest.mark.parametrize("text", ["1.000", "12.500 USD", "999.999"])
def test_what_may_be_a_thousand_is_asked_about(text: str) -> None:
    """A full stop before three digits is a thousand to many; 0.125 and 1.25 are not."""
    with pytest.raises(InvalidInput) as caught:
        dollars(text)

    assert "Write it so" in caught.value.findings[0].message
    assert (Decimal("0.125"), Decimal("1.25")) == (dollars("0.125"), dollars("1.25"))


@pytest.mark.parametrize(
    "text",
    ["", "1_000", "1_000 USD", "٣", "1e3", "-1", "+1", "NaN", "inf", "1,5", "$5", "5 EUR", ".5"],
)
def test_what_only_looks_like_an_amount_is_none(text: str) -> None:
    """A cap that is read as another sum than was meant is worse than none."""
    with pytest.raises(InvalidInput) as caught:
        dollars(text)

    assert f"--max-cost takes dollars, such as 12.50, not {text!r}" == (
        caught.value.findings[0].message
    )
