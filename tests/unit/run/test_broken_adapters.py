"""An adapter that breaks, in each of its functions: its own job is affected, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import Feature, Media, Offer, PricedItem
from pipeline.ledger.repository import Ledger
from pipeline.net.lane import Lane
from pipeline.providers.base import Request, Response, TaskRef
from pipeline.run.outcome import Outcome
from pipeline.run.runner import run
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.shop import LANE, OFFER, Provider

ANNEX = replace(OFFER, provider="annex", title="Annex", key_env="ANNEX_API_KEY")
BALANCED = replace(OFFER, features=OFFER.features | {Feature.BALANCE})
SEARCHED = replace(OFFER, features=frozenset({Feature.FIND, Feature.COST}))
RAISES, RETURNS_NOTHING = "raises", "returns nothing"


class Breaking(Provider):
    """Breaks in one of its functions, when it is asked about the item `bad`."""

    def __init__(self, offer: Offer, function: str, how: str) -> None:
        super().__init__(offer)
        self._task = ""
        real = getattr(self, function, None)

        def broken(*words: Any) -> Any:
            if not self._is_bad(function, words):
                return real(*words) if real else None
            if how == RAISES:
                raise KeyError("outputs")
            return None

        setattr(self, function, broken)

    def _is_bad(self, function: str, words: tuple[Any, ...]) -> bool:
        match function, words:
            case "read_submit", (Response(body=body), str()):
                return bool(json.loads(body).get("task") == "t1")
            case "status_request" | "read_status", (TaskRef(task=task), *_):
                return task == "t1"
            case "find", (_, Request(body=body), *_):
                return bool(body["prompt"] == "bad")
        return True

    def balance_request(self) -> Request:
        """Return the request for the balance; the shop takes it for a task's."""
        return Request(method="GET", path="/tasks/none")

    def read_balance(self, response: Response) -> None:
        """Read the balance; only a broken one is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A function that breaks, and how its item stands after the run."""

    function: str
    ends: str
    offer: Offer = OFFER
    script: tuple[str, ...] = ()
    images: bool = False


CASES = [
    Broken(function="read_submit", ends="in_doubt", offer=replace(SEARCHED, features=frozenset())),
    Broken(function="status_request", ends="overdue"),
    Broken(function="read_status", ends="overdue"),
    Broken(function="find", ends="in_doubt", offer=SEARCHED, script=("drop",)),
    Broken(function="upload", ends="held", images=True),
    Broken(function="balance_request", ends="done", offer=BALANCED),
    Broken(function="read_balance", ends="done", offer=BALANCED),
]


@pytest.mark.parametrize("how", [RAISES, RETURNS_NOTHING])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function)
async def test_only_its_own_job_is_affected(tmp_path: Path, case: Broken, how: str) -> None:
    """The rest of its lane and the other provider finish; nothing is bought twice; it is named."""
    studio = Studio(tmp_path, provider=Breaking(case.offer, case.function, how))
    studio.shop.script.extend(case.script)
    images = [_picture(tmp_path)] if case.images else []
    assert studio.admit(
        [entry("bad", images=images), entry("good"), _of_annex("other"), _of_annex("more")]
    ).ok
    studio.confirm_price("annex")
    if case.function not in {"balance_request", "read_balance"}:
        studio.confirm_price()

    await _run_both(studio)

    bad, good, other, more = studio.records()
    assert case.ends == bad.state
    assert ["done", "done", "done"] == [good.state, other.state, more.state]
    prompts = [task.body["prompt"] for task in studio.shop.tasks.values()]
    assert len(set(prompts)) == len(prompts)
    told = [str(event.detail.get("message", "")) for event in studio.events]
    assert any(f"the adapter of shop broke in {case.function}" in text for text in told)


@pytest.mark.parametrize("how", [RAISES, RETURNS_NOTHING])
async def test_after_a_submit_it_is_a_doubt_that_costs_nothing_twice(
    tmp_path: Path, how: str
) -> None:
    """A reply that the adapter cannot read may have been a yes: it is not sent under a new id."""
    studio = Studio(tmp_path, provider=Breaking(OFFER, "read_submit", how))
    studio.confirm_price()
    assert studio.admit([entry("bad")]).ok

    await studio.run()
    await studio.run()

    assert 1 == len(studio.shop.tasks)
    assert ["done"] == studio.states()


async def _run_both(studio: Studio) -> Outcome:
    config, parts = studio.parts()
    lane = Lane(provider="annex", key="key-2", hosts=LANE.hosts, concurrency=4, submit_per_s=1000)
    parts["providers"] = {**parts["providers"], "annex": Provider(ANNEX)}
    parts["lanes"] = {**parts["lanes"], "annex": lane}
    with Ledger.open(studio.root) as ledger:
        return await run(ledger, replace(config, campaign=CAMPAIGN), **parts)


def _of_annex(name: str) -> PricedItem:
    own = entry(name)
    return replace(own, item=replace(own.item, provider="annex"))


def _picture(folder: Path) -> Media:
    path = folder / "front.png"
    path.write_bytes(b"a picture")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Media(
        media_type="image",
        source=str(path),
        local=True,
        digest=digest,
        format="png",
        bytes=path.stat().st_size,
        width=720,
        height=1280,
    )
