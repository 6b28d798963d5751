"""A process that has ended, by the name that others on its machine would have known it by."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

_SAY_NAME = "from pipeline.ledger.processes import name_process; print(name_process())"


@cache
def name_ended_process() -> str:
    """Return the name of a real process that was here, and is gone."""
    words = [sys.executable, "-c", _SAY_NAME]
    name = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    assert name, "this system does not say what a process is"
    return name
