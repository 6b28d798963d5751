"""The command line → its commands with their options, and what the exit codes mean."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pipeline.cli.command_line import callsheet
from pipeline.domain.states import Exit


def commands() -> Iterator[str]:
    """Yield each command as Markdown, those of a group after one another."""
    yield from _told("callsheet", callsheet)


def exit_codes() -> Iterator[str]:
    """Yield the lines of the table of exit codes; a code's meaning stands below it in its class."""
    yield "| exit code | meaning |\n| --- | --- |"
    meanings = dict(_meanings())
    for code in Exit:
        yield f"| {int(code)} | {meanings[code.name]} |"


def _meanings() -> Iterator[tuple[str, str]]:
    (whole,) = ast.parse(textwrap.dedent(inspect.getsource(Exit))).body
    assert isinstance(whole, ast.ClassDef)
    for member, said in zip(whole.body, whole.body[1:], strict=False):
        match member, said:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def _told(name: str, command: Any) -> Iterator[str]:
    """Yield a command: how it is called, what it does, its options, an example."""
    if hasattr(command, "commands"):
        for word in sorted(command.commands):
            yield from _told(f"{name} {word}", command.get_command(None, word))
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([name, *(_argument(each) for each in arguments)])
    yield f"### {name.partition(' ')[2]}\n\n```text\n{usage}\n```\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    rows = [_row(each) for each in command.params]
    if rows:
        yield "| option | meaning | default |\n| --- | --- | --- |"
        yield "\n".join(rows) + "\n"
    if command.epilog:
        yield f"Example: `{command.epilog.removeprefix('Example: ')}`\n"


def _argument(argument: Any) -> str:
    name = _name(argument)
    return name if argument.required else f"[{name}]"


def _name(argument: Any) -> str:
    return argument.metavar or str(argument.name).upper()


def _row(option: Any) -> str:
    name = _name(option) if option.param_type_name == "argument" else _spelt(option)
    cells = (f"`{name}`", option.help, _default(option))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _spelt(option: Any) -> str:
    """Return an option as it is typed, with its value."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: Any) -> str:
    if isinstance(option.default, Enum):
        return "|".join(str(each.value) for each in type(option.default))
    return option.metavar or str(option.opts[0]).lstrip("-").replace("-", "_").upper()


def _default(option: Any) -> str:
    if option.required:
        return "required"
    value = option.default.value if isinstance(option.default, Enum) else option.default
    unsaid = value is None or value is False or value in {"", Path()}
    return "" if unsaid else f"`{value}`"
