"""What the sandbox was told is on disk before anybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.records import Link, Task, Upload
from pipeline.sandbox.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a new world."""
    made = World(tmp_path / "state")
    yield made
    made.close()


def _task(name: str = "t1", usd: int = 420_000) -> Task:
    return Task(
        provider="runware",
        account="key",
        id=name,
        client_id=name,
        address="spin[A1]",
        model="m",
        prompt="p",
        request={"a": [1]},
        usd=usd,
        created_at=1.0,
        ready_at=2.0,
        fate={},
        reel={"format": "mp4"},
        extra={"results": 1},
    )


def test_an_accepted_task_and_its_bill_survive(world: World) -> None:
    """Another world over the same files knows the task and what it cost."""
    assert world.accept(_task(), bill_at=1.0)

    again = World(world.root)
    assert _task() == again.task("runware", "key", "t1")
    assert 420_000 == again.billed("runware", "key")
    again.close()


def test_an_id_is_taken_once(world: World) -> None:
    """A second task with the id is refused, and nothing is billed for it."""
    world.accept(_task(), bill_at=1.0)

    assert not world.accept(_task(usd=1), bill_at=1.0)
    assert 420_000 == world.billed("runware", "key")


def test_the_end_of_a_task_is_settled_once(world: World) -> None:
    """A refund is booked the first time only."""
    world.accept(_task(), bill_at=1.0)

    world.settle(_task(), -420_000)
    world.settle(_task(), -420_000)

    assert 0 == world.billed("runware", "key")
    assert [420_000, -420_000] == [usd for *_, usd in world.bills()]


def test_time_can_be_put_forward(world: World) -> None:
    """The sandbox's clock runs ahead, after a restart too; forgetting sets it right."""
    before = world.now()
    world.put_forward(1000)
    assert 1000 == pytest.approx(world.now() - before, abs=5)

    again = World(world.root)
    assert 1000 == pytest.approx(again.now() - before, abs=5)
    again.forget()
    assert 0 == pytest.approx(again.now() - before, abs=5)
    again.close()


def test_an_upload_ends_with_its_time(world: World) -> None:
    """A medium is there until its lifetime is over, and can be renewed before."""
    upload = Upload(
        id="u1",
        provider="runware",
        account="key",
        digest="d1",
        media_type="image/png",
        name="u1.png",
        width=3,
        height=4,
        size=5,
        expires_at=world.now() + 100,
    )
    world.keep_upload(upload, b"12345")
    assert upload == world.upload("u1")
    assert b"12345" == world.upload_path("d1").read_bytes()

    world.renew_upload("u1", world.now() + 300)
    world.put_forward(200)
    assert world.upload("u1") is not None
    world.put_forward(200)
    assert world.upload("u1") is None


def test_forgetting_leaves_nothing(world: World) -> None:
    """Tasks, bills, links and leaks are gone; what was noted about the scenario stays."""
    world.accept(_task(), bill_at=1.0)
    world.keep_link(Link(token="t", provider="runware", account="key", task="t1", expires_at=1.0))
    world.keep_leak("address", "/x")
    world.keep_note("scenario", {"a": 1})

    world.forget()

    assert ([], [], []) == (world.tasks(), world.bills(), world.leaks())
    assert world.link("t") is None
    assert {"a": 1} == world.note("scenario")
