"""A process that looks into clips, one after another: `python -m pipeline.media.clip_worker`.

It is asked and answers by one line of JSON each, and ends with its standard input: when the run
ends, however that ends. What it cannot answer ends it too; `ClipWorkers` sees to that.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import MediaFault
from pipeline.media.video import probe_with_poster


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Return what a clip measures, or why it is none; its poster is written by then."""
    try:
        media = probe_with_poster(Path(job["path"]), Path(job["poster"]), digest=job["sha256"])
    except MediaFault as fault:
        return {"fault": [fault.slug, fault.message, fault.hint]}
    return {"media": asdict(media)}


def main() -> None:
    """Answer every line of standard input."""
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(answer(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
