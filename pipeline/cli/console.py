"""All that the command line prints passes here or a `TerminalConsole`; nothing else prints.

What comes from outside is text: never markup, never a control sequence. A reader that goes away,
a closed stream and a terminal without Unicode end nothing: the work goes on unseen.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import signal
import stat
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TextIO

import typer

from pipeline.foreign_text import escape, printable

_STANDARD = 3
_STDOUT, _STDERR = 1, 2
_IN_ESCAPES = "callsheet-escapes"
_IN_ASCII: Mapping[str, str] = MappingProxyType(
    {"·": "-", "→": "->", "━": "=", "╍": "-", "…": "...", "×": "x"} | dict.fromkeys("“”", '"')
)
"""What stands for our own signs where a terminal has none of them."""


def print_text(text: str, *, end: str = "\n", flush: bool = False) -> None:
    """Print text to standard output; `flush` it where somebody waits for the line."""
    print(printable(text), end=end, flush=flush)


def print_error(text: str) -> None:
    """Print text to standard error."""
    print(printable(text), file=sys.stderr)


def print_error_from_signal(text: str) -> None:
    """Write text to standard error from a signal handler, which may have interrupted a print."""
    try:
        # Past the stream: a buffered writer that was interrupted refuses to be entered again.
        os.write(_STDERR, f"{printable(text)}\n".encode())
    except OSError:
        return


def confirm(question: str, *, default: bool, to_stderr: bool) -> bool:
    """Return what a person answers; a signal ends the waiting, whenever it comes.

    typer.Abort where there is no answer to come.
    """
    choices = "[Y/n]" if default else "[y/N]"
    while True:
        stream = sys.stderr if to_stderr else sys.stdout
        print(printable(f"{question} {choices}: "), end="", file=stream, flush=True)
        _wait_for_input()
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        answer = {"y": True, "yes": True, "n": False, "no": False, "": default}.get(
            line.strip().lower()
        )
        if answer is not None:
            return answer
        print("answer y or n", file=stream)


def _wait_for_input() -> None:
    """Return once standard input has something, or a signal was taken.

    `read` alone would not do: a signal that comes after the interpreter has looked for one, and
    before the system call, is not seen until a line was typed.
    """
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    try:
        before = signal.set_wakeup_fd(waking)
    except ValueError:
        # Not in the main thread, which alone is told of signals.
        before = None
    try:
        select.select([sys.stdin, woken], [], [])
    except (OSError, ValueError):
        # Standard input is no file, as where it was replaced: there is nothing to wait for.
        pass
    finally:
        if before is not None:
            signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waking)


class ResilientOutput(io.FileIO):
    """A standard stream that takes everything, also when nobody reads it any more.

    `fault` is why it could not be written, unless its reader went away on purpose.
    """

    gone = False
    fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write some of the data, or drop it where it cannot be written."""
        while True:
            try:
                written = super().write(data)
            except OSError as fault:
                # What follows goes nowhere. A terminal that was closed reports an input/output
                # error, a pipe without a reader EPIPE: neither is worth a word.
                self.gone = True
                terminal = stat.S_ISCHR(os.fstat(self.fileno()).st_mode)
                if fault.errno != errno.EPIPE and not (terminal and fault.errno == errno.EIO):
                    self.fault = fault
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)
                return len(data)
            if written is not None:
                return written
            # Whoever shares the stream made it non-blocking: wait until there is room.
            select.select([], [self.fileno()], [])


def open_standard_streams() -> None:
    """Make the streams of this process such that printing never fails.

    Standard streams that are closed are opened to nowhere first: else the next file that is
    opened, the ledger perhaps, would get their number and what is printed.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) < _STANDARD:
        pass
    os.close(opened)
    codecs.register_error(_IN_ESCAPES, _spell_out)
    sys.stdout = _stream(_STDOUT, sys.stdout)
    sys.stderr = _stream(_STDERR, sys.stderr)


def person_is_there() -> bool:
    """Tell whether somebody sits at a terminal and can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_unread() -> bool:
    """Tell whether standard output goes nowhere since its reader went away (`| head`)."""
    raw = _raw(sys.stdout)
    return raw is not None and raw.gone


def unwritten_output() -> OSError | None:
    """Return why something that was printed could not be written; None if all was, or unread."""
    found: OSError | None = None
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        raw = _raw(stream)
        found = found or (raw.fault if raw else None)
    return found


def _raw(stream: TextIO) -> ResilientOutput | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, ResilientOutput) else None


def _stream(number: int, old: TextIO | None) -> TextIO:
    # Never closed: its number would go to the next file that is opened, the ledger perhaps.
    buffered = io.BufferedWriter(ResilientOutput(number, "wb", closefd=False))
    return io.TextIOWrapper(
        buffered,
        encoding=old.encoding if old else "utf-8",
        errors=_IN_ESCAPES,
        line_buffering=number == _STDERR or os.isatty(number),
    )


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    """Return how a terminal without these characters shows them (codecs.register_error)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(each) or escape(each) for each in characters), error.end
