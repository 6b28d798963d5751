"""One purchase at a time of each price that nobody has confirmed; all others go on beside it.

A purchase counts from before its intent until its charge is booked. One whose end stays unknown
shuts its price for the rest of the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from pipeline.ledger.price_confirmations import TOLD, PriceClass, SeenPrice

PRICE = "price"
"""The cause of a job that is held since the first purchase of its price has no known end."""
_SHUT = "the first clip of this price ({price}) has no known end: settle it, then run again"


class FirstPurchases:
    """What this run knows of prices, and which purchases of an unconfirmed one are under way."""

    def __init__(self, seen: Mapping[PriceClass, SeenPrice], notify: Callable[[], None]) -> None:
        self._seen = dict(seen)
        self._alone: dict[PriceClass, set[str]] = defaultdict(set)
        self._shut: set[PriceClass] = set()
        self._notify = notify

    def seen_price(self, price: PriceClass) -> SeenPrice:
        """Return what is known of a price."""
        return self._seen.get(price) or SeenPrice(price_class=price)

    def is_told(self, price: PriceClass, seconds: float | None) -> bool:
        """Tell whether the provider itself has confirmed the price of such a clip."""
        seen = self.seen_price(price)
        return seen.source in TOLD and seen.is_confirmed(seconds)

    def shut(self, price: PriceClass, seconds: float | None = None) -> str:
        """Return why nothing more of this price is bought in this run; empty if it may be."""
        shut = price in self._shut and not self.seen_price(price).is_confirmed(seconds)
        return _SHUT.format(price=price) if shut else ""

    def passes(self, price: PriceClass, seconds: float | None, key: str) -> bool:
        """Tell whether a job may be bought now: its price is confirmed, or it goes alone."""
        if self.seen_price(price).is_confirmed(seconds):
            return True
        # Also for the one that holds it: it was claimed with its seat, before its own step asks.
        return price not in self._shut and self._alone[price] <= {key}

    def claim(self, price: PriceClass, seconds: float | None, key: str) -> None:
        """Count a job as being bought, unless its price is confirmed."""
        if not self.seen_price(price).is_confirmed(seconds):
            self._alone[price].add(key)

    def holds(self, price: PriceClass, key: str) -> bool:
        """Tell whether a job is the one that goes alone."""
        return key in self._alone[price]

    def learn(self, seen: SeenPrice) -> None:
        """Take over what a purchase has shown."""
        self._seen[seen.price_class] = seen
        self._notify()

    def leave(self, price: PriceClass, key: str, *, settled: bool) -> None:
        """Count a job as bought, or not to be bought; unless `settled`, its price is shut."""
        if key not in self._alone[price]:
            return
        self._alone[price].discard(key)
        if not settled:
            self._shut.add(price)
        self._notify()

    def closed_prices(self, provider: str) -> frozenset[PriceClass]:
        """Return the provider's prices of which nothing can be begun now, whatever its length."""
        return frozenset(
            price
            for price in {*self._shut, *(price for price, keys in self._alone.items() if keys)}
            # One that is confirmed for some lengths is not closed: `passes` asks by each job's own.
            if price.provider == provider and not self.seen_price(price).is_confirmed(None)
        )

    def may_open(self, provider: str) -> bool:
        """Tell whether a purchase is under way that may open a price of the provider."""
        return bool(self.closed_prices(provider) - self._shut)
