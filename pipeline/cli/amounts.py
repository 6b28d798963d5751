"""Sums of money as the command line writes them."""

from __future__ import annotations

from decimal import Decimal


def money(usd: Decimal) -> str:
    """Return an amount with two decimals, or more where it needs them."""
    exact = usd.normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"{usd:.{places}f}"
