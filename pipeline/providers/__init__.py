"""Item → Request, Response → TaskState: what each provider can do, and how it is spoken to.

Pure: no network, no clock, no keys. Adapters are tables and functions; `rates.yaml` is data.
"""

from __future__ import annotations

from pipeline.providers.catalog import (
    GUEST_RATES,
    OFFERS,
    PROVIDERS,
    compose,
    composed,
    sent_prompt,
)
from pipeline.providers.wire import complaint

__all__ = ["GUEST_RATES", "OFFERS", "PROVIDERS", "complaint", "compose", "composed", "sent_prompt"]
