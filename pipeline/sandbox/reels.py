"""Say as data what a clip shows; the same data is the same clip, rendered once."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.orders import Order
from pipeline.sandbox.scenario import Fault

FPS = 24
_TITLE_CHARACTERS = 200


def reel(order: Order, *, style: str, fault: Fault | None) -> dict[str, Any]:
    """Return what the clip of an order shows, in this style, after what its fate does to it."""
    told: dict[str, Any] = {
        "style": style,
        **_measures(order, fault),
        "fps": FPS,
        "format": order.format,
    }
    if order.format == "webm":  # its texts are part of the rendering; see stamp.py for the others
        told["told"] = stamp(order.task, order.subject.prompt)
    if style == "plain":
        return told
    return told | {
        "prompt": order.subject.prompt,
        "label": order.subject.address or order.task,
        "media": [shown.as_data() for shown in order.media],
    }


def stamp(task: str, prompt: str) -> dict[str, str]:
    """Return the texts every clip carries, by which a test knows whose clip it is."""
    return {"comment": f"callsheet-task:{task}", "title": prompt[:_TITLE_CHARACTERS]}


def _measures(order: Order, fault: Fault | None) -> dict[str, Any]:
    measures = {"width": order.width, "height": order.height, "seconds": order.seconds}
    if fault is not None and fault.name == "wrong-pixels":
        measures["width"] = fault.options["width"] or order.width // 4 * 2
        measures["height"] = fault.options["height"] or order.height // 4 * 2
    if fault is not None and fault.name == "wrong-seconds":
        measures["seconds"] = fault.options["seconds"] or order.seconds + 2
    return measures
