"""Clips below a campaign's folder that no item owns any more: removed products, old layouts, takes.

What a file is, its bytes tell: a clip that the ledger or the store knows was made here, whatever it
is called, and everything else is somebody's own. Nothing is deleted: a file is renamed to a place
in the root's state folder, once the store has its bytes.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from pipeline.api.campaign_plan import dry_run, require_admitted
from pipeline.api.campaign_request import usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.report_files import folder_of
from pipeline.api.roots import open_for_work
from pipeline.file_content import VIDEO_FORMATS, clip_extension, file_sha256
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from pipeline.storage.fs import STATE_FOLDER, writing

_CLEANED = "cleaned"
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanFile:
    """A clip at a path that no item of the manifest has."""

    path: str
    """Relative to the root, with `/`."""
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanResult:
    """What cleaning a campaign came to."""

    folder: Path | None
    """Below it each file keeps its path; None where nothing was moved."""
    moved: tuple[OrphanFile, ...]
    kept: tuple[OrphanFile, ...]
    """Files that an item owns by now, or that changed or went since they were listed."""


def find_orphans(campaign: LoadedCampaign) -> tuple[OrphanFile, ...]:
    """Return the clips below a campaign's folder that no item of its manifest owns, by path.

    The report's files are not looked at. InvalidInput if the manifest has errors, or nothing was
    made; LedgerLost where the ledger is gone.
    """
    root = campaign.request.home
    ledger = Ledger.reader(root, kind=campaign.request.kind)
    if ledger is None:
        raise usage(f"nothing was made in {root}")
    with ledger:
        stored = {clip.stem for clip in Store(root).clips()}
        owned = _owned_paths(campaign)
        found = []
        for file in _clip_files(campaign):
            path = file.relative_to(root).as_posix()
            if _fold(path) in owned:
                continue
            # It may go away meanwhile.
            with suppress(OSError):
                sha256, size = file_sha256(file), file.stat().st_size
                if sha256 in stored or ledger.is_known_clip(sha256):
                    found.append(OrphanFile(path=path, sha256=sha256, bytes=size))
        return tuple(sorted(found, key=lambda each: each.path))


def clean_campaign(
    campaign: LoadedCampaign,
    orphans: Sequence[OrphanFile],
    *,
    now: datetime,
    notify: Callable[[str], None] = lambda _: None,
) -> CleanResult:
    """Move orphans to `.callsheet/cleaned/<date>`, and remove folders that this empties.

    No run can be at work meanwhile, and each file is looked at once more. Killed half-way, some
    files are moved and the others are not. LedgerInUse while another process works in the root.
    """
    root = campaign.request.home
    moved, kept, folder = [], [], None
    with open_for_work(campaign.request, notify=notify) as ledger:
        owned = _owned_paths(campaign)
        for orphan in orphans:
            file = root / orphan.path
            if _fold(orphan.path) in owned or not _is_safe_in_store(file, orphan, ledger, root):
                kept.append(orphan)
                continue
            folder = folder or _make_folder(root, now)
            target = folder / orphan.path
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                file.rename(target)
            moved.append(orphan)
            _remove_empty(file.parent, campaign.folder)
    return CleanResult(folder=folder, moved=tuple(moved), kept=tuple(kept))


def _is_safe_in_store(file: Path, orphan: OrphanFile, ledger: Ledger, root: Path) -> bool:
    """Tell whether a file is what was listed, and see to it that the store has its bytes.

    A file that goes away from its output path may be the last whole copy of what was paid for.
    """
    store = Store(root)
    try:
        if file.is_symlink() or file_sha256(file) != orphan.sha256:
            return False
        extension = clip_extension(file)
        stored = store.path(orphan.sha256, extension)
        if stored.is_file() and file_sha256(stored) == orphan.sha256:
            return True
        if not store.keep_clip(file, orphan.sha256, extension):
            return False
    except FileNotFoundError:
        return False
    ledger.sign(orphan.sha256, store.signature(orphan.sha256, extension))
    return True


def _owned_paths(campaign: LoadedCampaign) -> frozenset[str]:
    """Return the output path of every item of the manifest as it is now, folded."""
    found: set[str] = set()
    after = -1
    # A foreign file at an output path is a matter of the next run.
    with dry_run(campaign, files=False) as (summary, ledger):
        require_admitted(summary, campaign)
        while page := ledger.views(campaign=campaign.name, after=after, limit=_PAGE):
            found.update(_fold(view.path) for view in page)
            after = page[-1].position
    return frozenset(found)


def _clip_files(campaign: LoadedCampaign) -> Iterator[Path]:
    """Yield the regular files below a campaign's folder that are videos by their first bytes."""
    report = folder_of(campaign)
    for place, folders, names in os.walk(campaign.folder):
        # The report's files stay, and another root's are of that one's ledger.
        if Path(place) == report or STATE_FOLDER in folders:
            folders.clear()
            continue
        for name in names:
            file = Path(place, name)
            if not file.is_symlink() and file.is_file() and _is_video(file):
                yield file


def _is_video(file: Path) -> bool:
    """Tell whether a file may be a clip; what cannot be read is not known to be ours."""
    try:
        return clip_extension(file) in VIDEO_FORMATS
    except OSError:
        return False


def _make_folder(root: Path, now: datetime) -> Path:
    """Make the folder of one cleaning: a second one on the same day overwrites nothing."""
    parent = root / STATE_FOLDER / _CLEANED
    with writing(parent):
        parent.mkdir(exist_ok=True)
        names = (f"{now:%Y-%m-%d}{f'-{n}' if n > 1 else ''}" for n in count(1))
        folder = next(parent / name for name in names if not (parent / name).exists())
        folder.mkdir()
    return folder


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those above it that are empty by now, below the campaign's own."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _fold(path: str) -> str:
    """Return a path as a disk that knows no case and one form of each letter compares it."""
    return unicodedata.normalize("NFC", path).casefold()
