"""The files of a report, beside the clips: each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import copyfile
from urllib.parse import quote

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Manifest, Record, Table
from pipeline.manifest.used_cells import used_columns
from pipeline.report.formats import encode_for_spreadsheets, label_posters, to_csv, to_json
from pipeline.report.html import poster_path, to_html
from pipeline.report.junit import to_junit
from pipeline.report.markdown import to_markdown
from pipeline.report.page_data import PageSource
from pipeline.report.summary import Report
from pipeline.report.table_results import to_results
from pipeline.storage.blobs import Store
from pipeline.storage.fs import writing

FOLDER = "report"
Records = Callable[[], Iterable[Record]]
Lines = Callable[[Report, Records], Iterator[str | bytes]]


def folder_of(campaign: LoadedCampaign) -> Path:
    """Return where the report's files are."""
    return campaign.folder / FOLDER


def write_files(report: Report, campaign: LoadedCampaign, records: Records) -> None:
    """Write every file of the report; the posters beside the page are put there first."""
    folder = folder_of(campaign)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    posters = write_posters(campaign, records())
    for name, lines in _files(campaign, posters).items():
        part = _part(folder / name)
        with writing(folder / name):
            with part.open("wb") as file:
                # Each file streams the records anew: all of them are never held.
                for line in lines(report, records):
                    file.write(line if isinstance(line, bytes) else line.encode())
            part.replace(folder / name)
    if posters:
        # Pillow is slow to load: only where there is a picture.
        from pipeline.media.contact_sheets import write_contact_sheets  # noqa: PLC0415 - see above

        clips = label_posters(records(), posters, lambda sha256: folder / poster_path(sha256))
        # Like a poster it is beside what was made: for want of a picture no run fails.
        with suppress(OSError):
            write_contact_sheets(folder, clips)


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


def write_posters(campaign: LoadedCampaign, records: Iterable[Record]) -> frozenset[str]:
    """Put the posters of the clips beside the page; return the digests of those that have one.

    They were made when the clips were verified: nothing is decoded here. What lies beside the page
    already stays: an earlier version made some there alone.
    """
    folder, store = folder_of(campaign), Store(campaign.request.home)
    found = set[str]()
    for sha256 in {record.sha256 for record in records if record.sha256 and record.path}:
        target = folder / poster_path(sha256)
        # A clip without one is in the report as what it is; it has no picture.
        with suppress(OSError):
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                part = _part(target)
                copyfile(store.poster(sha256), part)
                part.replace(target)
            found.add(sha256)
    return frozenset(found)
