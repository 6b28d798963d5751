"""Clips that lie there without a purchase become their items', and are not bought again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pipeline.api.campaign_plan import loss_of, require_admitted, sync_campaign
from pipeline.api.campaign_report import write_report
from pipeline.api.campaign_request import usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.roots import open_for_work
from pipeline.domain.states import State
from pipeline.findings import Finding
from pipeline.ledger.adoptions import Adopter
from pipeline.ledger.loss_detection import Loss
from pipeline.media.video import probe, probe_with_poster
from pipeline.run.adopting import Adopted, Adoption, NotAdopted, StoredClip
from pipeline.run.manual import list_sent
from pipeline.run.plan_sync import PlanSummary, refresh_summary
from pipeline.storage.blobs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedClips:
    """What was taken in, what is left, and what the next run would buy."""

    findings: Sequence[Finding]
    """Warnings of the plan."""
    results: Sequence[Adopted | NotAdopted]
    unknown: Sequence[StoredClip]
    """Clips of the store that no purchase knows."""
    in_doubt: Sequence[str]
    """Addresses of items whose purchase has no known end."""
    next_plan: PlanSummary
    loss: Loss | None
    """What stays lost, and stops the next run before it buys."""


def adopt_clips(
    campaign: LoadedCampaign,
    named: Sequence[str] = (),
    notify: Callable[[str], None] = lambda _: None,
) -> AdoptedClips:
    """Take in clips at output paths, and clips of the store that are `named` (`SHA=ADDRESS`).

    They are booked as paid earlier, at their estimates. InvalidInput where a name fits nothing:
    then nothing is taken in.
    """
    home = campaign.request.home
    if not home.is_dir():
        raise usage(f"nothing was made in {home}")
    # Also where the ledger is gone: that is what adopting is for.
    with open_for_work(campaign.request, anew=True, notify=notify) as ledger:
        # What lies at output paths is what is asked about: it is no foreign file here.
        summary = sync_campaign(campaign, ledger, files=False)
        require_admitted(summary, campaign)
        adoption = Adoption(
            ledger,
            Store(home),
            campaign=campaign.name,
            probe=probe,
            poster_probe=probe_with_poster,
            now=datetime.now(UTC),
        )
        clips = _parse_names(named, adoption)
        results = [adoption.adopt_stored(clip, item) for clip, item in clips]
        results += adoption.adopt_outputs()
        if any(isinstance(result, Adopted) for result in results):
            write_report(ledger, campaign)
        return AdoptedClips(
            findings=summary.findings,
            results=results,
            unknown=adoption.unknown_clips(),
            in_doubt=[
                task.address
                for task in list_sent(ledger, campaign.name)
                if task.state is State.IN_DOUBT
            ],
            next_plan=refresh_summary(summary, ledger),
            loss=loss_of(ledger, campaign.request, campaign.name),
        )


def import_clip(
    campaign: LoadedCampaign,
    file: Path,
    address: str,
    *,
    cost_usd: Decimal = Decimal(0),
    notify: Callable[[str], None] = lambda _: None,
) -> Adopted:
    """Take in a clip that was made elsewhere as the take at an address; the next run lays it out.

    It is booked at what it has cost, and is held against the item's spec. InvalidInput where it is
    not what the item wants, or the item has its clip: then nothing is taken in.
    """
    with open_for_work(campaign.request, notify=notify) as ledger:
        summary = sync_campaign(campaign, ledger, files=False)
        require_admitted(summary, campaign)
        store = Store(campaign.request.home)
        adoption = Adoption(
            ledger,
            store,
            campaign=campaign.name,
            probe=probe,
            poster_probe=probe_with_poster,
            now=datetime.now(UTC),
        )
        result = adoption.import_file(file, _item(address, adoption), cost_usd)
        if not isinstance(result, Adopted):
            raise usage(f"{file} is not taken in as {result.address}: {result.why}")
        write_report(ledger, campaign)
        return result


def _parse_names(words: Sequence[str], adoption: Adoption) -> list[tuple[StoredClip, Adopter]]:
    """Return which clip is for which item; InvalidInput before anything is taken in."""
    if not words:
        return []
    unknown = adoption.unknown_clips()
    named = []
    for word in words:
        sha256, sign, address = word.partition("=")
        if not sign or not sha256 or not address:
            raise usage(f"store adopt takes SHA=ADDRESS, not {word!r}")
        named.append((_clip(sha256, unknown), _item(address, adoption)))
    for each in ("clip", "item"):
        every = [pair[each == "item"] for pair in named]
        if len({str(one) for one in every}) < len(every):
            raise usage(f"store adopt: the same {each} is named twice")
    return named


def _clip(sha256: str, unknown: Sequence[StoredClip]) -> StoredClip:
    found = [clip for clip in unknown if clip.sha256.startswith(sha256.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise usage(f"{len(found)} clips of the store begin with {sha256}: write more of it")
    raise usage(f"no clip of the store that no purchase knows begins with {sha256}")


def _item(address: str, adoption: Adoption) -> Adopter:
    found = adoption.items_named(address)
    exact = [item for item in found if item.address == address]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise usage(f"{address} has {len(found)} takes: name one, as {found[0].address}")
    raise usage(f"no item of the plan has the address {address}")
