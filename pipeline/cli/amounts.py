"""Sums of money and counts as the command line writes them."""

from __future__ import annotations

from decimal import Decimal


def money(usd: Decimal) -> str:
    """Return an amount with two decimals, or more where it needs them."""
    exact = usd.normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"{usd:.{places}f}"


def counted_items(number: int) -> str:
    """Return a number of items: 1 item, 2 items."""
    return f"{number} item" if number == 1 else f"{number} items"
