"""A video model that comes in a package of its own, and a provider that sells it beside Kling O1.

The model is invented: 15 seconds, 21:9, and a setting that no other has.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.domain import Constraints, Item, Kind, Offer
from pipeline.domain.states import FaultKind
from pipeline.models import AUTO, KLING_O1, Parameter, VideoModel
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

_RATIOS = MappingProxyType({"16:9": 16 / 9, "21:9": 21 / 9})
_TEXT = Constraints(
    modes=frozenset({"std"}), durations=frozenset({5, 15}), ratios=frozenset(_RATIOS)
)
TIDE_2 = VideoModel(
    name="tide-2",
    title="Tide 2",
    kinds=MappingProxyType({Kind.TEXT: _TEXT}),
    parameters=MappingProxyType(
        {
            "mode": Parameter(
                rule={"enum": ["std"]},
                says="std",
                description="Quality: std is 360p.",
                examples=("std",),
                default="std",
                axis="Makes the shot in each of these modes.",
                axis_examples=("std",),
            ),
            "duration": Parameter(
                rule={"type": "integer", "minimum": 5, "maximum": 15},
                says="a whole number of seconds",
                description="Length of the clip: 5 or 15 seconds.",
                examples=(15,),
                default=5,
                axis="Makes the shot in each of these lengths, in seconds.",
                axis_examples=(5, 15),
            ),
            "aspect_ratio": Parameter(
                rule={"enum": [*_RATIOS, AUTO]},
                says="a ratio such as 21:9, or auto",
                description="Width to height.",
                examples=("21:9",),
                axis="Makes the shot in each of these ratios.",
                axis_examples=("16:9", "21:9"),
            ),
            "swell": Parameter(
                rule={"enum": ["calm", "wild"]},
                says="calm or wild",
                description="How much the picture moves.",
                examples=("calm",),
                axis="Makes the shot with each of these movements.",
                axis_examples=("calm", "wild"),
            ),
        }
    ),
    uses=MappingProxyType({Kind.TEXT: frozenset({"mode", "duration", "aspect_ratio", "swell"})}),
    ratios=_RATIOS,
    usual_ratio="16:9",
    pixels=MappingProxyType({"std": 360}),
)

OFFER = Offer(
    provider="harbour",
    title="Harbour",
    hosts=MappingProxyType({"api": "https://harbour.invalid"}),
    key_env="HARBOUR_API_KEY",
    models=MappingProxyType(
        {
            KLING_O1.name: MappingProxyType({Kind.TEXT: Constraints(durations=frozenset({5, 10}))}),
            TIDE_2.name: TIDE_2.kinds,
        }
    ),
    features=frozenset(),
    settings=frozenset({"swell"}),
)


def _schema(model: str, seconds: list[int], **more: Any) -> Mapping[str, Any]:
    return MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["model", "prompt", "seconds", "ratio", "id"],
            "properties": {
                "model": {"const": model},
                "prompt": {"type": "string"},
                "seconds": {"enum": seconds},
                "ratio": {"type": "string"},
                "id": {"type": "string"},
                **more,
            },
        }
    )


def _rate(model: str, modes: list[str], usd: str) -> Mapping[str, Any]:
    return {
        "provider": "harbour",
        "model": model,
        "kinds": ["text"],
        "modes": modes,
        "per": "second",
        "usd": usd,
        "source": "the harbour's own price list",
        "date": "2026-11",
        "certainty": "documented",
    }


class Harbour:
    """Text to video with two models, and nothing else."""

    offer = OFFER
    wire_schemas: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            KLING_O1.name: _schema(KLING_O1.name, [5, 10]),
            TIDE_2.name: _schema(TIDE_2.name, [5, 15], swell={"enum": ["calm", "wild"]}),
        }
    )
    rates = (
        _rate(KLING_O1.name, ["std", "pro"], "0.01"),
        _rate(TIDE_2.name, ["std"], "0.02"),
    )

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the request that buys the item."""
        del options
        body = {
            "model": item.model,
            "prompt": "".join(map(str, item.prompt)),
            "seconds": item.settings.duration,
            "ratio": item.settings.aspect_ratio,
            **item.settings.more,
        }
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
