"""A plan as a document: written to be read, kept and applied, the same to the byte each time.

One JSON object. Its first line is all but the items; then each item has a line of its own, by
address, so that it is written and compared as a stream. It holds no API key, no time of day, and
no path that the command line did not give.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from pipeline.api.campaign_plan import Plan, open_plan, require_admitted
from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.explanations import plain_change
from pipeline.api.item_description import plan_item
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.project_file import project_of
from pipeline.domain import EMPTY, Budget
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.changes import ChangeClass, ItemChange, KeyContent, PartChange
from pipeline.domain.money import exact_usd
from pipeline.errors import CallsheetError, InvalidInput
from pipeline.findings import plain_finding
from pipeline.ledger.item_changes import changed_parts
from pipeline.schemas import schema
from pipeline.storage.fs import beside

Document = Mapping[str, Any]
VERSION = 1
_SUMS = ("low_usd", "expected_usd", "high_usd")
_BUYS = frozenset({ChangeClass.BUYS, ChangeClass.BUYS_AGAIN})
_OWN = (
    *("address", "shot", "cause", "selected", "key", "provider", "model", "mode", "kind"),
    *("sha256", "shared_with", "request"),
)
_ASKED = ("profile", "overrides", "provider", "select", "exclude", "first", "rehearse")
_LIMITS = ("limit_usd", "per_run_usd", "per_row_usd", "per_item_usd", "assume_usd")
_COUNTED = ("waiting_clips", "buys", "begun_anew", "takes_left")
_EXPLAINED = 20
"""Differences whose places are looked up: each takes planning its row again."""


def iter_document(plan: Plan, items: Iterable[ItemChange]) -> Iterator[str]:
    """Yield the lines of a plan's document; `items` are those of `open_plan`'s ledger."""
    header = _json(_header(plan))
    yield f'{header[:-1]}, "items": ['
    before = ""
    for item in items:
        if before:
            yield f"{before},"
        before = _json(_plain_item(item))
    if before:
        yield before
    yield "]}"


def write_document(plan: Plan, items: Iterable[ItemChange], file: Path) -> None:
    """Write a plan's document, whole or not at all; in the place of nothing but another plan."""
    if not file.name or file.is_dir():
        raise usage(f"{file} is a folder", "name the file that the plan is to be written to")
    if file.exists():
        # By a slip a manifest or a device may be named.
        try:
            written = file.is_file() and "callsheet_plan" in _read_header(file)
        except InvalidInput:
            written = False
        if not written:
            hint = "name another file, or move it away"
            raise usage(f"{file} is there, and is no saved plan", hint)
    try:
        with beside(file) as part:
            with part.open("w", encoding="utf-8", newline="\n") as writing:
                writing.writelines(f"{line}\n" for line in iter_document(plan, items))
            part.replace(file)
    except OSError as fault:
        raise usage(f"{file} cannot be written: {fault.strerror}") from fault


def _header(plan: Plan) -> Document:
    request, summary = plan.campaign.request, plan.summary
    return {
        "callsheet_plan": VERSION,
        "campaign": plan.campaign.name,
        "manifest": request.manifest.as_posix(),
        "root": None if request.root is None else request.root.as_posix(),
        **({} if request.ledger is None else {"ledger": request.ledger}),
        "profile": request.profile_name,
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((each, getattr(request, each)) for each in _ASKED)
            if name != "profile"
        },
        # Told and never compared: a comment in a file makes no plan stale (decision 25).
        "inputs": dict(plan.campaign.inputs),
        "terms": _terms(plan),
        "ok": plan.ok,
        "findings": [plain_finding(each) for each in plan.findings],
        "to_make": {
            "items": plan.to_make.items,
            "unpriced": plan.to_make.unpriced,
            **{name: exact_usd(getattr(plan.to_make, name)) for name in _SUMS},
        },
        "changes": [
            {
                "class": group.change.value,
                "shot": group.shot,
                "parts": list(group.parts),
                "items": group.items,
                "unpriced": group.unpriced,
                **{name: exact_usd(getattr(group, name)) for name in _SUMS},
            }
            for group in summary.changes
        ],
        "places": None if summary.places is None else _places(summary.places),
        "restore": summary.restore,
        "hide": summary.hide,
        "orphaned": list(summary.orphaned),
        "left_behind": [
            {"address": address, "provider": provider, "state": state.value}
            for address, provider, state in summary.left_behind
        ],
    }


def _places(totals: PlaceTotals) -> Document:
    """Return where the places of a plan stand, told like its sums and compared like none."""
    counts = {name: getattr(totals, name) for name in _COUNTED}
    left_usd = None if totals.left_usd is None else exact_usd(totals.left_usd)
    states = {state.value: number for state, number in totals.states.items()}
    return {"states": states, "left_usd": left_usd, **counts}


