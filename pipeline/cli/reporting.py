"""What came of a campaign: the report's files, and the summary at the end of a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.options import (
    DEFAULT_ROOT,
    Asked,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    usage,
)
from pipeline.model import Record
from pipeline.report import Report, show_summary, summarise, to_csv, to_json
from pipeline.run import Ledger

FOLDER = "report"
Records = Callable[[], Iterable[Record]]


@app.command(epilog="Example: callsheet report manifests/spring-sneakers/campaign.yaml --rehearse")
def report(
    manifest: ManifestPath,
    profile: Profile = "",
    overrides: Overrides = None,
    root: Root = DEFAULT_ROOT,
    rehearse: Rehearse = False,
    write: Annotated[bool, typer.Option(help="Write the report's files too.")] = True,
) -> None:
    """Write the report of a campaign again, from the ledger."""
    asked = Asked(
        manifest=manifest,
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        rehearse=rehearse,
    )
    campaign = open_campaign(asked)
    ledger = Ledger.reader(asked.home)
    if ledger is None:
        raise usage(f"there is no ledger in {asked.home}: nothing was run there")
    with ledger:
        made = write_report(ledger, campaign) if write else _summary(ledger, campaign)
    show_summary(Console(highlight=False), made, written_files(campaign) if write else ())


def write_report(ledger: Ledger, campaign: Campaign, elapsed_s: float | None = None) -> Report:
    """Write the report's files beside the clips, each whole or not at all, and return it."""
    made = _summary(ledger, campaign, elapsed_s)
    folder = _folder(campaign)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in _FILES.items():
        part = folder / f".{name}.part"
        with part.open("wb") as file:
            file.writelines(lines(made, lambda: ledger.records(campaign.name)))
        part.replace(folder / name)
    return made


def written_files(campaign: Campaign) -> tuple[str, ...]:
    """Return the paths of the report's files."""
    return tuple(str(_folder(campaign) / name) for name in _FILES)


def has_report(campaign: Campaign) -> bool:
    """Tell whether every file of the report is there."""
    return all((_folder(campaign) / name).is_file() for name in _FILES)


def _folder(campaign: Campaign) -> Path:
    return campaign.asked.home / campaign.name / FOLDER


def _summary(ledger: Ledger, campaign: Campaign, elapsed_s: float | None = None) -> Report:
    asked = campaign.asked
    return summarise(
        ledger.records(campaign.name),
        campaign=campaign.name,
        now=datetime.now(UTC),
        manifest=str(asked.manifest),
        root=str(asked.home / campaign.name),
        command=_again(asked),
        profile=asked.profile,
        rehearsal=asked.rehearse,
        elapsed_s=elapsed_s,
    )


def _again(asked: Asked) -> str:
    """Return the command that runs the campaign again, as it would be typed."""
    words = ["callsheet", "run", str(asked.manifest)]
    words += ["--profile", asked.profile] if asked.profile else []
    words += ["--root", str(asked.root)] if asked.root != DEFAULT_ROOT else []
    words += ["--rehearse"] if asked.rehearse else []
    return shlex.join(words)


def _json(made: Report, records: Records) -> Iterator[bytes]:
    yield from to_json(made, records())


def _csv(_: Report, records: Records) -> Iterator[bytes]:
    yield from (line.encode() for line in to_csv(records()))


_FILES: Mapping[str, Callable[[Report, Records], Iterator[bytes]]] = MappingProxyType(
    {"report.json": _json, "report.csv": _csv}
)
