"""Prices that were seen: what a purchase of each price class confirmed, or contradicted.

A price class is provider, model, mode and kind. It is confirmed once a finished clip was charged,
by the provider's own word, no more than was set aside for it; a charge above that takes the
confirmation back, and is what is set aside from then on. A confirmation holds for clips at least
as long: whether a price is by the second or by the clip cannot be seen from one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from pipeline.domain import DEFAULT_MODEL
from pipeline.ledger.connection import upsert
from pipeline.ledger.sql_schema import price_confirmations

CHARGE, CREDITS, BALANCE, UNTOLD = "charge", "credits", "balance", "untold"
"""What confirmed a price: the charge that was told, the credits, the account's balance, nothing."""
TOLD = frozenset({CHARGE, CREDITS, BALANCE})
FREE = "free"
"""A finished clip was charged nothing, which is no price: it confirms none."""
_SLACK_S = 0.5
"""Clips of one length may differ by so much (docs/design/files.md §2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceClass:
    """Purchases of one price, but for their length."""

    provider: str
    mode: str
    kind: str
    model: str = DEFAULT_MODEL

    def __str__(self) -> str:
        model = "" if self.model == DEFAULT_MODEL else f"{self.model} "
        return f"{self.provider} {model}{self.mode} {self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPrice:
    """What is known of a price from what was bought; money in micro-USD."""

    price_class: PriceClass
    source: str = ""
    """What confirmed it, or FREE; empty where a charge contradicted it."""
    seconds: float | None = None
    """The length of the shortest clip for which it is confirmed; None: of any."""
    native: Decimal | None = None
    """What was told in the provider's own unit for the clip of `native_seconds`."""
    native_unit: str = ""
    native_seconds: float | None = None
    charged_microusd: int = 0
    """What was charged for the last clip that cost more than was set aside; 0: none did."""
    charged_seconds: float | None = None
    estimate_microusd: int = 0
    """What had been estimated for that clip."""
    at: float = 0.0

    def is_confirmed(self, seconds: float | None) -> bool:
        """Tell whether clips of this length may be bought many at a time."""
        longer = seconds is None or self.seconds is None or seconds >= self.seconds - _SLACK_S
        return self.source in {*TOLD, UNTOLD} and longer

    def amount_to_reserve(self, microusd: int | None, seconds: float | None) -> int | None:
        """Return what is set aside for a clip by estimate, or by what was charged if that is more.

        None stays None: what has no price has none to be raised.
        """
        if microusd is None or not self.charged_microusd:
            return microusd
        by_second = self.charged_microusd
        if seconds and self.charged_seconds:
            exact = Decimal(by_second) * Decimal(str(seconds)) / Decimal(str(self.charged_seconds))
            by_second = int(exact.to_integral_value(ROUND_CEILING))
        # By the clip or by the second, whichever is more: one charge does not tell which it was.
        return max(microusd, self.charged_microusd, by_second)

    def is_as_estimated(self, microusd: int, seconds: float | None) -> bool:
        """Tell whether a charge is no more than was estimated before one was above that."""
        # By the clip or by the second, whichever is less.
        ratio = seconds / self.charged_seconds if seconds and self.charged_seconds else 1.0
        return microusd <= self.estimate_microusd * min(1.0, ratio)

    def usual(self, seconds: float | None) -> Decimal | None:
        """Return the native units that a clip of this length usually costs, if any were told."""
        if self.native is None or not seconds or not self.native_seconds:
            return self.native
        return self.native * Decimal(str(seconds)) / Decimal(str(self.native_seconds))


def seen_prices(connection: Connection) -> dict[PriceClass, SeenPrice]:
    """Return every price that was seen."""
    rows = connection.execute(select(price_confirmations)).mappings()
    return {seen.price_class: seen for seen in map(_price_of, rows)}


def record_price(connection: Connection, seen: SeenPrice) -> None:
    """Remember what was seen of a price, instead of what was known before."""
    price_class = seen.price_class
    own = {name: getattr(price_class, name) for name in _CLASS}
    known = {name: getattr(seen, name) for name in _SEEN}
    known["native"] = "" if seen.native is None else str(seen.native)
    statement = upsert(price_confirmations).values({**own, **known})
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(_CLASS), set_={name: statement.excluded[name] for name in _SEEN}
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStanding:
    """How the price of some of a campaign's items stands."""

    price_class: PriceClass
    to_make: int
    """Items that are not bought yet."""
    seen: SeenPrice | None


def class_of(row: RowMapping | Mapping[str, Any]) -> PriceClass:
    """Return the price class that a row names."""
    return PriceClass(**{name: row[name] for name in _CLASS})


def _price_of(row: RowMapping) -> SeenPrice:
    values = {name: row[name] for name in _SEEN}
    values["native"] = Decimal(row["native"]) if row["native"] else None
    return SeenPrice(price_class=class_of(row), **values)


_CLASS = ("provider", "model", "mode", "kind")
_SEEN = tuple(name for name in SeenPrice.__dataclass_fields__ if name != "price_class")
