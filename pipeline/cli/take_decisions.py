"""What the commands that decide on takes share: their arguments, and what they print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from pipeline.api.decision_file import decisions_path
from pipeline.api.judgements import decide
from pipeline.cli.campaigns import open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions
from pipeline.domain.review import Verdict
from pipeline.foreign_text import printable_line

Addresses = Annotated[
    list[str], typer.Argument(metavar="ADDRESS...", help="The takes: spin[SKU-1001,calm]#1")
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why, in a word or two: the team counts them.")
]
Note = Annotated[str, typer.Option("--note", help="What else is to be known of it.")]
Who = Annotated[str, typer.Option("--who", help="Who decides; else the name of the user.")]

_AT_THE_NEXT_RUN = (
    "output.show is approved: the next run lays out what is approved, and takes out what is not"
)


def print_conflicts(addresses: Iterable[str]) -> None:
    """Tell which clips wait since two people's words for them differ."""
    for address in addresses:
        print_text(printable_line(f"decided differently by two people, and waiting: {address}"))


def decide_takes(
    options: CampaignOptions,
    addresses: list[str],
    verdict: Verdict,
    *,
    reason: str = "",
    note: str = "",
    who: str = "",
) -> None:
    """Decide on all takes, or on none, and print which places have it now."""
    campaign = open_for_status(request_of(options))
    decided = decide(campaign, addresses, verdict, reason=reason, note=note, who=who)
    for address, written in decided.items():
        shared = len(written) - 1
        others = f", and for {shared} that share its clip" if shared else ""
        print_text(printable_line(f"{address}: {verdict.value}{others}"))
    print_text(f"written to {decisions_path(campaign.request, campaign.name)}")
    if campaign.manifest.approved_only:
        print_text(_AT_THE_NEXT_RUN)
