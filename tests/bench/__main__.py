"""Run one of the measurements by its name; it exits with 1 where a target is missed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from tests.bench import clips, lanes, startup

MEASUREMENTS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "clips": clips.main,
    "lanes": lanes.main,
    "startup": startup.main,
}


def main() -> int:
    """Return the exit code of the measurement that is named first on the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in MEASUREMENTS:
        sys.stderr.write(f"usage: python -m tests.bench {'|'.join(MEASUREMENTS)}\n")
        return 3
    return MEASUREMENTS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
