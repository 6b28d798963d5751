"""First and last frames → frames of the ratio asked for: as they are, made to fit, or a finding.

With `auto` nothing is checked, and of a URL nothing is known.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.domain import Reference, Role
from pipeline.errors import MediaFault
from pipeline.plan.compatible import Misfit
from pipeline.plan.layers import Wanted
from pipeline.plan.looking import Inspector
from pipeline.plan.places import Places
from pipeline.plan.references import Attached
from pipeline.plan.rules import RATIOS
from pipeline.plan.usable import has_ratio

_FRAMES = frozenset({Role.FIRST, Role.LAST})


class Frames:
    """Brings the frames of one shot into shape."""

    def __init__(self, inspector: Inspector, places: Places, level: int) -> None:
        self._inspector = inspector
        self._places = places
        self._level = level

    def framed(self, attached: Attached, wanted: Wanted) -> tuple[Reference, ...]:
        """Return the references, frames in shape; a frame that has a finding is left out."""
        written = wanted.get("aspect_ratio")
        if written is None or written.data not in RATIOS or "edit" in attached.parts:
            return attached.references
        if not {"first", "last"} & attached.parts:
            return attached.references
        shaped = [
            self._shaped(reference, attached, written.data)
            if reference.role in _FRAMES
            else reference
            for reference in attached.references
        ]
        return tuple([reference for reference in shaped if reference is not None])

    def _shaped(self, reference: Reference, attached: Attached, ratio: str) -> Reference | None:
        media = reference.media[0]
        if media.local and has_ratio(media.width, media.height, ratio):
            return reference
        if attached.fit:
            return self._fitted(reference, attached, ratio)
        if not media.local:
            return reference
        message = f"the {reference.role} frame is not {ratio}"
        misfit = Misfit(slug="frame-ratio", message=message, part=reference.name)
        hint = "say fit: crop, or fit: pad"
        self._places.tell_media(reference, misfit, attached, self._level, hint=hint)
        return None

    def _fitted(self, reference: Reference, attached: Attached, ratio: str) -> Reference | None:
        try:
            shaped = self._inspector.fit(reference.media[0], ratio, attached.fit)
        except MediaFault as fault:
            misfit = Misfit(slug=fault.slug, message=fault.message, part=reference.name)
            self._places.tell_media(reference, misfit, attached, self._level, hint=fault.hint)
            return None
        return replace(reference, media=(shaped,))
