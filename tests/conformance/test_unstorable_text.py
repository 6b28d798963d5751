"""Text of a provider that a database cannot hold: it ends no run, and no answer is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.states import FaultKind
from pipeline.providers import PROVIDERS
from pipeline.providers.base import (
    Accepted,
    Done,
    Failed,
    Fault,
    Provider,
    Response,
    TaskRef,
    TaskState,
    Unknown,
    Uploaded,
)
from pipeline.sandbox.dialects import DIALECTS
from tests.conformance.broken import Faithful
from tests.conformance.scenarios import patient
from tests.conformance.stage import Stage
from tests.postgresql import PlaceLedger
from tests.sandboxes import Sandbox

WITNESSED = [name for name in PROVIDERS if name in DIALECTS]
ODD = "bad\0\ud800x"
WRITTEN = r"bad\u0000\ud800x"


def _stage(adapter: Provider, sandbox: Sandbox, root: Path, place_ledger: PlaceLedger) -> Stage:
    place_ledger(root)
    return patient(Stage(provider=adapter, sandbox=sandbox, root=root))


@pytest.mark.parametrize("provider", WITNESSED)
async def test_why_a_task_failed_may_have_a_nul(
    provider: str, sandbox: Sandbox, tmp_path: Path, place_ledger: PlaceLedger
) -> None:
    """PostgreSQL has no such character in a text: it is written out, as it stood in the reply."""
    stage = _stage(PROVIDERS[provider], sandbox, tmp_path / "root", place_ledger)
    sandbox.play("failed", message="bad\0x")

    played = await stage.play(*stage.items(2))

    assert ["done", "failed"] == played.states
    (failed,) = (record for record in played.records if record.state == "failed")
    assert r"bad\u0000x" in failed.message


class OddWords(Faithful):
    """An adapter that hands on what no database holds, wherever it hands on a text."""

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Have an odd word first, and an odd seed at last."""
        match super().read_status(task, response):
            case Done() as done:
                return replace(done, seed=ODD)
            case Failed() as failed:
                return replace(failed, seed=ODD, fault=replace(failed.fault, message=ODD, code=ODD))
            case _:
                return Unknown(word=ODD)


class OddRefusal(Faithful):
    """An adapter that reads an odd reason from a refusal."""

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Refuse for good what was not taken."""
        del response, client_id
        return Fault(kind=FaultKind.REJECTED, message=ODD, accepted=False)


class OddTask(Faithful):
    """An adapter that takes any text for a task's id."""

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Name a task that nobody can ask for."""
        del response, client_id
        return Accepted(task=ODD)


async def test_what_an_adapter_of_another_package_says_is_written_out(
    sandbox: Sandbox, tmp_path: Path, place_ledger: PlaceLedger
) -> None:
    """Messages, seeds and words: no rule of ours was asked where it read them."""
    stage = _stage(OddWords(PROVIDERS["runware"]), sandbox, tmp_path / "root", place_ledger)
    sandbox.play("failed")

    played = await stage.play(*stage.items(2))

    assert ["done", "failed"] == played.states
    assert {WRITTEN} == {record.seed for record in played.records}
    assert {"", WRITTEN} == {record.message for record in played.records}


async def test_a_refusal_with_a_nul_is_one(
    sandbox: Sandbox, tmp_path: Path, place_ledger: PlaceLedger
) -> None:
    """It is known that nothing was taken: no doubt is left."""
    stage = _stage(OddRefusal(PROVIDERS["evolink"]), sandbox, tmp_path / "root", place_ledger)

    played = await stage.play(stage.item(1))

    (record,) = played.records
    assert ("failed", "rejected", WRITTEN) == (record.state, record.cause, record.message)


async def test_a_task_id_with_a_nul_leaves_a_doubt(
    sandbox: Sandbox, tmp_path: Path, place_ledger: PlaceLedger
) -> None:
    """An id is nothing to be written otherwise: no task can be asked for by it."""
    stage = _stage(OddTask(PROVIDERS["evolink"]), sandbox, tmp_path / "root", place_ledger)

    played = await stage.play(stage.item(1))

    assert ["in_doubt"] == played.states
    assert WRITTEN in played.records[0].message


@pytest.mark.parametrize(
    "make", [lambda: Accepted(task=ODD), lambda: Uploaded(uri=ODD)], ids=["task", "address"]
)
def test_a_name_that_cannot_be_kept_is_an_adapters_fault(make: Callable[[], object]) -> None:
    """It says what is wrong with it."""
    with pytest.raises(ValueError, match=r"bad\\u0000"):
        make()
