"""A command line in another tool's words is told what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.cli import usage_text
from pipeline.cli.command_line import COMMANDS, callsheet
from pipeline.cli.usage_text import plain_usage


def _options() -> Iterator[str]:
    command: Any = callsheet.get_command(None, "run")
    for parameter in command.params:
        yield from parameter.opts


def test_words_of_other_tools_are_none_of_ours() -> None:
    """What is proposed exists, and what it is proposed for does not."""
    others = {word for words in usage_text.OTHER_COMMANDS.values() for word in words.split()}

    assert set() == set(usage_text.OTHER_COMMANDS) - set(COMMANDS)
    assert set() == others & set(COMMANDS)


def test_options_of_other_tools_are_none_of_a_run() -> None:
    """What is taken for a slip there is no option of it; `plan` alone has some, such as --out."""
    others = {word for words in usage_text.OTHER_OPTIONS.values() for word in words.split()}

    assert set() == others & set(_options())


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("No such command 'validate'.", "No such command 'validate'. Did you mean 'check'?"),
        ("No such command 'lst'. Did you mean 'ls'?", "No such command 'lst'. Did you mean 'ls'?"),
        (
            "No such command 'spring.yaml'.",
            "a manifest comes behind a command: callsheet run spring.yaml",
        ),
        (
            "No such option: --dry-run",
            "No such option: --dry-run: `callsheet plan` tells what a run would make and cost",
        ),
        ("No such option: --wobble", "No such option: --wobble"),
        ("Missing argument 'M'.", "name the manifest, such as campaign.yaml"),
        (
            "Invalid value for '--first': Input should be greater than or equal to 1",
            "Invalid value for '--first': it must be at least 1",
        ),
        ("Got unexpected extra arguments (b.yaml)", "it takes no further argument: b.yaml"),
    ],
)
def test_a_usage_fault_is_told_in_plain_words(message: str, plain: str) -> None:
    """The parser's words are replaced, and what was meant is said where it is known."""
    assert plain == plain_usage(message)
