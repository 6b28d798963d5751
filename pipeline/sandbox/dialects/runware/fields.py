"""Every field of a `videoInference` task for Kling O1, and what its value may be.

A closed set, from the model pages (read in 2026): any other field is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.checks import Check, address, flag, integer, many, one_of, text
from pipeline.sandbox.dialects.runware.models import MODELS, Problem

_UUID_VERSION = 4


def is_uuid4(value: Any) -> bool:
    """Tell whether a value is the text of a UUID of version 4."""
    try:
        return isinstance(value, str) and uuid.UUID(value).version == _UUID_VERSION
    except ValueError:
        return False


def _uuid4(value: Any) -> str:
    return "" if is_uuid4(value) else "must be a UUID v4"


def _medium(value: Any) -> str:
    return "" if isinstance(value, str) and value else "must be a UUID, URL, data URI or base64"


def _clip(value: Any) -> str:
    fits = isinstance(value, str) and (is_uuid4(value) or not address(value))
    return "" if fits else "must be the UUID or the URL of a video"


_FRAME_WORDS = one_of("first", "last", 0, -1)


def _frame(value: Any) -> str:
    if not isinstance(value, dict):
        return _medium(value)
    if not {"image"} <= value.keys() <= {"image", "frame"}:
        return "takes `image` and `frame`"
    return _medium(value["image"]) or _FRAME_WORDS(value.get("frame", "first"))


FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "taskType": one_of("videoInference"),
        "taskUUID": _uuid4,
        "model": one_of(*MODELS),
        "positivePrompt": text(2, 2500),
        "width": integer(1, 4096),
        "height": integer(1, 4096),
        "duration": integer(3, 10),
        "numberResults": integer(1, 20),
        "outputType": one_of("URL"),
        "outputFormat": one_of("MP4", "WEBM", "MOV"),
        "outputQuality": integer(20, 99),
        "deliveryMethod": one_of("async"),
        "includeCost": flag,
        "ttl": integer(60, 10**9),
        "webhookURL": address,
        "uploadEndpoint": address,
        "inputs.frameImages": many(_frame, 1, 2),
        "inputs.referenceImages": many(_medium, 1, 7),
        "inputs.referenceVideos": many(_clip, 1, 1),
        "inputs.video": _clip,
        "safety.checkContent": flag,
        "safety.mode": one_of("none", "fast", "full"),
        "providerSettings.klingai.fast": flag,
        "providerSettings.klingai.keepOriginalSound": flag,
    }
)
REQUIRED = ("taskUUID", "model", "positivePrompt")
_BRANCHES = frozenset(name.rpartition(".")[0][: len(name)] for name in FIELDS if "." in name) | {
    "providerSettings"
}


def flattened(task: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a task's fields by dotted name, branches unfolded."""
    for name, value in task.items():
        dotted = f"{prefix}{name}"
        if dotted in _BRANCHES and isinstance(value, dict):
            yield from flattened(value, f"{dotted}.")
        else:
            yield dotted, value


def misfits(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield which fields are missing, unknown or out of range."""
    for name in REQUIRED:
        if name not in fields:
            yield Problem(code="missingParameter", message=f"{name} is required", parameter=name)
    for name, value in fields.items():
        if name not in FIELDS:
            yield Problem(
                code="unsupportedParameter",
                message=f"{name} is not a parameter of this model",
                parameter=name,
            )
        elif wrong := FIELDS[name](value):
            yield Problem(code="invalidParameter", message=f"{name} {wrong}", parameter=name)
