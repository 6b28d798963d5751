"""Runware: recording → state; the task id is our own client id."""

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

OWN = "3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f"
TASK = TaskRef(task=OWN, client_id=OWN)

RECORDED: dict[str, Any] = {
    "submit-accepted": Accepted(task=OWN),
    "submit-conflict": Accepted(task=OWN),
    "submit-bad-key": (FaultKind.UNAUTHORISED, False, "invalidApiKey"),
    "submit-no-credit": (FaultKind.UNPAID, False, "insufficientCredits"),
    "submit-invalid": (FaultKind.REJECTED, False, "invalidDuration"),
    "submit-throttled": (FaultKind.THROTTLED, False, "rateLimitExceeded"),
    "submit-refused": (FaultKind.REFUSED, False, "providerContentPolicyViolation"),
    "submit-server-error": (FaultKind.UNAVAILABLE, None, "internalServerError"),
    "submit-gateway": (FaultKind.UNAVAILABLE, None, ""),
    "submit-cut-short": (FaultKind.UNREADABLE, None, ""),
    "submit-other-task": (FaultKind.UNREADABLE, None, ""),
    "status-processing": Pending(progress=0.4),
    "status-pending": Pending(),
    "status-empty": Absent(),
    "status-unknown-word": Unknown(word="paused"),
    "status-success": Done(
        output=Request(
            method="GET", path="https://vm.runware.ai/video/ws/2/vi/9d1f4a52.mp4", host=""
        ),
        charge=Charge(usd=Decimal("0.56")),
        seed="123",
    ),
    "status-success-no-cost": Done(
        output=Request(
            method="GET", path="https://vm.runware.ai/video/ws/2/vi/9d1f4a52.mp4", host=""
        ),
    ),
    "status-failed-list": Failed(
        fault=failed(
            FaultKind.REFUSED, "The content was refused.", "providerContentPolicyViolation"
        )
    ),
    "status-failed-item": Failed(
        fault=failed(FaultKind.PROVIDER, "The provider failed.", "inferenceError"),
        charge=Charge(usd=Decimal(0)),
    ),
    "status-failed-other": Pending(),
    "status-timeout-provider": Failed(
        fault=failed(FaultKind.PROVIDER, "The provider did not answer in time.", "timeoutProvider")
    ),
    "status-unavailable": (FaultKind.UNAVAILABLE, None, "serviceUnavailable"),
    "upload-stored": Uploaded(uri="5b2f0b2e-3a51-4d5f-9a9c-2f7f3f1c9f10", lifetime_s=30 * 86_400.0),
    "upload-invalid": (FaultKind.REJECTED, False, "invalidMedia"),
    "find-found": Accepted(task=OWN),
    "find-absent": Absent(),
    "find-not-found": Absent(),
    "quote-priced": Quote(charge=Charge(usd=Decimal("0.42"))),
}
