"""A sidecar beside each clip at its output path: what it is, for whoever gets the clip alone."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Record
from pipeline.domain.records import IN_ROOT
from pipeline.findings import has_errors
from pipeline.report.sidecar import SUFFIX, Origins, clip_of, is_of, is_sidecar, to_sidecar
from pipeline.storage.fs import beside

_MOST_BYTES = 1 << 20
"""A file that is larger is no sidecar."""


def write_sidecars(campaign: LoadedCampaign, records: Iterable[Record]) -> None:
    """Write the sidecar of each clip that has none, or has that of another clip.

    A clip that is in the store alone has none: that of a clip that was taken out is removed.
    One that is there stays as it was when its clip was placed. A file of that name that is no
    sidecar of ours stays as well. `records` must have been read with their works.
    """
    if has_errors(campaign.findings):
        # A table that cannot be read has no digest: which one a clip was made by is not known.
        return
    origins = Origins(
        version=version("callsheet"),
        rehearsal=campaign.request.rehearse,
        inputs=campaign.inputs,
    )
    for record in records:
        # An approved clip that stays is not what the manifest, and so the record, asks for now.
        if record.path is None or record.stale:
            continue
        laid_out = not record.path.startswith(IN_ROOT)
        clip = campaign.folder / (record.path if laid_out else record.output)
        # Like a poster it is beside what was made: for want of one no run fails.
        with suppress(OSError):
            target = clip.with_name(f"{clip.name}{SUFFIX}")
            if not laid_out:
                # Its clip is in the store alone, or was taken out: so is what told of it.
                if target.is_file() and is_of(target.read_bytes(), record):
                    target.unlink()
            elif _is_wanted(target, record) and clip.is_file():
                _replace(target, to_sidecar(record, origins))


def sidecar_of(clip: Path, sha256: str) -> Path | None:
    """Return the sidecar beside a clip, if Callsheet wrote one there about these bytes."""
    place = clip.with_name(f"{clip.name}{SUFFIX}")
    with suppress(OSError):
        found = place.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_BYTES:
            return place if clip_of(place.read_bytes()) == sha256 else None
    return None


def _is_wanted(target: Path, record: Record) -> bool:
    try:
        found = target.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
        return False
    content = target.read_bytes()
    # A loss of power may leave an empty one: its bytes are not waited for.
    return not content or (is_sidecar(content) and not is_of(content, record))


def _replace(target: Path, content: bytes) -> None:
    part = beside(target)
    try:
        with part.open("xb") as file:
            file.write(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
