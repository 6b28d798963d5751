"""A process that works in a root and does not end: `holder.py ROOT`; it prints a line once in."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.ledger.repository import Ledger


def main(root: str) -> None:
    """Hold the root until standard input closes."""
    with Ledger.open(Path(root)):
        print("held", flush=True)  # noqa: T201 - how the test knows
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
