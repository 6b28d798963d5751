"""What every dialect does the same: accept a task, bill it, run it, finish it, link its clips.

A dialect turns its own wire form into an Order and the Progress of a task into its own words;
money, time, files and what a scenario does to a task are decided here.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pipeline.sandbox.database import Database, Link, Task
from pipeline.sandbox.faults import Effect, InjectedFault, Subject
from pipeline.sandbox.media_store import MediaStore, NamedMedium
from pipeline.sandbox.render_pool import NotRendered, RenderPool
from pipeline.sandbox.scenario import Account, FaultInjector, Pricing, Scenario

MICRO = 1_000_000
_TITLE_CHARACTERS = 200
_QUEUED_SHARE = 0.2
_FATE = frozenset({Effect.FATE})
# A shorter key would be found by chance in any address.
_SECRET_CHARACTERS = 8
_NOT_RENDERED = "!"
# What such an account shows: it falls with each bill, as there are clients that know a charge
# by how far the balance fell.
_NEVER_RUNS_OUT_USD = Decimal(1_000_000)
# All tasks with this fate are told to be finished at the address of the first of them.
_SAME_LINK = "same-link"


class TaskStatus(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a task stands, with what a dialect needs to say so."""

    status: TaskStatus
    percent: int = 0
    form: str = "errors"
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid request to make a clip, in the sandbox's own words."""

    subject: Subject
    """Who asks, through whom, for which address and prompt."""
    task: str
    client_id: str = ""
    model: str
    request: Any
    usd: Decimal
    size: tuple[int, int]
    seconds: float
    media: Sequence[NamedMedium] = ()
    format: str = "mp4"
    link_ttl_s: float | None = None
    results: int = 1
    will_fail: str = ""
    """Why it will fail, though it is taken."""
    extra: Mapping[str, Any] = field(default_factory=dict)


