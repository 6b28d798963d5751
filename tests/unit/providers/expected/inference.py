"""inference.sh: recording → state; the task id is theirs."""

from __future__ import annotations

from typing import Any

from pipeline.domain.states import FaultKind
from pipeline.providers.base import (
    Absent,
    Accepted,
    Done,
    Failed,
    Pending,
    Request,
    TaskRef,
    Unknown,
)
from tests.unit.providers.reading import failed

TASK = TaskRef(task="1a2b3c4d", client_id="3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f")
CLIP = Request(method="GET", path="https://cloud.inference.example/out.mp4", host="")
TAKEN = Accepted(task="1a2b3c4d")

RECORDED: dict[str, Any] = {
    "submit-accepted": TAKEN,
    "submit-accepted-bare": TAKEN,
    "submit-accepted-older": TAKEN,
    "submit-rejected": (FaultKind.UNPAID, False, "rejected"),
    "submit-bad-key": (FaultKind.UNAUTHORISED, False, "unauthorized"),
    "submit-no-credit": (FaultKind.UNPAID, False, "payment_required"),
    "submit-limit": (FaultKind.UNPAID, False, "limit_exceeded"),
    "submit-invalid": (FaultKind.REJECTED, False, "validation_error"),
    "submit-invalid-older": (FaultKind.REJECTED, False, "invalid_request"),
    "submit-retired": (FaultKind.REJECTED, False, "app_retired"),
    "submit-maintenance": (FaultKind.CAPACITY, False, "app_maintenance"),
    "submit-no-feature": (FaultKind.REJECTED, False, "feature_not_available"),
    "submit-throttled": (FaultKind.THROTTLED, False, "rate_limited"),
    "submit-server-error": (FaultKind.UNAVAILABLE, None, "internal_error"),
    "submit-gateway": (FaultKind.UNAVAILABLE, None, ""),
    "submit-cut-short": (FaultKind.UNREADABLE, None, ""),
    "submit-without-id": (FaultKind.UNREADABLE, None, ""),
    "status-running": Pending(),
    "status-uploading": Pending(),
    "status-scheduled-older": Pending(),
    "status-completed": Done(output=CLIP),
    "status-completed-uri": Done(output=CLIP),
    "status-completed-nine": Done(output=CLIP),
    "status-failed": Failed(fault=failed(FaultKind.PROVIDER, "upstream timed out", "failed")),
    "status-failed-ten": Failed(fault=failed(FaultKind.PROVIDER, "upstream failed", "failed")),
    "status-failed-policy": Failed(
        fault=failed(FaultKind.REFUSED, "Failure to pass the risk control system", "failed")
    ),
    "status-cancelled": Failed(fault=failed(FaultKind.PROVIDER, "cancelled", "cancelled")),
    "status-rejected": Failed(fault=failed(FaultKind.UNPAID, "no balance", "rejected")),
    "status-number-alone": Unknown(word="status 9"),
    "status-unknown-word": Unknown(word="archived"),
    "status-not-found": Absent(),
    "status-unavailable": (FaultKind.UNAVAILABLE, None, "internal_error"),
    "upload-announced-refused": (FaultKind.REJECTED, False, "validation_error"),
    "find-found": TAKEN,
    "find-absent": Absent(),
    "find-refused": (FaultKind.UNAUTHORISED, False, "unauthorized"),
}
