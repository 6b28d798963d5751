"""What every dialect does the same: take an order, bill it, run it, finish it, link its clips.

A dialect turns its own wire form into an Order and the Progress of a task into its own words;
money, fate, time and files are decided here.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sys
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

from pipeline.sandbox.director import Director
from pipeline.sandbox.faults import Effect
from pipeline.sandbox.orders import Order, Progress, State
from pipeline.sandbox.records import Link, Task
from pipeline.sandbox.reels import reel
from pipeline.sandbox.scenario import Account, Fault, Pricing
from pipeline.sandbox.studio import NotRendered, Studio
from pipeline.sandbox.world import World

MICRO = 1_000_000
_QUEUED_SHARE = 0.2
_FATE = frozenset({Effect.FATE})
_SECRET_CHARACTERS = 8
"""A shorter key would be found by chance in any address."""
_NOT_RENDERED = "!"
_NEVER_RUNS_OUT_USD = Decimal(1_000_000)
_SAME_LINK = "same-link"
"""All tasks with this fate are told to be finished at the address of the first of them."""


class Desk:
    """Takes orders and knows what became of them."""

    def __init__(
        self, world: World, director: Director, studio: Studio, *, media_origin: str
    ) -> None:
        self.world = world
        self.director = director
        self.studio = studio
        self.media_origin = media_origin
        self._keys = world.accounts()
        self._running: set[asyncio.Task[Any]] = set()

    def resume(self) -> None:
        """Have the clips made that were not finished when the sandbox last stopped."""
        for task in self.world.tasks("clip IS NULL"):
            self._commission(task)

    def forget(self) -> None:
        """Forget all tasks, money and uploads."""
        for running in self._running:
            running.cancel()
        self._keys.clear()
        self.world.forget()

    def is_bad(self, key: str) -> bool:
        """Tell whether the scenario calls this key bad."""
        return self._account(key).bad

    def balance(self, provider: str, key: str) -> Decimal | None:
        """Return what an account has left in USD; None: it never runs out."""
        granted = self._account(key).balance_usd
        if granted is None:
            return None
        return granted - Decimal(self.world.billed(provider, key)) / MICRO

    def left(self, provider: str, key: str) -> Decimal:
        """Return what an account shows as left in USD; one that never runs out falls too."""
        found = self.balance(provider, key)
        billed = Decimal(self.world.billed(provider, key)) / MICRO
        return _NEVER_RUNS_OUT_USD - billed if found is None else found

    def can_pay(self, provider: str, key: str, usd: Decimal) -> bool:
        """Tell whether an account can pay this now."""
        left = self.balance(provider, key)
        return left is None or usd <= left

    def meet(self, key: str) -> None:
        """Remember a key, so that it is recognised where it does not belong."""
        self._keys.add(key)

    def leaked(self, text: str) -> bool:
        """Tell whether a text holds a key that somebody has used here."""
        named = self._keys | self.director.scenario.accounts.keys()
        return any(len(key) >= _SECRET_CHARACTERS and key in text for key in named)

    def accept(self, order: Order) -> Task | None:
        """Keep a new task, billed and durable; None where its id has been used."""
        fault = self.director.strike("submit", _FATE, order.subject)
        now = self.world.now()
        task = self._task(order, fault, now)
        bills = self.director.scenario.bill == "accept"
        if not self.world.accept(task, bill_at=now if bills else None):
            return None
        if task.clip is None:
            self._commission(task)
        return task

    def progress(self, task: Task, *, refunds: bool) -> Progress:
        """Return where a task stands; the first look at its end settles the bill.

        `refunds` tells whether this provider gives the money of failed tasks back.
        """
        name = task.fate.get("name", "")
        if name == "stuck" or self.world.now() < task.ready_at:
            return _under_way(task, self.world.now())
        if name in {"failed", "refused"} or task.clip == _NOT_RENDERED:
            self._settle(task, failed=True, refunds=refunds)
            return _failure(task)
        if task.clip is None or self._shown_for(task).clip is None:
            return Progress(state=State.RUNNING, percent=99)
        self._settle(task, failed=False, refunds=refunds)
        return Progress(state=State.DONE, percent=100)

    def go_on(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do this, though nobody waits for it."""
        running = asyncio.get_running_loop().create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def links(self, task: Task) -> list[Link]:
        """Return where a finished task's results are: the same addresses each time."""
        task = self._shown_for(task)
        found = self.world.links(task)
        if found:
            return found
        ttl_s = task.extra["link_ttl_s"]
        lives_s = self.director.scenario.link_ttl_s if ttl_s is None else float(ttl_s)
        for _ in range(int(task.extra["results"])):
            link = Link(
                token=secrets.token_hex(16),
                provider=task.provider,
                account=task.account,
                task=task.id,
                expires_at=self.world.now() + lives_s,
            )
            self.world.keep_link(link)
        return self.world.links(task)

    def url(self, task: Task, link: Link) -> str:
        """Return a link as clients see it."""
        return f"{self.media_origin}/{task.provider}/video/{link.token}.{task.reel['format']}"

    def serves(self, url: str) -> bool:
        """Tell whether an address is one of the result host's."""
        return url.startswith(f"{self.media_origin}/")

    def _account(self, key: str) -> Account:
        return self.director.scenario.accounts.get(key, Account())

    def _task(self, order: Order, fault: Fault | None, now: float) -> Task:
        scenario = self.director.scenario
        shown = reel(order, style=scenario.render, fault=fault)
        name = "" if fault is None else fault.name
        options = {} if fault is None else fault.options
        factor = Decimal(str(options["factor"])) if name == "overcharged" else 1
        pricing = scenario.prices.get(order.subject.provider, Pricing())
        price = pricing.per_item_usd if pricing.per_item_usd is not None else order.usd
        runs_s = random.uniform(*scenario.run_s)  # noqa: S311 - a drill, not a secret
        return Task(
            provider=order.subject.provider,
            account=order.subject.key,
            id=order.task,
            client_id=order.client_id,
            address=order.subject.address,
            model=order.model,
            prompt=order.subject.prompt,
            request=order.request,
            usd=int(price * pricing.factor * factor * MICRO),
            created_at=now,
            ready_at=now + runs_s + (options["seconds"] if name == "slow" else 0),
            fate={"name": name, **options} if name else _doom(order),
            reel=shown,
            extra={
                **order.extra,
                "results": order.results,
                "link_ttl_s": order.link_ttl_s,
                "told": "nothing" if name == "no-cost" else pricing.told,
                "credit_factor": str(pricing.credit_factor),
                "references": [medium.digest for medium in order.media if medium.digest],
            },
            clip=self.studio.ready(shown),
        )

    def _shown_for(self, task: Task) -> Task:
        """Return whose result a task is said to have: its own, or the first's of one link."""
        if task.fate.get("name") != _SAME_LINK:
            return task
        account = "provider=? AND account=?"
        every = self.world.tasks(account, (task.provider, task.account))
        return next(each for each in every if each.fate.get("name") == _SAME_LINK)

    def _settle(self, task: Task, *, failed: bool, refunds: bool) -> None:
        if task.settled:
            return
        scenario = self.director.scenario
        if scenario.failed_tasks:
            refunds = scenario.failed_tasks == "refunded"
        owed = 0 if failed and refunds else task.usd
        self.world.settle(task, owed - (task.usd if scenario.bill == "accept" else 0))

    def _commission(self, task: Task) -> None:
        self.go_on(self._render(task))

    async def _render(self, task: Task) -> None:
        try:
            clip = await self.studio.clip(task.reel)
        except NotRendered as error:
            print(f"sandbox: task {task.id} was not rendered: {error}", file=sys.stderr)  # noqa: T201 - its log
            clip = _NOT_RENDERED
        self.world.keep_clip(task, clip)