class TaskService:
    """Accepts tasks and knows what became of them."""

    def __init__(
        self, database: Database, injector: FaultInjector, pool: RenderPool, *, media_origin: str
    ) -> None:
        self.database = database
        self.injector = injector
        self.pool = pool
        self.media = MediaStore(database, pool, origin=media_origin)
        self.in_flight: set[tuple[str, ...]] = set()
        """What a dialect must not begin twice at once."""
        # A restart must still recognise the keys it has met.
        self._keys = database.accounts()
        self._background: set[asyncio.Task[Any]] = set()

    def resume(self) -> None:
        """Have the clips made that were not finished when the sandbox last stopped."""
        for task in self.database.tasks("clip IS NULL"):
            self.run_in_background(self._render(task))

    def reset(self) -> None:
        """Forget all tasks, money and uploads."""
        for running in self._background:
            running.cancel()
        self._keys.clear()
        self.database.clear()

    def is_bad(self, key: str) -> bool:
        """Tell whether the scenario calls this key bad."""
        return self._account(key).bad

    def balance(self, owner: Subject) -> Decimal | None:
        """Return what an account has left in USD; None: it never runs out."""
        granted = self._account(owner.key).balance_usd
        return None if granted is None else granted - self.spent(owner)

    def spent(self, owner: Subject) -> Decimal:
        """Return what an account has been billed, in USD."""
        return Decimal(self.database.bill_total(owner.provider, owner.key)) / MICRO

    def visible_balance(self, owner: Subject) -> Decimal:
        """Return what an account shows as left in USD; one that never runs out falls too."""
        left = self.balance(owner)
        return _NEVER_RUNS_OUT_USD - self.spent(owner) if left is None else left

    def can_pay(self, order: Order) -> bool:
        """Tell whether an account can pay an order now."""
        left = self.balance(order.subject)
        return left is None or order.usd <= left

    def remember_key(self, key: str) -> None:
        """Remember a key, so that it is recognised where it does not belong."""
        self._keys.add(key)

    def holds_key(self, text: str) -> bool:
        """Tell whether a text holds a key that somebody has used here."""
        keys = self._keys | self.injector.scenario.accounts.keys()
        return any(len(key) >= _SECRET_CHARACTERS and key in text for key in keys)

    def accept(self, order: Order) -> Task | None:
        """Keep a new task, billed and durable; None where its id has been used."""
        scenario = self.injector.scenario
        now = self.database.now()
        task = self._task(order, self.injector.pick("submit", _FATE, order.subject), now)
        if not self.database.add_task(task, bill_at=now if scenario.bill == "accept" else None):
            return None
        if task.clip is None:
            self.run_in_background(self._render(task))
        return task

    def progress(self, task: Task, *, refunds: bool) -> Progress:
        """Return where a task stands; the first look at its end settles the bill.

        `refunds` tells whether this provider gives the money of failed tasks back.
        """
        name, now = task.fate.get("name", ""), self.database.now()
        ends_at = task.ready_at
        if name == "stuck":
            # It has come as far as any, and stays there.
            seconds = task.fate.get("seconds")
            ends_at += float("inf") if seconds is None else seconds
        if now < ends_at:
            # With `run_s: 0` a task that is stuck would divide by zero.
            passed = (now - task.created_at) / max(task.ready_at - task.created_at, 1e-9)
            if passed < _QUEUED_SHARE:
                return Progress(status=TaskStatus.QUEUED)
            return Progress(status=TaskStatus.RUNNING, percent=min(99, int(passed * 100)))
        if name in {"failed", "refused"} or task.clip == _NOT_RENDERED:
            rule = self.injector.scenario.failed_tasks
            self._settle(task, owed=rule == "kept" if rule else not refunds)
            return Progress(
                status=TaskStatus.REFUSED if name == "refused" else TaskStatus.FAILED,
                form=str(task.fate.get("form", "errors")),
                code=str(task.fate.get("code", "")),
                message=str(task.fate.get("message", "")),
            )
        # Its time is over, and its clip is still being rendered.
        if task.clip is None or self._with_result(task).clip is None:
            return Progress(status=TaskStatus.RUNNING, percent=99)
        self._settle(task, owed=True)
        return Progress(status=TaskStatus.DONE, percent=100)

    def run_in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do this, though nobody waits for it."""
        running = asyncio.get_running_loop().create_task(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    def links(self, task: Task) -> list[Link]:
        """Return where a finished task's results are: the same addresses each time."""
        task = self._with_result(task)
        # A poll may ask a hundred times; the addresses stay the same.
        found = self.database.links(task)
        if found:
            return found
        ttl_s = task.extra["link_ttl_s"]
        lives_s = self.injector.scenario.link_ttl_s if ttl_s is None else float(ttl_s)
        for _ in range(int(task.extra["results"])):
            link = Link(
                token=secrets.token_hex(16),
                provider=task.provider,
                account=task.account,
                task=task.id,
                expires_at=self.database.now() + lives_s,
            )
            self.database.add_link(link)
        return self.database.links(task)

    def result_url(self, task: Task) -> str:
        """Return the address of a finished task's only result."""
        (link,) = self.links(task)
        return self.link_url(task, link)

    def link_url(self, task: Task, link: Link) -> str:
        """Return a link as clients see it."""
        return f"{self.media.origin}/{task.provider}/video/{link.token}.{task.reel['format']}"

    def _account(self, key: str) -> Account:
        return self.injector.scenario.accounts.get(key, Account())

    def _task(self, order: Order, fault: InjectedFault | None, now: float) -> Task:
        scenario = self.injector.scenario
        spec = clip_spec(order, scenario, fault=fault)
        name = "" if fault is None else fault.name
        options = {} if fault is None else fault.options
        pricing = scenario.prices.get(order.subject.provider, Pricing())
        price = order.usd if pricing.per_item_usd is None else pricing.per_item_usd
        factor = Decimal(str(options["factor"])) if name == "overcharged" else 1
        runs_s = random.uniform(*scenario.run_s)  # noqa: S311 - a drill, not a secret
        if name == "slow":
            runs_s += options["seconds"]
        fate = {"name": "failed", "message": order.will_fail} if order.will_fail else {}
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
            ready_at=now + runs_s,
            fate={"name": name, **options} if name else fate,
            reel=spec,
            extra={
                **order.extra,
                "results": order.results,
                "link_ttl_s": order.link_ttl_s,
                # Kept with the task: another scenario does not change what its replies tell.
                "told": "nothing" if name == "no-cost" else pricing.told,
                "credit_factor": str(pricing.credit_factor),
                "references": [each.stored.digest for each in order.media if each.stored],
            },
            clip=self.pool.ready(spec),
        )

    def _with_result(self, task: Task) -> Task:
        """Return the task whose result a task is told to have: itself, or the first of one link."""
        if task.fate.get("name") != _SAME_LINK:
            return task
        every = self.database.tasks("provider=? AND account=?", task.provider, task.account)
        return next(each for each in every if each.fate.get("name") == _SAME_LINK)

    def _settle(self, task: Task, *, owed: bool) -> None:
        if not task.settled:
            # Billed when it was accepted, its money stays or is given back (0, -1); else it is
            # billed now or never (1, 0).
            billed = self.injector.scenario.bill == "accept"
            self.database.settle(task, task.usd * (owed - billed))

    async def _render(self, task: Task) -> None:
        try:
            clip = await self.pool.clip(task.reel)
        except NotRendered as error:
            print(f"sandbox: task {task.id} was not rendered: {error}", file=sys.stderr)  # noqa: T201 - its log
            # The task ends as one that failed: no client is to wait for ever for a fault of ours.
            clip = _NOT_RENDERED
        self.database.set_clip(task, clip)


