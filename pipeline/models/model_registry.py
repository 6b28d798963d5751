"""Every video model known: those of this package, and those of others by an entry-point group.

An entry point names a `VideoModel`. One that cannot be used is left out with a warning: a broken
package must not keep a campaign with other models from running.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from jsonschema import Draft202012Validator

from pipeline.models.kling_o1 import KLING_O1
from pipeline.models.video_model import VideoModel

GROUP = "callsheet.models"
# Prices, confirmations of prices and what a clip must measure go by these.
_NEEDED = frozenset({"mode", "duration", "aspect_ratio"})
_OWN = (KLING_O1,)


def installed_models(
    taken: Iterable[str], found: Iterable[EntryPoint] | None = None
) -> Iterator[VideoModel]:
    """Yield the models that other packages bring along; `taken` names are refused."""
    names = set(taken)
    for point in entry_points(group=GROUP) if found is None else found:
        try:
            model: VideoModel = point.load()
            why = _unusable(model)
        except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
            why = f"{type(error).__name__}: {error}"
        else:
            if not why and model.name in names:
                why = f"there is a model {model.name!r} already"
        if why:
            warnings.warn(f"model {point.value} is left out: {why}", RuntimeWarning, stacklevel=2)
            continue
        names.add(model.name)
        yield model


def _unusable(model: object) -> str:
    """Return why a model cannot be planned with; empty where it can."""
    if not isinstance(model, VideoModel):
        return "it is no VideoModel"
    lacking = _NEEDED - model.parameters.keys()
    if lacking:
        return f"it has no parameter '{min(lacking)}'"
    for name, parameter in model.parameters.items():
        Draft202012Validator.check_schema(parameter.rule)
        # A manifest has one rule for a name, whatever model is asked: two types would not fit into
        # it.
        known = KLING_O1.parameters.get(name)
        if known is not None and known.rule.get("type") != parameter.rule.get("type"):
            return f"its parameter '{name}' is of another type than {KLING_O1.title}'s"
    if model.kinds.keys() - model.uses.keys():
        return "it has a kind that uses no parameters"
    if model.usual_ratio not in model.ratios:
        return f"its usual ratio '{model.usual_ratio}' is none of its ratios"
    return ""


@cache
def known_models() -> Mapping[str, VideoModel]:
    """Return all models by name.

    They are loaded when first asked for: a package may bring models and providers in one module.
    """
    own = {model.name: model for model in _OWN}
    return MappingProxyType(own | {model.name: model for model in installed_models(own)})
