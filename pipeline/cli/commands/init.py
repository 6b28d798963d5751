"""`init`: a small campaign to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.new_project import STARTER_MANIFEST, write_starter
from pipeline.cli.console import print_text
from pipeline.cli.options import command_app

app = command_app()


@app.command(epilog="Example: callsheet init mugs")
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write it; made if it is not there.")
    ] = Path(),
) -> None:
    """Write a small campaign to start from: a manifest, a table, and three photos.

    With them comes callsheet.toml, which makes DIR a project, unless DIR lies in one already.
    Nothing is overwritten.
    """
    for path in write_starter(folder):
        print_text(f"written: {path}")
    manifest = shlex.quote(str(folder / STARTER_MANIFEST))
    print_text(
        "\nNext, see that nothing is wrong with it, then make its clips without key and cost:\n"
    )
    print_text(f"  callsheet check {manifest}")
    print_text(f"  callsheet run {manifest} --rehearse")
