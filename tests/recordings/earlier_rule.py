"""A campaign that code with recipe 1 made, as that code left it: its files, its ledger, its clips.

`spin[a]` and `spin[b]` were made by Runware under the ratio "auto" and came out square, the rest by
inference.sh; `failed` failed after it was taken. Nothing of it is ever recorded again.
"""

from __future__ import annotations

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
    for clip in (_HERE / "store").iterdir():
        place = hidden / "store" / clip.name[:2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)
    with closing(sqlite3.connect(hidden / "ledger.db")) as ledger:
        ledger.executescript((_HERE / "ledger.sql").read_text("utf-8"))
    return folder / "campaign.yaml", root
