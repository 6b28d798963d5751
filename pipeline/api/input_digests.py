"""Digests of all that a plan is made from: equal ones make an equal plan.

A file counts by its bytes, whatever its size and times; a row by its values and its line. What is
forgotten here would leave an old plan standing, so whole files are taken in rather than what seems
to matter in them, and where something cannot be compared there are no inputs at all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipeline
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.price_list import price_list
from pipeline.domain import PricedItem, Row
from pipeline.domain.item import Alike
from pipeline.domain.lock import LockMemory
from pipeline.findings import Finding
from pipeline.media.inspection_log import InspectionLog
from pipeline.plan import keys
from pipeline.plan.media_checks import licence_faults
from pipeline.providers import PLUGIN_RATES
from pipeline.run.plan_inputs import PlanInputs

_ROW_BYTES = 16
_LIBRARIES = ("jinja2", "pandas", "pillow", "av", "orjson")
"""Whose next version may render, read or make other than this one."""


def plan_inputs(
    campaign: LoadedCampaign,
    log: InspectionLog,
    *,
    quotes: Mapping[Alike, Decimal],
    memory: LockMemory,
    has_decisions: bool,
    plan_rows: Callable[[frozenset[tuple[str, str]]], Iterable[PricedItem | Finding]],
) -> PlanInputs | None:
    """Return what the whole plan of a campaign is made from; None where that cannot be compared.

    `log` is what looks at its pictures, also for `plan_rows`, which plans some rows alone. Not
    compared are: decisions (which take an approval keeps follows from the ledger as
    well, and from what was lost of it), loops of takes, takes of the lock file, clips whose takes
    it has moved, and providers from other packages.
    """
    request, manifest = campaign.request, campaign.manifest
    unlike = request.provider or request.locked or campaign.left_out
    if unlike or has_decisions or manifest.budget.accepts or memory.moved or PLUGIN_RATES:
        return None
    today = datetime.now(UTC).date()
    parts: list[object] = [
        _code(),
        keys.RECIPE,
        price_list(),
        *(os.path.abspath(path) for path in (request.manifest, request.home, Path())),  # noqa: PTH100 - a link stays
        (str(request.manifest), str(manifest.folder), str(request.home)),
        (campaign.name, request.overrides, request.profile_name),
        sorted(_files(campaign).items()),
        [
            (name, table.alias, table.key, table.columns, str(table.path), table.complete)
            for name, table in sorted(manifest.tables.items())
        ],
        [(len(table.rows), len(table.faulty)) for _, table in sorted(manifest.tables.items())],
        sorted((repr(alike), usd) for alike, usd in quotes.items()),
        [fault for shot in manifest.shots for fault in licence_faults(shot, today)],
    ]

    def read() -> Mapping[str, Any]:
        return {"media": log.answers(), "reassigned": campaign.reassignments.plain()}

    def agrees(read: Mapping[str, Any]) -> bool:
        if not log.agrees(read["media"]):
            return False
        campaign.reassignments.restore(read["reassigned"])
        return True

    rows = b"".join(row_digests(campaign))
    return PlanInputs(
        digest=_digest(repr(parts)),
        rows=rows,
        findings=campaign.findings,
        read=read,
        agrees=agrees,
        changed_rows=lambda before: _changed_rows(campaign, before, rows),
        plan_rows=plan_rows,
    )


def _changed_rows(
    campaign: LoadedCampaign, before: bytes, now: bytes
) -> frozenset[tuple[str, str]] | None:
    """Return shot and row key of the rows whose digest is another; None for more or fewer rows."""
    if len(before) != len(now):
        return None
    shots: dict[str, list[str]] = {}
    for shot in campaign.manifest.shots:
        shots.setdefault(shot.table or "", []).append(shot.id)
    every = (
        (shots.get(name, ()), row.key)
        for name, table in sorted(campaign.manifest.tables.items())
        for row in table.rows
    )
    return frozenset(
        (shot, key)
        for at, (of_table, key) in zip(range(0, len(now), _ROW_BYTES), every, strict=True)
        if before[at : at + _ROW_BYTES] != now[at : at + _ROW_BYTES]
        for shot in of_table
    )


def row_digests(campaign: LoadedCampaign) -> Iterator[bytes]:
    """Yield a digest of each row: of its values, its line, and what steers it.

    Where in its line a cell begins is no part of it: only findings tell that.
    """
    for _, table in sorted(campaign.manifest.tables.items()):
        for row in table.rows:
            yield _row_digest(row)


def _row_digest(row: Row) -> bytes:
    lines = _lines(row.values)
    steering = sorted((name, value.data) for name, value in row.steering.items())
    told = repr((row.key, row.span, steering, str(row.folder), lines))
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=_ROW_BYTES).digest()


def _lines(values: Mapping[str, Any]) -> Sequence[Any]:
    """Return the values of a row, and those of the lines that were grouped into it."""
    own = tuple(values.values())
    lines = values["rows"]
    return own if len(lines) == 1 else (own, *(tuple(line.values()) for line in lines))


def _files(campaign: LoadedCampaign) -> dict[str, str]:
    """Return the digests of the files that were read, without the tables whose rows are shots'."""
    folder = campaign.request.manifest.parent
    tables = {
        Path(os.path.relpath(table.path, folder)).as_posix()
        for table in campaign.manifest.tables.values()
    }
    return {name: digest for name, digest in campaign.inputs.items() if name not in tables}


@cache
def _code() -> tuple[object, ...]:
    """Return what the programs are that plan: versions, and the files of this package."""
    root = Path(pipeline.__file__).parent
    files = sorted(_sources(root))
    return (*(version(name) for name in ("callsheet", *_LIBRARIES)), _digest(repr(files)))


def _sources(folder: Path) -> Iterable[tuple[str, int, int]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for name in names:
            status = Path(place, name).stat()
            yield (f"{place}/{name}", status.st_size, status.st_mtime_ns)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
