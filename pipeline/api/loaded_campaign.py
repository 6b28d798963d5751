"""From a manifest's path to a stream of priced items: the stages in their order.

Each stage is handed what the stage before made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.decision_file import load_decisions
from pipeline.api.lock_file import locked_takes
from pipeline.api.price_list import price_list
from pipeline.api.roots import RootChoice, refuse_two_roots, settle_root
from pipeline.api.selection import (
    AddressFilter,
    ProviderFilter,
    own_selector_findings,
    selection_matcher,
    selection_of,
    selection_sources,
)
from pipeline.domain import EMPTY, Manifest, PricedItem
from pipeline.domain.item import Alike
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.manifest import contents, load_manifest
from pipeline.media.inspection_cache import InspectionCache
from pipeline.media.inspection_log import InspectionLog
from pipeline.media.inspector import Inspector
from pipeline.plan import Selection, SelectionMatcher, expand, price_items
from pipeline.plan.attachments import MediaInspector
from pipeline.plan.expand import RowChoice, TakeNumbers
from pipeline.providers import OFFERS, compose, sent_prompt

_SHOWN = 4


@dataclass(slots=True)
class _Group:
    items: int = 0
    addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reassignments:
    """Counts, while a plan streams by, the items that their first provider cannot make."""

    _groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Group] = field(
        default_factory=dict
    )

    def watching(self, entries: Iterable[PricedItem | Finding]) -> Iterator[PricedItem | Finding]:
        """Yield what comes, and count it."""
        for entry in entries:
            if isinstance(entry, PricedItem) and entry.item.passed_over:
                item = entry.item
                place = (item.shot, item.provider, item.passed_over)
                group = self._groups.setdefault(place, _Group())
                group.items += 1
                if len(group.addresses) < _SHOWN:
                    group.addresses.append(item.address)
            yield entry

    def clear(self) -> None:
        """Count anew: another plan is to stream by."""
        self._groups.clear()

    def plain(self) -> list[Any]:
        """Return what was counted as JSON can hold it."""
        return [[*place, each.items, each.addresses] for place, each in self._groups.items()]

    def restore(self, plain: Iterable[Any]) -> None:
        """Take what was counted of an equal plan for what was counted of this one."""
        self.clear()
        for shot, provider, reasons, items, addresses in plain:
            place = (shot, provider, tuple((name, why) for name, why in reasons))
            self._groups[place] = _Group(items=items, addresses=list(addresses))

    def lines(self, shots: Collection[str]) -> Iterator[str]:
        """Yield what was counted: per shot, who makes it, why nobody before, and which items."""
        for (shot, provider, reasons), group in self._groups.items():
            if shot not in shots:
                continue
            count = f"{group.items} items" if group.items > 1 else "1 item"
            yield f"{shot}: {count} at {provider}, because"
            for name, why in reasons:
                yield f"    not {name}: {why}"
            more = group.items - len(group.addresses)
            yield f"    {', '.join(group.addresses)}{f' and {more} more' if more else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCampaign:
    """A manifest that was read, and what was found in it so far.

    `manifest` is there even with errors among the findings, as far as it could be understood, so
    that the plan's findings are told in the same pass.
    """

    request: CampaignRequest
    manifest: Manifest
    findings: tuple[Finding, ...]
    sources: Mapping[str, str]
    """What was read, for excerpts; secrets are starred out."""
    inputs: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """SHA-256 of each file that was read, by its path from the manifest's folder."""
    left_out: frozenset[str] = frozenset()
    """Addresses that are not bought, whatever is selected: `apply --still-valid` leaves them."""
    reassignments: Reassignments = field(default_factory=Reassignments)
    """What the last plan gave to others than the provider named first."""

    @property
    def name(self) -> str:
        """The campaign's name in ledger and file system: a profile has a folder of its own."""
        profile = self.manifest.profile
        return f"{self.manifest.name}@{profile}" if profile else self.manifest.name

    @property
    def folder(self) -> Path:
        """Where the campaign's clips and its report are."""
        return self.request.home / self.name

    def matcher(self) -> SelectionMatcher | None:
        """Return what tells the selected items from the others; None where all are meant.

        InvalidInput where the selection cannot be understood.
        """
        if not self.request.selects:
            return None
        selection = self.selection()
        decisions = load_decisions(self.request, self.name) if selection.needs_reviews else None
        return selection_matcher(
            selection, self.manifest, decisions.review if decisions else lambda _: ""
        )

    def selection(self) -> Selection:
        """Return what the request selects; InvalidInput where it cannot be understood."""
        try:
            return selection_of(self.request, self.manifest)
        except InvalidInput as invalid:
            raise InvalidInput(invalid.findings, self.sources) from None

    def purchase_filter(self) -> SelectionMatcher | ProviderFilter | AddressFilter | None:
        """Return what tells the items that a run may buy from the others; None: it may buy all.

        A provider of the request buys what it can make; the rest stays as it is.
        """
        matcher = self.matcher()
        provider = self.request.provider
        choice = ProviderFilter(provider, matcher) if provider else matcher
        return AddressFilter(self.left_out, choice) if self.left_out else choice

    def _take_numbers(self, last_takes: Mapping[str, int]) -> TakeNumbers | None:
        """Return what tells the takes of a place: those of the lock file, or with the rerolls.

        Where a shot has a loop they are all that its place had, and as many as it may want next.
        """
        accepts = self.manifest.budget.accepts
        if self.request.locked:
            locked = locked_takes(self.request, self.name)
            return lambda place, count: locked.get(
                place, () if _shot_of(place) in accepts else range(1, count + 1)
            )
        rerolls = load_decisions(self.request, self.name).rerolls()

        def numbers(place: str, count: int) -> range:
            more, policy = rerolls.get(place, 0), accepts.get(_shot_of(place))
            if policy is None:
                return range(1, count + more + 1)
            had = last_takes.get(place, 0)
            next_round = max(policy.rounds) + more if had else policy.rounds[0]
            return range(1, max(had, min(policy.takes, had + next_round)) + 1)

        return numbers if rerolls or accepts else None

    def inspector(self, assets: Path | None) -> InspectionLog:
        """Return what looks at the manifest's media; fitted frames go to `assets`.

        Without a place for them, as in a dry run, only what they measure is worked out.
        """
        known = self.request.home / ".callsheet" / "assets"
        manifest, cache = self.manifest, InspectionCache.below(self.request.home)
        inspector = Inspector(
            manifest.folder, manifest.allow, assets or known, cache, dry=assets is None
        )
        return InspectionLog(inspector)

    def entries(
        self,
        assets: Path | None,
        quotes: Mapping[Alike, Decimal] | None = None,
        last_takes: Mapping[str, int] = EMPTY,
        *,
        inspector: MediaInspector | None = None,
        rows: RowChoice | None = None,
    ) -> Iterator[PricedItem | Finding]:
        """Yield what reading found, then the priced plan; its media are looked at by `inspector`.

        Without one, by `self.inspector(assets)`. `quotes` are prices that providers named
        themselves. `last_takes` are the highest takes that places had so far: where a shot has a
        loop, all that its next round may want are yielded. `rows` are those that are planned.
        """
        manifest = self.manifest
        # First, and with the plan's own: one pass tells all, and one error admits nothing.
        yield from self.findings
        plan = expand(
            manifest,
            OFFERS,
            inspector or self.inspector(assets),
            provider=self.request.provider,
            day=datetime.now(UTC).date(),
            takes=self._take_numbers(last_takes),
            rows=rows,
        )
        priced = price_items(
            plan,
            rates=price_list(),
            budget=manifest.budget,
            compose=compose,
            sent_prompt=sent_prompt,
            provider_settings=manifest.providers,
            quotes=quotes,
        )
        yield from self.reassignments.watching(priced)


