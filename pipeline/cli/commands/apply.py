"""`apply`: a saved plan, run exactly; what does not hold any more is told, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.campaign_request import RunSettings
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.saved_plans import StaleItem, StalePlan, read_saved_plan, require_fresh
from pipeline.cli.change_text import change_text
from pipeline.cli.commands.run import run_campaign
from pipeline.cli.console import person_is_there, print_error
from pipeline.cli.options import (
    AccessOptions,
    Quiet,
    RunForm,
    SpendOptions,
    Telling,
    WorkOptions,
    command_app,
    with_options,
)
from pipeline.domain.states import Exit
from pipeline.foreign_text import printable_line

app = command_app()
_SHOWN = 20


@app.command(epilog="Example: callsheet apply plan.json --yes")
@with_options
def apply(
    spend: SpendOptions,
    access: AccessOptions,
    work: WorkOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `plan --out FILE` wrote.")],
    still_valid: Annotated[
        bool, typer.Option("--still-valid", help="Leave out what changed since, and run the rest.")
    ] = False,
    quiet: Quiet = False,
    form: Telling = RunForm.TEXT,
) -> None:
    """Run a saved plan exactly; where it does not hold any more, say what changed: exit 14."""
    saved = read_saved_plan(file)
    request = saved.request(
        env_file=access.env_file,
        base_urls=access.base_urls,
        adopt_root=work.adopt_root or person_is_there(),
    )
    # Applying it never spends more than it was to cost.
    to_make = saved.header["to_make"]
    most_usd = None if to_make["unpriced"] else Decimal(to_make["high_usd"])
    spending = replace(spend.spending, agreed_usd=most_usd)
    settings = RunSettings(spending=spending, retry=spend.causes, replaces=False)

    def admit(campaign: LoadedCampaign) -> LoadedCampaign:
        # Once the ledger is open: what another process plans from here on, on a server, refuses
        # this run as it begins.
        fresh, stale = require_fresh(saved, campaign, still_valid=still_valid)
        for line in _stale_lines(stale):
            print_error(line)
        return fresh

    try:
        code = run_campaign(request, settings, quiet=quiet, form=form, admit=admit)
    except StalePlan as stale:
        for line in _stale_lines(stale.differences):
            print_error(line)
        print_error(f"{file} is stale: nothing was sent; plan again, or --still-valid for the rest")
        code = Exit.STALE
    raise typer.Exit(code)


def _stale_lines(stale: Sequence[StaleItem]) -> Iterator[str]:
    for each in stale[:_SHOWN]:
        told = "; ".join(map(change_text, each.changes))
        yield printable_line(f"changed: {f'{each.address}: ' if each.address else ''}{told}")
    if len(stale) > _SHOWN:
        yield f"changed: {len(stale) - _SHOWN} more"
