"""What `diff` compares: a lock file, a saved plan, a manifest, or one of them at a revision.

`read_build` is the one place that knows which of them a word means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import orjson

from pipeline.api.campaign_plan import require_admitted
from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.git_revisions import check_out, find_file, find_revision
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.lock_file import SUFFIX
from pipeline.api.project_file import project_of
from pipeline.domain import PricedItem
from pipeline.findings import Finding, group_findings
from pipeline.plan.lock.differences import (
    Build,
    BuildItem,
    Differences,
    compare_builds,
    locked_build,
    planned_build,
)
from pipeline.plan.lock.lock_text import read_lock
from pipeline.run.plan_sync import PlanSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSources:
    """Two builds as words of a command line, and how manifests among them are read."""

    before: str
    after: str
    profile: str | None = None
    overrides: tuple[str, ...] = ()


def compare_sources(sources: BuildSources) -> Differences:
    """Return what differs from one build to another; InvalidInput where one cannot be read."""
    before = read_build(sources.before, sources, path_of(sources.after))
    return compare_builds(before, read_build(sources.after, sources, path_of(sources.before)))


def path_of(word: str) -> str:
    """Return the path in a word; empty for a revision alone."""
    if Path(word).is_file():
        return word
    return word.partition(":")[2]


def read_build(word: str, sources: BuildSources, other_path: str) -> Build:
    """Return the build that a word means; a revision alone is that of the other word's file."""
    place = Path(word)
    # First the file: its name may have a colon, which else ends a revision.
    if place.is_file():
        return _build_of(place, place.read_bytes, sources)
    name, _, path = word.partition(":")
    path = path or other_path
    if not find_revision(name):
        raise usage(f"{word} is no file, and {name} no revision of Git")
    if not path:
        raise usage(f"{word}: of which file? Write {name}:PATH")
    file = find_file(name, path)
    if file is None:
        raise usage(f"there is no {path} at the revision {name}")
    if _reader(Path(path)) is not None:
        return _build_of(Path(f"{name}:{file.path}"), file.read, sources)
    with check_out(file) as manifest:
        return _manifest_build(manifest, sources)


def _build_of(place: Path, read: Callable[[], bytes], sources: BuildSources) -> Build:
    reader = _reader(place)
    if reader is None:
        return _manifest_build(place, sources)
    return reader(read(), str(place))


def _lock_build(content: bytes, name: str) -> Build:
    return locked_build(read_lock(content.decode("utf-8", "replace"), name))


def _plan_build(content: bytes, name: str) -> Build:
    """Return the build of a saved plan: the items that `plan --format json` writes."""
    try:
        items = orjson.loads(content)["items"]
        return {
            item["address"]: BuildItem(
                key=item["key"],
                parts=item.get("parts", {}),
                price_usd=None if price is None else Decimal(str(price)),
            )
            for item, price in ((each, each.get("price_usd")) for each in items)
        }
    except (ValueError, KeyError, TypeError):
        raise usage(f"{name} is no saved plan") from None


def _manifest_build(manifest: Path, sources: BuildSources) -> Build:
    """Return what a manifest asks for, whatever is there of it; InvalidInput if it has errors."""
    request = CampaignRequest(
        manifest=manifest,
        project=project_of(manifest),
        profile=sources.profile,
        overrides=sources.overrides,
        root=project_of(manifest).root,
    )
    campaign = load_campaign(request)
    entries = list(campaign.entries(None))
    findings = group_findings(each for each in entries if isinstance(each, Finding))
    require_admitted(PlanSummary(campaign=campaign.name, findings=findings), campaign)
    return planned_build(each for each in entries if isinstance(each, PricedItem))


def _reader(place: Path) -> Callable[[bytes, str], Build] | None:
    """Return what reads a file of this name; None for a manifest."""
    named = (reader for suffix, reader in _READERS.items() if place.name.endswith(suffix))
    return next(named, None)


_READERS: Mapping[str, Callable[[bytes, str], Build]] = MappingProxyType(
    {SUFFIX: _lock_build, ".json": _plan_build}
)
"""What reads each kind of file but a manifest, by the end of its name."""
