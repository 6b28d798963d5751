"""`doctor`: whether this machine is ready for a run, and what to do where it is not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.api.health_checks import HealthStatus, check_health
from pipeline.cli.campaigns import request_of
from pipeline.cli.console import print_error, print_text
from pipeline.cli.options import (
    AccessOptions,
    ListForm,
    Listing,
    OptionalCampaign,
    command_app,
    with_options,
)
from pipeline.domain.states import Exit

app = command_app()


@app.command(epilog="Example: callsheet doctor campaign.yaml")
@with_options
def doctor(
    options: OptionalCampaign,
    access: AccessOptions,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no provider.")] = False,
    form: Listing = ListForm.TEXT,
) -> None:
    """Tell whether this machine is ready for a run, and what to do; exit 12 if not.

    Looked at are the software, the manifest, disk, ledger, root, lock file, decisions, store, the
    keys, what each provider answers and what its account has left, and the clock. Without a
    manifest all providers are meant, and a key that is missing is no failure. Nothing is bought,
    and no key is printed.
    """
    counts: Counter[HealthStatus] = Counter()
    # Told as it is found: each clip is read, and providers are waited for.
    for check in check_health(request_of(options, access), offline=offline, notify=print_error):
        counts[check.status] += 1
        if form is ListForm.JSON:
            print_text(json.dumps(asdict(check), ensure_ascii=False), flush=True)
            continue
        print_text(f"{check.status:<5} {check.name:<19} {check.found}", flush=True)
        if check.remedy:
            print_text(f"{'':25} to do: {check.remedy}")
    if form is ListForm.TEXT:
        print_text(", ".join(f"{counts[status]} {status}" for status in HealthStatus))
    if counts[HealthStatus.FAIL]:
        raise typer.Exit(Exit.STOPPED)
