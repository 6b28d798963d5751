"""Decide which fault meets which request: the scripted ones in their order, then chaos.

What was played survives a restart of the sandbox; what chaos draws depends on the seed, the stage
and the request's address (or prompt), and not on the order in which requests arrive.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.faults import CHAOS, KINDS, Effect
from pipeline.sandbox.scenario import Chaos, Fault, Scenario, parse_scenario

_POLLS_PER_FAULT = 4
"""A task is polled often: chaos meets a poll less often than anything else."""
_SLOW_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a request is about, as far as a scenario can name it."""

    provider: str
    key: str = ""
    address: str = ""
    prompt: str = ""


class Director:
    """Holds the scenario, and what of it has been played."""

    def __init__(
        self,
        document: Mapping[str, Any],
        counts: Sequence[Sequence[int]] = (),
        *,
        keep: Callable[[Mapping[str, Any]], None] = lambda _: None,
        first: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._keep = keep
        self._first = dict(first)
        self._document: dict[str, Any] = {}
        self._counts: list[list[int]] = []
        self._draws: Counter[str] = Counter()
        self.scenario = Scenario()
        self._set(dict(document), counts)

    def replace(self, document: Mapping[str, Any]) -> None:
        """Take these parts of a scenario instead of the present ones; the others stay."""
        counts = [] if "faults" in document else self._counts
        self._set({**self._document, **document}, counts)
        self._save()

    def start_over(self) -> None:
        """Go back to the scenario the sandbox was started with; nothing has been played."""
        self._draws.clear()
        self._set(dict(self._first), [])
        self._save()

    def append(self, faults: Sequence[Any]) -> None:
        """Play these faults too, after those there are."""
        present = list(self._document.get("faults", ()))
        self._set({**self._document, "faults": [*present, *faults]}, self._counts)
        self._save()

    def as_data(self) -> dict[str, Any]:
        """Return the scenario as a document, with how often each fault was met and played."""
        return {"document": self._document, "counts": self._counts}

    def strike(self, stage: str, effects: frozenset[Effect], subject: Subject) -> Fault | None:
        """Return the fault that meets this request, if any, and count it as played."""
        if not self.scenario.faults and self.scenario.chaos is None:
            return None
        return self._scripted(stage, effects, subject) or self._drawn(stage, effects, subject)

    def _set(self, document: dict[str, Any], counts: Sequence[Sequence[int]]) -> None:
        self.scenario = parse_scenario(document)
        self._document = document
        kept = [list(pair) for pair in counts]
        self._counts = kept + [[0, 0] for _ in self.scenario.faults[len(kept) :]]

    def _save(self) -> None:
        self._keep(self.as_data())

    def _scripted(self, stage: str, effects: frozenset[Effect], subject: Subject) -> Fault | None:
        for fault, count in zip(self.scenario.faults, self._counts, strict=True):
            waits = fault.times is None or count[1] < fault.times
            if not (waits and fault.stage == stage and fault.kind.effect in effects):
                continue
            if not fault.meets(
                provider=subject.provider,
                address=subject.address,
                prompt=subject.prompt,
                key=subject.key,
            ):
                continue
            count[0] += 1
            plays = count[0] > fault.after
            count[1] += plays
            self._save()
            if plays:
                return fault
        return None

    def _drawn(self, stage: str, effects: frozenset[Effect], subject: Subject) -> Fault | None:
        chaos = self.scenario.chaos
        if chaos is None:
            return None
        menu = _menu(chaos, stage)
        names = [name for name in menu if KINDS[name].effect in effects]
        if not names:
            return None
        whom = f"{stage}:{names[0]}:{subject.address or subject.prompt}"
        self._draws[whom] += 1
        chance = random.Random(f"{chaos.seed}:{whom}:{self._draws[whom]}")  # noqa: S311 - a drill
        rate = chaos.rate / _POLLS_PER_FAULT if stage == "status" else chaos.rate
        # A request is looked at once for its reply and once for its task's fate: they share.
        if chance.random() >= rate * len(names) / len(menu):
            return None
        return _improvise(chance.choice(names), stage, chance)


def _menu(chaos: Chaos, stage: str) -> list[str]:
    usual = CHAOS.get(stage, ())
    asked_for = sorted(name for name in chaos.faults - {*usual} if KINDS[name].stages[0] == stage)
    return [name for name in usual if name in chaos.faults] + asked_for


def _improvise(name: str, stage: str, chance: random.Random) -> Fault:
    options = dict(KINDS[name].options)
    if name == "slow":
        options["seconds"] = _SLOW_S
    if name == "throttled" and chance.random() < 1 / 2:
        options["retry_after"] = 1
    return Fault(name=name, stage=stage, options=options)
