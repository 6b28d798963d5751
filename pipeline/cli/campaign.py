"""From a manifest's path to a stream of priced entries: the stages in their order.

This file and `running` are the architecture: each stage is handed what the stage before made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import yaml

from pipeline.cli.options import CampaignOptions
from pipeline.cli.reassignments import Reassignments
from pipeline.cli.roots import choose_root
from pipeline.cli.selecting import ProviderFilter, named_findings, selection_sources, sieve_of
from pipeline.domain import EMPTY, Manifest, PricedItem
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.manifest import contents, load_manifest
from pipeline.media.inspection_cache import InspectionCache
from pipeline.media.inspector import Inspector
from pipeline.plan import Rates, SelectionMatcher, expand, parse_rates, price_items
from pipeline.providers import OFFERS, PLUGIN_RATES, compose, sent_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A manifest that was read, and what was found in it so far.

    `manifest` is there even with errors among the findings, as far as it could be understood, so
    that the plan's findings are told in the same pass.
    """

    asked: CampaignOptions
    manifest: Manifest
    findings: tuple[Finding, ...]
    sources: Mapping[str, str]
    """What was read, for excerpts; secrets are starred out."""
    detours: Reassignments = field(default_factory=Reassignments)
    """What the last plan gave to others than the provider named first."""

    @property
    def name(self) -> str:
        """The campaign's name in ledger and file system: a profile has a folder of its own."""
        profile = self.manifest.profile
        return f"{self.manifest.name}@{profile}" if profile else self.manifest.name

    def sieve(self) -> SelectionMatcher | None:
        """Return what tells the selected items from the others; None where all are meant.

        InvalidInput where the selection cannot be understood.
        """
        return sieve_of(self.asked, self.manifest, self.sources)

    def choice(self, *, again: bool = False) -> SelectionMatcher | ProviderFilter | None:
        """Return what tells the items that a run may buy from the others; None: it may buy all.

        A provider of the command line buys what it can make; the rest stays as it is. `again` is
        for a run that goes on: what it selected was decided when it began.
        """
        sieve = None if again else self.sieve()
        return ProviderFilter(self.asked.provider, sieve) if self.asked.provider else sieve

    def entries(
        self, assets: Path | None, stopped: Mapping[str, str] = EMPTY
    ) -> Iterator[PricedItem | Finding]:
        """Yield what reading found, then the priced plan; fitted frames go to `assets`.

        Without a place for them, as in a dry run, only what they measure is worked out.

        Providers that are `stopped` (name to reason) are passed over where another can do it.
        """
        manifest = self.manifest
        yield from self.findings
        plan = expand(
            manifest,
            OFFERS,
            Inspector(
                manifest.folder,
                manifest.allow,
                assets or self.asked.home / ".callsheet" / "assets",
                InspectionCache.below(self.asked.home),
                dry=assets is None,
            ),
            provider=self.asked.provider,
            stopped=stopped,
            day=datetime.now(UTC).date(),
        )
        priced = price_items(
            plan,
            rates=rates(),
            budget=manifest.budget,
            compose=compose,
            sent_prompt=sent_prompt,
            provider_settings=manifest.providers,
        )
        yield from self.detours.watching(priced)


def open_campaign(asked: CampaignOptions, read: Callable[[Path], bytes] = contents) -> Campaign:
    """Read the manifest and its tables, and settle which root is meant where there may be two.

    InvalidInput if nothing can be made of it, RootRefused if nobody is there to say which root.
    """
    loaded = load_manifest(
        asked.manifest, profile=asked.profile_name, overrides=asked.overrides, read=read
    )
    if loaded.manifest is None:
        raise InvalidInput(loaded.findings, loaded.sources)
    campaign = Campaign(
        asked=asked,
        manifest=loaded.manifest,
        findings=(*_placed(loaded.findings, asked), *named_findings(loaded.manifest)),
        sources={**loaded.sources, **selection_sources(asked), **asked.project.sources},
    )
    return replace(campaign, asked=choose_root(asked, campaign.name))


def _placed(findings: Iterable[Finding], asked: CampaignOptions) -> Iterator[Finding]:
    """Yield findings, that of a profile which the project names at the place where it does."""
    place = asked.project.places.get("profile") if asked.profile is None else None
    for finding in findings:
        moved = place if finding.slug == "unknown-profile" else None
        yield replace(finding, span=moved) if moved else finding


def rates() -> Rates:
    """Return the price list that is shipped with the package, with what guests bring along."""
    text = files("pipeline.providers").joinpath("rates.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    return parse_rates({**data, "rates": [*data["rates"], *PLUGIN_RATES]})
