"""What templates of one place may name, and whether a name they use is among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain.item import EMPTY
from pipeline.manifest.wording import did_you_mean, nearest

SCALAR: frozenset[str] = frozenset()
"""A name that has nothing under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names of one place: each with the names under it, or None where they are not known."""

    names: Mapping[str, frozenset[str] | None]
    elsewhere: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Names that exist, but not here, with the reason."""
    rows: frozenset[str] = frozenset()
    """Names that stand for a table's row."""

    def hint(self, root: str, name: str = "") -> str | None:
        """Return None where a name is known, else what to write instead."""
        if root not in self.names:
            reason = self.elsewhere.get(root)
            return reason or did_you_mean(root, self.names)
        known = self.names[root]
        if not name or known is None or name in known:
            return None
        close = nearest(name, known)
        if close:
            written = f"{root}.{close}" if close.isidentifier() else f"{root}['{close}']"
            return f"did you mean '{written}'?"
        return did_you_mean(name, known) or f"'{root}' has nothing under it"


def extended(scope: Scope, **names: frozenset[str] | None) -> Scope:
    """Return a scope with further names."""
    return Scope(names={**scope.names, **names}, elsewhere=scope.elsewhere, rows=scope.rows)
