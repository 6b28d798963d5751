"""The files of a report, beside the clips: each whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryFile
from typing import IO, Self
from urllib.parse import quote

from pipeline.api.decision_file import decisions_path
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Manifest, Record, Table
from pipeline.domain.records import RecordReference
from pipeline.manifest.used_cells import used_columns
from pipeline.plan.row_groups import row_groups
from pipeline.report.formats import (
    JSON_END,
    csv_head,
    csv_record,
    encode_for_spreadsheets,
    json_head,
    json_item,
)
from pipeline.report.html import PAGE_CLIPS, POSTERS, poster_path, to_html
from pipeline.report.junit import junit_case, junit_end, junit_head
from pipeline.report.markdown import to_markdown
from pipeline.report.page_data import PageSource
from pipeline.report.summary import Report
from pipeline.report.table_results import TableResults
from pipeline.storage.blobs import Store
from pipeline.storage.fs import beside, name_beside, writing

FOLDER = "report"


def folder_of(campaign: LoadedCampaign) -> Path:
    """Return where the report's files are."""
    return campaign.folder / FOLDER


class ReportFiles:
    """The files of a report while records stream by, once for all of them.

    Nothing takes the place of an earlier report before `finish`; what was begun is dropped at the
    end of the `with`. Of the items none is held but those of the page.

        with ReportFiles(campaign) as files:
            for record in reading.records():
                files.add(record)
            files.finish(report)
    """

    def __init__(self, campaign: LoadedCampaign) -> None:
        self._campaign, self._folder = campaign, folder_of(campaign)
        self._undo = ExitStack()
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            # What must not begin before the report is known waits in files without a name.
            self._json, self._cases, self._csv = (self._begin() for _ in range(3))
        self._items = 0
        self._elements: Counter[str] = Counter()
        self._shown: list[Record] = []
        self._posters = Posters(campaign)
        self._pictures: list[tuple[str, str, str]] = []
        self._results = {
            f"results.{table.name}.csv": TableResults(table, shots)
            for table, shots in _shots_of(campaign.manifest)
        }
        self._delimiter = _delimiter(campaign.manifest)

    def _begin(self) -> IO[bytes]:
        return self._undo.enter_context(TemporaryFile(dir=self._folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # On a full disk their last bytes find no room: they are dropped anyway.
        with suppress(OSError):
            self._undo.close()

    def add(self, record: Record) -> None:
        """Take in one more item."""
        with writing(self._folder):
            self._json.write(b",\n    " if self._items else b"\n    ")
            self._json.write(json_item(record))
            self._csv.write(csv_record(record, self._delimiter).encode())
            if record.loop is None:
                element, case = junit_case(record)
                self._elements[element] += 1
                self._cases.write(case.encode())
        self._items += 1
        for results in self._results.values():
            results.add(record)
        if self._posters.put(record):
            self._pictures.append((record.shot, record.address, poster_path(record.sha256)))
        if len(self._shown) < PAGE_CLIPS:
            self._shown.append(record)

    def finish(self, report: Report) -> None:
        """Write every file of the report, each whole or not at all."""
        source = page_source(self._campaign, self._posters.found)
        self._write("index.html", [to_html(report, self._shown, source).encode()])
        self._write("report.json", [json_head(report), *_rest(self._json), JSON_END])
        head = encode_for_spreadsheets([csv_head(self._delimiter)])
        self._write("report.csv", [*head, *_rest(self._csv)])
        self._write("report.md", [to_markdown(report).encode()])
        cases = (junit_head(report, self._elements).encode(), junit_end(report).encode())
        self._write("junit.xml", [cases[0], *_rest(self._cases), cases[1]])
        for name, results in self._results.items():
            lines = results.lines(report.places)
            self._write(name, encode_for_spreadsheets(lines, results.table.encoding))
        if self._pictures:
            # Pillow is slow to load: only where there is a picture.
            from pipeline.media.contact_sheets import (  # noqa: PLC0415 - see above
                write_contact_sheets,
            )

            # Like a poster it is beside what was made: for want of a picture no run fails.
            with suppress(OSError):
                write_contact_sheets(self._folder, self._pictures, beside)

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        target = self._folder / name
        # What breaks off is kept: it tells that the report is not whole (`is_report_current`).
        with writing(target), beside(target, keep=True) as part:
            with part.open("wb") as file:
                file.writelines(pieces)
            part.replace(target)


_PIECE = 1 << 20


def _rest(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what was written to a file, in pieces."""
    file.seek(0)
    yield from iter(lambda: file.read(_PIECE), b"")


def is_report_current(campaign: LoadedCampaign) -> bool:
    """Tell whether every file of the report is there, whole, and newer than what it is made from.

    Made from: what was read of the campaign, and the decisions. What the ledger has is not asked.
    """
    files = [folder_of(campaign) / name for name in _file_names(campaign)]
    if not all(file.is_file() and not name_beside(file).exists() for file in files):
        return False
    folder = campaign.request.manifest.parent
    sources = [folder / name for name in campaign.inputs]
    sources.append(decisions_path(campaign.request, campaign.name))
    written = min(file.stat().st_mtime_ns for file in files)
    return all(each.stat().st_mtime_ns < written for each in sources if each.exists())


def report_paths(campaign: LoadedCampaign) -> tuple[str, ...]:
    """Return where the report is: its page, then its other files in one line for a shell."""
    page, *others = _file_names(campaign)
    folder = folder_of(campaign)
    return (str(folder / page), f"{folder}/{{{','.join(others)}}}")


def _file_names(campaign: LoadedCampaign) -> list[str]:
    results = [f"results.{table.name}.csv" for table, _ in _shots_of(campaign.manifest)]
    return ["index.html", "report.json", "report.csv", "report.md", "junit.xml", *results]


def _shots_of(manifest: Manifest) -> list[tuple[Table, set[str]]]:
    """Return each table that shots are made for, and those shots."""
    found: dict[str, set[str]] = {}
    for shot, table in tables_of(manifest).items():
        found.setdefault(table.name, set()).add(shot)
    return [(manifest.tables[name], shots) for name, shots in found.items()]


def _delimiter(manifest: Manifest) -> str:
    # Whoever has the tables opens the report as well: with the delimiter that they agree on.
    marks = {table.delimiter for table in tables_of(manifest).values()}
    return marks.pop() if len(marks) == 1 else ","


def tables_of(manifest: Manifest) -> Mapping[str, Table]:
    """Return the table of each shot that has one, by the shot."""
    return {
        shot.id: manifest.tables[shot.table]
        for shot in manifest.shots
        if shot.table is not None and shot.table in manifest.tables
    }


def page_source(campaign: LoadedCampaign, posters: Collection[str]) -> PageSource:
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
        row_groups={table.name: row_groups(table) for table in tables.values()},
        used=used,
        # From the page on, so that project and root may be moved together.
        href=lambda reference: quote(os.path.relpath(reference_path(campaign, reference), folder)),
        limit_usd=manifest.budget.limit_usd,
    )


def reference_path(campaign: LoadedCampaign, reference: RecordReference) -> Path:
    """Return where a reference picture is: as it was when it was used, wherever a run began.

    Of what was never sent from here there is no copy: the file that was named.
    """
    kept = Store(campaign.request.home).asset(reference.sha256)
    return kept if reference.sha256 and kept.is_file() else Path(reference.path)


class Posters:
    """The posters beside the page: put there as their clips come by.

    They were made when the clips were verified: nothing is decoded here. What lies beside the page
    already stays: an earlier version made some there alone.
    """

    def __init__(self, campaign: LoadedCampaign) -> None:
        self._folder, self._store = folder_of(campaign), Store(campaign.request.home)
        posters = self._folder / POSTERS
        # One look at the folder, instead of one for each clip.
        self._there: frozenset[str] = frozenset()
        with suppress(FileNotFoundError), os.scandir(posters) as entries:
            self._there = frozenset(f"{POSTERS}/{each.name}" for each in entries)
        self.found: set[str] = set()
        """SHA-256 of each clip that has one."""

    def put(self, record: Record) -> bool:
        """Put the poster of a clip beside the page; tell whether it has one."""
        sha256 = record.sha256
        if not sha256 or not record.path:
            return False
        if sha256 in self.found:
            return True
        place = poster_path(sha256)
        # A clip without one is in the report as what it is; it has no picture.
        with suppress(OSError):
            if place not in self._there:
                target = self._folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with beside(target) as part:
                    copyfile(self._store.poster(sha256), part)
                    part.replace(target)
            self.found.add(sha256)
        return sha256 in self.found
