"""Clocks that jump and machines that sleep: no doubt is sent again, no wait is lost, no link dies.

The wall clock may be set by hours in either direction; the other one only grows, and counts what
the machine slept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain import Event, Feature, Media
from pipeline.providers.base import Fault, Request, Response, Uploaded
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import OFFER, Provider

HOUR_S = 3600.0


class Killed(BaseException):
    """The process ends here."""


BY_ID = replace(OFFER, features=frozenset({Feature.IDEMPOTENT, Feature.COST}))
"""An offer whose doubts are settled by sending again alone, while the client id is known."""
SHORT_UPLOADS = replace(OFFER, upload_lifetime_s=HOUR_S)
LOST = ["lost"] * 9


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root with a provider that knows a client id for ten minutes."""
    return Studio(tmp_path, provider=Provider(BY_ID))


def _set_wall(studio: Studio, hours: float) -> None:
    studio.clock.set_wall(studio.clock.now() + timedelta(hours=hours))


async def _in_doubt(studio: Studio) -> int:
    """Leave one item in doubt; return how often it was sent."""
    studio.shop.script.extend(LOST)
    return await studio.leave_in_doubt("a")


@pytest.mark.parametrize(
    ("wall_hours", "slept_hours"),
    [
        (5.0, 0.0),
        (-5.0, 0.0),
        (0.0, 5.0),
        (-5.0, 5.0),
        (-4.95, 5.0),
        (-3.0, 3.1),
    ],
)
async def test_a_doubt_is_not_sent_again_by_a_wrong_clock(
    wall_hours: float, slept_hours: float, studio: Studio
) -> None:
    """However the wall clock was set in between: after ten minutes by either clock, it is left."""
    sent = await _in_doubt(studio)
    _set_wall(studio, wall_hours)
    studio.clock.advance(slept_hours * HOUR_S)

    outcome = await studio.run()

    assert 13 == outcome.exit_code
    assert sent == studio.shop.submits
    assert ["in_doubt"] == studio.states()


async def test_a_young_doubt_is_settled_whatever_the_clocks_began_with(studio: Studio) -> None:
    """Two minutes later it may still be sent again, and is."""
    sent = await _in_doubt(studio)
    studio.clock.advance(120.0)

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert sent + 1 == studio.shop.submits
    assert 1 == len(studio.shop.tasks)


async def test_a_machine_that_slept_between_two_tries_does_not_send_a_third(
    studio: Studio,
) -> None:
    """The wall clock was set back while it slept: what it says is not believed."""
    studio.shop.script.extend(LOST)
    assert studio.admit([entry("a")]).ok

    class Sleepy(list[Event]):
        def append(self, event: Event) -> None:
            if event.name == "still_in_doubt":
                studio.clock.advance(2 * HOUR_S)
                _set_wall(studio, -2.0)

    studio.events = Sleepy()
    outcome = await studio.run()

    assert 13 == outcome.exit_code
    assert 2 == studio.shop.submits


@pytest.mark.parametrize("hours", [-5.0, 5.0])
async def test_the_deadline_of_a_task_is_not_the_wall_clock_s(hours: float, studio: Studio) -> None:
    """Set while it is waited for, the wall clock neither ends the wait nor draws it out."""
    studio.shop.takes_s = 1000.0
    jumps = [hours]

    def jump(name: str) -> None:
        if name == "polled" and jumps:
            _set_wall(studio, jumps.pop())

    assert studio.admit([entry("a")]).ok
    outcome = await studio.run(checkpoint=jump)

    assert 0 == outcome.exit_code
    assert 1 == studio.shop.submits


async def test_a_wait_ends_at_its_deadline_though_the_clock_was_set_back(studio: Studio) -> None:
    """Half an hour is half an hour: the task is overdue then, its money stays reserved."""
    studio.shop.endings.extend(["stuck"])
    jumps = [-24.0]

    def jump(name: str) -> None:
        if name == "polled" and jumps:
            _set_wall(studio, jumps.pop())

    assert studio.admit([entry("a")]).ok
    before = studio.clock.monotonic()
    outcome = await studio.run(checkpoint=jump)

    assert 13 == outcome.exit_code
    assert ["overdue"] == studio.states()
    assert studio.clock.monotonic() - before < studio.policy.deadline_s + 60.0
    assert 0 < outcome.committed_usd


@pytest.mark.parametrize("moment", ["accepted", "polled"])
async def test_a_laptop_that_slept_for_hours_collects_what_was_made(
    moment: str, studio: Studio
) -> None:
    """Every timer is late by hours: the finished clip is fetched, not bought again."""
    naps = [7 * HOUR_S]

    def nap(name: str) -> None:
        if name == moment and naps:
            studio.clock.advance(naps.pop())

    assert studio.admit([entry("a"), entry("b")]).ok
    outcome = await studio.run(checkpoint=nap)

    assert 0 == outcome.exit_code
    assert 2 == studio.shop.submits


@pytest.mark.parametrize("hours", [-30.0, 30.0])
async def test_what_an_earlier_run_sent_is_collected_on_any_date(
    hours: float, studio: Studio
) -> None:
    """The date was set between two runs: the task is asked for, and not bought again."""
    studio.shop.takes_s = 100.0

    def crash(name: str) -> None:
        if name == "accepted":
            raise Killed

    assert studio.admit([entry("a")]).ok
    with pytest.raises((Killed, BaseExceptionGroup)):
        await studio.run(checkpoint=crash)
    _set_wall(studio, hours)
    studio.clock.advance(200.0)

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 1 == studio.shop.submits


def _picture(studio: Studio) -> Media:
    file = studio.root / "front.png"
    file.write_bytes(b"a picture")
    digest = hashlib.sha256(b"a picture").hexdigest()
    return Media(media_type="image", source=str(file), local=True, digest=digest, format="png")


@pytest.mark.parametrize(
    ("wall_hours", "slept_hours"), [(5.0, 0.0), (-5.0, 0.0), (0.0, 5.0), (-2.0, 5.0)]
)
async def test_an_upload_of_unknown_age_is_made_anew(
    wall_hours: float, slept_hours: float, studio: Studio
) -> None:
    """A picture lives an hour at the provider: with a clock that was set, that hour may be over."""
    studio.provider = ShortUploads(SHORT_UPLOADS)
    picture = _picture(studio)
    assert studio.admit([entry("a", images=[picture])]).ok
    assert 0 == (await studio.run()).exit_code
    assert 1 == studio.shop.uploads
    _set_wall(studio, wall_hours)
    studio.clock.advance(slept_hours * HOUR_S)

    assert studio.admit([entry("b", images=[picture])]).ok
    assert 0 == (await studio.run()).exit_code

    assert (2, 2) == (studio.shop.uploads, studio.shop.submits)


async def test_an_upload_that_the_machine_slept_through_is_made_anew_before_the_intent(
    studio: Studio,
) -> None:
    """The picture was there, then the lid was closed: the request names the new one."""
    studio.provider = ShortUploads(SHORT_UPLOADS)
    studio.concurrency = 1
    studio.shop.takes_s = 3 * HOUR_S
    studio.policy = replace(studio.policy, deadline_s=9 * HOUR_S)
    picture = _picture(studio)
    assert studio.admit([entry(name, images=[picture]) for name in ("a", "b")]).ok

    assert 0 == (await studio.run()).exit_code

    assert (2, 2) == (studio.shop.uploads, studio.shop.submits)


class ShortUploads(Provider):
    """A provider whose uploads live an hour."""

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Upload in one step."""
        done = yield from super().upload(media)
        return replace(done, lifetime_s=HOUR_S) if isinstance(done, Uploaded) else done
