"""The providers the sandbox speaks as."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.apimart import APIMART
from pipeline.sandbox.dialects.evolink import EVOLINK
from pipeline.sandbox.dialects.inference import INFERENCE
from pipeline.sandbox.dialects.runware import RUNWARE
from pipeline.sandbox.dialects.unifically import UNIFICALLY

__all__ = ["DIALECTS"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (APIMART, EVOLINK, INFERENCE, RUNWARE, UNIFICALLY)}
)
