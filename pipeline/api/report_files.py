"""The files of a report, beside the clips: each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Manifest, Record, Table
from pipeline.errors import MediaFault
from pipeline.manifest.used_cells import used_columns
from pipeline.report.formats import encode_for_spreadsheets, to_csv, to_json
from pipeline.report.html import poster_path, to_html
from pipeline.report.junit import to_junit
from pipeline.report.markdown import to_markdown
from pipeline.report.page_data import PageSource
from pipeline.report.summary import Report
from pipeline.report.table_results import to_results
from pipeline.storage.fs import writing

FOLDER = "report"
_AT_ONCE = 4
"""Posters made at once; the decoder runs without Python's lock."""
Records = Callable[[], Iterable[Record]]
Lines = Callable[[Report, Records], Iterator[str | bytes]]


def folder_of(campaign: LoadedCampaign) -> Path:
    """Return where the report's files are."""
    return campaign.folder / FOLDER


def write_files(report: Report, campaign: LoadedCampaign, records: Records) -> None:
    """Write every file of the report; posters of clips that have none are made first."""
    folder = folder_of(campaign)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    posters = write_posters(folder, records())
    for name, lines in _files(campaign, posters).items():
        part = _part(folder / name)
        with writing(folder / name):
            with part.open("wb") as file:
                # Each file streams the records anew: all of them are never held.
                for line in lines(report, records):
                    file.write(line if isinstance(line, bytes) else line.encode())
            part.replace(folder / name)


def has_report(campaign: LoadedCampaign) -> bool:
    """Tell whether every file of the report is there, and none was left half written."""
    files = [folder_of(campaign) / name for name in _files(campaign)]
    return all(file.is_file() and not _part(file).exists() for file in files)


def report_paths(campaign: LoadedCampaign) -> tuple[str, ...]:
    """Return where the report is: its page, then its other files in one line for a shell."""
    page, *others = _files(campaign)
    folder = folder_of(campaign)
    return (str(folder / page), f"{folder}/{{{','.join(others)}}}")


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _files(campaign: LoadedCampaign, posters: frozenset[str] = frozenset()) -> Mapping[str, Lines]:
    """Return how each file of the report is written, by its name."""
    manifest = campaign.manifest
    tables = tables_of(manifest)
    shots_of: dict[str, set[str]] = {}
    for shot, table in tables.items():
        shots_of.setdefault(table.name, set()).add(shot)
    # Whoever has the tables opens the report as well: with the delimiter that they agree on.
    marks = {table.delimiter for table in tables.values()}
    delimiter = marks.pop() if len(marks) == 1 else ","
    return {
        "index.html": lambda report, records: iter(
            (to_html(report, records(), page_source(campaign, posters)),)
        ),
        "report.json": lambda report, records: to_json(report, records()),
        "report.csv": partial(_csv, delimiter),
        "report.md": lambda report, _: iter((to_markdown(report),)),
        "junit.xml": lambda report, records: to_junit(report, records()),
        **{
            f"results.{name}.csv": partial(_results, manifest.tables[name], shots)
            for name, shots in shots_of.items()
        },
    }


def tables_of(manifest: Manifest) -> Mapping[str, Table]:
    """Return the table of each shot that has one, by the shot."""
    return {
        shot.id: manifest.tables[shot.table]
        for shot in manifest.shots
        if shot.table is not None and shot.table in manifest.tables
    }


def page_source(campaign: LoadedCampaign, posters: frozenset[str]) -> PageSource:
    """Return what the page in the report's folder shows beside the records."""
    manifest, tables = campaign.manifest, tables_of(campaign.manifest)
    used: dict[str, set[str]] = {}
    for shot in manifest.shots:
        if shot.id in tables:
            table = tables[shot.id]
            used.setdefault(table.name, set()).update(used_columns(shot, table))
    folder = folder_of(campaign)
    return PageSource(
        posters=posters,
        tables=tables,
        used=used,
        # From the page on, so that project and root may be moved together.
        href=lambda path: quote(os.path.relpath(path, folder)),
        limit_usd=manifest.budget.limit_usd,
    )


def _results(table: Table, shots: set[str], _: Report, records: Records) -> Iterator[bytes]:
    yield from encode_for_spreadsheets(to_results(table, records(), shots), table.encoding)


def _csv(delimiter: str, _: Report, records: Records) -> Iterator[bytes]:
    yield from encode_for_spreadsheets(to_csv(records(), delimiter))


def write_posters(folder: Path, records: Iterable[Record]) -> frozenset[str]:
    """Make the posters that are missing; return the content hashes of all clips that have one."""
    clips = {
        record.sha256: folder.parent / record.path
        for record in records
        if record.sha256 and record.path
    }

    def make(sha256: str, clip: Path) -> str:
        # FFmpeg is slow to load: only where a clip has no poster yet.
        from pipeline.media.posters import write_poster  # noqa: PLC0415 - see above

        target = folder / poster_path(sha256)
        try:
            if not target.is_file():
                write_poster(clip, target)
        except (MediaFault, OSError):
            # A clip that does not play is in the report as what it is; it has no picture.
            return ""
        return sha256

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(make, clips.keys(), clips.values())
        return frozenset(sha256 for sha256 in made if sha256)
