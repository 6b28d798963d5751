"""The list of commands is known without them, and each option is declared once."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from pipeline.api.campaign_request import CampaignRequest
from pipeline.cli import options
from pipeline.cli.command_line import COMMANDS, callsheet
from tests.architecture.source import PACKAGE

MANIFEST_COMMANDS = ("check", "plan", "ls", "show", "why", "run", "status", "report", "reconcile")
GROUPS = (
    options.CampaignOptions,
    options.SelectionOptions,
    options.ProviderOptions,
    options.AccessOptions,
    options.WorkOptions,
)


def _command(name: str) -> Any:
    return callsheet.get_command(None, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_a_command_says_of_itself(name: str) -> None:
    """What `--help` lists is the first paragraph of the command's own help, to the letter."""
    first, _, _ = inspect.cleandoc(_command(name).help).partition("\n\n")

    assert first.replace("\n", " ") == COMMANDS[name].about


def test_every_file_of_commands_is_listed() -> None:
    """Each module of `cli/commands` is a command of its name, and the other way round."""
    files = {file.stem for file in (PACKAGE / "cli" / "commands").glob("*.py")} - {"__init__"}

    assert files == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", [*MANIFEST_COMMANDS, "store adopt"])
def test_an_option_of_all_commands_is_in_one_place(name: str) -> None:
    """Each command that reads a manifest takes the whole group, whatever is added to it."""
    group, _, word = name.partition(" ")
    command = _command(group).get_command(None, word) if word else _command(group)

    given = {parameter.name for parameter in command.params}

    assert {each.name for each in fields(options.CampaignOptions)} <= given


def test_an_option_goes_to_the_field_of_its_name() -> None:
    """What a group declares is handed on by name: no code between lists the options again.

    So an option of all commands touches `cli/options.py`, `api/campaign_request.py`, and the file
    that acts on it.
    """
    known = {each.name for each in fields(CampaignRequest)}

    assert [] == [
        f"{group.__name__}.{each.name}"
        for group in GROUPS
        for each in fields(group)
        if each.name not in known
    ]


def test_each_option_is_declared_once() -> None:
    """No two places of the command line spell one option, but where it means something else."""
    spelt = Counter(_declared())

    assert {"--format", "--provider", "--yes"} == {
        name for name, times in spelt.items() if times > 1
    }


def _declared() -> Iterator[str]:
    """Yield the first name of every `typer.Option(…)` in the command line's source."""
    for file in (PACKAGE / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="Option"), args=[ast.Constant(value=str(name)), *_]
                ):
                    yield name
                case _:
                    pass
