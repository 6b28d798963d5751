"""Providers from other packages, by the entry-point group `callsheet.providers`.

An entry point names a class without arguments (`base.Guest`). One that cannot be used is left out
with a warning: a broken package must not keep a campaign with other providers from running.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points

from pipeline.providers.base import Plugin

GROUP = "callsheet.providers"


def plugins(taken: Iterable[str], found: Iterable[EntryPoint] | None = None) -> Iterator[Plugin]:
    """Yield the providers that are installed beside this package; `taken` names are refused."""
    names = set(taken)
    for point in entry_points(group=GROUP) if found is None else found:
        try:
            plugin: Plugin = point.load()()
            name = plugin.offer.provider
            # Within the `try`: a provider of the older form (decision 18) lacks one of them.
            needed = (plugin.wire_schemas, plugin.rates)
        except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
            _leave_out(point, f"{type(error).__name__}: {error}")
            continue
        if name in names:
            _leave_out(point, f"there is a provider {name!r} already")
        # Without a schema a misspelt field would buy the provider's default.
        elif plugin.offer.models.keys() - plugin.wire_schemas.keys():
            _leave_out(point, "it brings no wire schema for one of its models")
        elif not all(needed):
            _leave_out(point, "it brings no wire_schemas, or no rates")
        else:
            names.add(name)
            yield plugin


def _leave_out(point: EntryPoint, why: str) -> None:
    warnings.warn(f"provider {point.value} is left out: {why}", RuntimeWarning, stacklevel=3)
