"""A manifest value that names media → Media, or a finding at the value, or at the table's cell.

Media are looked at through the Inspector that `expand` is handed: nothing here opens a file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.domain import Media, Template, Value
from pipeline.errors import MediaFault, TemplateFault
from pipeline.findings import Diagnostic, Span
from pipeline.plan.scope import Scope


class Inspector(Protocol):
    """Looks into media files; `media.Inspector` is one."""

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return the medium; raise MediaFault where it cannot be used."""
        ...

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return an image made to fit a ratio ("9:16"), by "crop" or "pad"."""
        ...


@dataclass(slots=True, kw_only=True)
class Looking:
    """Reads the values of one row and cell; `broken` once anything had a finding."""

    scope: Scope
    inspector: Inspector
    broken: bool = False

    def value(self, value: Value | None) -> Any:
        """Return plain data, None where there is none or it cannot be rendered."""
        if value is None:
            return None
        try:
            return self.scope.value(value)
        except TemplateFault as fault:
            self.broken = True
            self.scope.told(fault, self.scope.level_of((value,)))
            return None

    def text(self, value: Value | None) -> str:
        """Return a text, empty where there is none."""
        found = self.value(value)
        return "" if found is None else str(found).strip()

    def files(self, value: Value) -> tuple[str, ...] | None:
        """Return the file names that a value gives, blank ones left out; None on a fault."""
        try:
            found = self.scope.value(value)
        except TemplateFault as fault:
            self.broken = True
            self.scope.told(fault, self.scope.level_of((value,)))
            return None
        listed = [found] if isinstance(found, str) or found is None else found
        return tuple(str(file).strip() for file in listed if file and str(file).strip())

    def look(self, value: Value, file: str, media_type: str, pin: str = "") -> Media | None:
        """Return the medium that a file name of this value means; a URL counts by its pin."""
        row = self.scope.row
        from_row = isinstance(value.data, Template) and value.data.from_row
        folder = row.folder if row and from_row else value.folder
        try:
            media = self.inspector.look(file, folder, media_type)
        except MediaFault as fault:
            self.fault(value, fault.slug, fault.message, fault.hint)
            return None
        if not pin or pin == media.digest:
            return media
        if not media.local:
            return replace(media, digest=pin)
        message = f"{file!r} is not the file that `pin` names"
        hint = f"write pin: {media.digest} if it is the right one"
        self.fault(value, "pin-mismatch", message, hint)
        return None

    def fault(
        self,
        value: Value,
        slug: str,
        message: str,
        hint: str = "",
        *,
        related: tuple[Span, ...] = (),
    ) -> None:
        """Tell what is wrong with a value, at the table's cell if it is nothing but that cell."""
        self.broken = True
        finding = Diagnostic(
            slug=slug, message=message, span=value.span, hint=hint, related=related
        )
        self.scope.tell(in_cell(finding, value, self.scope), self.scope.level_of((value,)))


def in_cell(finding: Diagnostic, value: Value, scope: Scope) -> Diagnostic:
    """Return the finding at the table's cell that a value was taken from, if it was."""
    column = scope.column(value)
    row = scope.row
    place = row.cells.get(column) if row else None
    if row is None or place is None:
        return finding
    return replace(
        finding, span=place, row=row.key, column=column, related=(finding.span, *finding.related)
    )
