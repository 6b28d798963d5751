"""Budget, policy, acceptance, provider settings, file rules → their records, sums as numbers.

Of the budget's limits, the lowest that any layer states holds: a layer further up may lower one and
never lift it, neither with a higher sum nor with `~`. What a house or a client has set is not
undone by a profile.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.domain import AccountSettings, Budget, Manifest, Policy, ProviderSettings
from pipeline.domain.acceptance import DEFAULT_ROUNDS, AcceptPolicy, Each
from pipeline.domain.item import EMPTY
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.source_map import Node

LIMITS = ("limit", "per_run", "per_row", "per_item")
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) USD")
_AMBIGUOUS = re.compile(r"([1-9][0-9]{0,2})\.([0-9]{3}) USD")
"""As thousands are written in half of the world; nobody needs a tenth of a cent in a limit."""
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def hold_lowest(document: Node, layers: Sequence[Node], profile: str) -> tuple[Node, list[Finding]]:
    """Return a merged document with the lowest limits of its layers, and what that overrules.

    `layers` are the documents it was merged of, in order; of each its budget counts, and the one
    of the profile that is used. A sum that cannot be read is left where it stands, for the schema.
    """
    # Each layer may have its own profile of that name.
    profiles = [dict(layer.entries("profiles")).get(profile) for layer in layers if profile]
    budgets = [
        budget
        for layer in (*layers, *profiles)
        if layer is not None and (budget := layer.get("budget")) is not None
    ]
    merged = document.get("budget") or next(reversed(budgets), None)
    if merged is None:
        return document, []
    values, findings = dict(merged.entries()), list[Finding]()
    for name in LIMITS:
        # A budget that is unset as a whole unsets each of its limits.
        said = [budget if budget.value is None else budget.get(name) for budget in budgets]
        # Each layer's word on the limit, lowest layer first; no sum where it is unset.
        words = [
            (node, _sum_of(node))
            for node in said
            if node is not None and (node.value is None or _sum_of(node) is not None)
        ]
        sums = [(usd, node) for node, usd in words if usd is not None]
        top = values.get(name)
        if sums and (top is None or top.value is None or _sum_of(top) is not None):
            _, values[name] = min(sums, key=lambda pair: pair[0])
            findings += _limit_warnings(name, words, values[name])
    if not values:
        return document, findings
    # The place goes with the limit: a finding about it points at the layer that holds.
    keys = {**merged.keys, **{name: values[name].span for name in LIMITS if name in values}}
    budget = replace(merged, value=values, keys=keys)
    return replace(document, value={**document.value, "budget": budget}), findings


def _sum_of(node: Node) -> Decimal | None:
    text = _AMOUNT.fullmatch(node.value) if isinstance(node.value, str) else None
    return Decimal(text[1]) if text else None


def _limit_warnings(
    name: str, words: Sequence[tuple[Node, Decimal | None]], holds: Node
) -> Iterator[Finding]:
    """Yield a warning for each layer that would lift what a layer below it has set."""
    lowest: Decimal | None = None
    for node, usd in words:
        if lowest is not None and (usd is None or usd > lowest):
            here = "unset" if usd is None else node.value
            yield Finding(
                slug="lower-limit-holds",
                message=f"budget.{name} stays {holds.value}: here it is {here}",
                span=node.span,
                hint=(
                    "the lowest of all layers holds; raise it where it is set, or use --max-cost"
                    " for one run"
                ),
                severity=Severity.WARNING,
                related=(holds.span,),
            )
        if usd is not None and (lowest is None or usd < lowest):
            lowest = usd


def read_budget(node: Node | None) -> tuple[Budget, list[Finding]]:
    """Return what the campaign may cost, an absent limit being None, and warnings.

    A warning is given for each amount that many people read as a thousand times what it is.
    """
    if node is None:
        return Budget(), []
    findings: list[Finding] = []

    def usd(amount: Node | None) -> Decimal | None:
        if amount is None:
            return None
        sum_usd = Decimal(str(amount.value).partition(" ")[0])
        # Read as it is written, and told: a limit a thousand times too low stops a run, and costs
        # nothing.
        thousands = _AMBIGUOUS.fullmatch(str(amount.value))
        if thousands:
            small = f"{sum_usd.normalize():f}"
            findings.append(
                Finding(
                    slug="ambiguous-amount",
                    message=f"'{amount.value}' is {small} USD here:"
                    " the full stop is a decimal point",
                    span=amount.span,
                    severity=Severity.WARNING,
                    hint=f"write {small} USD, or {thousands[1]}{thousands[2]} USD"
                    " if that was meant",
                )
            )
        return sum_usd

    unpriced = node.get("unpriced")
    budget = Budget(
        limit_usd=usd(node.get("limit")),
        per_run_usd=usd(node.get("per_run")),
        per_row_usd=usd(node.get("per_row")),
        per_item_usd=usd(node.get("per_item")),
        assume_usd=usd(unpriced.get("assume")) if unpriced else None,
        span=node.span,
    )
    return budget, findings


def read_policy(node: Node | None) -> Policy:
    """Return how failures are met; what is not said keeps its built-in value."""
    if node is None:
        return Policy()
    data = node.plain()
    stop = data.get("stop", {})
    limits: Mapping[str, Any] = stop if isinstance(stop, dict) else {}
    # The schema has seen to their form: here they only become numbers.
    share = limits.get("share")
    deadline = re.fullmatch(r"([0-9.]+) ?([a-z]+)", data.get("deadline") or "")
    said = {
        "request_retries": data.get("retries", {}).get("requests"),
        "purchases": data.get("purchases"),
        "stop": False if stop == "off" else None,
        "stop_same_cause": limits.get("same_cause"),
        "stop_share": float(share.rstrip("%")) / 100 if share else None,
        "stop_after": limits.get("after"),
        "deadline_s": float(deadline[1]) * _SECONDS[deadline[2]] if deadline else None,
        "fallback": data.get("fallback") == "same_model",
    }
    return Policy(**{key: value for key, value in said.items() if value is not None})


def read_accept(own: Node | None, common: Node | None) -> AcceptPolicy | None:
    """Return what a shot says of its loop, laid over what the manifest says; None without one.

    The manifest's own `off`, in a profile say, leaves no shot one. Where `takes` is not said, it is
    what the rounds have together.
    """
    if common is not None and common.value == "off":
        return None
    if own is not None and not own.entries():
        # `off`, or a map that says nothing: then the manifest's own word holds.
        return None if own.value == "off" else read_accept(None, common)
    said: dict[str, Node] = {}
    spans: dict[str, Span] = {}
    for node in (common, own):
        if node is None:
            continue
        said |= dict(node.entries())
        spans |= {"": node.span, **{key: part.span for key, part in node.entries()}}
    if not spans:
        return None
    rounds = tuple(each.value for each in said["rounds"].items()) if "rounds" in said else ()
    rounds = rounds or DEFAULT_ROUNDS
    spend = said.get("spend")
    return AcceptPolicy(
        each=Each(said["each"].value) if "each" in said else Each.PLACE,
        approved=said["approved"].value if "approved" in said else 1,
        takes=said["takes"].value if "takes" in said else sum(rounds),
        spend_usd=None if spend is None else _sum_of(spend),
        rounds=rounds,
        spans=spans,
    )


def accept_faults(manifest: Manifest) -> Iterator[Finding]:
    """Yield a finding for whatever says how many takes there are where the loop says it.

    And for a loop that can never be done.
    """
    above = [value for name, value in manifest.overrides.items() if name == "takes"]
    usual = [value for name, value in manifest.defaults.items() if name == "takes"]
    told: set[Span] = set()
    for shot in manifest.shots:
        if (policy := shot.accept) is None:
            continue
        axes = (*shot.variants.matrix, *shot.variants.pairs) if shot.variants else ()
        table = manifest.tables.get(shot.table or "")
        steered = (row.steering.get("takes") for row in (table.rows if table else ()))
        said = [*above, *usual, *(value for value in steered if value is not None)]
        said += [value for axis in axes if axis.name == "takes" for value in axis.values]
        said += [value for name, value in shot.settings.items() if name == "takes"]
        for value in said:
            if value.span in told:
                continue
            told.add(value.span)
            yield Finding(
                slug="takes-with-accept",
                message=f"shot '{shot.id}' has `accept`, which says how many takes there are",
                span=value.span,
                hint="leave `takes` out, or write `accept: off` where the number is to hold",
                related=(policy.spans[""],),
            )
        place = policy.spans.get("approved", policy.spans[""])
        if policy.each is Each.PLACE and policy.approved > policy.takes and place not in told:
            told.add(place)
            yield Finding(
                slug="accept-never-done",
                message=f"{policy.approved} clips cannot be approved out of {policy.takes} takes",
                span=place,
                hint="raise `accept.takes`, or ask for fewer approved clips",
            )


def read_providers(node: Node | None) -> dict[str, ProviderSettings]:
    """Return the manifest's settings by provider."""
    found: dict[str, ProviderSettings] = {}
    for name, item in node.entries() if node else ():
        assert node is not None  # noqa: S101 - it has entries
        options, accounts = item.get("options"), item.get("accounts")
        concurrency, submit_per_s = _pace(item)
        base_url, upload_url = item.get("base_url"), item.get("upload_url")
        found[name] = ProviderSettings(
            concurrency=concurrency,
            submit_per_s=submit_per_s,
            accounts=_read_accounts(accounts) if accounts else EMPTY,
            options=options.plain() if options else EMPTY,
            base_url=base_url.as_value() if base_url else None,
            upload_url=upload_url.as_value() if upload_url else None,
            spans={"": node.key_span(name), **(options.keys if options else EMPTY)},
        )
    return found


