"""`store adopt`, `store push`, `store pull`: clips that are there or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import typer

from pipeline.api.clip_adoption import adopt_clips
from pipeline.api.money_text import item_count
from pipeline.api.shared_clips import SharedClips, pull_clips, push_clips
from pipeline.cli.campaigns import open_campaign, open_for_status, request_of
from pipeline.cli.console import print_error, print_text
from pipeline.cli.finding_text import findings_text
from pipeline.cli.loss_text import print_loss
from pipeline.cli.options import CampaignOptions, WorkOptions, command_app, with_options
from pipeline.cli.plan_text import plan_sentence
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.run.adopting import Adopted, NotAdopted, StoredClip

app = command_app("store", "Work with the clips that an output root keeps.")
_SHOWN_DIGITS = 12
_SHOWN = 20


@app.command(epilog="Example: callsheet store adopt campaign.yaml 3f9a='spin[SKU-1001,calm]#1'")
@with_options
def adopt(
    options: CampaignOptions,
    work: WorkOptions,
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="SHA=ADDRESS", help="This clip of the store is that item's clip."),
    ] = None,
) -> None:
    """Take in clips that lie there without a purchase, so that they are not bought again.

    A file at an item's output path that plays and is what the item wants becomes its clip. It
    is booked as paid earlier, at its estimate, which counts against the limit. Nothing is sent,
    and nothing is bought. Clips of the store that no purchase knows are listed: name the item
    that one is for. Exit 10 if something lay there that could not be taken in.
    """
    campaign = open_campaign(request_of(options, work))
    found = adopt_clips(campaign, clips or (), notify=print_error)
    if found.findings:
        print_text(findings_text(found.findings, campaign.sources))
    _print_results(found.results)
    for clip in found.unknown:
        print_text(f"in the store, of no purchase: {_clip_text(clip)}")
    if found.unknown:
        command = campaign.request.command("store adopt")
        print_text(f"to adopt one: {command} {found.unknown[0].sha256[:_SHOWN_DIGITS]}=ADDRESS")
    for address in found.in_doubt:
        settle = campaign.request.command("reconcile")
        print_text(f"{address} is in doubt; to settle it: {settle}")
    print_text(f"the next run: {plan_sentence(found.next_plan)}")
    if found.loss is None:
        print_text(f"to run it: {campaign.request.command()}")
    else:
        print_loss(found.loss, campaign.request, found.next_plan.to_make)
    if any(isinstance(result, NotAdopted) for result in found.results):
        raise typer.Exit(Exit.FAILURES)


Where = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="A folder, or s3://BUCKET/PATH, gs://…, az://…; keys as its own tools take them.",
    ),
]


@app.command(epilog="Example: callsheet store push campaign.yaml s3://campaigns/spring")
@with_options
def push(options: CampaignOptions, url: Where) -> None:
    """Copy the clips that the lock file names to a store that several machines share.

    Each is an object by its digest, created and never overwritten, so that two machines can push
    at once. A rehearsal's clips are refused. Exit 10 if a clip of the lock file is not here, 15 if
    one is damaged. Needs `pip install 'callsheet[store]'`.
    """
    campaign = open_for_status(request_of(options))
    found = push_clips(campaign, url)
    for address in found.damaged:
        print_text(f"damaged, and not pushed: {address}; see callsheet verify")
    _print_missing(found, "not in this root")
    print_text(f"{url}: {item_text(found.moved)} pushed, {found.there} there already")
    if found.damaged:
        raise typer.Exit(Exit.DAMAGED)
    if found.missing:
        raise typer.Exit(Exit.FAILURES)


@app.command(epilog="Example: callsheet store pull campaign.yaml s3://campaigns/spring")
@with_options
def pull(options: CampaignOptions, url: Where) -> None:
    """Copy the clips that the lock file names, and this root has not, out of a shared store.

    Nothing is bought: `callsheet run --locked` then lays them out. Each is verified by its digest.
    Exit 10 if the store lacks one.
    """
    campaign = open_for_status(request_of(options))
    found = pull_clips(campaign, url)
    _print_missing(found, f"not in {url}")
    print_text(f"{url}: {item_text(found.moved)} pulled, {found.there} here already")
    if found.missing:
        raise typer.Exit(Exit.FAILURES)
    print_text(f"to lay them out: {campaign.request.command()} --locked")


def item_text(clips: int) -> str:
    """Return a number of clips as a person reads it."""
    return "1 clip" if clips == 1 else f"{clips} clips"


def _print_missing(found: SharedClips, where: str) -> None:
    for address in found.missing[:_SHOWN]:
        print_text(f"{where}: {address}")
    if len(found.missing) > _SHOWN:
        print_text(f"and {len(found.missing) - _SHOWN} more")


def _print_results(results: Sequence[Adopted | NotAdopted]) -> None:
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
            f"{item_count(len(taken))} adopted, booked as paid earlier at the estimate of"
            f" {exact_usd(total)} USD{more}: what was really paid is not known"
        )
    else:
        print_text("nothing was adopted")


def _clip_text(clip: StoredClip) -> str:
    """Return what a person may know a clip by."""
    media = clip.media
    seen = "it does not play"
    if media is not None:
        seconds = "" if media.seconds is None else f"{media.seconds:g} s, "
        seen = f"{seconds}{media.width}×{media.height}"
    when = f"{clip.stored_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{clip.sha256}  {clip.bytes:,} bytes, {seen}, {when}"
