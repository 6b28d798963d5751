"""Every field of a `videoInference` task for Kling O1, and what its value may be.

A closed set, from the model pages (read in 2026): any other field is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pipeline.sandbox.dialects.runware.models import MODELS, Problem

_UUID_VERSION = 4

Check = Callable[[Any], str]
"""What is wrong with a value, or nothing."""


def _text(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        fits = isinstance(value, str) and low <= len(value) <= high
        return "" if fits else f"must be a string of {low} to {high} characters"

    return check


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole and low <= value <= high else f"must be an integer from {low} to {high}"

    return check


def _one_of(*allowed: Any) -> Check:
    def check(value: Any) -> str:
        known = any(value == option and type(value) is type(option) for option in allowed)
        return "" if known else f"must be one of {', '.join(map(str, allowed))}"

    return check


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be a boolean"


def _address(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    return "" if parts and parts.scheme in {"http", "https"} and parts.netloc else "must be a URI"


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
    fits = isinstance(value, str) and (is_uuid4(value) or not _address(value))
    return "" if fits else "must be the UUID or the URL of a video"


def _list(check: Check, low: int, high: int) -> Check:
    def check_all(value: Any) -> str:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return f"must be an array of {low} to {high} items"
        return next((wrong for item in value if (wrong := check(item))), "")

    return check_all


_FRAME_WORDS = _one_of("first", "last", 0, -1)


def _frame(value: Any) -> str:
    if not isinstance(value, dict):
        return _medium(value)
    if not {"image"} <= value.keys() <= {"image", "frame"}:
        return "takes `image` and `frame`"
    return _medium(value["image"]) or _FRAME_WORDS(value.get("frame", "first"))


FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "taskType": _one_of("videoInference"),
        "taskUUID": _uuid4,
        "model": _one_of(*MODELS),
        "positivePrompt": _text(2, 2500),
        "width": _integer(1, 4096),
        "height": _integer(1, 4096),
        "duration": _integer(3, 10),
        "numberResults": _integer(1, 20),
        "outputType": _one_of("URL"),
        "outputFormat": _one_of("MP4", "WEBM", "MOV"),
        "outputQuality": _integer(20, 99),
        "deliveryMethod": _one_of("async"),
        "includeCost": _flag,
        "ttl": _integer(60, 10**9),
        "webhookURL": _address,
        "uploadEndpoint": _address,
        "inputs.frameImages": _list(_frame, 1, 2),
        "inputs.referenceImages": _list(_medium, 1, 7),
        "inputs.referenceVideos": _list(_clip, 1, 1),
        "inputs.video": _clip,
        "safety.checkContent": _flag,
        "safety.mode": _one_of("none", "fast", "full"),
        "providerSettings.klingai.fast": _flag,
        "providerSettings.klingai.keepOriginalSound": _flag,
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
