"""A clip that is paid for is fetched until it is whole, and one slow host stops nobody else."""

# ruff: noqa: ARG002 - stand-ins have the signatures of what they stand in for

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from pipeline.domain import Event, Media, Policy
from pipeline.domain.states import State
from pipeline.errors import MediaFault
from pipeline.ledger.migrations import MIGRATIONS
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Download
from pipeline.net.lane import Lane
from pipeline.providers.base import Request
from pipeline.run.runner import RunConfig, RunDependencies, run
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import CAMPAIGN, Studio, abandon_item, entry
from tests.unit.run.raw_ledger import write_now
from tests.unit.run.shop import LANE, OFFER, ProbedClips, Provider, Shop, probe


def _cut(path: Path) -> Media:
    raise MediaFault("damaged", f"{path.suffix} ends early")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root, a shop and a clock."""
    return Studio(tmp_path)


async def test_a_clip_that_comes_cut_each_time_is_overdue_until_it_comes_whole(
    studio: Studio,
) -> None:
    """Nothing of it is kept, its charge stands, and it is asked for again by each run."""
    studio.probe = _cut

    outcomes = [await studio.make("a"), await studio.run(), await studio.run(settle_only=True)]
    kept = [path for path in studio.root.rglob(".callsheet/store/**/*") if path.is_file()]
    (record,) = studio.records()
    studio.probe = probe
    last = await studio.run()

    assert [13, 13, 13] == [outcome.exit_code for outcome in outcomes]
    assert ("overdue", "damaged", ".part ends early") == (
        record.state,
        record.cause,
        record.message,
    )
    assert ([], 0, ["done"]) == (kept, last.exit_code, studio.states())
    assert (1, Decimal("0.56")) == (studio.shop.submits, last.committed_usd)


async def test_a_clip_that_is_given_up_stays_charged(studio: Studio) -> None:
    """A person's word ends the asking: nothing is fetched, nothing is bought again."""
    studio.probe = _cut
    await studio.make("a")
    with Ledger.open(studio.root) as ledger:
        abandon_item(ledger, CAMPAIGN, "spin[a]", now=studio.clock.now())
    downloads = studio.shop.downloads
    studio.probe = probe

    outcome = await studio.run()

    assert (10, ["abandoned"]) == (outcome.exit_code, studio.states())
    assert (1, downloads) == (studio.shop.submits, studio.shop.downloads)
    assert Decimal("0.56") == outcome.committed_usd


async def test_a_provider_whose_clips_do_not_play_is_bought_no_more_from(studio: Studio) -> None:
    """Five in a row stop the lane, as five off spec do; those left behind stop no later run."""
    studio.policy, studio.probe = Policy(request_retries=0), _cut
    first = await studio.make(*"abcdefgh")
    second = await studio.run(settle_only=True)

    assert "the last 5 items ended alike (damaged)" in first.stopped["shop"]
    assert ({}, 13) == (second.stopped, second.exit_code)


async def test_what_an_earlier_version_kept_though_it_does_not_play_is_asked_for_again(
    studio: Studio,
) -> None:
    """Such a clip has no width: opening its ledger makes it overdue; others stay as they are."""
    await studio.make("a", "b")
    with closing(sqlite3.connect(studio.root / ".callsheet" / "ledger.db")) as connection:
        connection.executescript(
            "UPDATE jobs SET state = 'off_spec', cause = 'off_spec';"
            "UPDATE clips SET width = 0, height = 0, seconds = NULL, fps = NULL WHERE sha256 ="
            " (SELECT jobs.sha256 FROM jobs JOIN items ON items.key = jobs.key"
            "  WHERE address = 'spin[a]');"
        )
    (migration,) = [each for each in MIGRATIONS if "does_not_play" in each.__name__]
    with Ledger.open(studio.root) as ledger:
        write_now(ledger, migration)
    states = studio.states()

    outcome = await studio.run()

    assert ["overdue", "off_spec"] == states
    assert (10, ["done", "off_spec"]) == (outcome.exit_code, studio.states())
    assert 2 == studio.shop.submits