def _read_accounts(node: Node) -> dict[str, AccountSettings]:
    found: dict[str, AccountSettings] = {}
    for name, item in node.entries():
        concurrency, submit_per_s = _pace(item)
        key_env = item.get("key_env")
        found[name] = AccountSettings(
            key_env=str(key_env.value) if key_env else "",
            concurrency=concurrency,
            submit_per_s=submit_per_s,
            span=key_env.span if key_env else node.key_span(name),
        )
    return found


def _pace(item: Node) -> tuple[int | None, float | None]:
    """Return how many at once, and how many a second; None where nothing is said."""
    concurrency, rate = item.get("concurrency"), item.get("submit_rate")
    # As in `2/s` or `90/min`.
    number, _, unit = str(rate.value).partition("/") if rate else ("", "", "")
    per_s = float(number) / _SECONDS[unit] if rate else None
    return concurrency.value if concurrency else None, per_s


def folders_to_read(files: Node | None, own: Collection[str]) -> tuple[Path, ...]:
    """Return the folders from which files may be read besides the manifest's own.

    Those alone count that are written in a file of the `own` names: what a manifest extends does
    not say what may be read.
    """
    # Else a base file from elsewhere could open this machine's folders, and have their files
    # uploaded.
    items = files.items("allow") if files else ()
    return tuple(item.folder / str(item.value) for item in items if item.source.shown in own)
