"""Sums of money as text; an unknown price is a word, never a number, and the caller writes it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")
_FINE = Decimal("0.0001")


def exact_usd(amount: Decimal) -> str:
    """Return dollars with two places, or as many as the amount has: `8.40`, `0.0625`."""
    exact = amount.normalize()
    return f"{exact:.{max(2, -int(exact.as_tuple().exponent))}f}"


def rounded_usd(amount: Decimal) -> str:
    """Return dollars for a table: `1,234.50`, with four places where they are under a cent."""
    small = amount and abs(amount) < _CENT
    return f"{amount.quantize(_FINE if small else _CENT, ROUND_HALF_UP):,}"
