"""`check`: every finding of a manifest. Nothing is sent."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.campaign import Campaign
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import print_text
from pipeline.cli.finding_text import Format, findings_count, findings_text
from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.domain.states import Exit
from pipeline.findings import has_errors

app = command_app()


@app.command(epilog="Example: callsheet check manifests/spring-sneakers/campaign.yaml")
@with_options
def check(
    options: CampaignOptions,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Tell every finding of a manifest; exit 3 if any is an error. Needs no network."""
    campaign = open_campaign(request_of(options))
    findings = Campaign(campaign).check()
    if findings or form is not Format.TEXT:
        print_text(findings_text(findings, campaign.sources, form))
    if form is Format.TEXT:
        print_text(f"{options.manifest}: {findings_count(findings)}")
    if has_errors(findings):
        raise typer.Exit(Exit.INVALID)
