"""`show`: one item, down to the request that would be sent for it. Nothing is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import print_text
from pipeline.cli.describing import described, lines
from pipeline.cli.exits import Leave
from pipeline.cli.listing import Form, Listing, show_list
from pipeline.cli.losses import find_loss, leave_if_lost
from pipeline.cli.options import (
    CampaignOptions,
    Exclude,
    Limit,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    Select,
    usage,
)
from pipeline.cli.planning import tried
from pipeline.cli.project import project_of
from pipeline.cli.resolving import resolved_lines
from pipeline.cli.selecting import sifted
from pipeline.domain import PricedItem, Record
from pipeline.domain.states import Exit
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.providers import OFFERS


@app.command(epilog="Example: callsheet show campaign.yaml 'spin[SKU-1001,calm]#1'")
def show(
    manifest: ManifestPath,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The item; a pattern of several lists them.")
    ] = "",
    profile: Profile = None,
    overrides: Overrides = None,
    provider: Annotated[
        str, typer.Option("--provider", help="Show what this one would be sent, or why it is not.")
    ] = "",
    root: Root = None,
    rehearse: Rehearse = False,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    form: Listing = Form.TEXT,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="The manifest with base, profile and --set applied.")
    ] = False,
    origin: Annotated[
        bool, typer.Option("--origin", help="With --resolved: where each value was written.")
    ] = False,
) -> None:
    """Show one item: prompt, references, settings, key, price, and the request as it is sent."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        rehearse=rehearse,
        address=address,
        provider=provider,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
    )
    if origin and not resolved:
        raise usage("--origin says where values come from: it needs --resolved")
    if resolved:
        for line in resolved_lines(asked, origin=origin):
            print_text(line)
        return
    campaign = open_campaign(asked)
    # Where an item stands is what the plan of all items says, whichever is to be shown.
    whole = replace(asked, address="", select=(), exclude=(), limit=None)
    loss = find_loss(asked, campaign.name)
    looked = loss is None or loss.uncounted
    with tried(replace(campaign, asked=whole), loss, files=looked) as (admission, ledger):
        if not admission.ok:
            raise InvalidInput(admission.findings, campaign.sources)
        # What the provider is not to make is shown as well, with the reason.
        meant = partial(sifted, sieve=campaign.sieve(), sources=campaign.sources)
        first = list(islice(meant(ledger.records(campaign.name)), 2))
        if len(first) != 1:
            show_list(meant(ledger.records(campaign.name)), campaign, form)
        else:
            _show(first[0], campaign, provider, form)
    leave_if_lost(loss, asked, admission.to_make)


def _show(record: Record, campaign: Campaign, provider: str, form: Form) -> None:
    entry = _entry(record, _narrowed(record, campaign, provider))
    if provider and entry.item.provider != provider:
        print_text(
            f"{OFFERS[provider].title} cannot make {record.address}: {_reason(entry, provider)}"
        )
        raise Leave(Exit.INVALID)
    if form is Form.JSON:
        print_text(json.dumps(described(entry, record, campaign), ensure_ascii=False, indent=2))
        return
    for line in lines(described(entry, record, campaign)):
        print_text(line)


def _narrowed(record: Record, campaign: Campaign, provider: str) -> Campaign:
    """Return the campaign with no other shot and row than the item's, for one provider."""
    manifest = campaign.manifest
    shots = tuple(shot for shot in manifest.shots if shot.id == record.shot)
    tables = {
        name: replace(table, rows=tuple(row for row in table.rows if row.key == record.row_key))
        for name, table in manifest.tables.items()
    }
    return replace(
        campaign,
        asked=replace(campaign.asked, provider=provider),
        manifest=replace(manifest, shots=shots, tables=tables),
        findings=(),
    )


def _entry(record: Record, campaign: Campaign) -> PricedItem:
    findings: list[Finding] = []
    for found in campaign.entries(None):
        if isinstance(found, Finding):
            findings.append(found)
        elif found.item.address == record.address:
            return found
    raise InvalidInput(findings, campaign.sources)


def _reason(entry: PricedItem, provider: str) -> str:
    reasons = dict(entry.item.passed_over)
    return reasons.get(provider, f"it is pinned to {entry.item.provider}")
