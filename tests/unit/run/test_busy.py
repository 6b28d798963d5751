"""A provider that has no room now: it is waited for, and nobody is held for standing in line."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest

from pipeline.domain import Media, Policy
from pipeline.domain.states import FaultKind, State
from pipeline.ledger.repository import Ledger
from pipeline.providers.base import Fault, Request, Response, Uploaded
from pipeline.run.circuit_breaker import CircuitBreaker
from pipeline.run.first_purchases import PRICE
from pipeline.run.runner import RunHandle
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import Provider


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio with the brake on, where a task may take a minute."""
    return Studio(tmp_path, policy=Policy(deadline_s=60.0))


def _told(studio: Studio, name: str) -> list[str]:
    return [str(event.detail["message"]) for event in studio.events if event.name == name]


async def test_a_storm_of_refusals_that_name_a_time_is_waited_out(studio: Studio) -> None:
    """12 × 429 with 8 s each is 96 s, longer than a task may take: all is made, told once."""
    studio.shop.script.extend(["throttled:8"] * 12)

    outcome = await studio.make(*"abcdef")

    assert 0 == outcome.exit_code
    assert 6 == len(studio.shop.tasks)
    # From four at once to two, and to one: after that there is nothing new to say.
    assert ["it is throttled; now 2 at once", "it is throttled; now 1 at once"] == _told(
        studio, "throttled"
    )
    assert not _told(studio, "lane_stopped")


async def test_a_provider_that_lets_one_through_per_wait_goes_on(studio: Studio) -> None:
    """Forty items, one for each wait of 8 s: none is held for what the others waited."""
    studio.confirm_price()
    studio.shop.script.extend(["ok", "throttled:8"] * 40)
    names = [f"n{number}" for number in range(40)]

    outcome = await studio.make(*names)

    assert 0 == outcome.exit_code
    assert 40 == len(studio.shop.tasks)
    assert len(_told(studio, "throttled")) <= 2


async def test_a_storm_after_an_hour_of_calm_is_told_again(studio: Studio) -> None:
    """What was said of one storm says nothing of the next."""
    studio.confirm_price()
    studio.concurrency = 1
    studio.shop.takes_s = 40.0
    studio.shop.script.extend(["throttled:8", *["ok"] * 90, "throttled:8"])

    await studio.make(*(f"n{number}" for number in range(95)))

    assert 2 == len(_told(studio, "throttled"))


async def test_a_provider_that_never_has_room_is_given_up_once(studio: Studio) -> None:
    """Without a time to come back, and nothing taken for a minute, the lane stops and says so."""
    studio.shop.script.extend(["capacity"] * 1000)

    outcome = await studio.make(*"abcdefgh")

    assert 12 == outcome.exit_code
    assert ["held"] * 8 == studio.states()
    assert ["it is capacity"] == _told(studio, "lane_stopped")


@pytest.mark.parametrize("pause_s", [120.0, 3600.0])
async def test_a_pause_is_no_time_in_which_it_had_no_room(studio: Studio, pause_s: float) -> None:
    """Paused between two refusals, however long: nothing was asked of it, so the lane goes on."""
    studio.shop.script.extend(["capacity", "capacity"])
    assert studio.admit([entry("a")]).ok
    config, parts = studio.parts()

    with Ledger.open(studio.root) as ledger:
        async with RunHandle(ledger, config, **parts) as handle:
            async for event in handle.iter_events():
                if event.name == "throttled":
                    handle.pause()
                    await studio.clock.sleep(pause_s)
                    handle.resume()
            outcome = await handle.wait()

    assert (0, 3) == (outcome.exit_code, studio.shop.submits)


async def test_a_machines_sleep_is_no_time_in_which_it_had_no_room(studio: Studio) -> None:
    """Closed for an hour between two refusals, the laptop goes on as if it had not been."""
    studio.shop.script.extend(["capacity", "capacity"])
    intents: list[str] = []

    def sleep_before_the_second(name: str) -> None:
        if name == "intent":
            intents.append(name)
            studio.clock.advance(3600.0 if len(intents) == 2 else 0.0)

    assert studio.admit([entry("a")]).ok
    outcome = await studio.run(checkpoint=sleep_before_the_second)

    assert (0, 3) == (outcome.exit_code, studio.shop.submits)


async def test_who_puts_off_as_long_as_is_waited_for_is_given_up_all_the_same(
    studio: Studio,
) -> None:
    """Each time it says five minutes: such a wait is no silence, and a day of them is enough."""
    studio.shop.script.extend(["throttled:300"] * 400)

    outcome = await studio.make("a")

    assert (12, ["held"]) == (outcome.exit_code, studio.states())
    assert 280 < studio.shop.submits < 300


class BusyStorage(Provider):
    """A provider whose storage has no room for the first uploads."""

    refusals = 0

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Turn away as often as told, with a time to come back."""
        if self.refusals:
            self.refusals -= 1
            return Fault(kind=FaultKind.THROTTLED, message="busy", retry_after_s=8.0)
        return (yield from super().upload(media))


async def test_an_upload_that_is_turned_away_is_no_failure_of_its_item(studio: Studio) -> None:
    """Its storage says "in 8 s" more often than an upload is repeated: the item waits."""
    picture = studio.root.parent / "front.png"
    picture.write_bytes(b"front")
    medium = Media(
        media_type="image",
        source=str(picture),
        local=True,
        digest=hashlib.sha256(b"front").hexdigest(),
        format="png",
        bytes=5,
    )
    provider = BusyStorage()
    provider.refusals = 12
    studio.provider = provider
    assert studio.admit([entry("a", images=[medium])]).ok

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 1 == studio.shop.uploads


@pytest.mark.parametrize("cause", ["throttled", "capacity", PRICE])
def test_the_brake_does_not_count_who_stands_in_line(cause: str) -> None:
    """Held until there is room, or until a price is known: nothing went wrong with the item."""
    brake = CircuitBreaker(Policy())

    assert {""} == {brake.note(State.HELD, cause) for _ in range(60)}
