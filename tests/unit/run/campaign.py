"""Small campaigns for tests: entries as a plan gives them, and a run of them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from pipeline.domain import (
    Budget,
    Event,
    Item,
    Key,
    Kind,
    Media,
    Origin,
    Policy,
    Price,
    PricedItem,
    Record,
    Reference,
    Role,
    Settings,
    Spec,
    Token,
)
from pipeline.domain.states import State
from pipeline.findings import Finding, Span
from pipeline.ledger.price_confirmations import CHARGE, PriceClass, SeenPrice
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import Decision, decide
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import RealFiles
from pipeline.run.plan_sync import Choice, PlanSummary, sync_plan
from pipeline.run.runner import RunConfig, RunDependencies, run
from pipeline.storage.blobs import Store
from tests.clocks import JumpingClock
from tests.unit.run.shop import LANE, OFFER, ProbedClips, Provider, Shop, probe

CAMPAIGN = "spring"
SPEC = Spec(seconds=5.0, ratio=9 / 16, short_side=720)


def entry(
    name: str,
    *,
    key: str = "",
    price: str | None = "0.56",
    output: str = "",
    row: str = "",
    axes: Mapping[str, str] | None = None,
    images: Sequence[Media] = (),
) -> PricedItem:
    """Return an item ready to be admitted: `name` is its row, its address is `spin[name]`."""
    address = f"spin[{name}]"
    digest = hashlib.sha256((key or name).encode()).hexdigest()
    item = Item(
        campaign=CAMPAIGN,
        address=address,
        shot="spin",
        row_key=row or name,
        cell="",
        take=1,
        axes=axes or {},
        tags=("hero",),
        kind=Kind.TEXT,
        prompt=("turn ", Token(role=Role.IMAGE, ordinal=1)) if images else (f"turn {name}",),
        references=tuple(_reference(media, n) for n, media in enumerate(images, start=1)),
        settings=Settings(mode="std", duration=5, aspect_ratio="9:16"),
        provider="shop",
        output=output or f"spin/{name}.{{ext}}",
        spec=SPEC,
        key=Key(digest=digest, parts={"prompt": digest[:12]}),
        origin=Origin(
            shot=Span(file="campaign.yaml", line=7, column=5),
            row=Span(file="products.csv", line=len(name) + 1),
        ),
    )
    body = {
        "id": "client:id",
        "prompt": name,
        "images": [f"asset:{media.digest}" for media in images],
    }
    request = {"method": "POST", "path": "/v1", "host": "api", "headers": {}, "body": body}
    return PricedItem(item=item, request=request, price=_price(price))


def adopt_task(ledger: Ledger, campaign: str, address: str, *, task: str, now: datetime) -> None:
    """Say that the item in doubt is the provider's task of that id."""
    decide(ledger, campaign, [Decision(address=address, after=State.WAITING, task=task)], now=now)


