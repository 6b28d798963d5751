"""The two Runware models that are Kling O1, what they cost, and what media they take.

From the provider's model pages (`klingai-video-o1-pro`, `-standard`, read in 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from pipeline.sandbox.kling import SIZES, Size

FAST_CLIP_SECONDS = (6.0, 20.0)
UPLOAD_LIVES_S = 30 * 86_400.0
"""Stored media are dropped 30 days after their last use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a task is refused, in Runware's words."""

    code: str
    message: str
    parameter: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One of the two models: its pixels, and its price a second without and with a video."""

    sizes: tuple[Size, ...]
    usd: Decimal
    usd_with_video: Decimal


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "klingai:kling@o1": Model(
            sizes=tuple(SIZES["pro"].values()),
            usd=Decimal("0.112"),
            usd_with_video=Decimal("0.168"),
        ),
        "klingai:kling@o1-standard": Model(
            sizes=tuple(SIZES["std"].values()),
            usd=Decimal("0.084"),
            usd_with_video=Decimal("0.126"),
        ),
    }
)
