"""APIMart: recording → state; the task id is theirs."""

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
    Request,
    TaskRef,
    Unknown,
    Uploaded,
)
from tests.unit.providers.reading import failed

TASK = TaskRef(task="task_01K8A", client_id="3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f")
CLIP = Request(method="GET", path="https://upload.apimart.example/out.mp4", host="")
TAKEN = Accepted(task="task_01K8A")
FREE = Charge(usd=Decimal(0), native=Decimal(0), unit="credit")

RECORDED: dict[str, Any] = {
    "submit-accepted": TAKEN,
    "submit-accepted-versioned": TAKEN,
    "submit-replayed": TAKEN,
    "submit-bad-key": (FaultKind.UNAUTHORISED, False, "apimart_error"),
    "submit-invalid": (FaultKind.REJECTED, False, "invalid_request_error"),
    "submit-refused": (FaultKind.REFUSED, False, "invalid_request_error"),
    "submit-no-credit": (FaultKind.UNPAID, False, "payment_required"),
    "submit-forbidden": (FaultKind.UNAUTHORISED, False, "permission_error"),
    "submit-throttled": (FaultKind.THROTTLED, False, "rate_limit_error"),
    "submit-server-error": (FaultKind.UNAVAILABLE, None, "server_error"),
    "submit-build-failed": (FaultKind.REJECTED, False, "server_error"),
    "submit-key-in-progress": (FaultKind.UNAVAILABLE, None, "idempotency_in_progress"),
    "submit-key-reused": (FaultKind.REJECTED, None, "idempotency_key_reused"),
    "submit-key-indeterminate": (
        FaultKind.UNAVAILABLE,
        None,
        "idempotency_result_indeterminate",
    ),
    "submit-key-unavailable": (FaultKind.CAPACITY, False, "idempotency_unavailable"),
    "submit-not-a-success": (FaultKind.UNPAID, False, ""),
    "submit-gateway": (FaultKind.UNAVAILABLE, None, ""),
    "submit-cut-short": (FaultKind.UNREADABLE, None, ""),
    "submit-without-id": (FaultKind.UNREADABLE, None, ""),
    "status-submitted": Pending(progress=0.0),
    "status-pending": Pending(progress=0.0),
    "status-in-progress": Pending(progress=0.0),
    "status-processing": Pending(progress=0.4),
    "status-completed": Done(
        output=CLIP,
        charge=Charge(usd=Decimal("0.42"), native=Decimal("4.2"), unit="credit"),
        expires_at=1763174809.0,
    ),
    "status-completed-string": Done(output=CLIP),
    "status-failed": Failed(
        fault=failed(FaultKind.PROVIDER, "upstream failed", "failed"), charge=FREE
    ),
    "status-failed-policy": Failed(
        fault=failed(FaultKind.REFUSED, "sensitive content", "task_failed"), charge=FREE
    ),
    "status-cancelled": Failed(fault=failed(FaultKind.PROVIDER, "cancelled", "cancelled")),
    "status-unknown-word": Unknown(word="paused"),
    "status-bad-id": (FaultKind.LOST, False, "invalid_request_error"),
    "status-not-found": Absent(),
    "status-throttled": (FaultKind.THROTTLED, False, "rate_limit_error"),
    "upload-stored": Uploaded(uri="https://upload.apimart.example/a.png", lifetime_s=259_200.0),
    "upload-too-large": (FaultKind.REJECTED, False, "invalid_request_error"),
}
