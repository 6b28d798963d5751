"""What came of a campaign: the report's files, and the summary at the end of a run."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.options import (
    DEFAULT_ROOT,
    Asked,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    usage,
)
from pipeline.cli.report_files import write_files, written_files
from pipeline.report import Report, show_summary, summarise
from pipeline.run import Ledger


@app.command(epilog="Example: callsheet report manifests/spring-sneakers/campaign.yaml --rehearse")
def report(
    manifest: ManifestPath,
    profile: Profile = "",
    overrides: Overrides = None,
    root: Root = DEFAULT_ROOT,
    rehearse: Rehearse = False,
    write: Annotated[bool, typer.Option(help="Write the report's files too.")] = True,
) -> None:
    """Write the report of a campaign again, from the ledger."""
    asked = Asked(
        manifest=manifest,
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        rehearse=rehearse,
    )
    campaign = open_campaign(asked)
    ledger = Ledger.reader(asked.home)
    if ledger is None:
        raise usage(f"there is no ledger in {asked.home}: nothing was run there")
    with ledger:
        made = write_report(ledger, campaign) if write else _summary(ledger, campaign)
    show_summary(Console(highlight=False), made, written_files(campaign) if write else ())


def write_report(ledger: Ledger, campaign: Campaign, elapsed_s: float | None = None) -> Report:
    """Write the report's files beside the clips, and return the report."""
    made = _summary(ledger, campaign, elapsed_s)
    write_files(made, campaign, lambda: ledger.records(campaign.name))
    return made


def _summary(ledger: Ledger, campaign: Campaign, elapsed_s: float | None = None) -> Report:
    asked = campaign.asked
    return summarise(
        ledger.records(campaign.name),
        campaign=campaign.name,
        now=datetime.now(UTC),
        manifest=str(asked.manifest),
        root=str(asked.home / campaign.name),
        command=asked_again(asked),
        profile=asked.profile,
        rehearsal=asked.rehearse,
        elapsed_s=elapsed_s,
    )


def asked_again(asked: Asked, verb: str = "run") -> str:
    """Return the command that does something more with the campaign, as it would be typed."""
    words = ["callsheet", verb, str(asked.manifest)]
    words += ["--profile", asked.profile] if asked.profile else []
    words += ["--root", str(asked.root)] if asked.root != DEFAULT_ROOT else []
    words += ["--rehearse"] if asked.rehearse else []
    return shlex.join(words)
