"""EvoLink: recording → state; the task id is theirs."""

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

ID = "task-unified-1757169743-7cvnl5zw"
TASK = TaskRef(task=ID, client_id="3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f")
CLIP = Request(method="GET", path="https://media.evolink.example/out.mp4", host="")

RECORDED: dict[str, Any] = {
    "submit-accepted": Accepted(task=ID, reserved=Charge(native=Decimal(7), unit="credit")),
    "submit-accepted-usd": Accepted(
        task=ID,
        reserved=Charge(usd=Decimal("0.555"), native=Decimal("40.32"), unit="credit"),
    ),
    "submit-invalid": (FaultKind.REJECTED, False, "invalid_request_error"),
    "submit-bad-key": (FaultKind.UNAUTHORISED, False, "authentication_error"),
    "submit-no-credit": (FaultKind.UNPAID, False, "insufficient_quota"),
    "submit-refused": (FaultKind.REFUSED, False, "invalid_request_error"),
    "submit-no-model": (FaultKind.REJECTED, False, "model_unavailable"),
    "submit-too-large": (FaultKind.REJECTED, False, "invalid_request_error"),
    "submit-throttled": (FaultKind.THROTTLED, False, "rate_limit_error"),
    "submit-upstream": (FaultKind.UNAVAILABLE, None, "upstream_error"),
    "submit-gateway": (FaultKind.UNAVAILABLE, None, ""),
    "submit-cut-short": (FaultKind.UNREADABLE, None, ""),
    "submit-without-id": (FaultKind.UNREADABLE, None, ""),
    "status-pending": Pending(progress=0.0),
    "status-processing": Pending(progress=0.35),
    "status-completed": Done(output=CLIP),
    "status-completed-other": Done(output=CLIP),
    "status-failed-policy": Failed(
        fault=failed(FaultKind.REFUSED, "Refused", "content_policy_violation")
    ),
    "status-failed-parameters": Failed(
        fault=failed(FaultKind.REJECTED, "Bad parameter", "invalid_parameters")
    ),
    "status-failed-timeout": Failed(
        fault=failed(FaultKind.PROVIDER, "Timed out", "generation_timeout")
    ),
    "status-failed-quota": Failed(
        fault=failed(FaultKind.UNPAID, "Quota exceeded", "quota_exceeded")
    ),
    "status-failed-capacity": Failed(
        fault=failed(FaultKind.CAPACITY, "No capacity", "resource_exhausted")
    ),
    "status-failed-unknown": Failed(fault=failed(FaultKind.PROVIDER, "Unknown", "unknown_error")),
    "status-cancelled": Failed(fault=failed(FaultKind.PROVIDER, "cancelled", "cancelled")),
    "status-unknown-word": Unknown(word="reviewing"),
    "status-bad-id": (FaultKind.LOST, False, "invalid_task_id"),
    "status-not-found": Absent(),
    "status-unavailable": (FaultKind.UNAVAILABLE, None, "server_error"),
    "upload-stored": Uploaded(uri="https://files.evolink.example/a.png", lifetime_s=259_200.0),
    "upload-refused": (FaultKind.REJECTED, False, ""),
    "upload-bad-key": (FaultKind.UNAUTHORISED, False, "authentication_error"),
}
