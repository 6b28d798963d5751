"""A gateway that is down for minutes: the brake holds the lane, and doubts go on being settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from pipeline.domain import EMPTY, Feature, Policy
from pipeline.errors import NoReply
from pipeline.net.lane import Lane
from pipeline.providers.base import Request, Response
from tests.unit.run.campaign import Studio
from tests.unit.run.shop import OFFER, Provider, Shop

OUTAGE_S = 480.0
BY_ID = replace(OFFER, features=frozenset({Feature.IDEMPOTENT, Feature.COST}))


@dataclass
class DownShop(Shop):
    """A shop behind a gateway that answers most submits with an error, until its outage ends."""

    until_s: float = OUTAGE_S
    share: float = 0.7
    """Of the submits that go wrong; half of them have arrived."""

    def __post_init__(self) -> None:
        self.chance = Random(14)  # noqa: S311 - the same outage in each run

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Take it, or lose it, or lose the reply alone."""
        if self.clock.monotonic() >= self.until_s or self.chance.random() >= self.share:
            return await super().submit(lane, request, headers, may_send=may_send)
        if self.chance.random() < 1 / 2:
            await super().submit(lane, request, headers, may_send=may_send)
        raise NoReply("502 Bad Gateway")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio with the brake on, whose shop knows ids for ten minutes and is down."""
    found = Studio(tmp_path, provider=Provider(BY_ID), policy=Policy(stop_same_cause=3))
    found.shop = DownShop(found.clock)
    found.confirm_price()
    return found


def _names(number: int) -> list[str]:
    return [f"n{each}" for each in range(number)]


@pytest.mark.parametrize("share", [0.7, 1.0])
async def test_doubts_are_settled_while_the_brake_holds_the_lane(
    share: float, studio: Studio
) -> None:
    """40 items, 8 minutes: the lane stops, no doubt is left, and the next run makes the rest.

    Where every request is lost the run waits to the outage's end; else some get through before.
    """
    studio.shop = DownShop(studio.clock, share=share)
    first = await studio.make(*_names(40))
    left = studio.states()

    assert "in_doubt" not in left
    assert 0 < left.count("held")
    assert {"shop"} == first.stopped.keys()
    assert studio.clock.monotonic() >= OUTAGE_S * (share == 1.0)
    studio.clock.advance(OUTAGE_S)

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert ["done"] * 40 == studio.states()
    assert 40 == len(studio.shop.tasks)
    assert outcome.committed_usd == studio.shop.billed


async def test_the_same_doubt_is_told_once(studio: Studio) -> None:
    """A task is sent again and again for eight minutes: what is said of it is said once."""
    studio.shop = DownShop(studio.clock, share=1.0)

    await studio.make("a")

    assert studio.shop.submits < 40
    assert 1 == [event.name for event in studio.events].count("still_in_doubt")
    assert ["done"] == studio.states()


async def test_an_outage_longer_than_the_ids_live_leaves_doubts(studio: Studio) -> None:
    """After ten minutes nothing is sent again: a person decides."""
    studio.shop = DownShop(studio.clock, until_s=3600.0, share=1.0)

    outcome = await studio.make(*_names(10))

    assert 13 == outcome.exit_code
    assert 3 <= studio.states().count("in_doubt") <= 4
    assert studio.clock.monotonic() < 700.0


async def test_a_key_that_is_refused_meanwhile_ends_the_sending(studio: Studio) -> None:
    """Only the brake lets doubts go on: a key that is refused settles nothing."""
    studio.shop = Shop(studio.clock)
    studio.shop.script.extend(["lost", "lost", "unauthorised"])

    outcome = await studio.make("a")

    assert 13 == outcome.exit_code
    assert 3 == studio.shop.submits


async def test_a_doubt_that_is_settled_at_once_does_not_stop_a_lane(studio: Studio) -> None:
    """Every reply is lost and every second send finds the task: that is no outage."""
    studio.shop = Shop(studio.clock)
    studio.shop.script.extend(["drop", "ok"] * 20)
    studio.concurrency = 1

    outcome = await studio.make(*_names(20))

    assert 0 == outcome.exit_code
    assert 20 == len(studio.shop.tasks)


async def test_old_doubts_of_another_run_do_not_stop_the_lane(tmp_path: Path) -> None:
    """What was left undecided says nothing new of the provider: the rest is made."""
    offer = replace(OFFER, features=frozenset({Feature.COST}))
    studio = Studio(tmp_path, provider=Provider(offer))
    studio.confirm_price()
    studio.shop.script.extend(["lost"] * 8)
    await studio.make(*_names(8))
    assert 8 == studio.states().count("in_doubt")
    studio.policy = Policy()

    outcome = await studio.make(*_names(12))

    assert 13 == outcome.exit_code
    assert 4 == studio.states().count("done")
    assert not outcome.stopped
