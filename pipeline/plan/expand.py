"""Manifest → Plan: shot × row × cell × take, as a stream of items and findings.

Nothing holds all items: a plan is a recipe that can be iterated again, and that gives the same
each time. Order: shots as written, rows as in their table, cells in order, takes. A shot's findings
come after its items; an item that has an error is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.diagnostics import Diagnostic
from pipeline.model import Item, Manifest, Offer
from pipeline.plan.findings import Findings
from pipeline.plan.looking import Inspector
from pipeline.plan.shots import ShotPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a manifest asks for; iterate it as often as needed."""

    manifest: Manifest
    offers: Mapping[str, Offer]
    inspector: Inspector
    provider: str = ""

    def __iter__(self) -> Iterator[Item | Diagnostic]:
        for shot in self.manifest.shots:
            findings = Findings()
            yield from ShotPlan(
                self.manifest,
                shot,
                self.offers,
                inspector=self.inspector,
                provider=self.provider,
                findings=findings,
            ).items()
            yield from findings.drain()


def expand(
    manifest: Manifest,
    offers: Mapping[str, Offer],
    inspector: Inspector,
    *,
    provider: str = "",
) -> Plan:
    """Return the plan of a manifest; `offers` are all that are known, by provider.

    `provider` is the only one to be asked, whatever the manifest says.
    """
    return Plan(manifest=manifest, offers=offers, inspector=inspector, provider=provider)
