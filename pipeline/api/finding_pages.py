"""What each finding means, read from the one list of all findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pipeline.api.shipped_data import read_package_yaml
from pipeline.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """What there is to say about one finding."""

    slug: str
    title: str
    severity: Severity = Severity.ERROR
    means: str
    wrong: str
    """An example, as somebody wrote it."""
    right: str = ""
    """The example as it should be, where that says more than words."""
    do: str
    unprovoked: str = ""
    """Why no manifest brings it about, for the few where that is so."""


@cache
def finding_pages() -> Mapping[str, FindingPage]:
    """Return the page of every finding there is, by slug."""
    listed = read_package_yaml("pipeline", "findings.yaml")
    pages = {
        slug: FindingPage(
            slug=slug, **{**said, "severity": Severity(said.get("severity", Severity.ERROR))}
        )
        for slug, said in listed.items()
    }
    return MappingProxyType(pages)