def _shot_of(place: str) -> str:
    return place.partition("[")[0]


def load_campaign(
    request: CampaignRequest,
    *,
    read: Callable[[Path], bytes] = contents,
    choose_root: RootChoice = refuse_two_roots,
) -> LoadedCampaign:
    """Read the manifest and its tables, and settle which root is meant where there may be two.

    InvalidInput if nothing can be made of it, RootRefused if nobody is there to say which root.
    """
    inputs: dict[str, str] = {}

    def read_input(path: Path) -> bytes:
        content = read(path)
        name = Path(os.path.relpath(path, request.manifest.parent)).as_posix()
        inputs[name] = hashlib.sha256(content).hexdigest()
        return content

    loaded = load_manifest(
        request.manifest,
        profile=request.profile_name,
        overrides=request.overrides,
        read=read_input,
    )
    if loaded.manifest is None:
        raise InvalidInput(loaded.findings, loaded.sources)
    # A profile that only the project names is at fault there.
    place = request.project.places.get("profile") if request.profile is None else None
    findings = (
        replace(each, span=place) if place and each.slug == "unknown-profile" else each
        for each in loaded.findings
    )
    campaign = LoadedCampaign(
        request=request,
        manifest=loaded.manifest,
        findings=(*findings, *own_selector_findings(loaded.manifest)),
        sources={**loaded.sources, **selection_sources(request), **request.project.sources},
        inputs=dict(sorted(inputs.items())),
    )
    return replace(campaign, request=settle_root(request, campaign.name, choose_root))
