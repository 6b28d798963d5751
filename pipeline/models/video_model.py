"""What a video model can do, as data: kinds, combinations, ratios, parameters, limits, words.

Nothing is judged here: the planner runs the same checks over a model's limits and an offer's, and
the manifest's schema takes each setting from the parameters of the models there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.domain import Constraints, Kind, MediaLimits

AUTO = "auto"
EDITS = frozenset({Kind.EDIT, Kind.FAST_EDIT})
FRAMED = frozenset({Kind.FIRST_FRAME, Kind.FRAMES})

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """What input videos a model takes; sides in pixels."""

    formats: frozenset[str] = frozenset({"mp4", "mov"})
    min_side: int = 720
    max_side: int = 2160
    # 24 to 60; 23.976 and 59.94 count as such, and a measured rate is off by a frame or so.
    min_fps: float = 23.9
    max_fps: float = 60.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Parts that may not come together: all of `present`, and none of `absent`.

    Parts are: first, last, images, elements, guide, edit, fast.
    """

    slug: str
    present: frozenset[str]
    absent: frozenset[str] = frozenset()
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A setting of a model: the one home of its rule, its default and what is said of it."""

    rule: Mapping[str, Any]
    """JSON Schema of the value: type, enum, bounds."""
    says: str
    """What the value is, in words: "a whole number of seconds"."""
    description: str
    examples: tuple[Any, ...]
    default: Any = None
    axis: str = ""
    """What an axis of this name does; empty: it is written beside a reference, and no axis."""
    axis_examples: tuple[Any, ...] = ()
    """Values of one such axis."""
    in_key: bool = True
    """Whether another value makes another clip; if not, nothing is bought again by it."""


# By identity: models are parts of keys of caches, and their maps have no hash.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoModel:
    """A video model, whoever sells it. Two of them are equal only if they are the same."""

    name: str
    """What a manifest calls it, and what keys hold: "kling-o1"."""
    title: str
    kinds: Mapping[Kind, Constraints]
    parameters: Mapping[str, Parameter]
    """Settings it has; `mode`, `duration` and `aspect_ratio` always."""
    uses: Mapping[Kind, frozenset[str]]
    """Which of them have a meaning for which kind."""
    ratios: Mapping[str, float]
    """Ratio as written to width divided by height."""
    usual_ratio: str
    """What is made where nobody wrote a ratio and one can be stated."""
    pixels: Mapping[str, int]
    """Mode to short side in pixels."""
    combinations: tuple[Combination, ...] = ()
    images: MediaLimits = field(default_factory=MediaLimits)
    clips: ClipLimits = field(default_factory=ClipLimits)
    words: Mapping[Kind, str] = field(default_factory=lambda: KIND_WORDS)
    """What a clip is made from, in words."""
