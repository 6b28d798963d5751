"""Manifest → Plan: shot × row × cell × take, as a stream of items and findings.

Nothing holds all items: a plan is a recipe that can be iterated again, and that gives the same
each time. Order: shots as written, rows as in their table, cells in order, takes. A shot's findings
come after its items; an item that has an error is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.domain import EMPTY, Item, Manifest, Offer
from pipeline.findings import Diagnostic
from pipeline.plan.finding_factory import Findings
from pipeline.plan.looking import Inspector
from pipeline.plan.shots import ShotPlan
from pipeline.plan.switches import extra_faults, switch_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a manifest asks for; iterate it as often as needed."""

    manifest: Manifest
    offers: Mapping[str, Offer]
    inspector: Inspector
    provider: str = ""
    stopped: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    def __iter__(self) -> Iterator[Item | Diagnostic]:
        yield from switch_faults(self.manifest, self.offers)
        for shot in self.manifest.shots:
            yield from extra_faults(shot, self.offers)
            findings = Findings()
            yield from ShotPlan(
                self.manifest,
                shot,
                self.offers,
                inspector=self.inspector,
                provider=self.provider,
                stopped=self.stopped,
                findings=findings,
            ).items()
            yield from findings.drain()


def expand(
    manifest: Manifest,
    offers: Mapping[str, Offer],
    inspector: Inspector,
    *,
    provider: str = "",
    stopped: Mapping[str, str] = EMPTY,
) -> Plan:
    """Return the plan of a manifest; `offers` are all that are known, by provider.

    `provider` is the only one to be asked, whatever the manifest says; `stopped` are providers that
    are passed over where another can make an item, each with the reason.
    """
    return Plan(
        manifest=manifest,
        offers=offers,
        inspector=inspector,
        provider=provider,
        stopped=stopped,
    )
