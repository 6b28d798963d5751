"""A render worker: one JSON line in, one job done, one JSON line out, until the input ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pipeline.sandbox.render.encode import probed, rendered

_POLITENESS = 10


def main() -> None:
    """Do jobs until the standard input is closed."""
    os.nice(_POLITENESS)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(_answer(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


def _answer(job: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if job["job"] == "probe":
            return probed(Path(job["path"]))
        rendered(job["reel"], uploads=Path(job["uploads"]), path=Path(job["path"]))
    except Exception as error:  # noqa: BLE001 - whatever it is, the asking side must be told
        return {"error": f"{type(error).__name__}: {error}"}
    return {"path": job["path"]}


if __name__ == "__main__":
    main()
