"""An earlier forecast is held against what happened since, and is expected now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from pipeline.domain.forecast import Forecast, Interval, PastForecast, review_forecast

TOLD = Forecast(
    decisions=40,
    approvals=15,
    places=100,
    open_places=80,
    money_usd=Interval(Decimal(80), Decimal(100), Decimal(130)),
    stuck=Interval(2, 5, 9),
    approval_rate=Interval(0.2, 0.3, 0.4),
)
EARLIER = PastForecast(at=datetime(2026, 11, 1, tzinfo=UTC), bound_usd=Decimal(50), forecast=TOLD)


def test_what_was_spent_since_counts_with_what_is_expected() -> None:
    """130 USD were to come at most; 60 were spent since and 65 are to come: it holds."""
    now = replace(
        TOLD,
        decisions=100,
        approvals=33,
        money_usd=Interval(Decimal(50), Decimal(65), Decimal(90)),
        stuck=Interval(9, 11, 14),
    )

    found = review_forecast(EARLIER, now, bound_usd=Decimal(110))

    assert (60, 18, Decimal(60)) == (found.decisions, found.approvals, found.spent_usd)
    assert (Decimal(125), 11) == (found.money_usd, found.stuck)
    assert found.money_holds
    assert not found.stuck_holds


def test_at_the_end_it_is_held_against_what_happened() -> None:
    """With nothing to come, what was spent and what is stuck are all there is to compare."""
    nothing = Interval(Decimal(0), Decimal(0), Decimal(0))
    now = replace(TOLD, money_usd=nothing, stuck=Interval(2, 2, 2), open_places=0)

    found = review_forecast(EARLIER, now, bound_usd=Decimal(181))

    assert Decimal(131) == found.money_usd
    assert not found.money_holds
    assert found.stuck_holds