def told_cost(task: Task) -> Any:
    """Return what a reply tells as a task's cost in USD; None where it tells none."""
    match task.extra.get("told", "billed"):
        case "billed":
            return task.usd / MICRO
        case "nothing" | "credits":
            return None
        case told:
            return told


def told_credits(task: Task, per_usd: Decimal) -> float | None:
    """Return what a reply tells as a task's cost in credits; None where it tells none."""
    if task.extra.get("told", "billed") not in {"billed", "credits"}:
        return None
    factor = Decimal(task.extra.get("credit_factor", "1"))
    return float(round(Decimal(task.usd) / MICRO * per_usd * factor, 4))


def _doom(order: Order) -> dict[str, str]:
    return {"name": "failed", "message": order.doomed} if order.doomed else {}


def _under_way(task: Task, now: float) -> Progress:
    passed = (now - task.created_at) / max(task.ready_at - task.created_at, 1e-9)
    if passed < _QUEUED_SHARE:
        return Progress(state=State.QUEUED)
    return Progress(state=State.RUNNING, percent=min(99, int(passed * 100)))


def _failure(task: Task) -> Progress:
    refused = task.fate.get("name") == "refused"
    return Progress(
        state=State.REFUSED if refused else State.FAILED,
        form=str(task.fate.get("form", "errors")),
        code=str(task.fate.get("code", "")),
        message=str(task.fate.get("message", "")),
    )
