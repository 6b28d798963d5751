"""`store adopt`: clips that lie there without a purchase become their items', not bought again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from pipeline.cli.amounts import counted_items
from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import print_text
from pipeline.cli.exits import Leave
from pipeline.cli.finding_text import written
from pipeline.cli.losses import print_loss
from pipeline.cli.options import (
    AdoptRoot,
    CampaignOptions,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    command_line,
    usage,
)
from pipeline.cli.planning import admitted, sentence
from pipeline.cli.project import project_of
from pipeline.cli.reporting import write_report
from pipeline.cli.roots import open_for_work
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit, State
from pipeline.errors import InvalidInput
from pipeline.ledger.adoptions import Adopter
from pipeline.ledger.repository import Ledger
from pipeline.media.video import probe
from pipeline.run.adopting import Adopted, Adoption, NotAdopted, StoredClip
from pipeline.run.manual import list_sent
from pipeline.run.plan_sync import PlanSummary, refresh_summary
from pipeline.storage.blobs import Store

_SHOWN_DIGITS = 12
stores = typer.Typer(
    help="Work with the clips that an output root keeps.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(stores, name="store")


@stores.command(epilog="Example: callsheet store adopt campaign.yaml 3f9a='spin[SKU-1001,calm]#1'")
def adopt(
    manifest: ManifestPath,
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="SHA=ADDRESS", help="This clip of the store is that item's clip."),
    ] = None,
    profile: Profile = None,
    overrides: Overrides = None,
    root: Root = None,
    rehearse: Rehearse = False,
    adopt_root: AdoptRoot = False,
) -> None:
    """Take in clips that lie there without a purchase, so that they are not bought again.

    A file at an item's output path that plays and is what the item wants becomes its clip. It
    is booked as paid earlier, at its estimate, which counts against the limit. Nothing is sent,
    and nothing is bought. Clips of the store that no purchase knows are listed: name the item
    that one is for. Exit 10 if something lay there that could not be taken in.
    """
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        adopt_root=adopt_root,
        rehearse=rehearse,
    )
    campaign = open_campaign(asked)
    asked = campaign.asked
    if not asked.home.is_dir():
        raise usage(f"nothing was made in {asked.home}")
    with open_for_work(asked, anew=True) as ledger:
        admission = admitted(campaign, ledger, files=False)
        if not admission.ok:
            raise InvalidInput(admission.findings, campaign.sources)
        if admission.findings:
            print_text(written(admission.findings, campaign.sources))
        adoption = Adoption(
            ledger, Store(asked.home), campaign=campaign.name, probe=probe, now=datetime.now(UTC)
        )
        named = _named(clips or (), adoption)
        results = [adoption.adopt_stored(clip, item) for clip, item in named]
        results += adoption.adopt_outputs()
        _show(results)
        _show_rest(adoption, campaign, ledger)
        if any(isinstance(result, Adopted) for result in results):
            write_report(ledger, campaign)
        _show_next(admission, campaign, ledger)
    if any(isinstance(result, NotAdopted) for result in results):
        raise Leave(Exit.FAILURES)


def _named(words: Sequence[str], adoption: Adoption) -> list[tuple[StoredClip, Adopter]]:
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


def _show(results: Sequence[Adopted | NotAdopted]) -> None:
    """Tell what was taken in, what it was booked at, and what was left and why."""
    taken = [result for result in results if isinstance(result, Adopted)]
    for result in results:
        if isinstance(result, NotAdopted):
            print_text(f"left: {result.path}, for {result.address}: {result.why}")
            continue
        sum_ = (
            "price unknown" if result.booked_usd is None else f"{exact_usd(result.booked_usd)} USD"
        )
        print_text(f"adopted: {result.address}  {result.path}  {sum_}")
    total = sum((each.booked_usd or Decimal(0) for each in taken), Decimal(0))
    unknown = sum(each.booked_usd is None for each in taken)
    more = f", and {unknown} at an unknown price" if unknown else ""
    if taken:
        print_text(
            f"{counted_items(len(taken))} adopted, booked as paid earlier at the estimate of"
            f" {exact_usd(total)} USD{more}: what was really paid is not known"
        )
    else:
        print_text("nothing was adopted")


def _show_rest(adoption: Adoption, campaign: Campaign, ledger: Ledger) -> None:
    """List the clips of the store that no purchase knows, and the items that are in doubt."""
    rest = adoption.unknown_clips()
    command = command_line(campaign.asked, "store adopt")
    for clip in rest:
        print_text(f"in the store, of no purchase: {_described(clip)}")
    if rest:
        print_text(f"to adopt one: {command} {rest[0].sha256[:_SHOWN_DIGITS]}=ADDRESS")
    settle = command_line(campaign.asked, "reconcile")
    for address in _doubts(ledger, campaign):
        print_text(f"{address} is in doubt; to settle it: {settle}")


def _described(clip: StoredClip) -> str:
    """Return what a person may know a clip by."""
    media = clip.media
    seen = "it does not play"
    if media is not None:
        seconds = "" if media.seconds is None else f"{media.seconds:g} s, "
        seen = f"{seconds}{media.width}×{media.height}"
    when = f"{clip.stored_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{clip.sha256}  {clip.bytes:,} bytes, {seen}, {when}"


def _doubts(ledger: Ledger, campaign: Campaign) -> Iterator[str]:
    for task in list_sent(ledger, campaign.name):
        if task.state is State.IN_DOUBT:
            yield task.address


def _show_next(admission: PlanSummary, campaign: Campaign, ledger: Ledger) -> None:
    """Tell what the next run would buy, as the ledger stands now."""
    now = refresh_summary(admission, ledger)
    print_text(f"the next run: {sentence(now)}")
    loss = ledger.find_loss(campaign.name)
    if loss is None:
        print_text(f"to run it: {command_line(campaign.asked)}")
    else:
        print_loss(loss, campaign.asked, now.to_make)
