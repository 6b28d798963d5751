"""What each provider's accounts were billed, task by task, for tests to hold against a ledger."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from pipeline.sandbox.desk import MICRO, Desk
from pipeline.sandbox.dialects import DIALECTS
from pipeline.sandbox.intake import PUBLIC
from pipeline.sandbox.orders import State
from pipeline.sandbox.records import Task


def ledger(desk: Desk) -> dict[str, Any]:
    """Return the books of all providers; looking at a task's end settles its bill."""
    providers: dict[str, dict[str, Any]] = {name: {"accounts": {}} for name in DIALECTS}
    tasks = desk.world.tasks()
    states = [desk.progress(task, refunds=DIALECTS[task.provider].refunds).state for task in tasks]
    billed, peak = _sums(desk)
    for task, state in zip(tasks, states, strict=True):
        cost = billed[f"{task.provider}\n{task.account}\n{task.id}"]
        _account(providers, task.provider, task.account)["tasks"].append(_entry(task, state, cost))
    for upload in desk.world.uploads():
        if (upload.provider, upload.account) == PUBLIC:
            continue
        told = {"id": upload.id, "digest": upload.digest, "media_type": upload.media_type}
        _account(providers, upload.provider, upload.account)["uploads"].append(told)
    for name, provider in providers.items():
        provider.update(_told(billed, peak, name))
        for key, account in provider["accounts"].items():
            account.update(_told(billed, peak, f"{name}\n{key}"))
    return {"providers": providers, "leaks": desk.world.leaks(), **_told(billed, peak, "")}


def _account(providers: dict[str, Any], provider: str, key: str) -> dict[str, Any]:
    fresh: dict[str, Any] = {"tasks": [], "uploads": []}
    found: dict[str, Any] = providers[provider]["accounts"].setdefault(key, fresh)
    return found


def _entry(task: Task, state: State, billed: int) -> dict[str, Any]:
    return {
        "task": task.id,
        "client_id": task.client_id,
        "address": task.address,
        "model": task.model,
        "prompt": task.prompt,
        "usd": usd(billed),
        "status": state.value,
        "created_at": task.created_at,
        "references": task.extra["references"],
        "request": task.request,
        "fate": task.fate.get("name", ""),
        "results": task.extra["results"],
    }


def _sums(desk: Desk) -> tuple[dict[str, int], dict[str, int]]:
    billed: dict[str, int] = defaultdict(int)
    peak: dict[str, int] = defaultdict(int)
    for provider, account, task, amount in desk.world.bills():
        within = (provider, f"{provider}\n{account}", f"{provider}\n{account}\n{task}")
        for name in ("", *within):
            billed[name] += amount
            peak[name] = max(peak[name], billed[name])
    return billed, peak


def _told(billed: dict[str, int], peak: dict[str, int], name: str) -> dict[str, str]:
    return {"billed_usd": usd(billed[name]), "peak_billed_usd": usd(peak[name])}


def usd(micro: int) -> str:
    """Return micro-dollars as dollars in plain digits."""
    text = format(Decimal(micro) / MICRO, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
