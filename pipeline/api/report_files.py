"""The files of a report, beside the clips: each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Record, Table
from pipeline.errors import MediaFault
from pipeline.report.formats import to_csv, to_json
from pipeline.report.html import poster_path, to_html
from pipeline.report.junit import to_junit
from pipeline.report.markdown import to_markdown
from pipeline.report.results import to_results
from pipeline.report.summary import Report
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
    posters = _posters(folder, records())
    for name, lines in _files(campaign, posters).items():
        part = _part(folder / name)
        with writing(folder / name):
            with part.open("wb") as file:
                for line in lines(report, records):
                    file.write(line if isinstance(line, bytes) else line.encode())
            part.replace(folder / name)


def has_report(campaign: LoadedCampaign) -> bool:
    """Tell whether every file of the report is there, and none was left half written."""
    files = [folder_of(campaign) / name for name in _files(campaign)]
    return all(file.is_file() and not _part(file).exists() for file in files)


def written_files(campaign: LoadedCampaign) -> tuple[str, ...]:
    """Return where the report is: its page, then its other files in one line for a shell."""
    page, *others = _files(campaign)
    folder = folder_of(campaign)
    return (str(folder / page), f"{folder}/{{{','.join(others)}}}")


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _files(campaign: LoadedCampaign, posters: frozenset[str] = frozenset()) -> Mapping[str, Lines]:
    tables = _tables(campaign)
    return {
        "index.html": partial(_page, posters=posters, tables=tables),
        **_PLAIN,
        **{
            f"results.{table.name}.csv": partial(_results, table, tables) for table in _used(tables)
        },
    }


def _tables(campaign: LoadedCampaign) -> Mapping[str, Table]:
    """Return the table that each shot is made for."""
    manifest = campaign.manifest
    named = {shot.id: shot.table for shot in manifest.shots if shot.table in manifest.tables}
    return {shot: manifest.tables[table] for shot, table in named.items() if table}


def _used(tables: Mapping[str, Table]) -> list[Table]:
    return list({table.name: table for table in tables.values()}.values())


def _page(
    report: Report, records: Records, *, posters: frozenset[str], tables: Mapping[str, Table]
) -> Iterator[str]:
    yield to_html(report, records(), posters=posters, tables=tables)


def _results(
    table: Table, tables: Mapping[str, Table], _: Report, records: Records
) -> Iterator[str]:
    shots = {shot for shot, its in tables.items() if its.name == table.name}
    yield from to_results(table, records(), shots)


def _json(report: Report, records: Records) -> Iterator[bytes]:
    yield from to_json(report, records())


_PLAIN: Mapping[str, Lines] = MappingProxyType(
    {
        "report.json": _json,
        "report.csv": lambda _, records: to_csv(records()),
        "report.md": lambda report, _: iter((to_markdown(report),)),
        "junit.xml": lambda report, records: to_junit(report, records()),
    }
)


def _posters(folder: Path, records: Iterable[Record]) -> frozenset[str]:
    """Make the posters that are missing; return the content hashes of all clips that have one."""
    clips = {
        record.sha256: folder.parent / record.path
        for record in records
        if record.sha256 and record.path
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(lambda clip: _poster(folder, *clip), clips.items())
        return frozenset(sha256 for sha256 in made if sha256)


def _poster(folder: Path, sha256: str, clip: Path) -> str:
    # FFmpeg is slow to load: only where a clip has no poster yet.
    from pipeline.media.posters import poster  # noqa: PLC0415 - see above

    target = folder / poster_path(sha256)
    try:
        if not target.is_file():
            poster(clip, target)
    except (MediaFault, OSError):
        # A clip that does not play is in the report as what it is; it has no picture.
        return ""
    return sha256
