"""`show`: one item, down to the request that would be sent for it. Nothing is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Annotated

import typer

from pipeline.api.campaign_plan import dry_run, find_loss, require_admitted
from pipeline.api.campaign_request import usage
from pipeline.api.item_description import CannotMake, describe_item
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.resolved_manifest import iter_values
from pipeline.api.selection import matching_records
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import print_text
from pipeline.cli.item_list import print_items
from pipeline.cli.item_text import item_lines
from pipeline.cli.loss_text import exit_if_refused
from pipeline.cli.options import (
    CampaignOptions,
    ListForm,
    Listing,
    SelectionOptions,
    command_app,
    with_options,
)
from pipeline.domain import Record
from pipeline.domain.states import Exit

app = command_app()


@app.command(epilog="Example: callsheet show campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def show(
    options: CampaignOptions,
    selection: SelectionOptions,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The item; a pattern of several lists them.")
    ] = "",
    provider: Annotated[
        str, typer.Option("--provider", help="Show what this one would be sent, or why it is not.")
    ] = "",
    form: Listing = ListForm.TEXT,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="The manifest with base, profile and --set applied.")
    ] = False,
    origin: Annotated[
        bool, typer.Option("--origin", help="With --resolved: where each value was written.")
    ] = False,
) -> None:
    """Show one item: prompt, references, settings, key, price, and the request as it is sent."""
    request = request_of(options, selection, address=address, provider=provider)
    if origin and not resolved:
        raise usage("--origin says where values come from: it needs --resolved")
    if resolved:
        for value in iter_values(request):
            place = f"  # {value.origin.file}:{value.origin.line}" if origin else ""
            print_text(f"{value.path}: {value.text}{place}")
        return
    campaign = open_campaign(request)
    # Where an item stands is what the plan of all items says, whichever is to be shown.
    whole = replace(campaign, request=request.without_selection())
    loss = find_loss(campaign.request, campaign.name)
    with dry_run(whole, loss) as (summary, ledger):
        require_admitted(summary, campaign)
        # What the provider is not to make is shown as well, with the reason.
        meant = partial(matching_records, matcher=campaign.matcher(), sources=campaign.sources)
        # The second only tells that it is not one: a pattern may fit thousands.
        first = list(islice(meant(ledger.records(campaign.name)), 2))
        if len(first) != 1:
            print_items(meant(ledger.records(campaign.name)), campaign.folder, form)
    if len(first) == 1:
        _print_item(first[0], campaign, provider, form)
    exit_if_refused(summary, loss, campaign.request)


def _print_item(record: Record, campaign: LoadedCampaign, provider: str, form: ListForm) -> None:
    try:
        item = describe_item(record, campaign, provider)
    except CannotMake as cannot:
        print_text(str(cannot))
        raise typer.Exit(Exit.INVALID) from None
    if form is ListForm.JSON:
        print_text(json.dumps(item, ensure_ascii=False, indent=2))
        return
    for line in item_lines(item):
        print_text(line)
