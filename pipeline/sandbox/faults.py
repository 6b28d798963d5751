"""Every way the sandbox can misbehave, by name: where it may happen, when it strikes, its options.

They stand in `schemas/scenario.schema.json`, where a scenario is checked against them and the
reference page (docs/sandbox.md) is made from them. Stages are the four things a client does:
submit, status, upload, download. What becomes of a task later (refused, stuck, off spec) is decided
when it is submitted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.schemas import schema

STAGES = ("submit", "status", "upload", "download")


class Effect(StrEnum):
    """When a fault strikes."""

    INSTEAD = "instead"
    """Before anything is done: the request has no effect."""
    AFTER = "after"
    """The request was carried out, its reply goes wrong."""
    WORD = "word"
    """The reply to a status request says something else."""
    FATE = "fate"
    """The task is accepted, and ends differently."""
    BYTES = "bytes"
    """The download goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultType:
    """One way to misbehave; the first stage is the one meant when a scenario names none."""

    effect: Effect
    stages: tuple[str, ...]
    summary: str
    options: Mapping[str, Any]
    """Option to its default; None stands for "as the sandbox sees fit"."""


FAULT_TYPES: Mapping[str, FaultType] = {
    name: FaultType(
        effect=Effect(rules["effect"]),
        stages=tuple(rules["properties"]["stage"]["enum"]),
        summary=rules["description"],
        options={
            option: rule["default"]
            for option, rule in rules["properties"].items()
            if option != "stage"
        },
    )
    for name, rules in schema("scenario")["$defs"]["faults"].items()
}
# What chaos draws from unless the scenario says otherwise.
#
# Left out are what stops a whole lane (no-credit, bad-key), what lasts longer than a rehearsal
# (stuck, hang), and what cannot be cured by asking again (off spec).
CHAOS: Mapping[str, tuple[str, ...]] = {
    stage: tuple(names) for stage, names in schema("scenario")["chaosDraws"].items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a request is about, as far as a scenario can name it."""

    provider: str
    key: str = ""
    address: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """One line of a scenario: what happens, to whom, how often."""

    name: str
    stage: str
    provider: str = ""
    address: str = ""
    prompt: str = ""
    key: str = ""
    times: int | None = 1
    """How often it plays; None: always."""
    after: int = 0
    """How many matching requests pass first."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def effect(self) -> Effect:
        """Return when it strikes."""
        return FAULT_TYPES[self.name].effect

    def matches(self, subject: Subject) -> bool:
        """Tell whether a request is one this fault waits for; `*` and `?` work in addresses."""
        # Not fnmatch: the brackets of an address are plain text.
        wild = re.escape(self.address).replace(r"\*", ".*").replace(r"\?", ".")
        return (
            self.provider in {"", subject.provider}
            and self.key in {"", subject.key}
            and (not self.address or re.fullmatch(wild, subject.address, re.DOTALL) is not None)
            and self.prompt.casefold() in subject.prompt.casefold()
        )
