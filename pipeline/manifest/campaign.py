"""Budget, policy, provider settings, file rules → their records; amounts become numbers here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.domain import Budget, Policy, ProviderSettings, Value
from pipeline.domain.item import EMPTY
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.nodes import Node

_AMBIGUOUS = re.compile(r"([1-9][0-9]{0,2})\.([0-9]{3}) USD")
"""As thousands are written in half of the world; nobody needs a tenth of a cent in a limit."""
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def budget(node: Node | None) -> Budget:
    """Return what the campaign may cost; an absent limit is None."""
    if node is None:
        return Budget()
    unpriced = node.get("unpriced")
    return Budget(
        limit_usd=_usd(node.get("limit")),
        per_run_usd=_usd(node.get("per_run")),
        per_row_usd=_usd(node.get("per_row")),
        per_item_usd=_usd(node.get("per_item")),
        assume_usd=_usd(unpriced.get("assume")) if unpriced else None,
        span=node.span,
    )


def budget_findings(node: Node | None) -> Iterator[Finding]:
    """Yield a warning for each amount that many people read as a thousand times what it is."""
    if node is None:
        return
    limits = [node.get(name) for name in ("limit", "per_run", "per_row", "per_item")]
    unpriced = node.get("unpriced")
    for amount in (*limits, unpriced.get("assume") if unpriced else None):
        found = _AMBIGUOUS.fullmatch(str(amount.value)) if amount else None
        if amount and found:
            small = f"{Decimal(found[0].partition(' ')[0]).normalize():f}"
            yield Finding(
                slug="ambiguous-amount",
                message=f"'{found[0]}' is {small} USD here: the full stop is a decimal point",
                span=amount.span,
                severity=Severity.WARNING,
                hint=f"write {small} USD, or {found[1]}{found[2]} USD if that was meant",
            )


def policy(node: Node | None) -> Policy:
    """Return how failures are met; what is not said keeps its built-in value."""
    if node is None:
        return Policy()
    data = node.plain()
    brake = data.get("stop", {})
    limits: Mapping[str, Any] = brake if isinstance(brake, dict) else {}
    said = {
        "request_retries": data.get("retries", {}).get("requests"),
        "purchases": data.get("purchases"),
        "stop": False if brake == "off" else None,
        "stop_same_cause": limits.get("same_cause"),
        "stop_share": _share(limits.get("share")),
        "stop_after": limits.get("after"),
        "deadline_s": _seconds(data.get("deadline")),
        "fallback": data.get("fallback") == "same_model",
    }
    return Policy(**{key: value for key, value in said.items() if value is not None})


def providers(node: Node | None) -> dict[str, ProviderSettings]:
    """Return the manifest's settings by provider."""
    if node is None:
        return {}
    return {name: _provider(item, node.key_span(name)) for name, item in node.entries()}


def allowed(node: Node | None, own: Collection[str]) -> tuple[Path, ...]:
    """Return the folders from which files may be read besides the manifest's own.

    Those alone count that are written in a file of the `own` names: what a manifest extends does
    not say what may be read.
    """
    listed = node.get("allow") if node else None
    items = listed.items() if listed else ()
    return tuple(item.folder / str(item.value) for item in items if item.source.shown in own)


def _provider(node: Node, place: Span) -> ProviderSettings:
    options = node.get("options")
    many = node.get("concurrency")
    return ProviderSettings(
        concurrency=many.value if many else None,
        submit_per_s=_rate(node.get("submit_rate")),
        options=options.plain() if options else EMPTY,
        base_url=_value(node.get("base_url")),
        upload_url=_value(node.get("upload_url")),
        spans={"": place, **(options.keys if options else EMPTY)},
    )


def _value(node: Node | None) -> Value | None:
    return Value(data=node.value, span=node.span, folder=node.folder) if node else None


def _usd(node: Node | None) -> Decimal | None:
    return Decimal(str(node.value).partition(" ")[0]) if node else None


def _share(text: str | None) -> float | None:
    return float(text.rstrip("%")) / 100 if text else None


def _seconds(text: str | None) -> float | None:
    found = re.fullmatch(r"([0-9.]+) ?([a-z]+)", text) if text else None
    return float(found[1]) * _SECONDS[found[2]] if found else None


def _rate(node: Node | None) -> float | None:
    if node is None:
        return None
    number, _, unit = str(node.value).partition("/")
    return float(number) / _SECONDS[unit]
