"""Kling O1: what the model itself can do, and what every provider that sells it inherits.

Facts are from the Kling API reference as stored in September 2026 (documented), unless marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.domain import DEFAULT_MODEL, Constraints, Kind
from pipeline.models.video_model import AUTO, Combination, Parameter, VideoModel

_RATIOS: Mapping[str, float] = MappingProxyType({"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0})
_SHORT = frozenset({5, 10})
_ANY = frozenset(range(3, 11))
# Images and elements count together: 7 at most, 4 where there is a video as well.
_FROM_FRAME: Mapping[str, Any] = {"ratio": "frame", "max_images": 7, "max_elements": 7}
_FRAME_AND_IMAGES = Constraints(durations=_ANY, **_FROM_FRAME)

_KINDS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        Kind.TEXT: Constraints(durations=_SHORT),
        # "Only 5 or 10 s" also where nothing but a first frame is given; with references any.
        Kind.FIRST_FRAME: Constraints(
            durations=_SHORT, with_images=_FRAME_AND_IMAGES, **_FROM_FRAME
        ),
        Kind.FRAMES: Constraints(durations=_ANY, ratio="frame"),
        # The reference wants a ratio here; some providers cannot state one, so offers decide.
        Kind.REFERENCES: Constraints(durations=_ANY, ratio="", max_images=7, max_elements=7),
        Kind.GUIDE: Constraints(
            durations=_ANY,
            ratio="",
            max_images=4,
            max_elements=4,
            # Not so for an edit: it begins as its clip does. A last frame excludes both.
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

_COMBINATIONS: tuple[Combination, ...] = (
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
        # A rule of its own, since all of `present` must be there: either alone is excluded.
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

_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "mode": Parameter(
            rule={"enum": ["std", "pro"]},
            says="std or pro",
            description="Quality: std is 720p, pro is 1080p. Not every provider has both.",
            examples=("pro",),
            default="std",
            axis="Makes the shot in each of these modes.",
            axis_examples=("std", "pro"),
        ),
        "duration": Parameter(
            rule={"type": "integer", "minimum": 3, "maximum": 10},
            says="a whole number of seconds",
            description=(
                "Length of the clip in whole seconds, 3 to 10; not every kind and provider has"
                " every length. An edit has the length of its clip, and takes no duration."
            ),
            examples=(5, "{{ row.seconds }}"),
            default=5,
            axis="Makes the shot in each of these lengths, in seconds.",
            axis_examples=(5, 10),
        ),
        "aspect_ratio": Parameter(
            rule={"enum": [*_RATIOS, AUTO]},
            says="a ratio such as 9:16, or auto",
            description=(
                "Width to height. `auto` leaves it to the first frame, the clip, or the provider."
                " If not given: auto where the ratio is not for us to choose, else 16:9."
            ),
            examples=("9:16", "auto"),
            axis="Makes the shot in each of these ratios.",
            axis_examples=("9:16", "1:1"),
        ),
        "format": Parameter(
            rule={"enum": ["mp4", "webm", "mov"]},
            says="mp4, webm or mov",
            description="File format of the clip, where the provider lets it be chosen.",
            examples=("mp4",),
            axis="Makes the shot in each of these file formats.",
            axis_examples=("mp4", "webm"),
        ),
        "safety": Parameter(
            rule={"type": "string", "minLength": 1},
            says="a word",
            description=(
                "The provider's own content check, where it lets it be chosen;"
                " Runware knows none, fast and full."
            ),
            examples=("fast",),
            axis="Makes the shot with each of these content checks.",
            axis_examples=("fast", "full"),
        ),
        "output_quality": Parameter(
            rule={"type": "integer", "minimum": 1, "maximum": 100},
            says="a whole number from 1 to 100",
            description=(
                "How well the clip is encoded, in percent, where the provider lets it be chosen;"
                " Runware knows 20 to 99, and takes 95 where nothing is said."
            ),
            examples=(95,),
            axis="Makes the shot in each of these encodings.",
            axis_examples=(80, 95),
        ),
        "ttl": Parameter(
            rule={"type": "integer", "minimum": 1},
            says="a whole number of seconds",
            description=(
                "How long the provider keeps the clip, in seconds, where it lets it be chosen: a"
                " run that is interrupted longer cannot fetch it any more. Runware knows 60 and"
                " more; a day is asked for where nothing is said. No clip is bought again by it."
            ),
            examples=(172_800,),
            # How long a provider keeps a clip makes no other clip: to write it buys nothing again.
            in_key=False,
        ),
        "watermark": Parameter(
            rule={"type": "boolean"},
            says="true or false",
            description=(
                "Whether the provider may put its mark into the clip, where it lets it be chosen."
            ),
            examples=(False,),
            axis="Makes the shot with and without the provider's mark.",
            axis_examples=(True, False),
        ),
        "keep_audio": Parameter(
            rule={"type": "boolean"},
            says="true or false",
            description="Whether the sound of the clip is kept.",
            examples=(True,),
            default=False,
        ),
    }
)

_ALWAYS = frozenset({"mode", "format", "safety", "watermark", "output_quality", "ttl"})
# An edit has neither: length and ratio are those of its clip.
_SHAPED = _ALWAYS | {"duration", "aspect_ratio"}

KLING_O1 = VideoModel(
    name=DEFAULT_MODEL,
    title="Kling O1",
    kinds=_KINDS,
    parameters=_PARAMETERS,
    uses=MappingProxyType(
        {
            Kind.TEXT: _SHAPED,
            Kind.FIRST_FRAME: _SHAPED,
            Kind.FRAMES: _SHAPED,
            Kind.REFERENCES: _SHAPED,
            Kind.GUIDE: _SHAPED | {"keep_audio"},
            Kind.EDIT: _ALWAYS | {"keep_audio"},
            Kind.FAST_EDIT: _ALWAYS | {"keep_audio"},
        }
    ),
    ratios=_RATIOS,
    usual_ratio="16:9",
    pixels=MappingProxyType({"std": 720, "pro": 1080}),
    combinations=_COMBINATIONS,
    # Images: an older page says 10 MB, a newer one 50 MB; the smaller, the usual limit, is safe.
)
