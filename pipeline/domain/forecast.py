"""How a campaign with `accept` is expected to end: what is told, kept, and compared later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

LEAST_DECISIONS = 30
"""With fewer there is no forecast: its intervals would say next to nothing."""

Number = TypeVar("Number", int, float, Decimal)


@dataclass(frozen=True, slots=True)
class Interval(Generic[Number]):
    """A median, and the two values between which nine of ten ends lie."""

    low: Number
    median: Number
    high: Number

    def covers(self, value: Number) -> bool:
        """Tell whether a value lies between the two, or is one of them."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How a campaign ends, if it goes on as its decisions so far let expect.

    It counts places, each of which is approved or stuck at the end, and no items.
    """

    decisions: int
    """How many takes were approved or rejected until now."""
    approvals: int
    places: int
    open_places: int
    """Neither approved nor stuck."""
    money_usd: Interval[Decimal]
    """What is bound from now on, until every place is approved or stuck."""
    stuck: Interval[int]
    """Places that are stuck then, with those that are now."""
    approval_rate: Interval[float]
    """The share of approved takes among those that are still to be decided on."""
    unpriced: int = 0
    """Open places at which nobody knows what a take costs: `money_usd` is without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastForecast:
    """A forecast as it was kept, with what the campaign had bound by then."""

    at: datetime
    bound_usd: Decimal
    """Charged, reserved and possible, of the campaign until then."""
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastReview:
    """How good an earlier forecast was, as far as that can be told by now."""

    earlier: PastForecast
    decisions: int
    """Made since then."""
    approvals: int
    spent_usd: Decimal
    """Bound since then."""
    money_usd: Decimal
    """The same, with what is expected now until the end: what the forecast was about."""
    stuck: int
    """As expected now."""

    @property
    def money_holds(self) -> bool:
        """Tell whether the money comes to lie in the interval that was told."""
        return self.earlier.forecast.money_usd.covers(self.money_usd)

    @property
    def stuck_holds(self) -> bool:
        """Tell whether the number of stuck places comes to lie in the interval that was told."""
        return self.earlier.forecast.stuck.covers(self.stuck)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignForecast:
    """How a campaign is expected to end, and how good the forecast before was."""

    forecast: Forecast
    bound_usd: Decimal
    """Charged, reserved and possible at its places until now."""
    review: ForecastReview | None = None
    """None where no forecast was kept that had fewer decisions."""


def review_forecast(earlier: PastForecast, present: Forecast, bound_usd: Decimal) -> ForecastReview:
    """Return how an earlier forecast compares with what happened, and is expected, since.

    `bound_usd` is what the campaign has bound by now. At the end of a campaign nothing is expected
    any more, and what is compared is what happened.
    """
    spent_usd = bound_usd - earlier.bound_usd
    return ForecastReview(
        earlier=earlier,
        decisions=present.decisions - earlier.forecast.decisions,
        approvals=present.approvals - earlier.forecast.approvals,
        spent_usd=spent_usd,
        money_usd=spent_usd + present.money_usd.median,
        stuck=present.stuck.median,
    )
