"""What each video model can do, as data; other packages bring theirs by `callsheet.models`."""

from pipeline.models.kling_o1 import KLING_O1
from pipeline.models.manifest_schema import with_parameters
from pipeline.models.model_registry import known_models
from pipeline.models.video_model import (
    AUTO,
    EDITS,
    FRAMED,
    KIND_WORDS,
    ClipLimits,
    Combination,
    Parameter,
    VideoModel,
)

__all__ = [
    "AUTO",
    "EDITS",
    "FRAMED",
    "KIND_WORDS",
    "KLING_O1",
    "ClipLimits",
    "Combination",
    "Parameter",
    "VideoModel",
    "known_models",
    "with_parameters",
]
