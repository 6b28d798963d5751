"""A render worker: one JSON line in, one job done, one JSON line out, until the input ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import orjson

from pipeline.sandbox.render.encode import probe, render

_NICENESS = 10


def main() -> None:
    """Do jobs until the standard input is closed."""
    os.nice(_NICENESS)
    for line in sys.stdin.buffer:
        job = orjson.loads(line)
        answer: dict[str, Any] = {"path": job["path"]}
        try:
            if job["job"] == "probe":
                answer = probe(Path(job["path"]))
            else:
                render(job["reel"], uploads=Path(job["uploads"]), path=Path(job["path"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the asking side must be told
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
