"""argv in, text and exit code out: the only code that prints, one file per command."""

from __future__ import annotations

import sys

from pipeline.cli.command_line import invoke
from pipeline.cli.console import open_standard_streams, print_error, unwritten_output
from pipeline.cli.interrupts import leave_on_signals, leave_quietly_on_signals
from pipeline.domain.states import Exit

__all__ = ["invoke", "main"]


def main() -> None:
    """Run the command line of this process and end it with the exit code."""
    open_standard_streams()
    leave_on_signals()
    code = invoke(sys.argv[1:])
    leave_quietly_on_signals()
    fault = unwritten_output()
    if fault is not None:
        print_error(f"not all of the output could be written: {fault.strerror}")
        code = code or Exit.STOPPED
    sys.exit(code)
