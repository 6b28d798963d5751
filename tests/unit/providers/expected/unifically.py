"""Unifically: recording → state; the task id is theirs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pipeline.domain.states import FaultKind
from pipeline.providers.base import (
    Absent,
    Accepted,
    Charge,
    Done,
    Failed,
    Pending,
    Quote,
    Request,
    TaskRef,
    Unknown,
    Uploaded,
)
from tests.unit.providers.reading import failed

TASK = TaskRef(task="abc123def456", client_id="3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f")
CLIP = Request(method="GET", path="https://cdn.unifically.com/outputs/abc123.mp4", host="")

RECORDED: dict[str, Any] = {
    "submit-accepted": Accepted(task="abc123def456"),
    "submit-accepted-older": Accepted(task="abc123def456"),
    "submit-bad-key": (FaultKind.UNAUTHORISED, False, "authentication_failed"),
    "submit-invalid": (FaultKind.REJECTED, False, "validation_error"),
    "submit-failed": (FaultKind.REJECTED, False, "generation_failed"),
    "submit-refused": (FaultKind.REFUSED, False, "generation_failed"),
    "submit-throttled": (FaultKind.THROTTLED, False, "rate_limit_exceeded"),
    "submit-server-error": (FaultKind.UNAVAILABLE, None, "internal_error"),
    "submit-no-credit": (FaultKind.UNPAID, False, "insufficient_balance"),
    "submit-no-credit-in-words": (FaultKind.UNPAID, False, "generation_failed"),
    "submit-not-a-success": (FaultKind.UNPAID, False, ""),
    "submit-error-in-body": (FaultKind.UNAVAILABLE, None, "internal_error"),
    "submit-without-id": (FaultKind.UNREADABLE, None, ""),
    "submit-cut-short": (FaultKind.UNREADABLE, None, ""),
    "submit-gateway": (FaultKind.UNAVAILABLE, None, ""),
    "status-pending": Pending(),
    "status-processing": Pending(),
    "status-completed": Done(output=CLIP),
    "status-completed-cost": Done(output=CLIP, charge=Charge(usd=Decimal("0.24"))),
    "status-failed": Failed(fault=failed(FaultKind.PROVIDER, "The model failed")),
    "status-failed-error": Failed(
        fault=failed(FaultKind.REFUSED, "Failed to pass the risk control", "risk_control")
    ),
    "status-failed-400": Failed(
        fault=failed(FaultKind.PROVIDER, "Generation failed", "generation_failed")
    ),
    "status-unknown-word": Unknown(word="reviewing"),
    "status-not-found": Absent(),
    "status-throttled": (FaultKind.THROTTLED, False, "rate_limit_exceeded"),
    "status-bad-key": (FaultKind.UNAUTHORISED, False, "authentication_failed"),
    "status-other-task": (FaultKind.UNREADABLE, None, ""),
    "upload-stored": Uploaded(uri="https://files.storagecdn.online/a1b2.png", lifetime_s=3600.0),
    "upload-refused": (FaultKind.REJECTED, False, ""),
    "quote-priced": Quote(charge=Charge(usd=Decimal("0.24"))),
    "quote-invalid": (FaultKind.REJECTED, False, "validation_error"),
}
