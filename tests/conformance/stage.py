"""A stage for one provider: real ledger, real files, real HTTP to the sandbox, hurried time."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.domain import (
    Event,
    Item,
    Key,
    Kind,
    Media,
    Policy,
    Price,
    PricedItem,
    Record,
    Reference,
    Spec,
)
from pipeline.ledger.price_confirmations import CHARGE, PriceClass, SeenPrice
from pipeline.ledger.repository import Ledger
from pipeline.media.video import probe
from pipeline.net.client import Limits, Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Provider, plain
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import RealFiles
from pipeline.run.plan_sync import sync_plan
from pipeline.run.runner import RunConfig, RunDependencies, run
from pipeline.storage.blobs import Store
from tests.sandboxes import Sandbox
from tests.unit.providers.samples import item
from tests.unit.run.shop import ProbedClips

CAMPAIGN = "conformance"
_HURRY = 200.0
_AHEAD_S = 1800
"""The stage's clock runs ahead of the sandbox's: what happens there must not look older than it."""
FILM_S = 7
"""Every film of the stage lasts so long, in seconds: what an edit's length follows."""
_PIXELS = {"std": 720, "pro": 1080}
Colour = tuple[int, int, int]
_RATIOS = {"9:16": 9 / 16, "16:9": 16 / 9, "1:1": 1.0}


class HurriedClock:
    """The real clock, run fast: what waits 200 s waits one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._started = datetime.now(UTC)

    def now(self) -> datetime:
        """Return the wall clock's time, as far as it has run."""
        return self._started + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the hurried seconds that have passed."""
        return (time.monotonic() - self._began) * _HURRY

    async def sleep(self, seconds: float) -> None:
        """Return when so many hurried seconds have passed."""
        await asyncio.sleep(max(0.0, seconds) / _HURRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a run left behind: the ledger's records, the events, the sandbox's own books."""

    outcome: Outcome
    records: tuple[Record, ...]
    events: tuple[Event, ...]
    tasks: tuple[Mapping[str, Any], ...]
    leaks: tuple[Any, ...]
    root: Path

    @property
    def states(self) -> list[str]:
        """Return the items' states, each once, sorted."""
        return sorted({record.state for record in self.records})

    @property
    def billed_usd(self) -> Decimal:
        """Return what the sandbox billed, by its own count."""
        return sum((Decimal(task["usd"]) for task in self.tasks), Decimal(0))

    @property
    def charged_usd(self) -> Decimal:
        """Return what the ledger holds as charged."""
        return sum((record.charged_usd for record in self.records), Decimal(0))

    def named(self, event: str) -> list[Event]:
        """Return the events of that name."""
        return [seen for seen in self.events if seen.name == event]

    def clip(self, record: Record) -> Path:
        """Return where a record's clip is."""
        return self.root / CAMPAIGN / (record.path or "missing")


