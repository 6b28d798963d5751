"""Look into media files, and make new ones from them: probe, inspect, fit, poster."""

from __future__ import annotations

from pipeline.media.inspector import Inspector
from pipeline.media.poster import poster
from pipeline.media.probe import probe

__all__ = [
    "Inspector",
    "poster",
    "probe",
]
