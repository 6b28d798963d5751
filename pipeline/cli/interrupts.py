"""What Ctrl-C, SIGTERM and SIGHUP do: end a command at once, or a run in order.

A run that is told to stop submits nothing more, collects what is in flight and reports; told
again it leaves at once. Both lose nothing: what was sent is in the ledger.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

import typer

from pipeline.cli.console import print_error_from_signal
from pipeline.domain.states import Exit

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOPPING = "stopping: what is in flight is collected; again to leave"
INTERRUPTED = "interrupted; what was paid for is in the ledger, run again to continue"
_Handler = Callable[[int, FrameType | None], None]


class Interrupted(BaseException):
    """A signal ended the command; like KeyboardInterrupt, nothing on the way may catch it."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)


def exit_of(number: int) -> Exit:
    """Return the exit code of what a signal ended."""
    return Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED


def leave_on_signals() -> None:
    """End a command that a signal interrupts, with the exit code that says so."""

    def leave(number: int, _: FrameType | None) -> None:
        raise Interrupted(exit_of(number))

    _install(leave)
    # Raised where nobody can catch it (a finaliser), it would be printed and the signal lost.
    usual = sys.unraisablehook

    def unraisable(told: Any) -> None:
        if isinstance(told.exc_value, Interrupted):
            print_error_from_signal(INTERRUPTED)
            os._exit(told.exc_value.code)
        usual(told)

    sys.unraisablehook = unraisable


def leave_quietly_on_signals() -> None:
    """End the process at once at a signal: its work is done, or has not begun."""
    _install(lambda number, _: os._exit(exit_of(number)))


def confirm(question: str, *, default: bool, to_stderr: bool) -> bool:
    """Return what a person answers; a signal ends the waiting, whenever it comes.

    typer.Abort where there is no answer to come.
    """
    choices = "[Y/n]" if default else "[y/N]"
    while True:
        typer.echo(f"{question} {choices}: ", nl=False, err=to_stderr)
        _wait_for_input()
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        answer = {"y": True, "yes": True, "n": False, "no": False, "": default}.get(
            line.strip().lower()
        )
        if answer is not None:
            return answer
        typer.echo("Error: invalid input", err=to_stderr)


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


class Steered(Protocol):
    """What can be told to stop in order, or to leave."""

    def stop(self) -> None: ...  # noqa: D102
    def cancel(self) -> None: ...  # noqa: D102


class StopRequest:
    """What a run was told by signals: nothing, to stop in order, or to leave."""

    def __init__(self) -> None:
        self._number = 0
        self._times = 0
        self._stop: Callable[[], object] | None = None
        self._leave: Callable[[], object] | None = None

    @property
    def exit(self) -> Exit:
        """The exit code of a run that did not finish for it."""
        return exit_of(self._number or signal.SIGINT)

    def take(self, number: int, _: FrameType | None = None) -> None:
        """Take a signal: the first stops, the second leaves, a third does not wait for that."""
        self._times += 1
        # The exit code is that of the first signal: what follows only hastens the same end.
        self._number = self._number or number
        if self._times == 1:
            print_error_from_signal(_STOPPING)
            if self._stop is not None:
                self._stop()
        elif self._leave is None:
            # No run to hand it to, as when the report is being written: this is the way out.
            raise Interrupted(self.exit)
        elif self._times == 2:  # noqa: PLR2004 - the second
            self._leave()
        else:
            os._exit(self.exit)

    @contextmanager
    def steering(self, run: Steered) -> Iterator[None]:
        """Hand on to a run in this event loop what is taken meanwhile, and what was before."""
        import asyncio  # noqa: PLC0415 - not every command is a run

        # A handler comes between any two steps of the loop, and may have to wake it.
        call = asyncio.get_running_loop().call_soon_threadsafe
        self._stop, self._leave = lambda: call(run.stop), lambda: call(run.cancel)
        if self._times:
            run.stop()
        try:
            yield
        finally:
            self._stop = self._leave = None


@contextmanager
def stopping_in_order() -> Iterator[StopRequest]:
    """Yield what takes the signals of a run, from its first request to its report."""
    request = StopRequest()
    before = _install(request.take)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _install(handler: _Handler) -> dict[int, Any]:
    """Set a handler for each signal that is not ignored (nohup, a shell's background job)."""
    usual = {number: signal.getsignal(number) for number in SIGNALS}
    minded: dict[int, Any] = {
        number: old for number, old in usual.items() if old is not signal.SIG_IGN
    }
    for number in minded:
        signal.signal(number, handler)
    return minded
