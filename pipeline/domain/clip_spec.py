"""What a clip must measure to be what was asked for (docs/design/files.md §2)."""

from __future__ import annotations

RATIO_OFF = 0.02
"""Of clips, and of frames (docs/design/language.md §4)."""
# Exactly 2 % off is a fitting ratio, whatever floats make of it.
_ROUNDING = 1e-6


def has_ratio(width: int, height: int, ratio: float) -> bool:
    """Tell whether a picture has a ratio (width divided by height), within 2 %."""
    return height > 0 and abs(width - ratio * height) <= (RATIO_OFF + _ROUNDING) * ratio * height
