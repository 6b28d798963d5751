"""What each of Runware's task types does; each gives data and errors, or problems.

Chosen where the pages are silent: the reply to a dry run is `{taskType, taskUUID, cost}`; a queued
task answers nothing, as an unknown one does; the details of an unknown task are a 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pipeline.sandbox import intake
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects.runware import replies
from pipeline.sandbox.dialects.runware.fields import is_uuid4
from pipeline.sandbox.dialects.runware.models import UPLOAD_LIVES_S, Problem
from pipeline.sandbox.dialects.runware.orders import order_of
from pipeline.sandbox.director import Subject
from pipeline.sandbox.faults import Effect
from pipeline.sandbox.orders import about
from pipeline.sandbox.records import Task, Upload

PROVIDER = "runware"
_WORD = frozenset({Effect.WORD})
_STORE_FIELDS = frozenset({"taskType", "taskUUID", "operation", "media"})
Found = dict[str, Any] | list[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One POST: whose it is, and what its headers say."""

    desk: Desk
    key: str
    address: str = ""
    dry: bool = False

    def subject(self, prompt: str = "") -> Subject:
        """Return whom the scenario sees."""
        return Subject(provider=PROVIDER, key=self.key, address=self.address, prompt=prompt)

    def known(self, task: Mapping[str, Any]) -> Task | None:
        """Return the account's task that an element of the array names."""
        return self.desk.world.task(PROVIDER, self.key, str(task.get("taskUUID")))


async def _submit(visit: Visit, task: dict[str, Any]) -> Found:
    prompt = task.get("positivePrompt")
    subject = visit.subject(prompt if isinstance(prompt, str) else "")
    if visit.known(task) is not None and not visit.dry:
        return [_conflict()]
    order = await order_of(visit.desk, subject, task)
    if isinstance(order, list):
        return order
    named = {"taskType": "videoInference", "taskUUID": order.task}
    if visit.dry:
        return {"data": [named | {"cost": float(order.usd)}]}
    if not visit.desk.can_pay(PROVIDER, visit.key, order.usd):
        code, message = replies.TROUBLES["no-credit"]
        return [Problem(code=code, message=message, status=402)]
    return [_conflict()] if visit.desk.accept(order) is None else {"data": [named]}


def _conflict() -> Problem:
    message = "A task with this taskUUID exists already."
    return Problem(code="conflictTaskUUID", message=message, parameter="taskUUID")


async def _response(visit: Visit, task: dict[str, Any]) -> Found:
    if not is_uuid4(task.get("taskUUID")):
        return [Problem(code="invalidTaskUUID", message="Not a UUID v4.", parameter="taskUUID")]
    known = visit.known(task)
    if known is None:
        return {}
    fault = visit.desk.director.strike("status", _WORD, about(known))
    if fault is None:
        return replies.state(visit.desk, known)
    if fault.name == "empty":
        return {}
    return {"data": [replies.named(known) | {"status": fault.options["word"]}]}


async def _details(visit: Visit, task: dict[str, Any]) -> Found:
    known = visit.known(task)
    if known is None:
        return [Problem(code="taskNotFound", message="No such task.", status=404)]
    told = {"taskType": "getTaskDetails", "taskUUID": known.id, "request": known.request}
    return {"data": [told | {"response": {"data": [], **replies.state(visit.desk, known)}}]}


async def _store(visit: Visit, task: dict[str, Any]) -> Found:
    named = {"taskType": "mediaStorage", "taskUUID": task.get("taskUUID")}
    if task.get("operation") == "delete":
        visit.desk.world.drop_upload(str(task.get("mediaUUID", task.get("media"))))
        return {"data": [named]}
    unknown = sorted(task.keys() - _STORE_FIELDS)
    if unknown:
        message = f"{unknown[0]} is not a parameter of mediaStorage"
        return [Problem(code="unsupportedParameter", message=message, parameter=unknown[0])]
    if task.get("operation") != "upload":
        message = "operation must be upload or delete"
        return [Problem(code="invalidParameter", message=message, parameter="operation")]
    if not is_uuid4(task.get("taskUUID")):
        return [Problem(code="invalidTaskUUID", message="Not a UUID v4.", parameter="taskUUID")]
    kept = await _kept(visit, task.get("media"), "media")
    if isinstance(kept, Problem):
        return [kept]
    address = intake.address(visit.desk, kept)
    return {"data": [named | {"mediaUUID": kept.id, "mediaURL": address}]}


async def _store_image(visit: Visit, task: dict[str, Any]) -> Found:
    kept = await _kept(visit, task.get("image"), "image")
    if isinstance(kept, Problem):
        return [kept]
    named = {"taskType": "imageUpload", "taskUUID": task.get("taskUUID")}
    return {"data": [named | {"imageUUID": kept.id, "imageURL": intake.address(visit.desk, kept)}]}


async def _kept(visit: Visit, media: Any, parameter: str) -> Upload | Problem:
    told = media if isinstance(media, str) else ""
    ours = intake.at_address(visit.desk, told)
    if ours is not None:
        return ours
    try:
        content = intake.decoded(told)
        return await intake.keep(
            visit.desk, content, provider=PROVIDER, key=visit.key, lives_s=UPLOAD_LIVES_S
        )
    except intake.NotMedia as error:
        return Problem(code="invalidMedia", message=str(error), parameter=parameter)


async def _account(visit: Visit, task: dict[str, Any]) -> Found:
    if task.get("operation") != "getDetails":
        message = "operation must be getDetails"
        return [Problem(code="invalidParameter", message=message, parameter="operation")]
    left = float(visit.desk.left(PROVIDER, visit.key))
    named = {"taskType": "accountManagement", "taskUUID": task.get("taskUUID")}
    balance = {"amount": left, "currency": "USD"}
    return {"data": [named | {"operation": "getDetails", "balance": balance}]}


async def unsupported(_visit: Visit, task: dict[str, Any]) -> Found:
    """Refuse a task type the sandbox does not speak."""
    message = f"{task.get('taskType')!r} is not a task type here"
    return [Problem(code="invalidTaskType", message=message, parameter="taskType")]


TASKS: Mapping[str, tuple[str, Callable[[Visit, dict[str, Any]], Awaitable[Found]]]] = (
    MappingProxyType(
        {
            "videoInference": ("submit", _submit),
            "getResponse": ("status", _response),
            "getTaskDetails": ("status", _details),
            "mediaStorage": ("upload", _store),
            "imageUpload": ("upload", _store_image),
            "accountManagement": ("account", _account),
        }
    )
)
"""Task type to its stage and to what it does."""
