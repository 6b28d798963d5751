"""Every way the sandbox can misbehave, by name: where it may happen, when it strikes, its options.

The list is data, so that a scenario can be checked against it and the tests can walk through it.
Stages are the four things a client does: submit, status, upload, download. What becomes of a task
later (refused, stuck, off spec) is decided when it is submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

STAGES = ("submit", "status", "upload", "download")
_ANY = STAGES
_REPLIES = ("submit", "status", "upload")
_NONE: Mapping[str, Any] = MappingProxyType({})


class Effect(StrEnum):
    """When a fault strikes."""

    INSTEAD = "instead"
    """Before anything is done: the request has no effect."""
    AFTER = "after"
    """The request was carried out, its reply goes wrong."""
    WORD = "word"
    """The reply to a status request says something else."""
    FATE = "fate"
    """The task is accepted, and ends differently."""
    BYTES = "bytes"
    """The download goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to misbehave; the first stage is the one meant when a scenario names none."""

    effect: Effect
    stages: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    """Option to its default; None stands for "as the sandbox sees fit"."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "throttled": Kind(effect=Effect.INSTEAD, stages=_ANY, options={"retry_after": None}),
        "error": Kind(effect=Effect.INSTEAD, stages=_ANY, options={"status": 503}),
        "drop": Kind(effect=Effect.INSTEAD, stages=_ANY),
        "hang": Kind(effect=Effect.INSTEAD, stages=_ANY, options={"seconds": 3600}),
        "code": Kind(effect=Effect.INSTEAD, stages=_REPLIES, options={"code": "", "status": 400}),
        "no-credit": Kind(effect=Effect.INSTEAD, stages=_REPLIES),
        "bad-key": Kind(effect=Effect.INSTEAD, stages=_REPLIES),
        "drop-early": Kind(effect=Effect.AFTER, stages=("submit",)),
        "error-after": Kind(effect=Effect.AFTER, stages=_REPLIES, options={"status": 502}),
        "code-after": Kind(
            effect=Effect.AFTER, stages=("submit",), options={"code": "throttled", "status": 429}
        ),
        "drop-after": Kind(effect=Effect.AFTER, stages=_REPLIES),
        "hang-after": Kind(effect=Effect.AFTER, stages=_REPLIES, options={"seconds": 3600}),
        "truncated-reply": Kind(effect=Effect.AFTER, stages=_REPLIES),
        "garbage-reply": Kind(effect=Effect.AFTER, stages=_REPLIES),
        "gzip-bomb": Kind(effect=Effect.AFTER, stages=_REPLIES, options={"megabytes": 100}),
        "empty": Kind(effect=Effect.WORD, stages=("status",)),
        "unknown-status": Kind(effect=Effect.WORD, stages=("status",), options={"word": "paused"}),
        "failed": Kind(
            effect=Effect.FATE,
            stages=("submit",),
            options={"form": "errors", "code": "", "message": ""},
        ),
        "refused": Kind(
            effect=Effect.FATE,
            stages=("submit",),
            options={"form": "errors", "code": "", "message": ""},
        ),
        "stuck": Kind(effect=Effect.FATE, stages=("submit",)),
        "slow": Kind(effect=Effect.FATE, stages=("submit",), options={"seconds": 30}),
        "wrong-pixels": Kind(
            effect=Effect.FATE, stages=("submit",), options={"width": None, "height": None}
        ),
        "wrong-seconds": Kind(effect=Effect.FATE, stages=("submit",), options={"seconds": None}),
        "same-link": Kind(effect=Effect.FATE, stages=("submit",)),
        "no-cost": Kind(effect=Effect.FATE, stages=("submit",)),
        "overcharged": Kind(effect=Effect.FATE, stages=("submit",), options={"factor": 2}),
        "expired-link": Kind(effect=Effect.BYTES, stages=("download",), options={"status": 403}),
        "truncated-download": Kind(effect=Effect.BYTES, stages=("download",)),
        "cut-download": Kind(effect=Effect.BYTES, stages=("download",), options={"share": 0.5}),
        "dribble": Kind(
            effect=Effect.BYTES, stages=("download",), options={"bytes": 1, "every_s": 1}
        ),
        "corrupt-download": Kind(effect=Effect.BYTES, stages=("download",)),
        "wrong-type": Kind(
            effect=Effect.BYTES, stages=("download",), options={"type": "text/html"}
        ),
        "redirect": Kind(
            effect=Effect.BYTES,
            stages=("download",),
            options={"to": "http://media.invalid/clip.mp4"},
        ),
    }
)

CHAOS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "submit": (
            "throttled",
            "error",
            "drop",
            "error-after",
            "drop-after",
            "truncated-reply",
            "garbage-reply",
            "failed",
            "refused",
            "slow",
        ),
        "status": (
            "throttled",
            "error",
            "drop",
            "truncated-reply",
            "garbage-reply",
            "empty",
            "unknown-status",
        ),
        "upload": ("throttled", "error", "drop"),
        "download": (
            "error",
            "drop",
            "expired-link",
            "truncated-download",
            "corrupt-download",
            "wrong-type",
        ),
    }
)
"""What chaos draws from unless the scenario says otherwise.

Left out are what stops a whole lane (no-credit, bad-key), what lasts longer than a rehearsal
(stuck, hang), and what cannot be cured by asking again (off spec).
"""
