"""How a campaign with `accept` is expected to end, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.domain.forecast import CampaignForecast, ForecastReview
from pipeline.domain.money import exact_usd
from pipeline.report.figures import count_text


def forecast_lines(found: CampaignForecast) -> Iterator[str]:
    """Yield the forecast of a campaign, the yield that it assumes, and how good the last one was.

    Nothing where every place is at its end, but for that last.
    """
    told = found.forecast
    money, stuck, rate = told.money_usd, told.stuck, told.approval_rate
    if told.open_places:
        without = f", without {count_text(told.unpriced, 'place')} of unknown price"
        yield (
            f"forecast after {count_text(told.decisions, 'decision')}, until each of"
            f" {count_text(told.places, 'place')} is approved or stuck:"
            f" {exact_usd(money.median)} USD more ({exact_usd(money.low)} to"
            f" {exact_usd(money.high)}{without if told.unpriced else ''});"
            f" {stuck.median} stuck in the end ({stuck.low} to {stuck.high})"
        )
        yield (
            "in nine of ten campaigns both lie in between; assumed: of what is still to be decided"
            f" on {rate.median:.0%} is approved ({rate.low:.0%} to {rate.high:.0%}), of what was"
            f" decided {told.approvals / told.decisions:.0%}"
        )
    if found.review is not None:
        yield _review_text(found.review, ended=not told.open_places)


def _review_text(review: ForecastReview, *, ended: bool) -> str:
    told = review.earlier.forecast
    money, stuck = told.money_usd, told.stuck
    comes = "it came to" if ended else "with what is expected now it comes to"
    return (
        f"the forecast of {review.earlier.at:%Y-%m-%d} said {exact_usd(money.median)} USD"
        f" ({exact_usd(money.low)} to {exact_usd(money.high)}) and {stuck.median} stuck"
        f" ({stuck.low} to {stuck.high}); {exact_usd(review.spent_usd)} USD and"
        f" {count_text(review.decisions, 'decision')} ({review.approvals} approved) later"
        f" {comes} {exact_usd(review.money_usd)} USD ({_match(holds=review.money_holds)}) and"
        f" {review.stuck} stuck ({_match(holds=review.stuck_holds)})"
    )


def _match(*, holds: bool) -> str:
    return "as told" if holds else "not as told"
