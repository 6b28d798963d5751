"""What plans and reports say of prices that nobody has confirmed, or a charge contradicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.domain import Feature
from pipeline.domain.money import exact_usd
from pipeline.ledger.price_confirmations import FREE, TOLD, UNTOLD, PriceStanding
from pipeline.ledger.sql_schema import usd
from pipeline.providers import OFFERS

_TELLS = frozenset({Feature.COST, Feature.CREDITS, Feature.BALANCE})


def price_lines(standings: Iterable[PriceStanding]) -> Iterator[str]:
    """Yield a line for each price that is not confirmed, or is not what it was estimated at."""
    for standing in standings:
        seen = standing.seen
        if seen is not None and seen.charged_microusd:
            charged = exact_usd(usd(seen.charged_microusd))
            estimate = exact_usd(usd(seen.estimate_microusd))
            line = (
                f"{standing.price_class}: charged {charged} USD where {estimate} USD was estimated"
            )
            if seen.source in TOLD:
                yield f"{line} before: it is set aside as it was charged last"
            else:
                alone = "; the next clip goes alone" if standing.to_make else ""
                yield f"price unconfirmed: {line}: that much is set aside for the next{alone}"
        elif seen is None or seen.source not in TOLD:
            line = _why_unconfirmed(standing)
            if line:
                yield f"price unconfirmed: {standing.price_class}: {line}"


def _why_unconfirmed(standing: PriceStanding) -> str:
    more, seen = standing.to_make - 1, standing.seen
    offer = OFFERS.get(standing.price_class.provider)
    title = offer.title if offer else standing.price_class.provider
    if seen is not None and seen.source == UNTOLD:
        return f"{title} told nothing of what was charged: what is booked is the estimate"
    if seen is not None and seen.source == FREE:
        return f"{title} charged nothing for a finished clip, which is no price: each goes alone"
    if more < 0:
        return ""
    then = f", then {more} more" if more else ""
    if offer and _TELLS & offer.features:
        return f"the first clip goes alone until its charge is known{then}" if more else ""
    return f"{title} tells nothing of what it charges: the first clip goes alone{then}"
