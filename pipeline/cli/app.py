"""The command line itself: the commands' names, and how each way of ending becomes an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import typer

from pipeline.cli.console import print_error
from pipeline.cli.exits import Interrupted, Leave
from pipeline.cli.finding_text import counted, written
from pipeline.cli.interrupts import INTERRUPTED
from pipeline.domain.states import Exit
from pipeline.errors import CallsheetError, InvalidInput, LedgerInUse
from pipeline.storage.fs import machine_fault

app = typer.Typer(
    name="callsheet",
    help="Run a YAML manifest of AI video shots as a build.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def invoke(arguments: Sequence[str]) -> Exit:
    """Run one command line and return its exit code; a traceback is shown with --debug only."""
    debug = "--debug" in arguments
    words = [word for word in arguments if word != "--debug"]
    try:
        app(args=words, prog_name="callsheet", standalone_mode=False)
    except typer.Exit as ending:
        return Exit(ending.exit_code)
    except Leave as leave:
        return leave.code
    except Exception as error:  # noqa: BLE001 - the last line of defence, by design
        if debug:
            print_error(traceback.format_exc())
        return _told(error)
    except (Interrupted, KeyboardInterrupt) as signalled:
        print_error(INTERRUPTED)
        return signalled.code if isinstance(signalled, Interrupted) else Exit.INTERRUPTED
    return Exit.OK


def _told(error: Exception) -> Exit:
    for kind, (code, tell) in _ENDINGS.items():
        if isinstance(error, kind):
            text = tell(error)
            if text:
                print_error(text)
            return code
    text = machine_fault(error)
    if text:
        print_error(text)
        return Exit.STOPPED
    print_error(f"this is a bug in callsheet: {type(error).__name__}: {error}")
    print_error("run again with --debug to see where, and please report it")
    return Exit.BUG


def _findings(error: Exception) -> str:
    if not isinstance(error, InvalidInput):
        return str(error)
    told = written(error.findings, error.sources)
    return f"{told}\n{counted(error.findings)}; nothing was sent"


def _usage(error: Exception) -> str:
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    # Without arguments what is told is the help itself.
    if text.startswith("Usage:"):
        return text
    context = getattr(error, "ctx", None)
    more = f"\n      {context.command_path} --help" if context else ""
    return f"usage: {text.replace('Value error, ', '')}{more}"


_ENDINGS: Mapping[type[Exception], tuple[Exit, Callable[[Exception], str]]] = MappingProxyType(
    {
        InvalidInput: (Exit.INVALID, _findings),
        LedgerInUse: (Exit.STOPPED, str),
        CallsheetError: (Exit.STOPPED, str),
        typer.Abort: (Exit.INTERRUPTED, lambda _: "interrupted"),
        typer.TyperException: (Exit.INVALID, _usage),
    }
)