@dataclass
class SlowHost(Shop):
    """A shop whose clips come in crumbs: a byte a second, from where it was left off."""

    every_s: float = 1.0
    asked: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def download(
        self, lane: Lane, request: Request, *, offset: int = 0, if_range: str = ""
    ) -> AsyncGenerator[Download, None]:
        """Give the rest of a clip of 3,000 bytes."""
        self.downloads += 1
        self.asked.append(offset)
        clip = b"\x00\x00\x00\x18ftypisom" + bytes(3000 - 12)
        headers = {"etag": '"v1"', "content-length": str(len(clip) - offset)}
        if offset:
            headers["content-range"] = f"bytes {offset}-{len(clip) - 1}/{len(clip)}"
        yield Download(
            httpx.Response(
                206 if offset else 200, headers=headers, stream=self._crumbs(clip[offset:])
            ),
            lane=lane,
            limit=10_000,
        )

    def _crumbs(self, clip: bytes) -> httpx.AsyncByteStream:
        shop = self

        class Crumbs(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncGenerator[bytes, None]:
                for at in range(len(clip)):
                    shop.clock.advance(shop.every_s)  # type: ignore[attr-defined]
                    yield clip[at : at + 1]

        return Crumbs()


async def test_a_host_that_dribbles_is_gone_on_with_and_left_for_the_next_run(
    studio: Studio,
) -> None:
    """Each try goes on where the last was; when they are used up the clip is overdue, and paid."""
    studio.shop = slow = SlowHost(studio.clock)

    first = await studio.make("a")
    asked = list(slow.asked)
    (record,) = studio.records()
    slow.every_s = 0.0
    second = await studio.run()

    assert sorted(set(asked)) == asked
    # A byte a second: a minute is about sixty of them.
    assert 61 >= max(later - earlier for earlier, later in pairwise(asked))
    assert (13, "unavailable") == (first.exit_code, record.cause)
    assert record.message.startswith("the result comes too slowly: ")
    assert (0, 1) == (second.exit_code, slow.submits)


async def test_a_clip_is_fetched_no_longer_in_one_run_than_its_deadline(studio: Studio) -> None:
    """Also not by a host that is just quick enough: what was had is there for the next run."""
    studio.policy = Policy(stop=False, deadline_s=300.0)
    studio.shop = slow = SlowHost(studio.clock, every_s=0.5)
    began = studio.clock.monotonic()

    outcome = await studio.make("a")

    assert 13 == outcome.exit_code
    assert studio.clock.monotonic() - began < 600.0
    assert slow.downloads < 10


DOWNLOADS_AT_ONCE = 8


@dataclass
class HangingShop(Shop):
    """A shop whose downloads never begin for one lane."""

    hanging: int = 0
    most: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def download(
        self, lane: Lane, request: Request, *, offset: int = 0, if_range: str = ""
    ) -> AsyncGenerator[Download, None]:
        """Give the clip, but to nobody at the slow lane."""
        if lane.provider == "slow":
            self.hanging += 1
            if self.hanging == DOWNLOADS_AT_ONCE:
                self.most.set()
            await asyncio.Event().wait()
        async with super().download(lane, request, offset=offset, if_range=if_range) as opened:
            yield opened


async def test_a_slow_result_host_stops_nobody_elses_clips(studio: Studio) -> None:
    """Thirty downloads that hang at one provider leave room for the other's."""
    shop, done = HangingShop(studio.clock), asyncio.Event()
    entries = [entry("quick"), *(entry(f"s{n}") for n in range(30))]
    slow = [replace(each, item=replace(each.item, provider="slow")) for each in entries[1:]]
    assert studio.admit([entries[0], *slow]).ok
    studio.confirm_price("slow")

    def watch(event: Event) -> None:
        if event.name == "done":
            done.set()

    # The quick one is bought when the slow ones' downloads are all under way.
    shop.takes_s = 30.0
    offers = {name: replace(OFFER, provider=name) for name in ("shop", "slow")}
    lanes = {
        name: replace(LANE, provider=name, concurrency=40, submit_per_s=rate)
        for name, rate in {"slow": 1000.0, "shop": 1.0}.items()
    }
    dependencies = RunDependencies(
        transport=shop,
        store=Store(studio.root),
        clips=ProbedClips(),
        clock=studio.clock,
        observer=watch,
    )
    with Ledger.open(studio.root) as ledger:
        running = asyncio.create_task(
            run(
                ledger,
                RunConfig(campaign=CAMPAIGN, policy=studio.policy),
                providers={name: Provider(offer) for name, offer in offers.items()},
                lanes=lanes,
                dependencies=dependencies,
            )
        )
        async with asyncio.timeout(60):
            await done.wait()
            await shop.most.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert done.is_set()
    assert DOWNLOADS_AT_ONCE == shop.hanging


async def test_nothing_more_is_bought_than_can_be_looked_into(studio: Studio) -> None:
    """While clips stand in line to be decoded, those that are not bought yet wait."""
    asked, room = asyncio.Event(), asyncio.Event()

    class Busy(ProbedClips):
        async def until_room(self) -> None:
            asked.set()
            await room.wait()

    assert studio.admit([entry("a")]).ok
    config, parts = studio.parts()
    parts["dependencies"] = replace(parts["dependencies"], clips=Busy())
    with Ledger.open(studio.root) as ledger:
        running = asyncio.create_task(run(ledger, config, **parts))
        await asked.wait()
        before, states = studio.shop.submits, [event.name for event in studio.events]
        room.set()
        await running

    assert (0, 1) == (before, studio.shop.submits)
    assert State.SUBMITTING.value not in states
    assert ["done"] == studio.states()
