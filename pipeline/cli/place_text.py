"""Places that have a loop of takes (`accept:`), as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.api.campaign_request import CampaignRequest
from pipeline.domain.acceptance import (
    GAVE_UP,
    PlaceState,
    PlaceTotals,
)
from pipeline.domain.loop_places import LoopPlace
from pipeline.domain.money import exact_usd
from pipeline.report.figures import count_text
from pipeline.report.place_words import PLACES_SHOWN, count_places, stuck_text


def round_lines(places: PlaceTotals) -> Iterator[str]:
    """Yield where the places of a plan stand, what is left to their caps, and what begins anew."""
    if not places.states:
        return
    yield f"places: {count_places(places)}"
    if places.goes_on:
        left = [count_text(places.takes_left, "take")]
        left += [] if places.left_usd is None else [f"at most {exact_usd(places.left_usd)} USD"]
        buys = f"this round: {count_text(places.buys, 'take')}; " if places.buys else ""
        after = " after it" if buys else ""
        yield f"{buys}left to the caps of these places{after}: {', '.join(left)}"
    if places.begun_anew:
        begin = "place begins" if places.begun_anew == 1 else "places begin"
        yield (
            f"edited: {places.begun_anew} {begin} anew: what was made there is of an earlier"
            " prompt, and counts against `accept.spend` alone"
        )


def place_lines(
    places: Iterable[LoopPlace], totals: PlaceTotals, request: CampaignRequest
) -> Iterator[str]:
    """Yield what a person has to do: what waits, then each place at which nothing goes on."""
    if waiting := totals.count(PlaceState.WAITING):
        wait = "place waits" if waiting == 1 else "places wait"
        clips = count_text(totals.waiting_clips, "clip")
        yield (
            f"{waiting} {wait} for you: {clips} to approve or reject;"
            f" {request.command('review')}, then run again"
        )
    if opened := totals.count(PlaceState.OPEN):
        yield f"{count_text(opened, 'place')} open: the next run makes more takes there"
    ended = [place for place in places if place.state in GAVE_UP]
    yield from map(stuck_text, ended[:PLACES_SHOWN])
    if len(ended) > PLACES_SHOWN:
        yield f"{len(ended) - PLACES_SHOWN} more places at which nothing goes on"