def _terms(plan: Plan) -> Document:
    """Return what may be spent, and how much of the plan that does not allow."""
    budget: Budget = plan.campaign.manifest.budget
    limits = {name: getattr(budget, name) for name in _LIMITS}
    needed_usd = plan.to_make.high_usd
    left_usd = [
        limit_usd - used_usd
        for limit_usd, used_usd in (
            (budget.limit_usd, plan.summary.committed_usd),
            (budget.per_run_usd, Decimal(0)),
        )
        if limit_usd is not None
    ]
    # What was spent since the plan was saved counts by this alone: as far as it stops the plan.
    over_usd = max([Decimal(0), *(needed_usd - max(left, Decimal(0)) for left in left_usd)])
    policy = plan.campaign.manifest.policy
    return {
        **{name: None if usd is None else exact_usd(usd) for name, usd in limits.items()},
        "over_usd": exact_usd(over_usd),
        "purchases": policy.purchases,
        "fallback": policy.fallback,
    }


def _plain_item(item: ItemChange) -> Document:
    """Return an item of a plan; what is asked for stands in full where it is to be bought."""
    prices = {name: getattr(item, name) for name in _SUMS}
    content = item.content if item.change in _BUYS else KeyContent(parts=item.content.parts)
    return {
        **{name: getattr(item, name) for name in _OWN},
        "row": item.row_key,
        "class": item.change.value,
        "status": item.status.value,
        "path": item.output,
        "old_path": item.old_output,
        **{name: None if usd is None else exact_usd(usd) for name, usd in prices.items()},
        **{name: dict(getattr(content, name)) for name in ("parts", "values", "inputs")},
        "changed": list(map(plain_change, item.changed)) if item.change in _BUYS else [],
    }


