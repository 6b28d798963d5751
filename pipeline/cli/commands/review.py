"""`review`: the page of a campaign, served on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import merge_decision_file
from pipeline.api.decision_import import import_decisions
from pipeline.cli.campaigns import open_campaign, open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Who, print_conflicts
from pipeline.foreign_text import printable_line
from pipeline.report.figures import count_text

app = command_app()


@app.command(epilog="Example: callsheet review manifests/spring-sneakers/campaign.yaml --rehearse")
@with_options
def review(
    options: CampaignOptions,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser too.")] = False,
    merge: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take in another decisions file, and serve nothing."),
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="FILE", help="Take in what a page exported, and serve nothing."
        ),
    ] = None,
    who: Who = "",
) -> None:
    """Serve the page of a campaign on this machine, to look at clips and decide; Ctrl-C ends it.

    The address has a random token in it: whoever has it can see the clips, and decide. A decision
    is in `<stem>.decisions.yaml` before the page shows it as saved.

    --merge and --import only take in a file, each decision once, and exit with 0. Where two
    people's words for a clip differ, both are kept, the clip is named, and it waits until somebody
    decides again. What was decided of clips that are not here is told and left.
    """
    if merge is not None and exported is not None:
        raise usage("--merge and --import: one file at a time")
    if merge is not None:
        campaign = open_for_status(request_of(options))
        merged = merge_decision_file(campaign.request, campaign.name, merge)
        places = count_text(merged.places, "place")
        print_text(f"{merged.path}: decisions on {places}, {merged.added} added")
        print_conflicts(merged.conflicts)
        return
    if exported is not None:
        found = import_decisions(open_for_status(request_of(options)), exported, who)
        print_text(f"{found.path}: {found.added} added, {found.known} known already")
        for line in found.left:
            print_text(printable_line(f"left: {line}"))
        print_conflicts(found.conflicts)
        return
    # A server is a lot to load: the other commands do without.
    from pipeline.api.review_server import campaign_page, serve_page  # noqa: PLC0415 - see above

    def announce(address: str) -> None:
        print_text(address, flush=True)
        if show:
            typer.launch(address)

    serve_page(campaign_page(open_campaign(request_of(options))), port, announce)
