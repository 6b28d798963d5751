"""All that is known of one item before it is made, down to the request that would be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Item, Media, PricedItem, Record, plain_settings
from pipeline.domain.item import place_of, take_of
from pipeline.errors import CallsheetError, InvalidInput
from pipeline.findings import Finding, Span
from pipeline.providers import OFFERS

Plain = Mapping[str, Any]
_PRICES = ("low", "expected", "high")
_MEASURES = ("format", "width", "height", "seconds", "bytes", "digest")


class CannotMake(CallsheetError):  # noqa: N818 - as the others of its tree
    """The provider that was asked for cannot make the item; its text says why."""


def describe_item(record: Record, campaign: LoadedCampaign, provider: str = "") -> Plain:
    """Return all that is known of an item, as one provider would be sent it.

    CannotMake where that provider cannot make it.
    """
    entry = plan_item(record, campaign, provider)
    if provider and entry.item.provider != provider:
        reasons = dict(entry.item.passed_over)
        why = reasons.get(provider, f"it is pinned to {entry.item.provider}")
        raise CannotMake(f"{OFFERS[provider].title} cannot make {record.address}: {why}")
    return _description(entry, record, campaign)


class ItemAddress(Protocol):
    """An item of a plan, by what leads to it in the manifest."""

    @property
    def address(self) -> str: ...  # noqa: D102
    @property
    def shot(self) -> str: ...  # noqa: D102
    @property
    def row_key(self) -> str: ...  # noqa: D102


def plan_item(record: ItemAddress, campaign: LoadedCampaign, provider: str = "") -> PricedItem:
    """Return one item as the plan has it now, without planning any other shot or row."""
    findings: list[Finding] = []
    # Else a shot with a loop would yield its first round alone.
    known = {place_of(record.address): take_of(record.address)}
    alone = _only_item(record, campaign, provider)
    for entry in alone.entries(None, last_takes=known):
        if isinstance(entry, Finding):
            findings.append(entry)
        elif entry.item.address == record.address:
            return entry
    raise InvalidInput(findings, campaign.sources)


def _only_item(record: ItemAddress, campaign: LoadedCampaign, provider: str) -> LoadedCampaign:
    """Return the campaign with no other shot and row than the item's, for one provider."""
    manifest = campaign.manifest
    shots = tuple(shot for shot in manifest.shots if shot.id == record.shot)
    tables = {
        name: replace(table, rows=tuple(row for row in table.rows if row.key == record.row_key))
        for name, table in manifest.tables.items()
    }
    return replace(
        campaign,
        request=replace(campaign.request, provider=provider),
        manifest=replace(manifest, shots=shots, tables=tables),
        findings=(),
    )


def _description(entry: PricedItem, record: Record, campaign: LoadedCampaign) -> Plain:
    """Return the item as plain data; its request is as it would be sent, without any key."""
    item, request, offer = entry.item, entry.request, OFFERS[entry.item.provider]
    price: Plain | None = None
    if entry.price is not None:
        sums = {f"{name}_usd": float(getattr(entry.price, f"{name}_usd")) for name in _PRICES}
        price = {**sums, "source": entry.price.source, "certainty": entry.price.certainty}
    return {
        "address": item.address,
        "shot": item.shot,
        "manifest_line": _place(item.origin.shot),
        "row": item.row_key,
        "table_line": _place(item.origin.row),
        "axes": dict(item.axes),
        "tags": list(item.tags),
        "status": record.status,
        "model": item.model,
        "kind": item.kind.value,
        "provider": item.provider,
        "passed_over": [{"provider": name, "reason": why} for name, why in item.passed_over],
        "settings": _without_none(plain_settings(item.settings)),
        "spec": _without_none(asdict(item.spec)),
        "price": price,
        "path": str(campaign.folder / record.output),
        "key": item.key.digest,
        "key_parts": dict(item.key.parts),
        "satisfied_by": other_key(item, record),
        "prompt": record.prompt,
        "sent_prompt": entry.sent_prompt,
        "references": [
            {
                "name": reference.name,
                "role": reference.role.value,
                "ordinal": reference.ordinal,
                "say": reference.say,
                "media": [
                    {
                        "file": _file(each),
                        "unfit": list(each.unfit),
                        "made_by": [
                            {"operation": done.name, **done.parameters} for done in each.operations
                        ],
                        **{name: getattr(each, name) for name in _MEASURES},
                    }
                    for each in reference.media
                ],
            }
            for reference in item.references
        ],
        "request": {
            "method": request["method"],
            "url": f"{offer.hosts.get(request['host'], '')}{request['path']}",
            "headers": dict(request["headers"]),
            "key_from": offer.key_env,
            "body": request["body"],
        },
    }


def other_key(item: Item, record: Record) -> Plain | None:
    """Return the key of the ledger that the item takes instead of its own, and why, if it does."""
    if record.key == item.key.digest:
        return None
    others = {other.digest: other for other in item.key.alternatives}
    other = others.get(record.key)
    earlier = other is not None and other.earlier_rule
    why = _APPROVED if record.stale else _EARLIER if earlier else _OTHER_RATIO
    return {"key": record.key, "why": why}


_APPROVED = "approved, and kept as it is until `callsheet reopen`"
_EARLIER = "an earlier rule made this key of the same work"
_OTHER_RATIO = "the same work, asked for with and without a written ratio"


def _place(span: Span | None) -> str:
    return f"{span.file}:{span.line}" if span else ""


def _without_none(values: dict[str, Any]) -> Plain:
    return {name: value for name, value in values.items() if value is not None}


def _file(media: Media) -> str:
    """Return the file that the manifest names; one below the working folder relative to it."""
    here = Path.cwd()
    source = media.made_from or media.source
    inside = media.local and Path(source).is_relative_to(here)
    return str(Path(source).relative_to(here)) if inside else source
