"""The providers the sandbox speaks as."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.runware import RUNWARE

__all__ = ["DIALECTS"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (RUNWARE,)}
)
