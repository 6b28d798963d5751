"""The providers the sandbox speaks as: a module, and a schema of its requests, for each."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.sandbox.dialects.apimart import APIMART
from pipeline.sandbox.dialects.evolink import EVOLINK
from pipeline.sandbox.dialects.inference import INFERENCE
from pipeline.sandbox.dialects.runware import RUNWARE
from pipeline.sandbox.dialects.unifically import UNIFICALLY
from pipeline.sandbox.http_exchange import Dialect

__all__ = ["DIALECTS"]

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (APIMART, EVOLINK, INFERENCE, RUNWARE, UNIFICALLY)
}
