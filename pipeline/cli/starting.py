"""`init` and `schema`: a small campaign to start from, and what an editor completes it with."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.console import print_text
from pipeline.cli.options import usage
from pipeline.cli.project import FILE, project_of
from pipeline.schemas import names, schema

_MANIFEST = "campaign.yaml"
_NEXT = "\nNext, see that nothing is wrong with it, then make its clips without key and cost:\n"


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
    from pipeline.starter import files_of  # noqa: PLC0415 - it draws: the others do without

    files = dict(files_of())
    if project_of(folder / _MANIFEST).file is not None:
        del files[FILE]
    made = {folder / name: content for name, content in files.items()}
    _refuse_to_overwrite(folder, made)
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print_text(f"written: {path}")
    manifest = shlex.quote(str(folder / _MANIFEST))
    print_text(
        "\nNext, see that nothing is wrong with it, then make its clips without key and cost:\n"
    )
    print_text(f"  callsheet check {manifest}")
    print_text(f"  callsheet run {manifest} --rehearse")


def _refuse_to_overwrite(folder: Path, made: Mapping[Path, bytes]) -> None:
    """Raise InvalidInput where something is in the way, with all of it at once."""
    if folder.exists() and not folder.is_dir():
        raise usage(f"{folder} is a file, not a folder")
    there = [str(path) for path in made if path.exists() or path.is_symlink()]
    if there:
        hint = "name another folder: callsheet init FOLDER"
        raise usage(f"would overwrite {', '.join(there)}", hint)


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
        near = get_close_matches(name, names(), n=3, cutoff=0.55)
        hint = f"did you mean {' or '.join(near)}?" if near else "`callsheet schema --list`"
        raise usage(f"there is no schema '{name}'", hint)
    print_text(json.dumps(schema(name), ensure_ascii=False, indent=2))
