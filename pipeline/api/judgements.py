"""Deciding on a take: which clip is meant, and who shares it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import judge_takes
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.places import read_places
from pipeline.domain.acceptance import PlaceState
from pipeline.domain.item import place_of
from pipeline.domain.review import Judgement, TakeDecision, Verdict
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger


def decide(
    campaign: LoadedCampaign,
    addresses: Sequence[str],
    verdict: Verdict,
    *,
    reason: str = "",
    note: str = "",
    who: str = "",
    clip: tuple[str, str] | None = None,
) -> dict[str, tuple[TakeDecision, ...]]:
    """Write what a person says of the takes at these addresses, as the latest run left them.

    Return by address what holds of it, and of each that shares its clip. `clip` is the key and the
    SHA-256 of what was looked at. InvalidInput, and nothing is written, where one of them has no
    clip to judge, or another one by now.
    """
    ledger = Ledger.reader(campaign.request.where, kind=campaign.request.kind)
    if ledger is None:
        raise usage(f"nothing of '{campaign.name}' was made yet: callsheet run makes it")
    with ledger:
        made = {each: ledger.made_takes(campaign.name, each) for each in addresses}
        if verdict is Verdict.REROLL:
            _refuse_at_approved(campaign, ledger, addresses)
    faults = [
        fault
        for address in made
        if not made[address]
        for fault in usage(
            f"there is no clip at {address} to decide on:"
            f" {campaign.request.command('ls')} tells what there is. What the latest run left is"
            " judged: after an edit, run first"
        ).findings
    ]
    if faults:
        raise InvalidInput(faults)
    if verdict is Verdict.REROLL:
        # Asked for at one place, whoever shares the clip.
        made = {a: [take for take in takes if take.address == a] for a, takes in made.items()}
    for address, takes in made.items():
        if clip is not None and all((take.key, take.sha256) != clip for take in takes):
            raise usage(f"there is another clip at {address} by now: load the page again")
    judgement = Judgement(
        verdict=verdict,
        who=who or getpass.getuser(),
        at=datetime.now(UTC),
        reason=reason,
        note=note,
    )
    every = ((take, judgement) for take in chain.from_iterable(made.values()))
    judged = judge_takes(campaign.request, campaign.name, every)
    decided = {each.take.address: each.decision for each in judged}
    return {a: tuple(decided[take.address] for take in takes) for a, takes in made.items()}


def _refuse_at_approved(campaign: LoadedCampaign, ledger: Ledger, addresses: Sequence[str]) -> None:
    """Refuse one more take where the loop of a place is done: nothing would be bought there."""
    done = {
        place.address
        for place in read_places(campaign, ledger)
        if place.state in {PlaceState.APPROVED, PlaceState.SPARE}
    }
    for address in addresses:
        if place_of(address) in done:
            raise usage(
                f"{place_of(address)} has what was asked for, so that nothing more is made there",
                f"to have it made again: {campaign.request.command('reopen')} ADDRESS",
            )