@dataclass(slots=True, kw_only=True)
class Stage:
    """One provider's adapter in front of the sandbox; `play` as often as there are runs."""

    provider: Provider
    sandbox: Sandbox
    root: Path
    key: str = "key-of-the-stage"
    policy: Policy = field(default_factory=Policy)
    concurrency: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)
    """What a manifest sets for the provider itself."""

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.offer.provider

    def _confirmed(self, item: Item) -> SeenPrice:
        """Return what an earlier clip showed of the item's price: then many may go at once."""
        price = PriceClass(provider=self.name, mode=item.settings.mode, kind=item.kind.value)
        return SeenPrice(price_class=price, source=CHARGE, seconds=1.0)

    async def play(self, *items: Item) -> Played:
        """Admit the items and run them to their end."""
        seen: list[Event] = []
        clock = HurriedClock()
        self.sandbox.advance(_AHEAD_S)
        with Ledger.open(self.root) as ledger:
            for item in items:
                ledger.record_price(self._confirmed(item))
            admission = sync_plan(
                map(self._entry, items), ledger, campaign=CAMPAIGN, files=RealFiles(self.root)
            )
            assert admission.ok, admission.findings
            async with Transport(limits=Limits(connect_s=2, total_s=3)) as transport:
                dependencies = RunDependencies(
                    transport=transport,
                    store=Store(self.root),
                    clips=ProbedClips(probe),
                    clock=clock,
                    observer=seen.append,
                )
                outcome = await run(
                    ledger,
                    RunConfig(campaign=CAMPAIGN, policy=self.policy, address_header=True),
                    providers={self.name: self.provider},
                    lanes={self.name: self._lane()},
                    dependencies=dependencies,
                )
            records = tuple(ledger.records(CAMPAIGN))
        return Played(
            outcome=outcome,
            records=records,
            events=tuple(seen),
            tasks=tuple(self.sandbox.tasks(self.name, self.key)),
            leaks=tuple(self.sandbox.ledger()["leaks"]),
            root=self.root,
        )

    @property
    def kind(self) -> Kind:
        """The simplest kind that this provider offers; its request states the length."""
        kinds = (Kind.TEXT, Kind.FIRST_FRAME)
        return next(kind for kind in kinds if kind in self.provider.offer.models["kling-o1"])

    def items(self, count: int, kind: Kind | None = None, **more: Any) -> list[Item]:
        """Return items that differ in their prompt, for what this provider offers."""
        return [self.item(number, kind, **more) for number in range(1, count + 1)]

    def item(self, number: int, kind: Kind | None = None, **more: Any) -> Item:
        """Return one item with real media, in a mode, length and ratio its terms allow."""
        kind = kind or self.kind
        terms = self.provider.offer.models["kling-o1"][kind]
        mode = more.pop("mode", max(terms.modes))
        stated = terms.ratio == "stated"
        ratio = more.pop("ratio", "9:16" if stated else "auto")
        duration = min(terms.durations) if terms.durations else None
        made = item(kind, self.name, mode=mode, ratio=ratio, duration=duration, **more)
        references = tuple(self._real(reference) for reference in made.references)
        prompt = (f"Take {number}: ", *made.prompt)
        spec = Spec(
            seconds=float(duration or FILM_S),
            ratio=_RATIOS.get(ratio),
            short_side=_PIXELS[mode] if duration else None,
        )
        address = f"{kind.value}#{number}"
        digest = hashlib.sha256(f"{address} {mode} {ratio}".encode()).hexdigest()
        return replace(
            made,
            address=address,
            take=number,
            prompt=prompt,
            references=references,
            spec=spec,
            output=f"{kind.value}/{number}.{{ext}}",
            key=Key(digest=digest, parts={}),
        )

    def _entry(self, wanted: Item) -> PricedItem:
        price = Price(
            low_usd=Decimal("0.1"),
            expected_usd=Decimal("0.5"),
            high_usd=Decimal(2),
            source="the stage",
            certainty="assumed",
        )
        return PricedItem(
            item=wanted,
            request=plain(self.provider.submit_request(wanted, self.options)),
            price=price,
        )

    def _lane(self) -> Lane:
        addresses = self.sandbox.addresses[self.name]
        hosts = {"api": addresses["base_url"], "upload": addresses.get("upload_url", "")}
        return Lane(
            provider=self.name,
            key=self.key,
            hosts={host: hosts[host] for host in self.provider.offer.hosts},
            concurrency=self.concurrency,
            submit_per_s=1000.0,
        )

    def _real(self, reference: Reference) -> Reference:
        media = tuple(self._file(medium) for medium in reference.media)
        return replace(reference, media=media)

    def _file(self, medium: Media) -> Media:
        path = self.root.parent / "media" / Path(medium.source).name
        path.parent.mkdir(exist_ok=True)
        if medium.media_type == "video":
            path = path.with_suffix(".mp4")
            if not path.exists():
                film(path)
            takes = "video" in self.provider.offer.uploads
            return probe(path) if takes else self._published(medium, path)
        path = path.with_suffix(".png")
        if not path.exists():
            path.write_bytes(_picture(path.name))
        content = path.read_bytes()
        return replace(
            medium,
            source=str(path),
            digest=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            width=720,
            height=1280,
        )

    def _published(self, medium: Media, path: Path) -> Media:
        """Return a medium that is on the web, for a provider that stores none of its kind."""
        web = httpx.URL(self.sandbox.base_urls[self.name]).copy_with(path="/_sandbox/web")
        told = httpx.post(web, content=path.read_bytes(), trust_env=False, timeout=30)
        url = told.raise_for_status().json()["url"]
        digest = hashlib.sha256(url.encode()).hexdigest()
        return replace(medium, source=url, local=False, digest=digest, format="")


@cache
def _picture(name: str) -> bytes:
    """Return a PNG of 720 by 1280 in one colour, by its name."""
    content, shade = BytesIO(), hashlib.sha256(name.encode()).digest()[:3]
    Image.new("RGB", (720, 1280), tuple(shade)).save(content, "PNG")
    return content.getvalue()


def film(path: Path, *, seconds: int = FILM_S) -> None:
    """Write a plain clip of 720 by 1280 at 24 frames a second."""
    path.write_bytes(_film(seconds))


@cache
def _film(seconds: int) -> bytes:
    content = BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 720, 1280, "yuv420p"
        picture = np.full((1280, 720, 3), (40, 90, 160), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        for _ in range(24 * seconds):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


def task_of(clip: Path) -> str:
    """Return the task that a clip was made for, as the sandbox wrote it into the file."""
    with av.open(str(clip)) as container:
        return str(container.metadata["comment"]).removeprefix("callsheet-task:")


def plays(clip: Path) -> bool:
    """Tell whether a clip can be decoded to its end."""
    with av.open(str(clip)) as container:
        return sum(1 for _ in container.decode(video=0)) > 0


def ends(clip: Path) -> tuple[Colour, Colour]:
    """Return the colours in the middle of a clip's first and last pictures."""
    with av.open(str(clip)) as container:
        pictures = container.decode(video=0)
        first = last = next(pictures)
        for last in pictures:  # noqa: B007 - the last one is what is wanted
            pass
        return _middle(_pixels(first)), _middle(_pixels(last))


def colour(medium: Media) -> Colour:
    """Return the colour in the middle of a local image."""
    with Image.open(medium.source) as image:
        return _middle(np.asarray(image.convert("RGB")))


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray(format="rgb24").astype(np.uint8)


def _middle(pixels: NDArray[np.uint8]) -> Colour:
    tall, wide, _ = pixels.shape
    red, green, blue = pixels[tall // 2, wide // 2].tolist()
    return red, green, blue


def task_ids(tasks: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the sandbox's tasks."""
    return {str(task["task"]) for task in tasks}


def get(url: str) -> httpx.Response:
    """Fetch something from the sandbox, as anybody could."""
    return httpx.get(url, trust_env=False, timeout=10)
