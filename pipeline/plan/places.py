"""A misfit → a finding at the place in manifest or table that the misfit is about."""

from __future__ import annotations

from types import MappingProxyType

from pipeline.domain import Reference, Shot
from pipeline.findings import Diagnostic, Severity, Span
from pipeline.plan.compatible import Misfit
from pipeline.plan.layers import OWN, Wanted, Written
from pipeline.plan.looking import in_cell
from pipeline.plan.references import Attached
from pipeline.plan.scope import Scope

_PART_OF = MappingProxyType({"keep_audio": "video"})
"""What is written as a part of a reference, for want of a place of its own."""


class Places:
    """Knows where the parts of one shot are written."""

    def __init__(self, shot: Shot, scope: Scope) -> None:
        self._shot = shot
        self._scope = scope

    def tell(
        self,
        misfit: Misfit,
        wanted: Wanted,
        attached: Attached,
        level: int,
        *,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Tell a misfit at the setting or reference it is about, else at the shot."""
        written = wanted.get(misfit.part)
        if written and misfit.part == "provider" and written.layer not in OWN:
            # The providers of all shots are no mistake; that this one is not made by them is.
            written = None
        span = self._span(misfit.part, written, attached)
        there = attached.spans.get(_PART_OF.get(misfit.part, misfit.part))
        finding = Diagnostic(
            slug=misfit.slug,
            message=misfit.message,
            span=span,
            hint=hint,
            severity=severity,
            row=written.row if written else "",
            column=written.column if written else "",
            related=(there,) if there and there != span else (),
        )
        self._scope.tell(finding, level)

    def tell_media(
        self,
        reference: Reference,
        misfit: Misfit,
        attached: Attached,
        level: int,
        *,
        hint: str = "",
    ) -> None:
        """Tell a misfit of a medium where it is named: in the table's cell, if it is from one."""
        finding = Diagnostic(
            slug=misfit.slug, message=misfit.message, span=reference.span, hint=hint
        )
        value = attached.values.get(reference.span)
        # A message that names no file is the same for all rows: one finding at the frame itself.
        if value is not None and misfit.slug != "frame-ratio":
            finding = in_cell(finding, value, self._scope)
        self._scope.tell(finding, level)

    def _span(self, part: str, written: Written | None, attached: Attached) -> Span:
        if written is not None:
            return written.span
        if part == "prompt":
            return self._shot.prompt.span
        spans = self._shot.field_spans
        part = _PART_OF.get(part, part)
        if part in attached.spans:
            return spans.get("use") or spans.get("references") or self._shot.span
        return spans.get(part, self._shot.span)
