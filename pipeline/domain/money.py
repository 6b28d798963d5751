"""Sums of money as text; an unknown price is a word, never a number, and the caller writes it."""

from __future__ import annotations

from decimal import Decimal


def exact_usd(amount: Decimal) -> str:
    """Return dollars with two places, or as many as the amount has: `8.40`, `0.0625`, `1234.50`.

    Wherever a sum is shown it looks like this, so that two of them can be compared, and copied
    behind `--max-cost`: no sign for thousands, nothing rounded.
    """
    exact = amount.normalize()
    return f"{exact:.{max(2, -int(exact.as_tuple().exponent))}f}"
