"""Item → Request, Response → TaskState: what each provider can do, and how it is spoken to.

Pure: no network, no clock, no keys. Adapters are tables and functions; `rates.yaml` is data.
"""

from __future__ import annotations

from pipeline.providers.registry import (
    OFFERS,
    PLUGIN_RATES,
    PROVIDERS,
    compose,
    compose_with,
    sent_prompt,
)
from pipeline.providers.schema_registry import schema_error

__all__ = [
    "OFFERS",
    "PLUGIN_RATES",
    "PROVIDERS",
    "compose",
    "compose_with",
    "schema_error",
    "sent_prompt",
]
