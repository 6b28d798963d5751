"""What is said of a place that has a loop of takes (`accept:`), in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from pipeline.domain.acceptance import Cap, PlaceState, PlaceTotals, TakeOutcome
from pipeline.domain.loop_places import LoopPlace, ReviewedTake
from pipeline.domain.money import exact_usd
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.report.figures import count_text

PLACES_SHOWN = 20
"""How many places at which nothing goes on are told one by one."""
PLACE_WORDS: Mapping[PlaceState, str] = MappingProxyType(
    {
        PlaceState.OPEN: "open",
        PlaceState.WAITING: "waiting for a decision",
        PlaceState.APPROVED: "approved",
        PlaceState.STUCK: "stuck",
        PlaceState.HALTED: "halted",
        PlaceState.SPARE: "spare",
    }
)


def count_places(places: PlaceTotals) -> str:
    """Return how many places stand where: `12 approved, 3 stuck`."""
    counts = ((word, places.states.get(state, 0)) for state, word in PLACE_WORDS.items())
    return ", ".join(f"{number:,} {word}" for word, number in counts if number)


def place_text(place: LoopPlace) -> str:
    """Return why a place has no approved clip yet, or none at all."""
    match place.state:
        case PlaceState.STUCK | PlaceState.HALTED:
            return stuck_text(place)
        case PlaceState.WAITING:
            numbers = ", ".join(f"#{each.number}" for each in place.waiting)
            return f"waiting for a decision: {count_text(len(place.waiting), 'clip')} ({numbers})"
        case PlaceState.SPARE:
            return "spare: another cell of its row is tried now, or has what was asked for"
        case PlaceState.OPEN:
            told = "; ".join(filter(None, map(take_text, place.takes)))
            return f"open: the next run goes on there{f' ({told})' if told else ''}"
        case _:
            return PLACE_WORDS[place.state]


def rejection_text(decisions: Sequence[TakeDecision]) -> str:
    """Return who rejected a clip, and why, as it was said last."""
    said = decisions[-1]
    why = ": ".join(filter(None, (said.reason, said.note)))
    return f"rejected by {said.who}{f' ({why})' if why else ''}"


def stuck_text(place: LoopPlace) -> str:
    """Return why nothing goes on at a place, what became of its takes, and what to do."""
    told = "; ".join(filter(None, map(take_text, place.takes)))
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


def take_text(each: ReviewedTake) -> str:
    """Return what became of a take, in words; empty where nothing was begun."""
    if each.verdict is Verdict.REJECTED:
        return f"#{each.number} {rejection_text(each.decisions)}"
    if each.outcome is None:
        return ""
    cause = each.take.cause if each.outcome is TakeOutcome.FAILED else ""
    return f"#{each.number} {cause or each.outcome.replace('_', ' ')}"
