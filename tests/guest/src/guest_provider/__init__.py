"""A provider that comes in a package of its own, as ADDING_A_PROVIDER.md describes it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.domain import Constraints, Item, Kind, Offer
from pipeline.domain.states import FaultKind
from pipeline.providers.base import (
    CLIENT_ID,
    Accepted,
    Done,
    Fault,
    Pending,
    Request,
    Response,
    TaskRef,
    TaskState,
)

OFFER = Offer(
    provider="guesthouse",
    title="Guesthouse",
    hosts=MappingProxyType({"api": "https://guesthouse.invalid"}),
    key_env="GUESTHOUSE_API_KEY",
    models=MappingProxyType({"kling-o1": {Kind.TEXT: Constraints(durations=frozenset({5, 10}))}}),
    features=frozenset(),
)


class Guesthouse:
    """Text to video, and nothing else."""

    offer = OFFER
    wire_schemas: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            "kling-o1": {
                "type": "object",
                "additionalProperties": False,
                "required": ["prompt", "seconds", "id"],
                "properties": {
                    "prompt": {"type": "string"},
                    "seconds": {"enum": [5, 10]},
                    "id": {"type": "string"},
                },
            }
        }
    )
    rates = (
        {
            "provider": "guesthouse",
            "model": "kling-o1",
            "kinds": ["text"],
            "modes": ["std", "pro"],
            "per": "second",
            "usd": "0.01",
            "source": "the house's own price list",
            "date": "2026-11",
            "certainty": "documented",
        },
    )

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the request that buys the item."""
        del options
        body = {"prompt": "".join(map(str, item.prompt)), "seconds": item.settings.duration}
        return Request(method="POST", path="/clips", body={**body, "id": CLIENT_ID})

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit."""
        if response.status == 200:
            return Accepted(task=client_id)
        return Fault(kind=FaultKind.UNREADABLE, message="not understood", accepted=None)

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for a task."""
        return Request(method="GET", path=f"/clips/{task.task}")

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the reply to a status request."""
        if response.status == 200:
            return Done(output=Request(method="GET", path=f"/clips/{task.task}.mp4"))
        return Pending()
