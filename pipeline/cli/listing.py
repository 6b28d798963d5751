"""`ls`: the selected items, one a line, as the next run would find them. Nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import is_unread, print_text
from pipeline.cli.losses import find_loss, leave_if_lost
from pipeline.cli.options import (
    CampaignOptions,
    Exclude,
    Limit,
    ManifestPath,
    Overrides,
    Profile,
    ProviderName,
    Rehearse,
    Root,
    Select,
)
from pipeline.cli.planning import standing, tried
from pipeline.cli.project import project_of
from pipeline.domain import Record
from pipeline.domain.money import exact_usd
from pipeline.errors import InvalidInput
from pipeline.foreign_text import printable_line

_MEASURED = 500
"""Items by which the columns are made wide enough; a longer text later moves only its own line."""


class Form(StrEnum):
    """How items are printed."""

    TEXT = "text"
    JSON = "json"
    """One object a line."""


Listing = Annotated[Form, typer.Option("--format", help="How to print; json is an object a line.")]


@app.command(epilog="Example: callsheet ls campaign.yaml --select 'tag:hero,status:new'")
def ls(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    provider: ProviderName = "",
    root: Root = None,
    rehearse: Rehearse = False,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    form: Listing = Form.TEXT,
) -> None:
    """List items: address, provider, status, price, and where the clip is or will be."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        provider=provider,
        root=root,
        rehearse=rehearse,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
    )
    campaign = open_campaign(asked)
    loss = find_loss(asked, campaign.name)
    looked = loss is None or loss.uncounted
    with tried(campaign, loss, files=looked) as (admission, ledger):
        if not admission.ok:
            raise InvalidInput(admission.findings, campaign.sources)
        show_list(ledger.records(campaign.name, selected=True), campaign, form)
        leave_if_lost(loss, asked, admission.to_make)


def show_list(records: Iterable[Record], campaign: Campaign, form: Form) -> None:
    """Print items as they come, without holding them."""
    for line in _WRITERS[form](iter(records), campaign.asked.home / campaign.name):
        print_text(line)
        if is_unread():
            return


def _as_text(records: Iterator[Record], folder: Path) -> Iterator[str]:
    first = [_cells(record, folder) for record in islice(records, _MEASURED)]
    widths = [max(map(len, column)) for column in zip(_TITLES, *first, strict=True)]
    rest = (_cells(record, folder) for record in records)
    for address, maker, status, price, path in chain([_TITLES], first, rest):
        yield (
            f"{address:<{widths[0]}}  {maker:<{widths[1]}}  {status:<{widths[2]}}"
            f"  {price:>{widths[3]}}  {path}"
        )


_TITLES = ("address", "provider", "status", "USD", "path")


def _cells(record: Record, folder: Path) -> tuple[str, str, str, str, str]:
    status = standing(record.status, record.cause, earlier_rule=record.earlier_rule)
    price = "unknown" if record.estimate_usd is None else exact_usd(record.estimate_usd)
    told = (record.address, record.provider, status, price, _path(record, folder))
    address, provider, status, price, path = map(printable_line, told)
    return address, provider, status, price, path


def _path(record: Record, folder: Path) -> str:
    return str(folder / (record.path or record.output))


def _as_json(records: Iterator[Record], folder: Path) -> Iterator[str]:
    for record in records:
        yield json.dumps(_plain(record, folder), ensure_ascii=False)


def _plain(record: Record, folder: Path) -> Mapping[str, Any]:
    own = ("address", "shot", "cell", "take", "kind", "provider", "status", "state", "cause")
    return {
        **{name: getattr(record, name) for name in own},
        "row": record.row_key,
        "axes": dict(record.axes),
        "tags": list(record.tags),
        "price_usd": None if record.estimate_usd is None else float(record.estimate_usd),
        "shared_with": record.shared_with,
        "path": _path(record, folder),
        "there": record.path is not None,
        "key": record.key,
        "earlier_rule": record.earlier_rule,
    }


_WRITERS: Mapping[Form, Callable[[Iterator[Record], Path], Iterator[str]]] = MappingProxyType(
    {Form.TEXT: _as_text, Form.JSON: _as_json}
)
