"""The three EvoLink models that are Kling O1: the fields each takes, and its credits a second.

Closed sets, from the models' pages (copies of 2026): any other field is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pipeline.sandbox.checks import Check, address, flag, many, one_of, text

DEFAULT_DURATION = 5
CREDITS_PER_USD = Decimal(72)
_CALLBACK_CHARACTERS = 2048
_EDIT_CREDITS = Decimal(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One of the models."""

    fields: Mapping[str, Check]
    required: tuple[str, ...]
    credits_per_s: Decimal
    billed_s: tuple[float, float]
    """Clips outside these seconds are not refused, but billed as if they were clamped."""

    def price(self, seconds: float) -> Decimal:
        """Return what a clip costs, in credits."""
        low, high = self.billed_s
        return self.credits_per_s * Decimal(str(min(max(seconds, low), high)))


def usd(credit: Decimal) -> Decimal:
    """Return credits as dollars."""
    return credit / CREDITS_PER_USD


def credit(dollars: Decimal) -> float:
    """Return dollars as credits, with the four places that the balance has."""
    return float(round(dollars * CREDITS_PER_USD, 4))


def _callback(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme != "https" or len(value) > _CALLBACK_CHARACTERS:
        return "must be an HTTPS address of at most 2048 characters"
    return "" if _is_public(parts.hostname or "") else "must not be an internal address"


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


_COMMON: Mapping[str, Check] = {"model": text(1, 100), "callback_url": _callback}
_EDIT: Mapping[str, Check] = MappingProxyType(
    {
        **_COMMON,
        "prompt": text(1, 5000),
        "video_urls": many(address, 1, 1),
        "image_urls": many(address, 1, 4),
        "keep_original_sound": flag,
    }
)
MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "kling-o1-image-to-video": Model(
            fields=MappingProxyType(
                {
                    **_COMMON,
                    "prompt": text(1, 2000),
                    "image_urls": many(address, 1, 2),
                    "aspect_ratio": one_of("16:9", "9:16", "1:1"),
                    "duration": one_of(5, 10),
                }
            ),
            required=("prompt", "image_urls"),
            credits_per_s=Decimal("8.064"),
            billed_s=(5, 10),
        ),
        "kling-o1-video-edit": Model(
            fields=_EDIT,
            required=("prompt", "video_urls"),
            credits_per_s=_EDIT_CREDITS,
            billed_s=(3, 10),
        ),
        "kling-o1-video-edit-fast": Model(
            fields=_EDIT,
            required=("prompt", "video_urls"),
            credits_per_s=_EDIT_CREDITS,
            billed_s=(6, 20),
        ),
    }
)
