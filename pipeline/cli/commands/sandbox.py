"""`callsheet sandbox`: the providers on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.roots import root_here
from pipeline.cli.options import Scenario, command_app
from pipeline.ledger.root_identity import REHEARSAL_FOLDER

app = command_app()


@app.command(epilog="Example: callsheet sandbox --port 8080 --scenario drills/429.yaml")
def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Where tasks, bills and clips are kept; else with the project's rehearsals."
        ),
    ] = None,
    scenario: Scenario = None,
    leash: Annotated[bool, typer.Option(help="End when standard input closes.")] = False,
) -> None:
    """Run the providers on loopback, for rehearsals, tests and drills."""
    # A server is a lot to load: the other commands do without.
    from pipeline.sandbox import serve  # noqa: PLC0415 - see above

    if state is None:
        state = root_here(None, "--state") / REHEARSAL_FOLDER / ".callsheet" / "sandbox"
    serve(host=host, port=port, state=state, scenario_path=scenario, leash=leash)
