"""What the sandbox was told is on disk before anybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox.database import Database, Link, Task, Upload


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a new database."""
    made = Database(tmp_path / "state")
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


def test_an_accepted_task_and_its_bill_survive(database: Database) -> None:
    """Another database over the same files knows the task and what it cost."""
    assert database.add_task(_task(), bill_at=1.0)

    again = Database(database.root)
    assert _task() == again.task("runware", "key", "t1")
    assert 420_000 == again.bill_total("runware", "key")
    again.close()


def test_an_id_is_taken_once(database: Database) -> None:
    """A second task with the id is refused, and nothing is billed for it."""
    database.add_task(_task(), bill_at=1.0)

    assert not database.add_task(_task(usd=1), bill_at=1.0)
    assert 420_000 == database.bill_total("runware", "key")


def test_the_end_of_a_task_is_settled_once(database: Database) -> None:
    """A refund is booked the first time only."""
    database.add_task(_task(), bill_at=1.0)

    database.settle(_task(), -420_000)
    database.settle(_task(), -420_000)

    assert 0 == database.bill_total("runware", "key")
    assert [420_000, -420_000] == [usd for *_, usd in database.bills()]


def test_time_can_be_put_forward(database: Database) -> None:
    """The sandbox's clock runs ahead, after a restart too; forgetting sets it right."""
    before = database.now()
    database.advance_clock(1000)
    assert 1000 == pytest.approx(database.now() - before, abs=5)

    again = Database(database.root)
    assert 1000 == pytest.approx(again.now() - before, abs=5)
    again.clear()
    assert 0 == pytest.approx(again.now() - before, abs=5)
    again.close()


def test_an_upload_ends_with_its_time(database: Database) -> None:
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
        expires_at=database.now() + 100,
    )
    database.add_upload(upload, b"12345")
    assert upload == database.upload("u1")
    assert b"12345" == database.upload_path("d1").read_bytes()

    database.renew_upload("u1", database.now() + 300)
    database.advance_clock(200)
    assert database.upload("u1") is not None
    database.advance_clock(200)
    assert database.upload("u1") is None


def test_forgetting_leaves_nothing(database: Database) -> None:
    """Tasks, bills, links and leaks are gone; what was noted about the scenario stays."""
    database.add_task(_task(), bill_at=1.0)
    database.add_link(Link(token="t", provider="runware", account="key", task="t1", expires_at=1.0))
    database.add_leak("address", "/x")
    database.set_note("scenario", {"a": 1})

    database.clear()

    assert ([], [], []) == (database.tasks(), database.bills(), database.leaks())
    assert database.link("t") is None
    assert {"a": 1} == database.note("scenario")
