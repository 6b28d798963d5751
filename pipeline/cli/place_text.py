"""Places that have a loop of takes (`accept:`), as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType

from pipeline.api.campaign_request import CampaignRequest
from pipeline.domain.acceptance import (
    GAVE_UP,
    Cap,
    PlaceState,
    PlaceTotals,
    TakeOutcome,
)
from pipeline.domain.loop_places import LoopPlace, ReviewedTake
from pipeline.domain.money import exact_usd
from pipeline.domain.review import Verdict
from pipeline.report.figures import count_text

_SHOWN = 20
_WORDS: Mapping[PlaceState, str] = MappingProxyType(
    {
        PlaceState.OPEN: "open",
        PlaceState.WAITING: "waiting for a decision",
        PlaceState.APPROVED: "approved",
        PlaceState.STUCK: "stuck",
        PlaceState.HALTED: "halted",
        PlaceState.SPARE: "spare",
    }
)


def round_lines(places: PlaceTotals) -> Iterator[str]:
    """Yield where the places of a plan stand, what is left to their caps, and what begins anew."""
    stand = [
        f"{places.states[state]} {_WORDS[state]}" for state in _WORDS if state in places.states
    ]
    if not stand:
        return
    yield f"places: {', '.join(stand)}"
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
    yield from map(_gave_up, ended[:_SHOWN])
    if len(ended) > _SHOWN:
        yield f"{len(ended) - _SHOWN} more places at which nothing goes on"


def _gave_up(place: LoopPlace) -> str:
    told = "; ".join(filter(None, map(_take_text, place.takes)))
    if place.state is PlaceState.HALTED:
        retry = " or ".join(f"--retry {cause}" for cause in place.causes)
        return f"halted: {place.address}: {told}; {retry} buys it again, or edit the prompt"
    if place.next.cap is Cap.SPEND:
        most = exact_usd(place.policy.spend_usd or Decimal(0))
        spent = exact_usd(place.cost.bound_usd)
        why = f"{spent} of {most} USD are spent, and one more take does not fit"
        return f"stuck: {place.address}: {why}: {told}; raise `accept.spend`"
    takes = count_text(len(place.begun), "take")
    return f"stuck: {place.address} after {takes}: {told}; edit the prompt, or raise `accept.takes`"


def _take_text(each: ReviewedTake) -> str:
    """Return what became of a take, in words; empty where nothing was begun."""
    if each.verdict is Verdict.REJECTED:
        said = each.decisions[-1]
        why = ": ".join(filter(None, (said.reason, said.note)))
        return f"#{each.number} rejected by {said.who}{f' ({why})' if why else ''}"
    if each.outcome is None:
        return ""
    cause = each.take.cause if each.outcome is TakeOutcome.FAILED else ""
    return f"#{each.number} {cause or each.outcome.replace('_', ' ')}"
