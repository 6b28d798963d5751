"""The two generations of the app's input, as the schemas a client can read and is held to.

From the app's own source of May and of August 2026. Which of them is live is not known: without a
pinned version an input of either is taken, and the schema told is the newer one's. The short ids
are ours. What the schemas do not say (which media go together, which seconds) fails later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import jsonschema_rs

from pipeline.sandbox.kling import MAX_IMAGES

APP = "klingai/video-o1"
MODES: Mapping[str, str] = MappingProxyType({"720p": "std", "1080p": "pro"})
_FILE: Mapping[str, Any] = MappingProxyType({"type": "string", "pattern": "^https?://."})
_MAYBE_FILE: Mapping[str, Any] = MappingProxyType(
    {"type": ["string", "null"], "pattern": "^https?://."}
)
_COMMON: Mapping[str, Any] = MappingProxyType(
    {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 2500},
        "image": _MAYBE_FILE,
        "end_image": _MAYBE_FILE,
        "reference_images": {
            "type": ["array", "null"],
            "items": _FILE,
            "maxItems": MAX_IMAGES,
        },
        "reference_video": _MAYBE_FILE,
        "reference_video_type": {"type": "string", "default": "feature"},
        "aspect_ratio": {"enum": ["16:9", "9:16", "1:1", None]},
        "duration": {"type": "integer", "minimum": 3, "maximum": 10, "default": 5},
        "watermark": {"type": "boolean", "default": False},
    }
)


@dataclass(frozen=True)
class Generation:
    """One generation of the input: its version's short id, and its fields."""

    version: str
    properties: Mapping[str, Any]

    @property
    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {
            "type": "object",
            "properties": {name: _plain(told) for name, told in self.properties.items()},
            "required": ["prompt"],
            "additionalProperties": False,
        }

    def complaint(self, given: Any) -> str:
        """Return what is wrong with an input, or nothing."""
        wrong = next(self._validator.iter_errors(given), None)
        if wrong is None:
            return ""
        return f"{'.'.join(['input', *map(str, wrong.instance_path)])}: {wrong.message}"

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(self.schema)


MAY = Generation(
    version="3m7x1c",
    properties={
        **_COMMON,
        "mode": {"enum": ["std", "pro"], "default": "pro"},
        "keep_original_sound": {"type": "boolean", "default": True},
    },
)
AUGUST = Generation(
    version="9r4t2k",
    properties={**_COMMON, "resolution": {"enum": list(MODES), "default": "1080p"}},
)
LIVE = AUGUST


def generation_of(version: str, given: Any) -> Generation | None:
    """Return the generation an input is of: the pinned one, else the one it looks like."""
    if version:
        return next((one for one in (MAY, AUGUST) if one.version == version), None)
    older = isinstance(given, dict) and {"mode", "keep_original_sound"} & given.keys()
    return MAY if older else AUGUST


def _plain(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {name: _plain(value) for name, value in told.items()}
    return told
