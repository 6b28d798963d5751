"""Sums of money and counts as the command line writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from pipeline.domain.money import exact_usd


def item_count(number: int) -> str:
    """Return a number of items: 1 item, 2 items."""
    return f"{number} item" if number == 1 else f"{number} items"


class Sum(Protocol):
    """What some items cost together; prices are of those that have one."""

    @property
    def items(self) -> int: ...  # noqa: D102
    @property
    def unpriced(self) -> int: ...  # noqa: D102
    @property
    def low_usd(self) -> Decimal: ...  # noqa: D102
    @property
    def high_usd(self) -> Decimal: ...  # noqa: D102


def price_text(total: Sum) -> str:
    """Return a sum of money as `8.40 USD`, a range where it is one, and what is unknown."""
    if total.items == total.unpriced:
        return "price unknown"
    figures = dict.fromkeys((exact_usd(total.low_usd), exact_usd(total.high_usd)))
    text = f"{' to '.join(figures)} USD"
    return f"{text}, and {total.unpriced} of unknown price" if total.unpriced else text
