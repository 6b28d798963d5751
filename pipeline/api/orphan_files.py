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
from pathlib import Path

from pipeline.api.campaign_plan import dry_run, require_admitted
from pipeline.api.campaign_request import usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.report_files import folder_of
from pipeline.api.roots import open_for_work
from pipeline.api.sidecars import sidecar_of
from pipeline.file_content import VIDEO_FORMATS, clip_extension, file_sha256
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from pipeline.storage.fs import STATE_FOLDER, remove_empty, writing

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
    ledger = Ledger.reader(campaign.request.where, kind=campaign.request.kind)
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
    root, store = campaign.request.home, Store(campaign.request.home)
    moved, kept, folder = [], [], None
    with open_for_work(campaign.request, notify=notify):
        owned = _owned_paths(campaign)
        for orphan in orphans:
            file, safe = root / orphan.path, False
            with suppress(FileNotFoundError):
                safe = _fold(orphan.path) not in owned and store.secure(file, orphan.sha256)
            if not safe:
                kept.append(orphan)
                continue
            folder = folder or store.make_cleaned_folder(now)
            # Its sidecar goes with it, and first: without its clip nobody would look for it.
            for each in (sidecar_of(file, orphan.sha256), file):
                if each is None:
                    continue
                target = folder / each.relative_to(root)
                with writing(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    each.rename(target)
            moved.append(orphan)
            remove_empty(file.parent, campaign.folder)
    return CleanResult(folder=folder, moved=tuple(moved), kept=tuple(kept))


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
        for file in (Path(place, name) for name in names):
            known = ""
            # What cannot be read is not known to be ours.
            with suppress(OSError):
                known = clip_extension(file) if file.is_file() and not file.is_symlink() else ""
            if known in VIDEO_FORMATS:
                yield file


def _fold(path: str) -> str:
    """Return a path as a disk that knows no case and one form of each letter compares it."""
    return unicodedata.normalize("NFC", path).casefold()
