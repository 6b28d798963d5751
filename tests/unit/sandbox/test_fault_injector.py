"""The injector plays faults in their order, as often as told, and remembers."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.faults import Effect, Subject
from pipeline.sandbox.scenario import FaultInjector

REPLIES = frozenset({Effect.INSTEAD, Effect.AFTER})
FATES = frozenset({Effect.FATE})


def _names(injector: FaultInjector, count: int, **about: str) -> list[str]:
    subject = Subject(provider="runware", **about)
    found = [injector.pick("submit", REPLIES, subject) for _ in range(count)]
    return [fault.name if fault else "" for fault in found]


def test_faults_play_in_their_order() -> None:
    """Each plays as often as it says, then the next one does, then nothing."""
    injector = FaultInjector({"faults": [{"fault": "error", "times": 2}, "drop"]})

    assert ["error", "error", "drop", ""] == _names(injector, 4)


def test_a_fault_may_wait() -> None:
    """`after` lets that many matching requests pass first."""
    injector = FaultInjector({"faults": [{"fault": "drop", "after": 2}]})

    assert ["", "", "drop", ""] == _names(injector, 4)


def test_a_fault_meets_only_whom_it_names() -> None:
    """Other prompts, keys, providers and stages pass."""
    injector = FaultInjector({"faults": [{"fault": "drop", "prompt": "Red", "times": "always"}]})

    assert [""] == _names(injector, 1, prompt="a blue shoe")
    assert ["drop"] == _names(injector, 1, prompt="a red shoe")
    assert injector.pick("status", REPLIES, Subject(provider="runware", prompt="red")) is None
    assert injector.pick("submit", FATES, Subject(provider="runware", prompt="red")) is None


def test_what_was_played_is_kept() -> None:
    """A injector made from what another one kept goes on where that one stopped."""
    kept: list[Any] = []
    injector = FaultInjector({"faults": [{"fault": "drop", "times": 3}]}, save=kept.append)
    _names(injector, 2)

    second = FaultInjector(kept[-1]["document"], kept[-1]["counts"])

    assert ["drop", ""] == _names(second, 2)


def test_faults_can_be_added_while_others_play() -> None:
    """Appending keeps the counts of those before; replacing begins anew."""
    injector = FaultInjector({"faults": ["drop"]})
    _names(injector, 1)

    injector.append(["error"])
    assert ["error", ""] == _names(injector, 2)

    injector.replace({"faults": ["drop"]})
    assert ["drop", ""] == _names(injector, 2)


def test_chaos_depends_on_its_seed_and_not_on_the_order() -> None:
    """The same requests meet the same faults, whichever of them comes first."""
    addresses = [f"spin[{number}]" for number in range(200)]

    def draw(seed: int, order: list[str]) -> dict[str, list[str]]:
        injector = FaultInjector({"chaos": 0.2, "seed": seed})
        return {address: _names(injector, 2, address=address) for address in order}

    assert draw(1, addresses) == draw(1, addresses[::-1])
    assert draw(1, addresses) != draw(2, addresses)


def test_chaos_strikes_about_as_often_as_told() -> None:
    """A rate of 0.2 meets about a fifth of all submits, counting what becomes of their tasks."""
    injector = FaultInjector({"chaos": 0.2, "seed": 3})
    struck = 0
    for number in range(2000):
        subject = Subject(provider="runware", address=f"spin[{number}]")
        struck += injector.pick("submit", REPLIES, subject) is not None
        struck += injector.pick("submit", FATES, subject) is not None

    assert 330 < struck < 470