def resubmit_item(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Say that the item is to be bought again."""
    decide(ledger, campaign, [Decision(address=address, after=State.PLANNED)], now=now)


def abandon_item(ledger: Ledger, campaign: str, address: str, *, now: datetime) -> None:
    """Say that the item is given up."""
    decide(ledger, campaign, [Decision(address=address, after=State.ABANDONED)], now=now)


@dataclass
class Studio:
    """One output root with a ledger, a shop and a clock, in which runs follow one another."""

    root: Path
    clock: JumpingClock = field(default_factory=JumpingClock)
    policy: Policy = field(default_factory=lambda: Policy(stop=False))
    budget: Budget = field(default_factory=Budget)
    provider: Provider = field(default_factory=Provider)
    concurrency: int = 4
    key: str = "key-1"
    probe: Callable[[Path], Media] = probe
    events: list[Event] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.shop = Shop(self.clock)

    def admit(
        self,
        entries: Iterable[PricedItem | Finding],
        choice: Choice | None = None,
        *,
        profile: str = "",
    ) -> PlanSummary:
        """Admit a plan to the ledger of this root."""
        with Ledger.open(self.root) as ledger:
            return sync_plan(
                entries,
                ledger,
                campaign=_named(profile),
                budget=self.budget,
                policy=self.policy,
                files=RealFiles(self.root),
                choice=choice,
            )

    async def run(
        self,
        *,
        retry: tuple[str, ...] = (),
        stop: asyncio.Event | None = None,
        checkpoint: Callable[[str], None] | None = None,
        settle_only: bool = False,
        profile: str = "",
    ) -> Outcome:
        """Run what was admitted."""
        config, parts = self.parts(
            retry=retry,
            stop=stop,
            checkpoint=checkpoint,
            settle_only=settle_only,
            profile=profile,
        )
        with Ledger.open(self.root) as ledger:
            return await run(ledger, config, **parts)

    def parts(
        self,
        *,
        retry: tuple[str, ...] = (),
        stop: asyncio.Event | None = None,
        checkpoint: Callable[[str], None] | None = None,
        settle_only: bool = False,
        profile: str = "",
        commands_every_s: float = 1.0,
    ) -> tuple[RunConfig, dict[str, Any]]:
        """Return what a run of what was admitted is started with."""
        config = RunConfig(
            campaign=_named(profile),
            policy=self.policy,
            budget=self.budget,
            retry=retry,
            settle_only=settle_only,
        )
        lane = type(LANE)(
            provider="shop",
            key=self.key,
            hosts=OFFER.hosts,
            concurrency=self.concurrency,
            submit_per_s=1000.0,
        )
        dependencies = RunDependencies(
            transport=self.shop,
            store=Store(self.root),
            clips=ProbedClips(self.probe),
            clock=self.clock,
            observer=self.events.append,
            checkpoint=checkpoint or self.checkpoints.append,
            stop=stop or asyncio.Event(),
            chance=Random(7),  # noqa: S311 - the same jitter in each test
            commands_every_s=commands_every_s,
            new_client_id=lambda: f"client-{next(self._ids)}",
        )
        return config, {
            "providers": {"shop": self.provider},
            "lanes": {"shop": lane},
            "dependencies": dependencies,
        }

    def confirm_price(self, provider: str = "shop") -> None:
        """Write that an earlier clip was charged as estimated: then many may be bought at once."""
        seen = self.seen(provider)
        with Ledger.open(self.root) as ledger:
            ledger.record_price(seen)

    def seen(self, provider: str = "shop") -> SeenPrice:
        """Return what an earlier clip has shown of the price."""
        price = PriceClass(provider=provider, mode="std", kind="text")
        return SeenPrice(price_class=price, source=CHARGE, seconds=SPEC.seconds)

    async def make(self, *names: str) -> Outcome:
        """Admit and run items of these names."""
        assert self.admit(entry(name) for name in names).ok
        return await self.run()

    async def leave_in_doubt(self, name: str) -> int:
        """Make one item until its second send is lost too; return how often it was sent.

        A person stops the run then: it would settle the doubt for as long as the id is known.
        """
        stop, told = asyncio.Event(), self.events

        class Stopping(list[Event]):
            def append(self, event: Event) -> None:
                told.append(event)
                if event.name == "still_in_doubt":
                    stop.set()

        assert self.admit([entry(name)]).ok
        self.events = Stopping()
        try:
            await self.run(stop=stop)
        finally:
            self.events = told
        assert ["in_doubt"] == self.states()
        self.shop.script.clear()
        return self.shop.submits

    def records(self) -> list[Record]:
        """Return the items as the ledger knows them."""
        with Ledger.open(self.root) as ledger:
            return list(ledger.records(CAMPAIGN))

    def states(self) -> list[str]:
        """Return where the items stand, in plan order."""
        return [record.state for record in self.records()]

    def clip(self, name: str) -> Path:
        """Return an item's output path."""
        return self.root / CAMPAIGN / "spin" / f"{name}.mp4"


def _named(profile: str) -> str:
    return f"{CAMPAIGN}@{profile}" if profile else CAMPAIGN


def _reference(media: Media, ordinal: int) -> Reference:
    span = Span(file="campaign.yaml", line=9)
    return Reference(role=Role.IMAGE, ordinal=ordinal, name="front", media=(media,), span=span)


def _price(high: str | None) -> Price | None:
    if high is None:
        return None
    usd = Decimal(high)
    return Price(
        low_usd=usd, expected_usd=usd, high_usd=usd, source="rates.yaml", certainty="documented"
    )
