"""What Kling O1 itself can do, as data: rules that every provider inherits; built-in settings.

Facts are from the Kling API reference as stored in September 2026 (documented), unless marked.
Nothing is judged here: `compatible` runs the same checks over these terms and a provider's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.domain import Constraints, Kind, MediaLimits

MODEL_TITLE = "Kling O1"
TOLERANCE = 0.02
"""How far a frame's ratio may be from the one asked for (docs/design/language.md §4)."""
RATIOS: Mapping[str, float] = MappingProxyType({"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0})
AUTO = "auto"
USUAL_RATIO = "16:9"
USUAL: Mapping[str, object] = MappingProxyType(
    {"provider": ("runware",), "duration": 5, "mode": "std", "takes": 1, "pin_provider": False}
)
"""Settings nobody wrote; `aspect_ratio` depends on kind and offer, see `compatible.ratio_for`."""

EDITS = frozenset({Kind.EDIT, Kind.FAST_EDIT})
FRAMED = frozenset({Kind.FIRST_FRAME, Kind.FRAMES})

_SHORT = frozenset({5, 10})
_ANY = frozenset(range(3, 11))

MODEL_CONSTRAINTS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        Kind.TEXT: Constraints(durations=_SHORT),
        # "Only 5 or 10 s" also where nothing but a first frame is given.
        Kind.FIRST_FRAME: Constraints(
            durations=_SHORT, ratio="frame", max_images=7, max_elements=7
        ),
        Kind.FRAMES: Constraints(durations=_ANY, ratio="frame"),
        # The reference wants a ratio here; some providers cannot state one, so offers decide.
        Kind.REFERENCES: Constraints(durations=_ANY, ratio="", max_images=7, max_elements=7),
        Kind.GUIDE: Constraints(
            durations=_ANY,
            ratio="",
            max_images=4,
            max_elements=4,
            first_frame=True,
            clip_seconds=(3.0, 10.0),
            keep_audio=True,
        ),
        Kind.EDIT: Constraints(
            ratio="clip", max_images=4, max_elements=4, clip_seconds=(3.0, 10.0), keep_audio=True
        ),
        # Not in the Kling reference: Runware and EvoLink both say 6 to 20 s.
        Kind.FAST_EDIT: Constraints(
            ratio="clip", max_images=4, max_elements=4, clip_seconds=(6.0, 20.0), keep_audio=True
        ),
    }
)

# An older page says 10 MB, a newer one 50 MB: the smaller is safe.
MODEL_IMAGES = MediaLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """What input videos the model takes; sides in pixels."""

    formats: frozenset[str] = frozenset({"mp4", "mov"})
    min_side: int = 720
    max_side: int = 2160
    # 24 to 60; 23.976 and 59.94 count as such, and a measured rate is off by a frame or so.
    min_fps: float = 23.9
    max_fps: float = 60.6


MODEL_CLIPS = ClipLimits()
CLIP_SLACK_S = 0.05
"""A clip of "10 s" often ends some frames later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Parts that may not come together: all of `present`, and none of `absent`."""

    slug: str
    present: frozenset[str]
    absent: frozenset[str] = frozenset()
    message: str


COMBINATIONS: tuple[Combination, ...] = (
    Combination(
        slug="last-needs-first",
        present=frozenset({"last"}),
        absent=frozenset({"first"}),
        message="a last frame needs a first frame",
    ),
    Combination(
        slug="last-excludes-references",
        present=frozenset({"last", "images"}),
        message="a last frame cannot be combined with reference images",
    ),
    Combination(
        slug="last-excludes-references",
        present=frozenset({"last", "elements"}),
        message="a last frame cannot be combined with elements",
    ),
    Combination(
        slug="last-excludes-video",
        present=frozenset({"last", "guide"}),
        message="a last frame cannot be combined with a guide video",
    ),
    Combination(
        slug="edit-excludes-frames",
        present=frozenset({"edit", "first"}),
        message="an edit takes no first frame: it begins as its clip does",
    ),
    Combination(
        slug="edit-excludes-frames",
        present=frozenset({"edit", "last"}),
        message="an edit takes no last frame: it ends as its clip does",
    ),
    Combination(
        slug="fast-needs-edit",
        present=frozenset({"guide", "fast"}),
        message="'fast' belongs to an edit; a guide has no fast form",
    ),
)
"""Keyed by parts of an item: first, last, images, elements, guide, edit, fast."""

_ALWAYS = frozenset({"mode", "format", "safety", "watermark", "provider", "takes", "pin_provider"})
_SHAPED = _ALWAYS | {"duration", "aspect_ratio"}
USES: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.TEXT: _SHAPED,
        Kind.FIRST_FRAME: _SHAPED,
        Kind.FRAMES: _SHAPED,
        Kind.REFERENCES: _SHAPED,
        Kind.GUIDE: _SHAPED | {"keep_audio"},
        Kind.EDIT: _ALWAYS | {"keep_audio"},
        Kind.FAST_EDIT: _ALWAYS | {"keep_audio"},
    }
)
"""Which settings have a meaning for which kind."""

KIND_WORDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.TEXT: "text alone",
        Kind.FIRST_FRAME: "a first frame",
        Kind.FRAMES: "a first and a last frame",
        Kind.REFERENCES: "reference images",
        Kind.GUIDE: "a guide video",
        Kind.EDIT: "an edit of a clip",
        Kind.FAST_EDIT: "a fast edit of a clip",
    }
)
