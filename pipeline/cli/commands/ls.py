"""`ls`: the selected items, one a line, as the next run would find them. Nothing is sent."""

from __future__ import annotations

from pipeline.api.campaign_plan import dry_run, find_loss, require_admitted
from pipeline.api.decision_file import load_decisions
from pipeline.cli.campaigns import open_campaign, print_root_notice, request_of
from pipeline.cli.item_list import print_items
from pipeline.cli.loss_text import exit_if_refused
from pipeline.cli.options import (
    CampaignOptions,
    ListForm,
    Listing,
    ProviderOptions,
    SelectionOptions,
    command_app,
    with_options,
)

app = command_app()


@app.command(epilog="Example: callsheet ls campaign.yaml --select 'tag:hero,status:new'")
@with_options
def ls(
    options: CampaignOptions,
    maker: ProviderOptions,
    selection: SelectionOptions,
    form: Listing = ListForm.TEXT,
) -> None:
    """List items: address, provider, status, price, and where the clip is or will be."""
    campaign = open_campaign(request_of(options, maker, selection))
    print_root_notice(campaign.request)
    loss = find_loss(campaign.request, campaign.name)
    with dry_run(campaign, loss) as (summary, ledger):
        require_admitted(summary, campaign)
        decisions = load_decisions(campaign.request, campaign.name)
        records = ledger.records(campaign.name, selected=True, review=decisions.in_force)
        print_items(records, campaign.folder, form)
    exit_if_refused(summary, loss, campaign.request)
