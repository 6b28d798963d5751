"""The budget's limits over all layers: of each, the lowest that any layer states holds.

A layer further up may lower a limit and never lift it, neither with a higher sum nor with `~`:
what a house or a client has set is not undone by a profile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from pipeline.findings import Finding, Severity
from pipeline.manifest.nodes import Node

LIMITS = ("limit", "per_run", "per_row", "per_item")
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) USD")
_HINT = "the lowest of all layers holds; raise it where it is set, or use --max-cost for one run"


def hold_lowest(document: Node, layers: Sequence[Node], profile: str) -> tuple[Node, list[Finding]]:
    """Return a merged document with the lowest limits of its layers, and what that overrules.

    `layers` are the documents it was merged of, in order; of each its budget counts, and the one
    of the profile that is used. A sum that cannot be read is left where it stands, for the schema.
    """
    profiled = (_of_profile(layer, profile) for layer in layers)
    budgets = [b for b in (*(layer.get("budget") for layer in layers), *profiled) if b is not None]
    merged = document.get("budget") or next(reversed(budgets), None)
    if merged is None:
        return document, []
    values, findings = dict(merged.entries()), list[Finding]()
    for name in LIMITS:
        stated = list(_stated(name, budgets))
        sums = [(usd, node) for node, usd in stated if usd is not None]
        top = values.get(name)
        if sums and (top is None or top.value is None or _amount(top) is not None):
            _, values[name] = min(sums, key=lambda pair: pair[0])
            findings += _overruled(name, stated, values[name])
    if not values:
        return document, findings
    keys = {**merged.keys, **{name: values[name].span for name in LIMITS if name in values}}
    budget = replace(merged, value=values, keys=keys)
    return replace(document, value={**document.value, "budget": budget}), findings


def _of_profile(layer: Node, profile: str) -> Node | None:
    profiles = layer.get("profiles") if profile else None
    chosen = profiles.get(profile) if profiles else None
    return chosen.get("budget") if chosen else None


def _stated(name: str, budgets: Iterable[Node]) -> Iterator[tuple[Node, Decimal | None]]:
    """Yield each layer's word on a limit, lowest layer first; no sum where it is unset."""
    for budget in budgets:
        found = budget if budget.value is None else budget.get(name)
        if found is not None and (found.value is None or _amount(found) is not None):
            yield found, _amount(found)


def _amount(node: Node) -> Decimal | None:
    text = _AMOUNT.fullmatch(node.value) if isinstance(node.value, str) else None
    return Decimal(text[1]) if text else None


def _overruled(
    name: str, stated: Iterable[tuple[Node, Decimal | None]], holds: Node
) -> Iterator[Finding]:
    """Yield a warning for each layer that would lift what a layer below it has set."""
    sofar: Decimal | None = None
    for node, usd in stated:
        if sofar is not None and (usd is None or usd > sofar):
            yield Finding(
                slug="lower-limit-holds",
                message=(
                    f"budget.{name} stays {holds.value}: here it is"
                    f" {'unset' if usd is None else node.value}"
                ),
                span=node.span,
                hint=_HINT,
                severity=Severity.WARNING,
                related=(holds.span,),
            )
        sofar = usd if sofar is None else min(sofar, sofar if usd is None else usd)
