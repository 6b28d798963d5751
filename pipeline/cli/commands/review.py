"""`review`: the page of a campaign, served on loopback."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command(epilog="Example: callsheet review manifests/spring-sneakers/campaign.yaml --rehearse")
@with_options
def review(
    options: CampaignOptions,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser too.")] = False,
) -> None:
    """Serve the page of a campaign on this machine, to look at clips and decide; Ctrl-C ends it.

    The address has a random token in it: whoever has it can see the clips, and decide. A decision
    is in `<stem>.decisions.yaml` before the page shows it.
    """
    # A server is a lot to load: the other commands do without.
    from pipeline.api.review_server import campaign_page, serve_page  # noqa: PLC0415 - see above

    def announce(address: str) -> None:
        print_text(address, flush=True)
        if show:
            typer.launch(address)

    serve_page(campaign_page(open_campaign(request_of(options))), port, announce)
