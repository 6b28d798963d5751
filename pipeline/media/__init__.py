"""Look into media files, and make new ones from them: probe, inspect, fit, poster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

if TYPE_CHECKING:
    from pipeline.media.inspector import Inspector
    from pipeline.media.posters import poster
    from pipeline.media.video import measure, probe

__all__ = [
    "Inspector",
    "measure",
    "poster",
    "probe",
]

_HOMES = {
    "Inspector": "inspector",
    "measure": "video",
    "poster": "posters",
    "probe": "video",
}

__getattr__ = lazily(__name__, _HOMES)
