"""Python's collector of cycles, kept from work that makes none: the one place of that rule.

It looks through all that is held, again and again while that grows. Of rows, items and records,
which have no cycles, that was a tenth of a plan, a third of a report and half of a table's reading.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python from looking for cycles meanwhile; it may also decorate a function."""
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
