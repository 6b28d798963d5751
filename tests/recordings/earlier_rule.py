"""A campaign that code with recipe 1 made, as that code left it: its files and its ledger.

`spin[a]` and `spin[b]` were made by Runware under the ratio "auto" and came out square, the rest by
inference.sh; `failed` failed after it was taken. Nothing of it is ever recorded again.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

_HERE = Path(__file__).parent / "earlier"
_FILES = ("campaign.yaml", "words.csv", "front.png")
CLIPS = 6


def write_campaign(folder: Path) -> tuple[Path, Path]:
    """Write the campaign into a folder; return its manifest and its root."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        shutil.copy(_HERE / name, folder)
    root = folder / "root"
    hidden = root / ".callsheet"
    shutil.copytree(_HERE / "assets", hidden / "assets")
    for number in range(CLIPS):
        # A clip is known by its digest; nothing here plays one.
        clip = f"clip {number}\n".encode()
        sha256 = hashlib.sha256(clip).hexdigest()
        place = hidden / "store" / sha256[:2] / f"{sha256}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(clip)
    with closing(sqlite3.connect(hidden / "ledger.db")) as ledger:
        ledger.executescript((_HERE / "ledger.sql").read_text("utf-8"))
    return folder / "campaign.yaml", root