def _json(value: Document) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan that was written to a file: its header, and where its items are read from."""

    file: Path
    header: Document

    def iter_items(self) -> Iterator[Document]:
        """Yield its items by address; InvalidInput where one is not as a plan writes it."""
        last = ""
        for item in _iter_items(self.file):
            # Two plans are compared as streams, side by side: that needs their order.
            if not _item_validator().is_valid(item) or item["address"] <= last:
                raise _not_a_plan(self.file)
            last = item["address"]
            yield item

    def request(self, **more: Any) -> CampaignRequest:
        """Return the request it was made by; `more` is how providers are reached."""
        manifest, root = Path(self.header["manifest"]), self.header["root"]
        asked: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.header.items()
            if name in _ASKED
        }
        asked["ledger"] = self.header.get("ledger")
        given = {**asked, **more, "root": None if root is None else Path(root)}
        return CampaignRequest(manifest=manifest, project=project_of(manifest), **given)


def read_saved_plan(file: Path) -> SavedPlan:
    """Return a plan that was saved; InvalidInput where the file is none."""
    header = _read_header(file)
    # The items are checked one by one as they are read: a plan may have a million.
    if not jsonschema_rs.is_valid(schema("plan"), {**header, "items": []}):
        raise _not_a_plan(file)
    if not header["ok"]:
        raise usage(f"{file}: the plan has errors, and cannot be applied")
    return SavedPlan(file=file, header=header)


def _read_header(file: Path) -> Document:
    try:
        with file.open(encoding="utf-8") as reading:
            first = reading.readline().rstrip()
            whole = f"{first}]}}" if first.endswith('"items": [') else first + reading.read()
        found = json.loads(whole)
    except OSError as fault:
        raise usage(f"{file} cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise _not_a_plan(file) from fault
    if not isinstance(found, dict):
        raise _not_a_plan(file)
    return {name: value for name, value in found.items() if name != "items"}


def _iter_items(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as reading:
        first = reading.readline().rstrip()
        if not first.endswith('"items": ['):
            # Somebody laid it out anew: it is read whole.
            yield from json.loads(first + reading.read())["items"]
            return
        for line in reading:
            text = line.strip()
            if text == "]}":
                return
            try:
                yield json.loads(text.removesuffix(","))
            except ValueError as fault:
                raise _not_a_plan(file) from fault
    raise _not_a_plan(file)


@cache
def _item_validator() -> jsonschema_rs.Draft202012Validator:
    whole = schema("plan")
    return jsonschema_rs.Draft202012Validator({**whole["$defs"]["item"], "$defs": whole["$defs"]})


def _not_a_plan(file: Path) -> Exception:
    return usage(f"{file} is no saved plan", "`callsheet plan M -o FILE` writes one")


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleItem:
    """What is another now than a saved plan says: of an item, or with no address of the whole."""

    address: str
    changes: tuple[PartChange, ...]


class StalePlan(CallsheetError):  # noqa: N818 - named for what it says, as its base's tree
    """A saved plan does not hold any more; nothing was sent."""

    def __init__(self, differences: Sequence[StaleItem]) -> None:
        self.differences = differences
        super().__init__(f"{len(differences)} differences")


def require_fresh(
    saved: SavedPlan, campaign: LoadedCampaign, *, still_valid: bool
) -> tuple[LoadedCampaign, Sequence[StaleItem]]:
    """Return the campaign as a saved plan is applied to it; StalePlan where that does not hold.

    With `still_valid` the items that are not as they were planned are left out, and returned too.
    Called while nobody else can write to the ledger: what it says holds until the run begins.
    """
    with open_plan(campaign) as (plan, ledger):
        require_admitted(plan.summary, campaign)
        stale = list(_differences(saved, plan, ledger.item_changes(campaign.name)))
    if stale and not still_valid:
        raise StalePlan(stale)
    left_out = frozenset(each.address for each in stale if each.address)
    return replace(campaign, left_out=left_out), stale


def _differences(saved: SavedPlan, plan: Plan, items: Iterator[ItemChange]) -> Iterator[StaleItem]:
    was, now = saved.header["terms"], _terms(plan)
    terms = tuple(
        PartChange(part=_TERMS[name], old=was[name], new=now[name])
        for name in now
        if was[name] != now[name]
    )
    if terms:
        yield StaleItem(address="", changes=terms)
    explained = 0
    for old, new in _pair(saved.iter_items(), items):
        changes = _item_differences(old, new, plan.campaign if explained < _EXPLAINED else None)
        if changes:
            explained += 1
            yield StaleItem(address=new.address if new else (old or {})["address"], changes=changes)


def _pair(
    saved: Iterator[Document], items: Iterator[ItemChange]
) -> Iterator[tuple[Document | None, ItemChange | None]]:
    """Yield what a saved plan and one of now have under each address; both come by address."""
    old, new = next(saved, None), next(items, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old["address"] < new.address):
            yield old, None
            old = next(saved, None)
        elif old is None or new.address < old["address"]:
            yield None, new
            new = next(items, None)
        else:
            yield old, new
            old, new = next(saved, None), next(items, None)


def _item_differences(
    old: Document | None, new: ItemChange | None, campaign: LoadedCampaign | None
) -> tuple[PartChange, ...]:
    """Return in what an item is not as it was planned, as far as a run depends on it.

    With a campaign, where what changed is written is looked up.
    """
    was = old["class"] if old and old["selected"] else ChangeClass.NOTHING.value
    now = new.change.value if new and new.selected else ChangeClass.NOTHING.value
    if was == now == ChangeClass.NOTHING:
        return ()
    found: list[PartChange] = []
    if old is None or new is None or was != now:
        old_words, new_words = (each.replace("_", " ") for each in (was, now))
        found.append(PartChange(part="what is done", old=old_words, new=new_words))
    if old is None or new is None:
        return tuple(found)
    if new.change in _BUYS and old["key"] != new.key:
        found += _changed_key(old, new, campaign)
    current = _plain_item(new)
    # What is not bought has no price to agree to: only where its clip goes is compared.
    for name in _COMPARED if new.change in _BUYS else ("path",):
        if old[name] != current[name]:
            title = name.replace("_usd", " price")
            found.append(PartChange(part=title, old=old[name], new=current[name]))
    # The request follows from the key: it is told where nothing else is.
    if new.change in _BUYS and not found and old["request"] != new.request:
        found.append(PartChange(part="request", old=old["request"], new=new.request))
    return tuple(found)


def _changed_key(
    old: Document, new: ItemChange, campaign: LoadedCampaign | None
) -> Iterable[PartChange]:
    if new.earlier and new.earlier.key == old["key"]:
        # It was to stay as it is, so the plan does not say what it asks for; its purchase does.
        return new.changed
    places = plan_item(new, campaign).item.places() if campaign else EMPTY
    before = KeyContent(**{name: old[name] for name in ("parts", "values", "inputs")})
    return changed_parts(before, new.content, places)


_TERMS: Mapping[str, str] = {
    "limit_usd": "budget.limit in USD",
    "per_run_usd": "budget.per_run in USD",
    "per_row_usd": "budget.per_row in USD",
    "per_item_usd": "budget.per_item in USD",
    "assume_usd": "budget.unpriced.assume in USD",
    "over_usd": "what the budget has no room for, in USD",
    "purchases": "policy.purchases",
    "fallback": "policy.fallback",
}
"""A plan's terms, by the key of the manifest that says them."""
_COMPARED = ("provider", "model", "path", *_SUMS)
"""What a run depends on beside the key, where an item is bought."""
