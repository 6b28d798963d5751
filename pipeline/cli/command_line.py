"""The command line itself: the commands' names, and how each way of ending becomes an exit code.

A command's module is loaded when the command is typed: the list of them is known without.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.cli.console import print_error, print_text
from pipeline.cli.interrupts import INTERRUPTED, Interrupted
from pipeline.domain.states import Exit
from pipeline.errors import CallsheetError, InvalidInput, LedgerInUse
from pipeline.storage.fs import machine_fault


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """A command as the list of commands shows it."""

    about: str
    """The first paragraph of its own help (tests/unit/cli/test_app.py)."""
    is_group: bool = False


COMMANDS: Mapping[str, CommandEntry] = MappingProxyType(
    {
        "init": CommandEntry(
            about="Write a small campaign to start from: a manifest, a table, and three photos."
        ),
        "check": CommandEntry(
            about="Tell every finding of a manifest; exit 3 if any is an error. Needs no network."
        ),
        "doctor": CommandEntry(
            about="Tell whether this machine is ready for a run, and what to do; exit 12 if not."
        ),
        "plan": CommandEntry(
            about="Tell what would be made, reused and restored, and what it would cost."
        ),
        "ls": CommandEntry(
            about="List items: address, provider, status, price, and where the clip is or will be."
        ),
        "show": CommandEntry(
            about="Show one item: prompt, references, settings, key, price, and the request as it"
            " is sent."
        ),
        "why": CommandEntry(
            about="Say why an item would be made again, or not: what changed, from what to what,"
            " and where."
        ),
        "run": CommandEntry(
            about="Make every clip of a manifest that is not there yet, once, and report."
        ),
        "apply": CommandEntry(
            about="Run a saved plan exactly; where it does not hold any more, say what changed:"
            " exit 14."
        ),
        "runs": CommandEntry(
            about="List the runs of a campaign: when, how long, how much was made, what it cost,"
            " how it ended."
        ),
        "status": CommandEntry(
            about="Tell where a campaign stands, what it cost, and what to do next; exit as its"
            " run would."
        ),
        "report": CommandEntry(about="Write the report of a campaign again, from the ledger."),
        "review": CommandEntry(
            about="Serve the page of a campaign on this machine, to look at clips and decide;"
            " Ctrl-C ends it."
        ),
        "verify": CommandEntry(
            about="Read every clip of a campaign, and hold it against ledger and lock file; exit 15"
            " on damage."
        ),
        "clean": CommandEntry(
            about="Move clips that no item owns any more out of the campaign's folder, once you say"
            " yes."
        ),
        "reconcile": CommandEntry(
            about="Settle doubts and overdue clips with the provider, and collect what is finished."
        ),
        "pause": CommandEntry(
            about="Have a running run submit nothing more; what is in flight is collected."
        ),
        "resume": CommandEntry(about="Let a running run go on that was paused."),
        "concurrency": CommandEntry(
            about="Set how many clips a running run has made at once through a lane."
        ),
        "leave-out": CommandEntry(
            about="Have a running run not make an item; what was submitted is collected all the"
            " same."
        ),
        "stop": CommandEntry(
            about="Have a running run end in order: submit nothing more, and collect what is in"
            " flight."
        ),
        "approve": CommandEntry(
            about="Approve takes: each is kept as it is, whatever the manifest asks for later."
        ),
        "reject": CommandEntry(about="Reject takes, with a reason; nothing is made again by it."),
        "later": CommandEntry(about="Put off the decision on takes."),
        "reopen": CommandEntry(
            about="Take back what was decided on takes; an approved one is then made as asked for."
        ),
        "reroll": CommandEntry(
            about="Ask for one take more of an item, beside those of the manifest."
        ),
        "import": CommandEntry(about="Take in a clip that was made elsewhere as a take."),
        "diff": CommandEntry(
            about="Tell what differs between two lock files, plans or revisions: new, changed,"
            " removed, money."
        ),
        "lock": CommandEntry(
            about="Keep the lock file of a campaign: what was paid for, in Git.", is_group=True
        ),
        "providers": CommandEntry(
            about="Print what each provider can do, and at what price, from what is shipped:"
            " nothing is sent."
        ),
        "schema": CommandEntry(
            about="Print a JSON Schema: of the manifest, of the report, of a provider's request."
        ),
        "explain": CommandEntry(
            about="Say more about a finding: what it means, an example, and what to do."
        ),
        "sandbox": CommandEntry(
            about="Run the providers on loopback, for rehearsals, tests and drills."
        ),
        "ledger": CommandEntry(
            about="Check the ledger of an output root, copy it, put a copy in its place, move it,"
            " or hold a bill against it.",
            is_group=True,
        ),
        "store": CommandEntry(
            about="Work with the clips that an output root keeps.", is_group=True
        ),
    }
)
"""The commands as a person meets them, each in the module of its name."""


class CommandGroup(TyperGroup):
    """The commands by name; until one is typed, there is its entry only."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, loaded from its module; None if there is none of that name."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = cmd_name.replace("-", "_")
        app = import_module(f"pipeline.cli.commands.{module}").app
        return typer.main.get_group(app) if entry.is_group else typer.main.get_command(app)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before a command; `--version` prints it, and that is all."""
        if args[:1] in (["--version"], ["-V"]):
            from importlib.metadata import version  # noqa: PLC0415 - slow to load, seldom needed

            print_text(f"callsheet {version('callsheet')}")
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, from the table."""
        del ctx
        room = formatter.width - 6 - max(map(len, COMMANDS))
        rows = [(name, command.get_short_help_str(room)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


# Of the commands it has names and help alone: `get_command` loads the one that is typed.
callsheet = CommandGroup(
    name="callsheet",
    help="Run a YAML manifest of AI video shots as a build.",
    commands={name: TyperCommand(name, help=entry.about) for name, entry in COMMANDS.items()},
    epilog="callsheet --version prints the version.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def invoke(arguments: Sequence[str]) -> Exit:
    """Run one command line and return its exit code; a traceback is shown with --debug only."""
    debug = "--debug" in arguments
    # `--debug` may stand anywhere, and no command declares it.
    words = [word for word in arguments if word != "--debug"]
    try:
        return Exit(callsheet(args=words, prog_name="callsheet", standalone_mode=False) or Exit.OK)
    except typer.Exit as ending:
        return Exit(ending.exit_code)
    except Exception as error:  # noqa: BLE001 - the last line of defence, by design
        if debug:
            print_error(traceback.format_exc())
        return _print_fault(error)
    except (Interrupted, KeyboardInterrupt) as signalled:
        print_error(INTERRUPTED)
        return signalled.code if isinstance(signalled, Interrupted) else Exit.INTERRUPTED


def _print_fault(error: Exception) -> Exit:
    for kind, (code, text_of) in _ENDINGS.items():
        if isinstance(error, kind):
            text = text_of(error)
            if text:
                print_error(text)
            return code
    # What the machine puts in the way (a full disk, say) is no bug of ours.
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
    from pipeline.cli.finding_text import (  # noqa: PLC0415 - where there are any
        findings_count,
        findings_text,
    )

    told = findings_text(error.findings, error.sources)
    return f"{told}\n{findings_count(error.findings)}; nothing was sent"


def _usage(error: Exception) -> str:
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    # Without arguments what is told is the help itself.
    if text.startswith("Usage:"):
        return text
    context = getattr(error, "ctx", None)
    more = f"\n      {context.command_path} --help" if context else ""
    from pipeline.cli.usage_text import plain_usage  # noqa: PLC0415 - where it is wrong

    return f"usage: {plain_usage(text)}{more}"


# The first that fits counts: InvalidInput and LedgerInUse are CallsheetErrors too.
_ENDINGS: Mapping[type[Exception], tuple[Exit, Callable[[Exception], str]]] = MappingProxyType(
    {
        InvalidInput: (Exit.INVALID, _findings),
        LedgerInUse: (Exit.STOPPED, str),
        CallsheetError: (Exit.STOPPED, str),
        typer.Abort: (Exit.INTERRUPTED, lambda _: "interrupted"),
        typer.TyperException: (Exit.INVALID, _usage),
    }
)
