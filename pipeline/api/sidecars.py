"""A sidecar beside each clip at its output path: what it is, for whoever gets the clip alone."""

from __future__ import annotations

import os
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
    folder = str(campaign.folder)
    for record in records:
        target = _sidecar(folder, record)
        # Like a poster it is beside what was made: for want of one no run fails.
        with suppress(OSError):
            if target is None or not _is_due(target, record):
                continue
            if is_laid_out(record):
                _replace(Path(target), to_sidecar(record, origins))
            else:
                # Its clip is in the store alone, or was taken out: so is what told of it.
                Path(target).unlink()


def is_sidecar_due(folder: str, record: Record) -> bool:
    """Tell whether the sidecar of an item's clip is to be written, or removed.

    `folder` is the campaign's.
    """
    target = _sidecar(folder, record)
    with suppress(OSError):
        return target is not None and _is_due(target, record)
    return False


def is_laid_out(record: Record) -> bool:
    """Tell whether an item's clip is at its output path, and not in the store alone."""
    return record.path is not None and not record.path.startswith(IN_ROOT)


def sidecar_of(clip: Path, sha256: str) -> Path | None:
    """Return the sidecar beside a clip, if Callsheet wrote one there about these bytes."""
    place = clip.with_name(f"{clip.name}{SUFFIX}")
    with suppress(OSError):
        found = place.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_BYTES:
            return place if clip_of(place.read_bytes()) == sha256 else None
    return None


def _sidecar(folder: str, record: Record) -> str | None:
    """Return where the sidecar of an item's clip is, or would be; None where it has none."""
    # An approved clip that stays is not what the manifest, and so the record, asks for now.
    if record.path is None or record.stale:
        return None
    path = record.path if is_laid_out(record) else record.output
    return f"{folder}/{path}{SUFFIX}"


def _is_due(target: str, record: Record) -> bool:
    if not is_laid_out(record):
        return Path(target).is_file() and is_of(Path(target).read_bytes(), record)
    return _is_wanted(target, record) and Path(target.removesuffix(SUFFIX)).is_file()


def _is_wanted(target: str, record: Record) -> bool:
    # Asked of every clip for each report: a Path would take longer than the file.
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
        return False
    with open(target, "rb", buffering=0) as file:  # noqa: PTH123 - see above
        content = file.read()
    # A loss of power may leave an empty one: its bytes are not waited for.
    return not content or (not is_of(content, record) and is_sidecar(content))


def _replace(target: Path, content: bytes) -> None:
    with beside(target) as part:
        part.write_bytes(content)
        part.replace(target)
