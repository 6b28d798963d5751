"""The broken adapters are broken: each differs from the real one exactly where it says."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import pytest

from pipeline.domain import Kind
from pipeline.providers import schema_registry
from pipeline.providers.base import CLIENT_ID, Finds, Provider, Request, TaskRef
from pipeline.providers.registry import PROVIDERS
from tests.conformance import broken
from tests.recordings import load, names, reply
from tests.unit.providers.reading import answered, read
from tests.unit.providers.samples import item

CASES = [(name, one) for name, found in sorted(broken.BROKEN.items()) for one in found]
KEYS = {"submit-key-in-progress", "submit-key-indeterminate", "submit-key-reused"}
DIFFERS: dict[tuple[str, type[broken.Faithful]], set[str]] = {
    ("apimart", broken.ForgetsTheKey): {"std", "pro"},
    ("apimart", broken.TakesBusyForNo): KEYS,
    ("apimart", broken.QuotesTheSeconds): {"std", "pro"},
    ("evolink", broken.SwapsTheFrames): {"pro"},
    ("inference", broken.ReadsNumbers): {
        "status-completed",
        "status-completed-uri",
        "status-failed-ten",
    },
    ("inference", broken.HandsOutTwice): {"find-known"},
    ("runware", broken.NewIdPerAttempt): {"std", "pro", "submit-other-task"},
    ("runware", broken.ForgetsTheCost): {"std", "pro"},
    ("runware", broken.ForgetsTheModel): {"std"},
    ("runware", broken.LeavesDoubts): {"find-found", "submit-conflict"},
    ("unifically", broken.ReadsStatusAlone): {"submit-not-a-success"},
    ("unifically", broken.PollsPastFailure): {"status-failed-400"},
    ("unifically", broken.BuysADryRun): {"std", "pro"},
}


def behaviour(provider: Provider) -> dict[str, Any]:
    """Return what an adapter makes of every recording, and of an item in each mode."""
    name = provider.offer.provider
    task: TaskRef = import_module(f"tests.unit.providers.expected.{name}").TASK
    said: dict[str, Any] = {one: read(provider, one, task) for one in names(name)}
    if name == "inference":
        said["find-known"] = _found_though_known(provider, task)
    kind = Kind.TEXT if Kind.TEXT in provider.offer.models["kling-o1"] else Kind.FRAMES
    for mode in provider.offer.models["kling-o1"][kind].modes:
        request = provider.submit_request(item(kind, name, mode=mode), {})
        said[mode] = (request.headers, request.body)
    return said


def _found_though_known(provider: Provider, task: TaskRef) -> Any:
    """Return what a look-up says of a task that belongs to another job."""
    sent = Request(method="POST", path="/", body=load("inference", "find-found")["settles"])
    steps = cast("Finds", provider).find("", sent, since=0.0, known=(task.task,))
    return answered(steps, reply("inference", "find-found"))


@pytest.mark.parametrize(("name", "make"), CASES)
def test_a_broken_adapter_breaks_something_it_is_known_for(
    name: str, make: type[broken.Faithful]
) -> None:
    """It differs from the real one, and where one reading is meant, nowhere else."""
    real = behaviour(broken.Faithful(PROVIDERS[name]))
    found = behaviour(make(PROVIDERS[name]))

    differing = {one for one in real if real[one] != found[one]}
    assert differing
    assert differing == DIFFERS.get((name, make), differing)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_the_wrapper_itself_breaks_nothing(name: str) -> None:
    """The control differs in no recording and no request."""
    assert behaviour(PROVIDERS[name]) == behaviour(broken.Faithful(PROVIDERS[name]))


def test_the_one_with_ids_of_its_own_never_writes_the_ledgers() -> None:
    """Two requests for one item differ, and neither has room for the client id."""
    found = broken.NewIdPerAttempt(PROVIDERS["runware"])

    ids = {found.submit_request(item(), {}).body[0]["taskUUID"] for _ in range(2)}

    assert 2 == len(ids)
    assert CLIENT_ID not in ids


@pytest.mark.parametrize(
    ("name", "make", "word"),
    [
        ("runware", broken.ForgetsTheCost, "includeCost"),
        ("unifically", broken.BuysADryRun, "dry_run"),
        ("apimart", broken.QuotesTheSeconds, "duration"),
    ],
)
def test_the_closed_schema_catches_some_of_it(
    name: str, make: type[broken.Faithful], word: str
) -> None:
    """Some breakage never reaches the network."""
    body = make(PROVIDERS[name]).submit_request(item(Kind.TEXT, name), {}).body

    assert word in str(schema_registry.schema_error(name, "kling-o1", body))


def test_every_broken_adapter_is_listed() -> None:
    """The suite runs over the lists: what is on none is not caught."""
    classes = {
        found
        for found in vars(broken).values()
        if isinstance(found, type) and issubclass(found, broken.Faithful)
    }

    assert classes - {broken.Faithful} == {one for _, one in CASES}
    assert set(broken.BROKEN) == set(PROVIDERS)