def subject_of(task: Task) -> Subject:
    """Return whom the scenario sees in a request about a task."""
    return Subject(
        provider=task.provider, key=task.account, address=task.address, prompt=task.prompt
    )


def clip_texts(task: str, prompt: str) -> dict[str, str]:
    """Return the texts every clip carries, by which a test knows whose clip it is."""
    return {"comment": f"callsheet-task:{task}", "title": prompt[:_TITLE_CHARACTERS]}


def clip_spec(order: Order, scenario: Scenario, *, fault: InjectedFault | None) -> dict[str, Any]:
    """Return what the clip of an order shows, in a scenario's style, after what a fault does."""
    (width, height), seconds = order.size, order.seconds
    # Half of it is an even number again: the encoders take no other (4:2:0).
    if fault is not None and fault.name == "wrong-pixels":
        width = fault.options["width"] or width // 4 * 2
        height = fault.options["height"] or height // 4 * 2
    if fault is not None and fault.name == "wrong-seconds":
        seconds = fault.options["seconds"] or seconds + 2
    spec = {
        "style": scenario.render,
        "width": width,
        "height": height,
        "seconds": seconds,
        "fps": scenario.fps,
        "format": order.format,
    }
    if order.format == "webm":  # its texts are part of the rendering; media_host tags the others
        spec["told"] = clip_texts(order.task, order.subject.prompt)
    if scenario.render == "plain":
        return spec
    return spec | {
        "prompt": order.subject.prompt,
        "label": order.subject.address or order.task,
        "media": [each.as_data() for each in order.media],
    }


def cost_in_reply(task: Task) -> Any:
    """Return what a reply tells as a task's cost in USD; None where it tells none."""
    match task.extra.get("told", "billed"):
        case "billed":
            return task.usd / MICRO
        case "nothing" | "credits":
            return None
        case told:
            return told


def credits_in_reply(task: Task, per_usd: Decimal) -> float | None:
    """Return what a reply tells as a task's cost in credits; None where it tells none."""
    if task.extra.get("told", "billed") not in {"billed", "credits"}:
        return None
    factor = Decimal(task.extra.get("credit_factor", "1"))
    return float(round(Decimal(task.usd) / MICRO * per_usd * factor, 4))
