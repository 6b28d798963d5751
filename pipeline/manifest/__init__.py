"""Manifest text → Manifest: reads the file, its layers and tables, and says all that is wrong."""

from __future__ import annotations

from pipeline.manifest.layers import contents
from pipeline.manifest.load import load_manifest

__all__ = ["contents", "load_manifest"]
