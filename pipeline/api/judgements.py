"""Deciding on a take: which clip is meant, and who shares it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import decide_take
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain.review import Judgement, TakeDecision, Verdict
from pipeline.ledger.repository import Ledger


def decide(
    campaign: LoadedCampaign,
    address: str,
    verdict: Verdict,
    *,
    reason: str = "",
    note: str = "",
    who: str = "",
    clip: tuple[str, str] | None = None,
) -> Sequence[TakeDecision]:
    """Write what a person says of the take at an address, as the latest run left it.

    `clip` is the key and the SHA-256 of what was looked at. InvalidInput where there is no clip to
    judge, or another one by now.
    """
    ledger = Ledger.reader(campaign.request.home, kind=campaign.request.kind)
    if ledger is None:
        raise usage(f"nothing of '{campaign.name}' was made yet: callsheet run makes it")
    with ledger:
        made = ledger.made_takes(campaign.name, address)
    if not made:
        raise usage(
            f"there is no clip at {address} to decide on:"
            f" {campaign.request.command('ls')} tells what there is"
        )
    if verdict is Verdict.REROLL:
        # Asked for at one place, whoever shares the clip.
        made = [take for take in made if take.address == address]
    if clip is not None and all((take.key, take.sha256) != clip for take in made):
        raise usage(f"there is another clip at {address} by now: load the page again")
    judgement = Judgement(
        verdict=verdict,
        who=who or getpass.getuser(),
        at=datetime.now(UTC),
        reason=reason,
        note=note,
    )
    return decide_take(campaign.request, campaign.name, made, judgement)
