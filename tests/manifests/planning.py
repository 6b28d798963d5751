"""Short ways to plan a manifest as the commands do, and to say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from pipeline.domain import PricedItem
from pipeline.findings import Finding, render


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a manifest comes to."""

    entries: tuple[PricedItem, ...]
    findings: tuple[Finding, ...]

    @property
    def addresses(self) -> list[str]:
        """Return the items' addresses in order."""
        return [entry.item.address for entry in self.entries]

    @property
    def prompts(self) -> dict[str, str]:
        """Return what the provider is told, by address."""
        return {entry.item.address: entry.sent_prompt for entry in self.entries}

    @property
    def sources(self) -> dict[str, list[str]]:
        """Return the media that go with each item, by address."""
        return {
            entry.item.address: [
                media.source for reference in entry.item.references for media in reference.media
            ]
            for entry in self.entries
        }

    @property
    def told(self) -> list[str]:
        """Return the first line of each finding."""
        return [render(finding, {}).splitlines()[0] for finding in self.findings]


def planned(manifest: Path, assets: Path, overrides: Sequence[str] = ()) -> Planned:
    """Return every entry and finding of a manifest; `assets` is where fitted frames go."""
    project = project_of(manifest)
    asked = CampaignRequest(
        manifest=manifest, project=project, overrides=tuple(overrides), root=assets
    )
    found = list(load_campaign(asked).entries(assets))
    return Planned(
        entries=tuple(each for each in found if isinstance(each, PricedItem)),
        findings=tuple(each for each in found if isinstance(each, Finding)),
    )


def both(manifest: Path, root: Path, overrides: Sequence[str] = ()) -> tuple[int, int]:
    """Return how `check` and `plan` end."""
    options = [*(word for each in overrides for word in ("--set", each)), "--root", str(root)]
    check, plan = (invoke([command, str(manifest), *options]) for command in ("check", "plan"))
    return int(check), int(plan)
