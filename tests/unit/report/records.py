"""Records for tests: a done clip, with whatever a test changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.domain import Record
from pipeline.findings import Span

NOON = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)

_DONE = Record(
    campaign="spring",
    address="spin[SKU-1,calm]",
    shot="spin",
    row_key="SKU-1",
    cell="calm",
    take=1,
    axes={"mood": "calm"},
    tags=("hero",),
    kind="references",
    mode="std",
    provider="runware",
    prompt="@front turns slowly.",
    sent_prompt="the sneaker (image 1) turns slowly.",
    key="ab" * 32,
    state="done",
    path="spin/SKU-1/calm_t1.mp4",
    sha256="cd" * 32,
    bytes=1_234_567,
    seconds=5.0,
    width=720,
    height=1280,
    fps=24.0,
    estimate_usd=Decimal("0.42"),
    charged_usd=Decimal("0.42"),
    charge_source="reported",
    task="11111111-2222-3333-4444-555555555555",
    client_id="11111111-2222-3333-4444-555555555555",
    tries=1,
    submitted_at=NOON,
    finished_at=NOON,
    origin_shot=Span(file="manifests/spring/campaign.yaml", line=61, column=5),
    origin_row=Span(file="manifests/spring/products.csv", line=2, column=1),
    settings={"mode": "std", "duration": 5},
)


def done(**changes: Any) -> Record:
    """Return a finished clip of 0.42 USD."""
    return replace(_DONE, **changes)


def failed(**changes: Any) -> Record:
    """Return an item that was refused, and cost nothing."""
    nothing = {"path": None, "sha256": "", "charged_usd": Decimal(0), "finished_at": None}
    refused = {"state": "failed", "cause": "refused", "message": "content policy"}
    return replace(_DONE, **{**nothing, **refused, **changes})


def held(**changes: Any) -> Record:
    """Return an item that the budget holds back."""
    return failed(state="held", cause="budget", message="", tries=0, **changes)
