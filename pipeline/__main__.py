"""`python -m pipeline` and the command `callsheet`: both begin here.

Signals are minded before anything else is loaded: the imports take most of a short command's time,
and nothing has begun that would have to end in order.
"""

from __future__ import annotations

import os
import signal

# 128 and the signal's number, as shells have it; a terminal that was closed ends like a SIGTERM.
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}


def main() -> None:
    """Run the command line of this process and end it with the exit code."""
    for number, code in _CODES.items():
        # `nohup` and a shell's jobs in the background ignore them on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_, code=code: os._exit(code))
    from pipeline.cli import main as run_command_line  # noqa: PLC0415 - see above

    run_command_line()


if __name__ == "__main__":
    main()
