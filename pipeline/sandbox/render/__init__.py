"""Turn a reel (what a clip shows, as data) into a clip that plays.

Runs in worker processes only: the server never imports what is heavy here. Pillow draws what
stands still, with `pipeline.lettering` for its text; FFmpeg's filters, through PyAV, move it.
"""

from __future__ import annotations

__all__: list[str] = []
