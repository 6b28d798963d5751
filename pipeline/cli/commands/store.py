"""`store adopt`, `push`, `pull`, `ls`, `gc`: clips that are there, elsewhere, or nobody's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

import typer

from pipeline.api.campaign_request import usage
from pipeline.api.clip_adoption import adopt_clips
from pipeline.api.money_text import item_count
from pipeline.api.shared_clips import SharedClips, pull_clips, push_clips
from pipeline.api.store_content import (
    ClipOwner,
    StoreEntry,
    delete_garbage,
    find_garbage,
    list_store,
    store_place,
)
from pipeline.cli.campaigns import open_campaign, open_for_status, request_of
from pipeline.cli.console import person_is_there, print_error, print_text
from pipeline.cli.finding_text import findings_text
from pipeline.cli.loss_text import print_loss
from pipeline.cli.options import (
    CampaignOptions,
    LedgerUrl,
    ListForm,
    Listing,
    MaybeManifest,
    Rehearse,
    Root,
    WorkOptions,
    Yes,
    command_app,
    with_options,
)
from pipeline.cli.plan_text import plan_sentence
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.run.adopting import Adopted, NotAdopted, StoredClip

app = command_app("store", "Work with the clips that an output root keeps.")
_SHOWN_DIGITS = 12
_SHOWN = 20
_OWNERS: Mapping[ClipOwner, str] = MappingProxyType(
    {
        ClipOwner.LEDGER: "of an earlier try, or set aside",
        ClipOwner.FILE: "of no purchase here; a lock or decisions file names it",
        ClipOwner.NOBODY: "of no purchase",
    }
)
"""What stands for the items of a clip that none has."""


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


@app.command(name="ls", epilog="Example: callsheet store ls --root outputs")
def list_(
    manifest: MaybeManifest = None,
    root: Root = None,
    ledger: LedgerUrl = None,
    rehearse: Rehearse = False,
    form: Listing = ListForm.TEXT,
) -> None:
    """List the clips of a root's store: digest, bytes, what each cost, and what uses it.

    A clip of no purchase was put there by somebody, or its ledger is lost: `store adopt` takes it
    in, `store gc` deletes it. Nothing is written, and a run may go on meanwhile.
    """
    place = store_place(manifest, root, ledger=ledger, rehearse=rehearse)
    entries = list_store(place)
    for entry in entries:
        print_text(_entry_text(entry) if form is ListForm.TEXT else json.dumps(_plain(entry)))
    if form is ListForm.TEXT:
        total = sum(entry.bytes for entry in entries)
        spent = sum((entry.charged_usd or Decimal(0) for entry in entries), Decimal(0))
        print_text(
            f"{place.root}: {item_text(len(entries))}, {total:,} bytes, {exact_usd(spent)} USD"
        )


@app.command(epilog="Example: callsheet store gc campaign.yaml")
@with_options
def gc(
    work: WorkOptions,
    manifest: MaybeManifest = None,
    root: Root = None,
    ledger: LedgerUrl = None,
    rehearse: Rehearse = False,
    yes: Yes = False,
) -> None:
    """Delete the clips of a root's store that nobody paid for, once you say yes.

    Those are clips that neither the root's ledger nor any lock file or decisions file of the
    project knows, whatever state the file is in; of branches that are not checked out nothing is
    known. Where the ledger has lost purchases nothing is deleted: exit 12.
    """
    place = store_place(manifest, root, ledger=ledger, rehearse=rehearse)
    entries = find_garbage(place)
    if not entries:
        print_text(f"every clip in the store of {place.root} was paid for: nothing to delete")
        return
    for entry in entries:
        print_text(_entry_text(entry))
    total = sum(entry.bytes for entry in entries)
    print_text(f"{item_text(len(entries))} of no purchase and in no lock file, {total:,} bytes")
    if not yes:
        if not person_is_there():
            raise usage("nobody is there to ask", "say --yes")
        if not typer.confirm("Delete them for good?", default=False, err=True):
            raise typer.Exit(Exit.STOPPED)
    adopt = work.adopt_root or person_is_there()
    gone = delete_garbage(place, entries, adopt_root=adopt, notify=print_error)
    print_text(f"{item_text(len(gone))} deleted, {sum(entry.bytes for entry in gone):,} bytes")


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


def _entry_text(entry: StoreEntry) -> str:
    """Return a clip of the store as a line: what it is, what it cost, and whose it is."""
    cost, whose = "", _OWNERS.get(entry.owner, "")
    if entry.owner is ClipOwner.PURCHASE:
        spent = entry.charged_usd
        cost = "price unknown  " if spent is None else f"{exact_usd(spent)} USD  "
        used = [f"{name} {address}" for each in entry.purchases for name, address in each.used_by]
        bought = [f"{each.campaign} {each.address} (no item now)" for each in entry.purchases]
        whose = ", ".join(dict.fromkeys(used or bought))
    return f"{entry.sha256[:_SHOWN_DIGITS]}  {entry.bytes:,} bytes  {cost}{whose}"


def _plain(entry: StoreEntry) -> Mapping[str, Any]:
    """Return a clip of the store as plain data; sums are in USD, as text."""
    spent = entry.charged_usd
    return {
        "sha256": entry.sha256,
        "path": str(entry.path),
        "bytes": entry.bytes,
        "owner": entry.owner.value,
        "charged_usd": None if spent is None else exact_usd(spent),
        "bought_for": [
            {"campaign": each.campaign, "address": each.address} for each in entry.purchases
        ],
        "used_by": [
            {"campaign": name, "address": address}
            for each in entry.purchases
            for name, address in each.used_by
        ],
    }


def _clip_text(clip: StoredClip) -> str:
    """Return what a person may know a clip by."""
    media = clip.media
    seen = "it does not play"
    if media is not None:
        seconds = "" if media.seconds is None else f"{media.seconds:g} s, "
        seen = f"{seconds}{media.width}×{media.height}"
    when = f"{clip.stored_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{clip.sha256}  {clip.bytes:,} bytes, {seen}, {when}"
