"""Amounts have one form wherever they are told."""

from __future__ import annotations

import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.money import exact_usd


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_an_amount_is_plain_exact_and_has_two_places_at_least(amount: Decimal) -> None:
    """No power of ten, no grouping, nothing rounded away, and no zeros behind the second place."""
    text = exact_usd(amount)

    assert re.fullmatch(r"(0|[1-9][0-9]*)\.[0-9]{2}([0-9]*[1-9])?", text)
    assert amount == Decimal(text)


def test_the_scale_that_an_amount_came_with_is_not_told() -> None:
    """A hundred is a hundred, however it was written."""
    assert {"100.00"} == {exact_usd(Decimal(text)) for text in ("1E+2", "100", "100.0", "100.000")}
