"""`schema`: a JSON Schema, such as an editor completes a manifest with."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipeline.api.campaign_request import usage
from pipeline.cli.console import print_text
from pipeline.cli.options import command_app
from pipeline.findings import nearest_names
from pipeline.models import known_models, with_parameters
from pipeline.schemas import names, schema

app = command_app()


@app.command(name="schema", epilog="Example: callsheet schema > manifest.schema.json")
def show_schema(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Which one: manifest, report, providers/runware …")
    ] = "manifest",
    listed: Annotated[bool, typer.Option("--list", help="List the names instead.")] = False,
) -> None:
    """Print a JSON Schema: of the manifest, of the report, of a provider's request."""
    if listed:
        print_text("\n".join(names()))
        return
    if name not in names():
        # A provider's is known by its own name, without the folder.
        near = nearest_names(name, names(), cutoff=0.55)
        hint = f"did you mean {' or '.join(near)}?" if near else "`callsheet schema --list`"
        raise usage(f"there is no schema '{name}'", hint)
    found = schema(name)
    if name == "manifest":
        # An editor is to know the settings of models from other packages as well.
        found = with_parameters(found, known_models().values())
    print_text(json.dumps(found, ensure_ascii=False, indent=2))
